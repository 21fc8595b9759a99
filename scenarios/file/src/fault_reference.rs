//! What each fault does, for people who look it up: all that its kind declares.
//! Tests read every example and every default back.

use serde::Serialize;

use squall_scenario::Inject;
use squall_scenario::inject::{About, Absent, Parameter, ParameterKind};

use crate::keys;

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
    /// Whether it has to be there.
    pub required: bool,
    /// Whether it is one of those of which exactly one has to be there.
    pub alternative: bool,
    /// What holds when it is absent, if anything does.
    pub default: Option<String>,
}

/// Every fault there is, in the order of the schema.
#[must_use]
pub fn fault_reference() -> Vec<FaultReference> {
    Inject::kinds().map(describe).collect()
}

fn describe(about: &'static About) -> FaultReference {
    FaultReference {
        name: about.keyword,
        about: about.about,
        acts_on: about.surface.about(),
        also_called: about.also_called,
        parameters: about.parameters.iter().map(describe_parameter).collect(),
        example: about.example,
        verified: about.verified,
        undone: about.undone,
    }
}

fn describe_parameter(parameter: &'static Parameter) -> FaultParameter {
    let values = match parameter.kind {
        ParameterKind::Words(words) => words.iter().map(|(word, _)| (*word).to_owned()).collect(),
        kind @ (ParameterKind::Duration
        | ParameterKind::BytesPerSecond
        | ParameterKind::Size
        | ParameterKind::Share
        | ParameterKind::Count(..)
        | ParameterKind::Text
        | ParameterKind::Content
        | ParameterKind::Part
        | ParameterKind::Texts
        | ParameterKind::Names) => {
            let example = keys::kind_of(kind).example(parameter.name);
            let value = example.trim_matches('`').split_once(": ");
            vec![value.map_or_else(String::new, |(_, value)| value.to_owned())]
        }
        ParameterKind::Group(group) => {
            let whole = group.reads.strip_prefix(parameter.name);
            let whole = whole.unwrap_or(group.reads).trim_start_matches(": ");
            let short = keys::short_of(group).map(|short| {
                let example = keys::kind_of(short.kind).example("");
                example
                    .trim_matches('`')
                    .trim_start_matches(": ")
                    .to_owned()
            });
            short.into_iter().chain([whole.to_owned()]).collect()
        }
    };
    FaultParameter {
        name: parameter.name,
        about: parameter.about,
        values,
        required: matches!(parameter.absent, Absent::Mistake),
        alternative: matches!(parameter.absent, Absent::Another),
        default: match &parameter.absent {
            Absent::Means(value) => Some(value.to_string()),
            Absent::Mistake | Absent::Another | Absent::Nothing => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::ParseOptions;
    use crate::parse::parse_scenario;
    use crate::source::Source;

    /// What the reader makes of an entry of `faults`.
    fn read(entry: &str) -> Inject {
        let entry = entry.replace('\n', "\n  ");
        let text = format!(
            "version: 1
name: x
target: http://127.0.0.1:1
processes:
  payments: {{ command: [x], instances: 2, restart: {{ after: 1s }}, inbound_link: true }}
names: {{ payments.test: payments }}
links: {{ secure: {{ to: payments, tls: terminate }} }}
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

    /// The fault with these parameters, aimed at what its example is aimed at.
    fn inject(fault: &FaultReference, parameters: &str) -> Inject {
        let name = fault.name;
        let into = fault.example.lines().find(|line| line.contains("into: "));
        let into = into.unwrap();
        read(&format!(
            "- name: broken\n  at: 15s\n  inject: {{ {name}: {{ {parameters} }} }}\n{into}\n  for: 10s"
        ))
    }

    #[test]
    fn every_example_is_sound() {
        for fault in fault_reference() {
            let read = read(fault.example);
            assert_eq!(read.keyword(), fault.name);
            assert_eq!(read.surface().about(), fault.acts_on);
        }
    }

    #[test]
    fn defaults_are_those_of_the_reader() {
        for fault in fault_reference() {
            let needed = fault
                .parameters
                .iter()
                .filter(|parameter| parameter.required);
            let mut others = fault.parameters.iter();
            let another = others.find(|parameter| parameter.alternative);
            let needed: Vec<String> = needed
                .chain(another)
                .map(|parameter| format!("{}: {}", parameter.name, parameter.values[0]))
                .collect();
            for parameter in &fault.parameters {
                let Some(default) = &parameter.default else {
                    continue;
                };
                let least = inject(&fault, &needed.join(", "));
                let mut given = needed.clone();
                given.push(format!("{}: {default}", parameter.name));
                let given = inject(&fault, &given.join(", "));
                assert_eq!(given, least, "{} of {}", parameter.name, fault.name);
            }
        }
    }
}
