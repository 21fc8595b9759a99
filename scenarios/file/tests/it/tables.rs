//! Data in files beside the scenario.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test it helps"
)]

use squall_scenario_file::{ParseOptions, Source, parse_scenario};

/// Names of data with their values.
type Data = Vec<(String, Vec<String>)>;

/// What is said of a scenario whose data stands in `accounts.csv`, and its data.
fn read(request: &str) -> (String, Option<Data>) {
    let folder = tempfile::tempdir().unwrap();
    let table = "user,password\n1,\"a, b\"\n2,c\n";
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
    let said = checked.render(false);
    let data = checked.value.map(|scenario| {
        let data = scenario.load.data.into_iter();
        let values = |source: squall_scenario::DataSource| source.choices().unwrap().to_vec();
        data.map(|(name, source)| (name, values(source))).collect()
    });
    (said, data)
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
