//! Every scenario and system of the library is valid.

use squall_scenario::{Inject, Surface};
use squall_scenario_file::{ParseOptions, Source, library, parse_scenario, parse_system};

fn no_environment(_: &str) -> Option<String> {
    None
}

#[test]
fn every_scenario_of_the_library_is_valid_and_has_a_weakened_variant() {
    for (name, _) in library::scenarios() {
        let source = library::source(name).unwrap();
        let checked = parse_scenario(&source, &ParseOptions::new(&no_environment));
        assert!(checked.diagnostics.is_empty(), "{}", checked.render(false));
        let scenario = checked.value.unwrap();
        assert!(!scenario.variants.is_empty(), "{name} cannot be proved");
        assert_eq!(checked.redacted.as_ref(), Some(&scenario));
        for variant in &scenario.variants {
            let weakened = scenario.with_variant(&variant.name).unwrap();
            assert_ne!(weakened.system.settings, scenario.system.settings);
            assert_eq!(weakened.load, scenario.load);
            assert_eq!(weakened.faults, scenario.faults);
        }
    }
}

#[test]
fn every_file_of_the_library_comes_with_the_binary() {
    for (folder, known) in [
        ("library", library::scenarios()),
        ("systems", library::systems()),
    ] {
        let path = format!("{}/../{folder}", env!("CARGO_MANIFEST_DIR"));
        let entries = std::fs::read_dir(path).unwrap();
        let mut files: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let mut embedded: Vec<String> = known
            .iter()
            .map(|(name, _)| format!("{name}.yaml"))
            .collect();
        embedded.sort();
        assert_eq!(embedded, files);
    }
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md"));
    let readme = readme.unwrap();
    for (name, _) in library::scenarios() {
        let row = format!("| [{name}](library/{name}.yaml) |");
        assert!(readme.contains(&row), "no {row} in scenarios/README.md");
    }
}

/// How many scenarios of the library act on each surface, at least.
const WANTED: usize = 2;

#[test]
fn the_library_acts_on_the_surfaces_that_there_are() {
    let surfaces_of = |name: &str| -> Vec<Surface> {
        let source = library::source(name).unwrap();
        let checked = parse_scenario(&source, &ParseOptions::new(&no_environment));
        let faults = checked.value.unwrap().faults.into_iter();
        faults.map(|fault| fault.inject.surface()).collect()
    };
    let scenarios: Vec<_> = library::scenarios()
        .iter()
        .map(|(name, _)| surfaces_of(name))
        .collect();
    for surface in Inject::kinds().map(|about| about.surface) {
        let acting = scenarios.iter().filter(|on| on.contains(&surface)).count();
        assert!(acting >= WANTED, "{surface:?}: {acting}");
    }
}

/// Of a hundred requests 92 read and 8 write, as in the case studies, wherever viewers
/// watch what they start; and they do the same everywhere.
#[test]
fn viewers_read_and_write_as_those_of_the_case_studies() {
    let mut mixes = Vec::new();
    for (name, _) in library::scenarios() {
        let source = library::source(name).unwrap();
        let load = parse_scenario(&source, &ParseOptions::new(&no_environment));
        let load = load.value.unwrap().load;
        let steps = load.journeys.iter().flat_map(|journey| journey.reach());
        if steps
            .map(|(step, _, _)| step)
            .all(|step| step.player.is_none())
        {
            continue;
        }
        let (mut reads, mut writes) = (0.0, 0.0);
        for journey in &load.journeys {
            for (step, stay, _) in journey.reach() {
                // A player that stays for 5 s has its buffer of 8 s filled once, and
                // asks for a third segment of 4 s when one has been seen.
                let asks = if step.player.is_some() { 3.0 } else { 1.0 };
                let requests = f64::from(journey.weight) * stay * asks;
                match step.request.method.as_str() {
                    "GET" => reads += requests,
                    _ => writes += requests,
                }
            }
        }
        let share = reads / (reads + writes);
        assert!((0.915..0.925).contains(&share), "{name}: {share} are reads");
        mixes.push((name, load.journeys, load.data));
    }
    assert!(mixes.len() >= 2);
    for (name, journeys, data) in &mixes {
        assert_eq!((journeys, data), (&mixes[0].1, &mixes[0].2), "{name}");
    }
}

#[test]
fn every_system_of_the_library_is_valid() {
    for (name, text) in library::systems() {
        let source = Source::new(*name, *text);
        let checked = parse_system(&source, &ParseOptions::new(&no_environment));
        assert!(checked.diagnostics.is_empty(), "{}", checked.render(false));
    }
}

#[test]
fn a_run_of_the_library_ends_within_90_seconds() {
    for (name, _) in library::scenarios() {
        let source = library::source(name).unwrap();
        let checked = parse_scenario(&source, &ParseOptions::new(&no_environment));
        let load = checked.value.unwrap().load;
        let whole = load.warm_up + load.duration();
        assert!(
            whole.as_secs() <= 75,
            "{name} takes {whole:?} plus start and stop"
        );
    }
}

#[test]
fn settings_from_the_command_line_win_and_are_checked() {
    let source = library::source("slow-recommendations").unwrap();
    let mut options = ParseOptions::new(&no_environment);
    options.set = vec![("replicas".to_owned(), "3".to_owned())];
    let scenario = parse_scenario(&source, &options).value.unwrap();
    let gateway = scenario.system.process("gateway").unwrap();
    assert_eq!(scenario.system.instances(gateway), 3);

    options.set = vec![
        ("replicas".to_owned(), "many".to_owned()),
        ("replica".to_owned(), "3".to_owned()),
    ];
    let checked = parse_scenario(&source, &options);
    let text = checked.render(false);
    assert!(checked.value.is_none());
    assert!(text.contains("command line:2"), "{text}");
    assert!(text.contains("did you mean `replicas`?"), "{text}");
}

#[test]
fn the_example_of_the_readme_is_valid() {
    let readme = include_str!("../../../README.md");
    let example = readme.split("```yaml\n").nth(1).unwrap();
    let example = example.split("```").next().unwrap();
    let source = Source::new("README.md", example);
    let checked = parse_scenario(&source, &ParseOptions::new(&no_environment));
    assert!(checked.diagnostics.is_empty(), "{}", checked.render(false));
}

/// Fewer instances leave a zone with what is still in it; a name that never was
/// in it stays a mistake.
#[test]
fn a_zone_has_the_instances_that_there_are() {
    let text = library::systems()[0].1;
    let mut options = ParseOptions::new(&no_environment);
    options.set = vec![("replicas".to_owned(), "1".to_owned())];
    let members = |text: &str, zone: &str, options: &ParseOptions<'_>| {
        let checked = parse_system(&Source::new("reference", text), options);
        let rendered = checked.render(false);
        let groups = checked.value.ok_or(rendered)?.groups;
        let (_, members) = groups.into_iter().find(|(name, _)| name == zone).unwrap();
        let members = members.iter().map(ToString::to_string);
        Ok::<_, String>(members.collect::<Vec<_>>())
    };
    assert_eq!(members(text, "zone-1", &options).unwrap(), ["cache-1"]);
    assert_eq!(members(text, "zone-0", &options).unwrap().len(), 7);
    let wrong = text.replace("cache-1, catalog-1", "cache-7, catalog-1");
    assert!(members(&wrong, "zone-1", &options).is_err());
    let wrong = text.replace("cache-1, catalog-1", "cache-1, catalog-7");
    let as_written = ParseOptions::new(&no_environment);
    assert!(members(&wrong, "zone-1", &as_written).is_err());
    // A zone of which nobody is left breaks nothing.
    let start = text.find("zone-1: [").unwrap();
    let end = start + text[start..].find(']').unwrap() + 1;
    let alone = text.replace(&text[start..end], "zone-1: [catalog-1, edge-1]");
    let nobody = members(&alone, "zone-1", &options).unwrap_err();
    assert!(nobody.contains("nobody of the group is left"), "{nobody}");
}
