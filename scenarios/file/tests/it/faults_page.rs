//! `docs/faults.md` says of every fault what its kind declares.
//! `SQUALL_BLESS=1` writes it.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test it helps"
)]

use std::fmt::Write as _;

use squall_scenario_file::{FaultParameter, FaultReference, fault_reference};

const INTRO: &str = "# The faults

Written by `cargo test` from what each kind says of itself; `squall faults NAME` shows the
same, and `squall doctor` says what this machine can do.

A fault of a scenario says what is done, to whom, from when and for how long:

```yaml
faults:
  - name: slow payments
    at: 15s
    inject: { delay: { by: 800ms } }
    into: payments            # a process, an instance, a link, a group, `any 1 of` these
    share: 20% of connections # faults on bytes only; all of them when absent
    for: 20s
```

Every fault is proven before its window opens and proven to be gone when it is over; what
could not be seen is no effect, and a run whose fault had none is inconclusive. What would
outlast squall is on disk before it is done, and is undone by the guardian when squall is
killed, or by `squall recover`.

Processes that squall did not start stand under `existing` and are hit only where the
command line allows each by name:

```yaml
existing:
  postgres: { port: 5432 }             # or unit, pid_file, command
faults:
  - { name: database hangs, at: 15s, inject: pause, into: postgres, for: 5s }
```

```sh
squall run scenario.yaml --allow-process postgres
```

Such a fault reaches all that the process started and its process group. Where squall
itself or a shell at a terminal is among them, it is refused: start squall apart from the
service, not behind it in one pipeline.
";

fn page() -> String {
    let mut page = INTRO.to_owned();
    let all = fault_reference();
    let mut surfaces: Vec<&str> = all.iter().map(|fault| fault.acts_on).collect();
    surfaces.dedup();
    for surface in surfaces {
        let title = surface[..1].to_uppercase() + &surface[1..];
        writeln!(page, "\n## On {}", title.to_lowercase()).unwrap();
        for fault in all.iter().filter(|fault| fault.acts_on == surface) {
            describe(fault, &mut page);
        }
    }
    page
}

fn describe(fault: &FaultReference, page: &mut String) {
    writeln!(page, "\n### `{}`\n\n{}", fault.name, fault.about).unwrap();
    if !fault.also_called.is_empty() {
        let others = fault.also_called.join("`, `");
        writeln!(page, "Elsewhere called `{others}`.").unwrap();
    }
    if !fault.parameters.is_empty() {
        page.push_str(
            "\n| parameter | what it means | values | when absent |\n|---|---|---|---|\n",
        );
        fault.parameters.iter().for_each(|one| row(one, page));
    }
    writeln!(page, "\n```yaml\n{}\n```\n", fault.example).unwrap();
    writeln!(page, "- Verified: {}", fault.verified).unwrap();
    writeln!(page, "- Undone: {}", fault.undone).unwrap();
}

fn row(parameter: &FaultParameter, page: &mut String) {
    let values = match parameter.values.as_slice() {
        [example] => format!("`{example}`"),
        words => format!("`{}`", words.join("`, `")),
    };
    let absent = match (&parameter.default, parameter.required) {
        (Some(default), _) => format!("`{default}`"),
        (None, true) => "it has to be there".to_owned(),
        (None, false) => String::new(),
    };
    let (name, about) = (parameter.name, parameter.about.replace('|', "\\|"));
    writeln!(page, "| `{name}` | {about} | {values} | {absent} |").unwrap();
}

#[test]
fn the_page_of_faults_is_what_they_declare() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/faults.md");
    let page = page();
    if std::env::var_os("SQUALL_BLESS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(
        committed, page,
        "run with SQUALL_BLESS=1 to write docs/faults.md"
    );
}
