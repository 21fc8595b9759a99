//! Reading a file for `squall monkey`.

use squall_scenario::monkey::Monkey;

use crate::parse::{Checked, ParseOptions, parse_with};
use crate::source::Source;

/// Reads whom a monkey may kill, and when.
#[must_use]
pub fn parse_monkey(source: &Source, options: &ParseOptions<'_>) -> Checked<Monkey> {
    parse_with(source, options, |reader, root| reader.monkey(root))
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
