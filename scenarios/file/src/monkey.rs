//! Reading a file for `squall monkey`.

use squall_scenario::monkey::Monkey;

use crate::diagnostic::Diagnostic;
use crate::holidays;
use crate::options::ParseOptions;
use crate::parse::{Checked, Files, parse_with};
use crate::read::SystemDraft;
use crate::source::Source;
use crate::yaml::Node;

/// Reads whom a monkey may kill, and when; with the system and the file of
/// holidays that it names, whose paths start at its folder.
#[must_use]
pub fn parse_monkey(source: &Source, options: &ParseOptions<'_>) -> Checked<Monkey> {
    let beside = |files: &mut Files<'_>, root: &Node, findings: &mut Vec<Diagnostic>| {
        let system = files.system(root, findings);
        let number = root.get("holidays_file");
        let number = number.and_then(|node| files.text_beside(node, findings));
        let read = |number| holidays::read(files.source(number), number, findings);
        (system, number.map(read).unwrap_or_default())
    };
    parse_with(
        source,
        options,
        beside,
        |reader, root, (system, holidays)| {
            // What is wrong with the system is said of it; groups of it are not.
            let draft = system
                .as_ref()
                .and_then(|root| reader.system_file(root, &[]));
            let unread = || root.get("system").map(|_| SystemDraft::unread());
            let system = draft.or_else(unread);
            let mut monkey = reader.monkey(root, system.as_ref())?;
            monkey.calendar.holidays.extend(holidays);
            Some(monkey)
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = "version: 1
name: shop
seed: 2011
time_zone: Europe/Berlin
hours: { from: 9:00, to: 15:30 }
workdays: [ mon, thu ]
holidays: [ 2026-12-25 ]
outage_check: { command: [ ./no-outage, -q ], within: 5s }
leashed: false
groups:
  catalog:
    mean: 2.5 workdays
    min: 2 workdays
    survivors: 2
    signal: term
    members:
      catalog-0: { pid_file: /run/catalog-0.pid }
      catalog-1: { unit: catalog.service }
      workers: { command: \"^/usr/bin/worker\" }
    except: [ \"*-1\" ]
";

    fn read(text: &str) -> Checked<Monkey> {
        parse_monkey(
            &Source::new("monkey.yaml", text),
            &ParseOptions::new(&|_| None),
        )
    }

    #[test]
    fn a_sound_file_is_read_as_it_is_written() {
        let checked = read(SOUND);
        let rendered = checked.render(false);
        let monkey = checked.value.unwrap_or_else(|| panic!("{rendered}"));
        assert_eq!(
            (monkey.seed, monkey.enabled, monkey.leashed),
            (2011, true, false)
        );
        let calendar = &monkey.calendar;
        assert_eq!((calendar.opens, calendar.closes), (540, 930));
        let workdays = [true, false, false, true, false, false, false];
        assert_eq!(calendar.workdays, workdays);
        assert_eq!(calendar.holidays.len(), 1);
        let group = monkey.group("catalog").unwrap();
        assert_eq!((group.mean, group.min, group.survivors), (2.5, 2, 2));
        assert_eq!(group.members.len(), 3);
        assert!(group.excepts("catalog-1") && !group.excepts("catalog-0"));
    }

    #[test]
    fn what_is_left_out_is_careful() {
        let text = "version: 1\nname: m\nseed: 1\ntime_zone: UTC\ngroups: { a: { mean: 1 workday, members: { a: { port: 80 } } } }\n";
        let monkey = read(text).value.unwrap();
        assert!(monkey.leashed && monkey.enabled);
        assert_eq!((monkey.calendar.opens, monkey.calendar.closes), (540, 900));
        assert!(!monkey.calendar.workdays[5] && !monkey.calendar.workdays[6]);
        assert_eq!((monkey.groups[0].survivors, monkey.groups[0].min), (1, 1));
    }

    /// Each mistake: what is written instead of what, the code, and a word of
    /// what is said.
    const MISTAKES: &[(&str, &str, &str, &str)] = &[
        (
            "Europe/Atlantis",
            "Europe/Berlin",
            "S0105",
            "no time zone called",
        ),
        ("9h", "9:00", "S0108", "`9h` is not a time of day"),
        ("to: 8:00", "to: 15:30", "S0108", "end before they begin"),
        (
            "[ monday ]",
            "[ mon, thu ]",
            "S0105",
            "write one of: mon, tue",
        ),
        ("[ ]", "[ mon, thu ]", "S0106", "nobody works on any day"),
        ("25.12.2026", "2026-12-25", "S0108", "is not a date"),
        (
            "mean: 2",
            "mean: 2.5 workdays",
            "S0110",
            "write `2 workdays`",
        ),
        (
            "mean: 2d",
            "mean: 2.5 workdays",
            "S0111",
            "write `2 workdays`",
        ),
        (
            "mean: 0 workdays",
            "mean: 2.5 workdays",
            "S0108",
            "from 1 to 10000",
        ),
        (
            "mean: -3 workdays",
            "mean: 2.5 workdays",
            "S0108",
            "out of range",
        ),
        ("mean: 1e9 workdays", "mean: 2.5 workdays", "S0111", "unit"),
        (
            "mean: 99999 workdays",
            "mean: 2.5 workdays",
            "S0108",
            "out of range",
        ),
        (
            "mean: often",
            "mean: 2.5 workdays",
            "S0109",
            "no number of workdays",
        ),
        (
            "min: 3 workdays",
            "min: 2 workdays",
            "S0108",
            "above their mean",
        ),
        (
            "min: 1.5 workdays",
            "min: 2 workdays",
            "S0108",
            "whole workdays",
        ),
        ("survivors: -1", "survivors: 2", "S0109", "whole number"),
        ("signal: hup", "signal: term", "S0105", "kill, term, int"),
        ("seed: x", "seed: 2011", "S0109", "whole number"),
        ("leashed: no", "leashed: false", "S0105", "true, false"),
        (
            "{ within: 5s }",
            "{ command: [ ./no-outage, -q ], within: 5s }",
            "S0113",
            "asks nothing",
        ),
        (
            "{ command: [ a ], http: \"http://b\" }",
            "{ command: [ ./no-outage, -q ], within: 5s }",
            "S0113",
            "asks one thing",
        ),
        (
            "{ http: \"https://b\" }",
            "{ command: [ ./no-outage, -q ], within: 5s }",
            "S0115",
            "for HTTPS, a command",
        ),
        (
            "{ command: [ ] }",
            "{ command: [ ./no-outage, -q ], within: 5s }",
            "S0106",
            "no program",
        ),
        ("within: 0s", "within: 5s", "S0108", "takes some time"),
        (
            "{ unit: catalog }",
            "{ unit: catalog.service }",
            "S0108",
            "catalog.service",
        ),
        (
            "{ pidfile: x }",
            "{ unit: catalog.service }",
            "S0105",
            "did you mean `pid_file`?",
        ),
        (
            "means: 1 workday\n    mean",
            "mean",
            "S0101",
            "did you mean `mean`?",
        ),
    ];

    const SYSTEM: &str = "version: 1
settings: { replicas: 3 }
processes:
  api: { command: [ ./api ], instances: $settings.replicas, inbound_link: true }
  store: { command: [ ./store ] }
existing:
  database: { unit: postgres.service }
links:
  payments: { to: 127.0.0.1:9001 }
groups:
  zone-0: [ api-0, store ]
  zone-1: [ api-1 ]
  region: [ zone-0, zone-1, database ]
  mixed: [ api-0, payments ]
";

    /// A monkey whose one group has `of` in it, over that system.
    fn over_a_system(of: &str) -> Checked<Monkey> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("system.yaml"), SYSTEM).unwrap();
        std::fs::write(
            folder.path().join("days.txt"),
            "2026-12-25 Christmas\nsoon\n",
        )
        .unwrap();
        let text =
            format!("version: 1\nname: m\nseed: 1\ntime_zone: UTC\nsystem: system.yaml\n{of}");
        let name = folder.path().join("monkey.yaml").display().to_string();
        parse_monkey(&Source::new(name, text), &ParseOptions::new(&|_| None))
    }

    #[test]
    fn a_group_is_made_of_parts_of_a_system() {
        let of = |of: &str| {
            let rest = "members: { api-0: { instance: api-0 } }";
            let group = format!("groups: {{ a: {{ mean: 1 workday, of: {of}, {rest} }} }}");
            let checked = over_a_system(&group);
            let rendered = checked.render(false);
            let monkey = checked.value.ok_or(rendered)?;
            let members = monkey.groups[0].members.iter();
            let said = members.map(|(name, find)| format!("{name} by {find}"));
            Ok::<_, String>(said.collect::<Vec<_>>().join(", "))
        };
        let api = "api-0 by instance api-0, api-1 by instance api-1, api-2 by instance api-2";
        assert_eq!(of("[ api ]").as_deref(), Ok(api));
        let region = "api-0 by instance api-0, store-0 by instance store-0, \
                      api-1 by instance api-1, database by unit postgres.service";
        assert_eq!(of("[ region ]").as_deref(), Ok(region));
        for (wrong, says) in [
            ("[ apy ]", "did you mean `api`?"),
            ("[ mixed ]", "nobody can kill `payments`"),
            ("[ any 1 of api ]", "a monkey chooses by itself"),
        ] {
            let said = of(wrong).unwrap_err();
            assert!(said.contains(says), "{said}");
        }
        let alone = SOUND.replace("    members:", "    of: [ catalog ]\n    members:");
        let said = read(&alone).render(false);
        assert!(said.contains("there is no system"), "{said}");
        let twice =
            "groups: { a: { mean: 1 workday, of: [ store ], members: { store-0: { port: 80 } } } }";
        let said = over_a_system(twice).render(false);
        assert!(said.contains("two members are called `store-0`"), "{said}");
    }

    #[test]
    fn holidays_that_stand_in_a_file_are_pointed_at_there() {
        let group = "groups: { a: { mean: 1 workday, of: [ api ] } }\n";
        let said = over_a_system(&format!("holidays_file: days.txt\n{group}")).render(false);
        assert!(
            said.contains("days.txt:2:1") && said.contains("`soon` is not a date"),
            "{said}"
        );
        let said = over_a_system(&format!("holidays_file: nights.txt\n{group}")).render(false);
        assert!(
            said.contains("[S0001]") && said.contains("named here"),
            "{said}"
        );
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("days.txt"), "2027-01-01\n").unwrap();
        let name = folder.path().join("monkey.yaml").display().to_string();
        let text = SOUND.replace("seed: 2011", "seed: 2011\nholidays_file: days.txt");
        let both = parse_monkey(&Source::new(name, text), &ParseOptions::new(&|_| None));
        let holidays = both.value.unwrap().calendar.holidays;
        let holidays: Vec<_> = holidays.iter().map(ToString::to_string).collect();
        assert_eq!(holidays, ["2026-12-25", "2027-01-01"]);
    }

    #[test]
    fn mistakes_are_pointed_at() {
        for (instead, of, code, says) in MISTAKES {
            let text = SOUND.replacen(of, instead, 1);
            assert_ne!(text, SOUND, "{instead}");
            let checked = read(&text);
            let rendered = checked.render(false);
            assert!(
                checked.value.is_none() || *code == "S0101",
                "{instead}: {rendered}"
            );
            assert!(
                rendered.contains(&format!("[{code}]")),
                "{instead}: {rendered}"
            );
            assert!(rendered.contains(*says), "{instead}: {rendered}");
        }
        for (key, code) in [
            ("time_zone: Europe/Berlin\n", "S0102"),
            ("seed: 2011\n", "S0102"),
        ] {
            let rendered = read(&SOUND.replace(key, "")).render(false);
            assert!(rendered.contains(code), "{rendered}");
        }
        let nobody = SOUND.split("groups:").next().unwrap().to_owned() + "groups: {}\n";
        assert!(
            read(&nobody)
                .render(false)
                .contains("the monkey has no group")
        );
    }
}
