//! Data in files beside the scenario.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test it helps"
)]

use squall_scenario::{DataSource, Scenario};
use squall_scenario_file::{ParseOptions, Source, parse_scenario};

/// Names of data with their values.
type Data = Vec<(String, Vec<String>)>;

const TABLE: &str = "user,password\n1,\"a, b\"\n2,c\n";

/// What is said of a scenario whose data stands in `accounts.csv`, and its data.
fn read(request: &str) -> (String, Option<Data>) {
    let (said, scenario) = read_of(request, TABLE);
    let data = scenario.map(|scenario| {
        let data = scenario.load.data.into_iter();
        let values = |source: DataSource| source.choices().unwrap().to_vec();
        data.map(|(name, source)| (name, values(source))).collect()
    });
    (said, data)
}

/// The same of another table, and the scenario.
fn read_of(request: &str, table: &str) -> (String, Option<Scenario>) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("accounts.csv"), table).unwrap();
    let text = format!(
        "version: 1
name: example
target: http://127.0.0.1:8080
load:
  shape: [ {{ hold: {{ rate: 100/s, for: 60s }} }} ]
  requests: [ \"GET {request}\" ]
  data: {{ account: {{ file: {{ path: accounts.csv, order: in turn }} }} }}
  users: account.user
slo: [ {{ during: whole run, expect: [ success >= 90% ] }} ]
"
    );
    let name = folder.path().join("shop.yaml").display().to_string();
    let none = |_: &str| None;
    let checked = parse_scenario(&Source::new(name, text), &ParseOptions::new(&none));
    (checked.render(false), checked.value)
}

#[test]
fn other_values_are_another_scenario_and_none_is_recorded() {
    let of = |table| read_of("/$account.user", table).1.unwrap();
    let [is, same, other] = [TABLE, TABLE, "user,password\n1,\"a, b\"\n2,d\n"].map(of);
    assert_eq!(is, same);
    assert_ne!(is, other);
    let recorded = serde_json::to_string(&is).unwrap();
    assert!(!recorded.contains("a, b"), "{recorded}");
    let read: Scenario = serde_json::from_str(&recorded).unwrap();
    assert_eq!(read, is);
    assert_ne!(read, other);
}

#[test]
fn every_column_of_a_table_is_data() {
    let (said, data) = read("/$account.user/$account.password");
    let column = |name: &str, values: [&str; 2]| {
        let values = values.map(str::to_owned).to_vec();
        (format!("account.{name}"), values)
    };
    let expected = vec![
        column("user", ["1", "2"]),
        column("password", ["a, b", "c"]),
    ];
    assert_eq!((said.as_str(), data), ("", Some(expected)));
}

#[test]
fn a_column_that_is_not_there_is_pointed_at() {
    let (said, data) = read("/$account.usr");
    assert!(data.is_none());
    assert!(
        said.contains("S0121") && said.contains("did you mean `$account.user`?"),
        "{said}"
    );
    let (said, _) = read("/$account");
    let help = "write one of its columns: `$account.user` and `$account.password`";
    assert!(said.contains("S0121") && said.contains(help), "{said}");
}
