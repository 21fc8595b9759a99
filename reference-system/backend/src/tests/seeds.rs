//! The table of what the case studies name, against the files and scenarios it points at.

use std::collections::BTreeMap;
use std::path::Path;

/// How many rows there are of each letter.
const IDS: [(char, usize); 5] = [('N', 24), ('C', 25), ('D', 22), ('P', 40), ('E', 20)];

const STATES: [&str; 4] = ["yes", "partly", "later", "documented"];

struct Row<'a> {
    id: &'a str,
    state: &'a str,
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
            let state = state.split([':', ' ']).next().unwrap();
            let (places, shown_by) = (paths(places), paths(shown_by));
            Row {
                id,
                state,
                places,
                shown_by,
            }
        })
        .collect()
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
        let missing = row.places.iter().chain(&row.shown_by);
        let missing = missing.filter(|path| !root.join(path).exists());
        flaws.extend(missing.map(|path| format!("{}: there is no {path}", row.id)));
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
    // And it would say so if it were not.
    let broken = [
        ("| N02 |", "| N03 |", "each id once"),
        ("| yes |", "| done |", "no state: done"),
        (
            "`scenarios/library/",
            "`scenarios/lost/",
            "there is no scenarios/lost/",
        ),
        (" yes, ", " yes or so, ", "the sum is"),
    ];
    for (of, with, said) in broken {
        let flaws = flaws(&page.replace(of, with), &root);
        assert!(
            flaws.iter().any(|flaw| flaw.contains(said)),
            "{with}: {flaws:?}"
        );
    }
    let unshown = page.lines().map(|line| match line.contains("| N02 |") {
        true => "| N02 | outages | yes | `Cargo.toml` | – |",
        false => line,
    });
    let flaws = flaws(&unshown.collect::<Vec<_>>().join("\n"), &root);
    assert_eq!(flaws, ["N02: yes needs a file and what shows it"]);
}
