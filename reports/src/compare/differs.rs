//! What else differs between two runs: the load, which forbids a comparison,
//! and what a reader should know.

use squall_judge::verdict::{FaultEvidence, Verdict};
use squall_record::Record;
use squall_scenario::{DataSource, Load, Request};

/// Why two runs cannot be compared: what differs, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the runs cannot be compared: {}", .differences.join("; "))]
pub struct CompareError {
    /// Every reason; never empty.
    pub differences: Vec<String>,
}

/// Seeds may differ: they are draws of the same load.
pub(super) fn refuse_other_load(a: &Record, b: &Record) -> Result<(), CompareError> {
    let [a, b] = [a, b].map(|record| &record.manifest.scenario.load);
    let mut differences = Vec::new();
    let shapes = |load: &Load| load.each().map(|it| it.shape.clone()).collect::<Vec<_>>();
    if shapes(a) != shapes(b) {
        let shapes = [a, b].map(|load| {
            let loads = load.each().map(|load| {
                let stages: Vec<_> = load.shape.iter().map(ToString::to_string).collect();
                stages.join(", then ")
            });
            loads.collect::<Vec<_>>().join(", beside ")
        });
        differences.push(match shapes[0] == shapes[1] {
            true => format!("what they replay is not what it was ({})", shapes[0]),
            false => format!(
                "their `load: shape:` differs ({} against {})",
                shapes[0], shapes[1]
            ),
        });
    }
    let asked = [a, b].map(|load| load.routes().map(summary).collect::<Vec<_>>());
    if asked[0] != asked[1] {
        let only = |of: &[String], other: &[String]| {
            let missing: Vec<_> = of.iter().filter(|one| !other.contains(one)).collect();
            missing
                .first()
                .map_or("another order".to_owned(), |one| (*one).clone())
        };
        differences.push(format!(
            "their `load: requests:` differ ({} against {})",
            only(&asked[0], &asked[1]),
            only(&asked[1], &asked[0])
        ));
    }
    if a.timeout != b.timeout {
        differences.push("their `load: timeout:` differs".to_owned());
    }
    if differences.is_empty() {
        return Ok(());
    }
    Err(CompareError { differences })
}

/// What makes an arrival of a request, and what makes it good.
fn summary(request: &Request) -> String {
    let mut text = format!(
        "{}: {} {} weight {}",
        request.name,
        request.method,
        request.path.source(),
        request.weight
    );
    if let Some(within) = request.within {
        text.push_str(&format!(
            " within {}",
            squall_scenario::format_duration(within)
        ));
    }
    text
}

pub(super) fn no_window_in_common() -> CompareError {
    CompareError {
        differences: vec!["they have no window in common that holds an arrival".to_owned()],
    }
}

/// What a reader should know before the figures.
pub(super) fn notes(records: [&Record; 2], verdicts: &[Verdict; 2]) -> Vec<String> {
    let mut notes = Vec::new();
    let [a, b] = records.map(|record| &record.manifest);
    let mut differ = |what: &str, a: &str, b: &str| {
        if a != b {
            notes.push(format!("{what} differs: {a} against {b}"));
        }
    };
    differ("the scenario", &a.scenario.name, &b.scenario.name);
    let variant = |name: &Option<String>| name.clone().unwrap_or_else(|| "none".to_owned());
    differ("the variant", &variant(&a.variant), &variant(&b.variant));
    differ("the machine", &a.host, &b.host);
    differ("squall's version", &a.squall_version, &b.squall_version);
    let settings = [a, b].map(|manifest| {
        let settings = manifest.scenario.system.settings.iter();
        let settings: Vec<_> = settings
            .map(|setting| format!("{}={}", setting.name, setting.value))
            .collect();
        settings.join(" ")
    });
    differ("the system's settings", &settings[0], &settings[1]);
    let loads = [a, b].map(|manifest| &manifest.scenario.load);
    notes.extend(changed_data(loads));
    notes.extend(changed_methods(loads));
    notes.extend(faults(verdicts));
    for (side, (record, verdict)) in ["A", "B"].iter().zip(records.iter().zip(verdicts)) {
        if !record.complete {
            notes.push(format!("{side} did not come to its end"));
        }
        if let Some(damage) = record.damage.first() {
            notes.push(format!("the record of {side} is damaged: {damage}"));
        }
        for fault in &verdict.faults {
            if let Some(problem) = fault.problems.first() {
                notes.push(format!("{side}: fault `{}` {problem}", fault.fault));
            }
        }
    }
    notes
}

/// Tables that hold something else; where a record knows no digest, nobody can tell.
fn changed_data([a, b]: [&Load; 2]) -> Vec<String> {
    let mut notes = Vec::new();
    let mut told = Vec::new();
    for (name, source) in &a.data {
        let mut others = b.data.iter().filter(|(other, _)| other == name);
        let (DataSource::Column(is), Some((_, DataSource::Column(was)))) = (source, others.next())
        else {
            continue;
        };
        let known = !is.sha256.is_empty() && !was.sha256.is_empty();
        if known && is.sha256 != was.sha256 && !told.contains(&&is.table) {
            told.push(&is.table);
            notes.push(format!(
                "the data of `{}` differ: {} has the digest {} against {}, {} rows against {}",
                is.table,
                is.path,
                short(&is.sha256),
                short(&was.sha256),
                is.rows,
                was.rows
            ));
        }
    }
    notes
}

/// Files that describe the methods of gRPC otherwise; where a record knows no digest,
/// nobody can tell.
fn changed_methods([a, b]: [&Load; 2]) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for is in a.routes().filter_map(|route| route.call.as_ref()) {
        let mut others = b.routes().filter_map(|route| route.call.as_ref());
        let Some(was) = others.find(|was| was.proto.path() == is.proto.path()) else {
            continue;
        };
        let known = !is.sha256.is_empty() && !was.sha256.is_empty();
        if !known || is.sha256 == was.sha256 {
            continue;
        }
        let note = format!(
            "what describes the methods differs: {} has the digest {} against {}",
            is.proto.path(),
            short(&is.sha256),
            short(&was.sha256),
        );
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    notes
}

/// The front of a digest, enough to tell it from another.
fn short(digest: &str) -> String {
    digest.chars().take(12).collect()
}

fn faults(verdicts: &[Verdict; 2]) -> Vec<String> {
    let [a, b] = verdicts;
    let find = |of: &Verdict, name: &str| -> Option<FaultEvidence> {
        of.faults.iter().find(|fault| fault.fault == name).cloned()
    };
    let mut notes = Vec::new();
    for fault in &a.faults {
        match find(b, &fault.fault) {
            None => notes.push(format!("only A has the fault `{}`", fault.fault)),
            Some(other) if other.requested != fault.requested => notes.push(format!(
                "fault `{}` differs: {} against {}",
                fault.fault, fault.requested, other.requested
            )),
            Some(_) => {}
        }
    }
    for fault in &b.faults {
        if find(a, &fault.fault).is_none() {
            notes.push(format!("only B has the fault `{}`", fault.fault));
        }
    }
    notes
}
