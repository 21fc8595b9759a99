//! The table of what the case studies name, against the files and scenarios it points at.

use std::collections::BTreeMap;
use std::path::Path;

/// How many rows there are of each letter.
const IDS: [(char, usize); 5] = [('N', 24), ('C', 25), ('D', 22), ('P', 40), ('E', 20)];

const STATES: [&str; 4] = ["yes", "partly", "later", "documented"];

struct Row<'a> {
    id: &'a str,
    state: &'a str,
    /// What is missing, or why it is not built.
    reason: &'a str,
    places: Vec<&'a str>,
    shown_by: Vec<&'a str>,
}

/// What stands between backticks.
fn paths(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

fn rows(table: &str) -> Vec<Row<'_>> {
    let lines = table.lines().filter(|line| line.starts_with("| "));
    lines
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [id, _, state, places, shown_by] = cells[..] else {
                panic!("five cells, not {}: {line}", cells.len());
            };
            let (state, reason) = state.split_once(": ").unwrap_or((state, ""));
            let (places, shown_by) = (paths(places), paths(shown_by));
            Row {
                id,
                state,
                reason,
                places,
                shown_by,
            }
        })
        .collect()
}

/// Whether it is a scenario of the library, or `FILE::NAME`, a test that stands in the file.
fn shows(shown: &str, root: &Path) -> bool {
    let Some((file, name)) = shown.split_once("::") else {
        return shown.starts_with("scenarios/library/") && root.join(shown).is_file();
    };
    let Ok(text) = std::fs::read_to_string(root.join(file)) else {
        return false;
    };
    let Some((before, _)) = text.split_once(&format!("fn {name}(")) else {
        return false;
    };
    // Between it and the end of what stands before it.
    let attributes = before.rsplit(['}', ';', '{']).next().unwrap_or_default();
    attributes.contains("test]") || attributes.contains("test(")
}

/// What is wrong with a table: of ids, of states, of what it points at, of its sums.
fn flaws(page: &str, root: &Path) -> Vec<String> {
    let rows = rows(page);
    let mut flaws = Vec::new();
    let ids = IDS.iter().flat_map(|(letter, count)| {
        let numbers = 1..=*count;
        numbers.map(move |number| format!("{letter}{number:02}"))
    });
    let ids: Vec<String> = ids.collect();
    if !rows.iter().map(|row| row.id).eq(ids.iter()) {
        flaws.push("each id once and in order".to_owned());
    }
    let mut sums: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &rows {
        *sums.entry(row.state).or_default() += 1;
        if !STATES.contains(&row.state) {
            flaws.push(format!("{}: no state: {}", row.id, row.state));
        }
        if row.state == "yes" && (row.places.is_empty() || row.shown_by.is_empty()) {
            flaws.push(format!("{}: yes needs a file and what shows it", row.id));
        }
        if ["partly", "later"].contains(&row.state) && row.reason.is_empty() {
            flaws.push(format!("{}: {} needs a reason", row.id, row.state));
        }
        let places = row.places.iter().filter(|path| !root.join(path).is_file());
        let shown = row.shown_by.iter().filter(|shown| !shows(shown, root));
        flaws.extend(places.map(|path| format!("{}: there is no {path}", row.id)));
        flaws.extend(shown.map(|shown| format!("{}: {shown} shows nothing", row.id)));
    }
    let sums = STATES.map(|state| format!("{} {state}", sums.get(state).unwrap_or(&0)));
    let told = format!("Of {}: {}.", rows.len(), sums.join(", "));
    if !page.contains(&told) {
        flaws.push(format!("the sum is: {told}"));
    }
    flaws
}

#[test]
fn the_table_of_what_the_case_studies_name_is_true() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(root.join("reference-system/SEEDS.md")).unwrap();
    assert_eq!(flaws(&page, &root), Vec::<String>::new());
}

/// Each way to be wrong is found, in rows that are right otherwise.
#[test]
fn a_table_that_is_wrong_is_told_so() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(root.join("reference-system/SEEDS.md")).unwrap();
    let this = "reference-system/backend/src/tests/seeds.rs";
    let row = |state: &str, places: &str, shown: &str| {
        let lines = page.lines().map(|line| match line.starts_with("| P01 |") {
            true => format!("| P01 | calls | {state} | `{places}` | `{shown}` |"),
            false => line.to_owned(),
        });
        let lines: Vec<String> = lines.collect();
        flaws(&lines.join("\n"), &root).join("\n")
    };
    let test = format!("{this}::a_table_that_is_wrong_is_told_so");
    assert_eq!(row("yes", this, &test), "");
    assert_eq!(row("yes", this, "scenarios/library/hung-rows.yaml"), "");
    for (state, places, shown, said) in [
        (
            "yes",
            "reference-system/lost.rs",
            test.as_str(),
            "there is no",
        ),
        ("yes", "reference-system", &test, "there is no"),
        ("yes", this, "scenarios/library/lost.yaml", "shows nothing"),
        (
            "yes",
            this,
            "scenarios/systems/reference.yaml",
            "shows nothing",
        ),
        ("yes", this, this, "shows nothing"),
        ("yes", this, &format!("{this}::lost"), "shows nothing"),
        ("yes", this, &format!("{this}::shows"), "shows nothing"),
        ("partly", this, &test, "partly needs a reason"),
        ("later", this, &test, "later needs a reason"),
        ("done", this, &test, "no state: done"),
        ("later: why", this, &test, "the sum is"),
    ] {
        let told = row(state, places, shown);
        assert!(told.contains(said), "{state} {places} {shown}: {told}");
    }
    let bare = page.replace("| P01 |", "| P01 | calls | yes | – | – |\n| P02 |");
    let told = flaws(&bare, &root).join("\n");
    assert!(told.contains("each id once"), "{told}");
    assert!(told.contains("P01: yes needs a file"), "{told}");
}
