//! What each fault does, for people who look it up. Names, parameters and
//! their meanings come from the shapes the reader checks files against; tests
//! read every example and every default back.

use serde::Serialize;

use crate::keys;
use crate::shape::{Key, Kind};

/// What there is to know about a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FaultReference {
    /// The word behind `inject`.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// What it acts on.
    pub acts_on: &'static str,
    /// Words that other tools use for it.
    pub also_called: &'static [&'static str],
    /// Its parameters.
    pub parameters: Vec<FaultParameter>,
    /// An entry of `faults`, as YAML.
    pub example: &'static str,
    /// How squall makes sure that it took effect.
    pub verified: &'static str,
    /// How it is put back.
    pub undone: &'static str,
}

/// A parameter of a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FaultParameter {
    /// Its key.
    pub name: &'static str,
    /// What it means.
    pub about: &'static str,
    /// The words it takes, or a value it may have.
    pub values: Vec<String>,
    /// What holds when it is absent; `None` when it has to be there.
    pub default: Option<&'static str>,
}

/// What the shapes do not say.
struct Entry {
    name: &'static str,
    defaults: &'static [(&'static str, &'static str)],
    example: &'static str,
    verified: &'static str,
    undone: &'static str,
}

const ON_BYTES: &str = "bytes: a link, or the inbound link of a process";
const ON_PROCESSES: &str = "processes that squall started";

const ENTRIES: &[Entry] = &[
    Entry {
        name: "delay",
        defaults: &[("jitter", "0s"), ("direction", "from")],
        example: "- name: slow payments
  at: 15s
  inject: { delay: { by: 800ms, jitter: 200ms } }
  into: payments
  for: 20s",
        verified: "It is attached to every live connection before its window opens. Before it is taken away, chunks must have been delayed; a delay that no traffic met proves nothing.",
        undone: "Held bytes go on at once, in order; no connection is lost.",
    },
    Entry {
        name: "cut",
        defaults: &[("direction", "both")],
        example: "- name: payments unreachable
  at: 15s
  inject: cut
  into: payments
  for: 20s",
        verified: "It is attached to every live connection before its window opens. Before it is taken away, bytes must have been swallowed; a cut that no traffic met proves nothing.",
        undone: "Connections that lost bytes are closed, because their streams have holes; new ones pass.",
    },
    Entry {
        name: "reset",
        defaults: &[("after", "0s")],
        example: "- name: payments hang up
  at: 15s
  inject: { reset: { after: 100ms } }
  into: payments
  for: 20s",
        verified: "It is attached to every live connection before its window opens. Before it is taken away, connections must have been reset; a reset that no connection met proves nothing.",
        undone: "New connections pass; those that were reset stay gone.",
    },
    Entry {
        name: "bandwidth",
        defaults: &[("direction", "from")],
        example: "- name: thin line
  at: 15s
  inject: { bandwidth: { rate: 64KiB/s } }
  into: payments
  for: 20s",
        verified: "It is attached to every live connection before its window opens. Before it is taken away, bytes must have passed under the limit; a limit that no traffic met proves nothing.",
        undone: "Held bytes go on at once, in order; no connection is lost.",
    },
    Entry {
        name: "kill",
        defaults: &[("signal", "kill")],
        example: "- name: payments die
  at: 15s
  inject: { kill: { signal: term } }
  into: payments
  for: 10s",
        verified: "The very process, known by its start time, must have ended.",
        undone: "With `for`, it is kept down that long and started again; without, its restart policy starts it. It must be ready again.",
    },
    Entry {
        name: "pause",
        defaults: &[],
        example: "- name: payments freeze
  at: 15s
  inject: pause
  into: payments
  for: 10s",
        verified: "The system must report the process as stopped (state T).",
        undone: "SIGCONT, until the process is seen running. The undo is on disk before the effect, so `squall recover` can do it too.",
    },
];

/// Every fault there is, in the order of the schema.
#[must_use]
pub fn fault_reference() -> Vec<FaultReference> {
    keys::FAULTS.iter().filter_map(describe).collect()
}

/// A fault that is missing in the table is left out here; a test sees to it
/// that none is.
fn describe(key: &'static Key) -> Option<FaultReference> {
    let entry = ENTRIES.iter().find(|entry| entry.name == key.name)?;
    let on_processes = matches!(key.name, "kill" | "pause");
    let parameters = match &key.kind {
        Kind::Object(shape) => shape.keys,
        _ => &[],
    };
    Some(FaultReference {
        name: key.name,
        about: key.about,
        acts_on: if on_processes { ON_PROCESSES } else { ON_BYTES },
        also_called: key.otherwise,
        parameters: parameters
            .iter()
            .map(|parameter| describe_parameter(parameter, entry))
            .collect(),
        example: entry.example,
        verified: entry.verified,
        undone: entry.undone,
    })
}

fn describe_parameter(key: &'static Key, entry: &Entry) -> FaultParameter {
    let values = match &key.kind {
        Kind::Words(words) => words.iter().map(|(word, _)| (*word).to_owned()).collect(),
        other => {
            let example = other.example(key.name);
            let value = example.trim_matches('`').split_once(": ");
            vec![value.map_or_else(String::new, |(_, value)| value.to_owned())]
        }
    };
    let default = entry.defaults.iter().find(|(name, _)| *name == key.name);
    FaultParameter {
        name: key.name,
        about: key.about,
        values,
        default: default.map(|(_, value)| *value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_scenario::Inject;

    use crate::parse::{ParseOptions, parse_scenario};
    use crate::source::Source;

    /// What the reader makes of an entry of `faults`.
    fn read(entry: &str) -> Inject {
        let entry = entry.replace('\n', "\n  ");
        let text = format!(
            "version: 1
name: x
target: http://127.0.0.1:1
processes:
  payments: {{ command: [x], restart: {{ after: 1s }}, inbound_link: true }}
load: {{ shape: [ {{ hold: {{ rate: 100/s, for: 60s }} }} ], requests: [ GET / ] }}
slo: [ {{ during: baseline, expect: [ success >= 99% ] }} ]
faults:
  {entry}
"
        );
        let nothing = |_: &str| None;
        let checked = parse_scenario(&Source::new("x.yaml", text), &ParseOptions::new(&nothing));
        let rendered = checked.render(false);
        let scenario = checked.value.unwrap_or_else(|| panic!("{rendered}"));
        assert!(checked.diagnostics.is_empty(), "{rendered}");
        scenario.faults[0].inject.clone()
    }

    fn inject(name: &str, parameters: &str) -> Inject {
        read(&format!(
            "- name: broken\n  at: 15s\n  inject: {{ {name}: {{ {parameters} }} }}\n  into: payments\n  for: 10s"
        ))
    }

    #[test]
    fn every_fault_a_file_may_hold_is_described_and_its_example_is_sound() {
        let described = fault_reference();
        let names: Vec<_> = described.iter().map(|fault| fault.name).collect();
        let known: Vec<_> = keys::FAULTS.iter().map(|key| key.name).collect();
        assert_eq!(names, known);
        assert_eq!(ENTRIES.len(), known.len(), "no entry of a fault long gone");
        for fault in described {
            let read = read(fault.example);
            assert_eq!(read.keyword(), fault.name);
            let on_bytes = fault.acts_on == ON_BYTES;
            assert_eq!(read.acts_on_bytes(), on_bytes, "{}", fault.name);
            // A new variant does not compile until somebody has come by here.
            match read {
                Inject::Delay(_) | Inject::Cut(_) | Inject::Reset(_) => {}
                Inject::Bandwidth(_) | Inject::Kill(_) | Inject::Pause => {}
            }
        }
    }

    #[test]
    fn defaults_are_those_of_the_reader() {
        for fault in fault_reference() {
            let (needed, optional): (Vec<_>, Vec<_>) = fault
                .parameters
                .iter()
                .partition(|parameter| parameter.default.is_none());
            let needed: Vec<String> = needed
                .iter()
                .map(|parameter| format!("{}: {}", parameter.name, parameter.values[0]))
                .collect();
            let least = inject(fault.name, &needed.join(", "));
            for parameter in optional {
                let mut given = needed.clone();
                let default = parameter.default.unwrap();
                given.push(format!("{}: {default}", parameter.name));
                let given = inject(fault.name, &given.join(", "));
                assert_eq!(given, least, "{} of {}", parameter.name, fault.name);
            }
        }
    }
}
