//! Objectives that stand in a file of their own, for a run that was recorded.

use squall_scenario::{Link, Process, Scenario, SloBlock, SteadyState};

use crate::diagnostic::{Diagnostic, Place};
use crate::options::ParseOptions;
use crate::parse::{Checked, Files, parse_with};
use crate::read::{
    Declared, FaultDraft, LoadDraft, NameKind, Names, RequestPlaces, ScenarioDraft, SloDraft,
    SystemDraft,
};
use crate::source::Source;
use crate::yaml::Node;
use crate::{check, yaml};

/// What a run is asked, by a file without a load.
#[derive(Debug, Clone, PartialEq)]
pub struct Objectives {
    /// What must be true until the first fault; `None` when the file says
    /// nothing about it.
    pub steady_state: Option<SteadyState>,
    /// What must hold.
    pub slo: Vec<SloBlock>,
}

/// Whether a file has objectives and no load, so that only a run that was
/// recorded can be asked for them.
#[must_use]
pub fn is_objectives(source: &Source) -> bool {
    yaml::parse(source, 0, &mut Vec::new())
        .is_some_and(|root| root.get("slo").is_some() && root.get("load").is_none())
}

/// Reads objectives for `run`: their windows, requests, breakers and probes are
/// those of it.
#[must_use]
pub fn parse_objectives(
    source: &Source,
    options: &ParseOptions<'_>,
    run: &Scenario,
) -> Checked<Objectives> {
    let openslo = |files: &mut Files<'_>, root: &Node, findings: &mut Vec<Diagnostic>| {
        files.openslo(root, findings)
    };
    parse_with(source, options, openslo, |reader, root, openslo_files| {
        reader.openslo_files.clone_from(openslo_files);
        let mut draft = draft_of(run);
        reader.objectives(root, &mut draft)?;
        let mut found = Vec::new();
        check::objectives(&draft, &mut found);
        reader.findings.extend(found.into_iter().map(in_this_file));
        let steady_state = draft.steady_state.take();
        Some(Objectives {
            steady_state: steady_state.map(|(duration, gates)| SteadyState {
                duration,
                expect: gates.into_iter().map(|draft| draft.gate).collect(),
            }),
            slo: draft.slo.iter().map(SloDraft::block).collect(),
        })
    })
}

/// Without labels at what stands in no file here: the run itself.
fn in_this_file(mut finding: Diagnostic) -> Diagnostic {
    finding.labels.retain(|label| label.span.line > 0);
    finding
}

/// The run as if it had been read, with no place for anything.
fn draft_of(run: &Scenario) -> ScenarioDraft {
    let nowhere = Place::default();
    let requests = run.load.routes().map(|_| RequestPlaces {
        name: nowhere,
        within: nowhere,
        headers: Vec::new(),
        message: nowhere,
        stay: nowhere,
    });
    let names = run
        .load
        .data
        .iter()
        .map(|(name, _)| (name.clone(), nowhere));
    let faults = run.faults.iter().map(|spec| FaultDraft {
        spec: spec.clone(),
        at: nowhere,
        inject: nowhere,
        into: nowhere,
        share: nowhere,
        length: nowhere,
        every: nowhere,
        rhythm: nowhere,
        cycles: nowhere,
        unknown_keys: false,
    });
    ScenarioDraft {
        name: Some(run.name.clone()),
        about: None,
        seed: run.seed,
        system: system_of(run),
        load: Some(LoadDraft {
            load: run.load.clone(),
            shape_complete: true,
            shape: nowhere,
            end: nowhere,
            connect_to: None,
            tls: None,
            http: None,
            requests: requests.collect(),
            journeys: Vec::new(),
            data_names: names.collect(),
            picks: Vec::new(),
            unread: Vec::new(),
            requests_complete: true,
            beside: Vec::new(),
        }),
        steady_state: None,
        fault_names: run
            .faults
            .iter()
            .map(|fault| (fault.name.value.clone(), nowhere))
            .collect(),
        faults: faults.collect(),
        abort_when: Vec::new(),
        slo: Vec::new(),
        variants: Vec::new(),
        start: nowhere,
    }
}

fn system_of(run: &Scenario) -> SystemDraft {
    let nowhere = Place::default();
    let system = &run.system;
    let declared = |name: &str, kind, instances| Declared {
        name: name.to_owned(),
        kind,
        place: nowhere,
        instances,
    };
    let processes = system.processes.iter().map(|process: &Process| {
        declared(&process.name, NameKind::Process, system.instances(process))
    });
    let links = system
        .links
        .iter()
        .map(|link: &Link| declared(&link.name, NameKind::Link, 0));
    let groups = system
        .groups
        .iter()
        .map(|(name, _)| declared(name, NameKind::Group, 0));
    let hosts = system
        .names
        .iter()
        .map(|(name, _)| declared(name, NameKind::Host, 0));
    let breakers = system.breakers.iter();
    let probes = system.probes.iter();
    SystemDraft {
        names: Names {
            declared: processes.chain(links).chain(groups).chain(hosts).collect(),
            incomplete: false,
        },
        breakers: breakers.map(|(name, _)| (name.clone(), nowhere)).collect(),
        probes: probes.map(|probe| (probe.name.clone(), nowhere)).collect(),
        system: system.clone(),
        ..SystemDraft::default()
    }
}
