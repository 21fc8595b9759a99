//! `squall monkey` as a person calls it. When it kills is tested where its clock
//! can be set.

use rustix::process::Signal;

use crate::support::Sandbox;

/// A monkey for which every day is a holiday, on processes that pid files name.
fn file(leashed: bool) -> String {
    let today = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date();
    let day = |n: i64| today.checked_add(jiff::Span::new().days(n)).unwrap();
    format!(
        "version: 1
name: test
seed: 2011
time_zone: UTC
holidays: [ {}, {}, {} ]
workdays: [ mon, tue, wed, thu, fri, sat, sun ]
leashed: {leashed}
decisions: decisions.ndjson
groups:
  all:
    mean: 1 workday
    members:
      own: {{ pid_file: own.pid }}
      gone: {{ pid_file: gone.pid }}
      spared: {{ pid_file: spared.pid }}
    except: [ spared ]
",
        day(-1),
        day(0),
        day(1)
    )
}

/// A process that a monkey may look at, ended with its handle.
struct Sleeper(std::process::Child);

impl Sleeper {
    fn start() -> Self {
        Self::marked("")
    }

    /// One that is an instance of a run of squall, as far as anybody can see.
    fn marked(mark: &str) -> Self {
        let mut sleep = std::process::Command::new("sleep");
        sleep.arg("1000").env("SQUALL_INSTANCE_MARK", mark);
        // Spawned, it has become that program.
        Self(sleep.spawn().unwrap())
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn a_monkey_is_alone_says_why_it_does_nothing_and_ends_when_told() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("monkey.yaml", file(false));
    let mut running = sandbox.start(&["monkey", "run", &file, "--unleash"]);
    let said = running.line("a decision", |line| line.contains("no kill"));
    assert!(said.contains("all: no kill: a holiday"), "{said}");
    let second = sandbox.squall(&["monkey", "run", &file]);
    second.assert_code(5).assert_stderr(&["another monkey"]);
    running.signal(Signal::TERM);
    running.end().assert_code(0);
    assert!(sandbox.journals().is_empty(), "{:?}", sandbox.journals());
    let log = std::fs::read_to_string(sandbox.work().join("decisions.ndjson")).unwrap();
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains(r#""reason":"day-off""#), "{log}");
    // It remembers that the day was decided for one group, and decides for the other.
    let text = std::fs::read_to_string(sandbox.work().join(&file)).unwrap();
    let fresh = "  fresh: { mean: 1 workday, members: { own: { pid_file: own.pid } } }\n";
    let file = sandbox.write("monkey.yaml", text + fresh);
    let mut again = sandbox.start(&["monkey", "run", &file]);
    again.line("a decision", |line| line.contains("fresh: no kill"));
    again.signal(Signal::TERM);
    again.end().assert_code(0);
    let after = std::fs::read_to_string(sandbox.work().join("decisions.ndjson")).unwrap();
    let group = |line: &str| {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        entry["group"].as_str().unwrap().to_owned()
    };
    let groups: Vec<_> = after.lines().map(group).collect();
    assert_eq!(groups, ["all", "fresh"], "{after}");
}

/// A monkey over a system that another squall runs, and holidays of a file.
#[test]
fn instances_of_a_running_system_are_found_by_their_names() {
    let sandbox = Sandbox::new();
    let process = format!("of-{}", std::process::id());
    let system =
        format!("version: 1\nprocesses: {{ {process}: {{ command: [ ./api ], instances: 2 }} }}\n");
    sandbox.write("system.yaml", system);
    sandbox.write("days.txt", "2031-01-01 New Year\n");
    let monkey = format!(
        "version: 1\nname: test\nseed: 1\ntime_zone: UTC\nsystem: system.yaml\n\
         holidays_file: days.txt\ngroups: {{ all: {{ mean: 1 workday, of: [ {process} ] }} }}\n"
    );
    let file = sandbox.write("monkey.yaml", monkey);
    let eligible = sandbox.squall(&["monkey", "eligible", &file]);
    eligible.assert_stdout(&["0 eligible, 1 must be left"]);
    let mark = format!("run.1.2/{process}-1/0");
    let one = Sleeper::marked(&mark);
    let eligible = sandbox.squall(&["monkey", "eligible", &file]);
    let line = format!("all  {process}-1 (pid {})  eligible", one.0.id());
    eligible.assert_stdout(&[&line, "1 eligible, 1 must be left"]);
    let preview = ["--from", "2031-01-01", "--days", "1", "--all"];
    let preview = sandbox.squall(&[&["monkey", "preview", &file], &preview[..]].concat());
    preview.assert_stdout(&["Wed 2031-01-01  all  a holiday"]);
}

#[test]
fn nobody_is_unleashed_by_one_word_alone() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("monkey.yaml", file(true));
    let run = sandbox.squall(&["monkey", "run", &file, "--unleash"]);
    run.assert_code(2).assert_stderr(&["`leashed: false`"]);
}

#[test]
fn what_is_to_come_and_who_is_there_can_be_looked_at() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("monkey.yaml", file(true));
    let (own, spared) = (Sleeper::start(), Sleeper::start());
    sandbox.write("own.pid", own.0.id().to_string());
    sandbox.write("spared.pid", spared.0.id().to_string());
    let from = ["--from", "2031-01-01", "--days", "5"];
    let preview = [&["monkey", "preview", &file], &from[..]].concat();
    let text = sandbox.squall(&preview);
    text.assert_code(0);
    text.assert_stdout(&["Wed 2031-01-01  all  kill at ", "5 kills in 5 days"]);
    let json = sandbox.squall(&[&preview[..], &["--format", "json"]].concat());
    let days: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(days.as_array().unwrap().len(), 5);
    assert!(days[0]["kill_at"].is_string(), "{days}");
    let eligible = sandbox.squall(&["monkey", "eligible", &file]);
    eligible.assert_code(0);
    eligible.assert_stdout(&["own (pid ", "never killed", "1 eligible, 1 must be left"]);
    // Found in another way, the exception is one all the same.
    sandbox.write("own.pid", spared.0.id().to_string());
    let eligible = sandbox.squall(&["monkey", "eligible", &file]);
    eligible.assert_stdout(&["0 eligible, 1 must be left"]);
    let wrong = sandbox.write("wrong.yaml", "version: 1\nname: x\n");
    let wrong = sandbox.squall(&["monkey", "preview", &wrong]);
    wrong
        .assert_code(2)
        .assert_stderr(&["[S0102]", "needs `groups`"]);
}
