//! Rules about gates on readings: that somebody reads what they speak of, and
//! that they stand where it is read.

use squall_scenario::{
    BreakerSource, Comparison, FallbackSource, FaultTarget, ProcessFigure, Reading, ReadingGate,
    quoted,
};

use super::direction::other_way_round;
use super::names::did_you_mean;
use super::role::Role;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::read::{GateDraft, NameKind, ScenarioDraft};

/// What gates call squall itself.
const SQUALL: &str = "squall";

pub(super) fn check(
    draft: &GateDraft,
    gate: &ReadingGate,
    role: Role,
    scenario: &ScenarioDraft,
    findings: &mut Vec<Diagnostic>,
) {
    place(draft, gate, role, findings);
    direction(draft, gate, role, findings);
    let unknown = match &gate.reading {
        Reading::Process { figure, of } => process(*figure, of, scenario),
        Reading::Probe(name) => probe(name, scenario),
        Reading::Fallback { source, of } => fallback(*source, of, scenario),
    };
    if let Some(problem) = unknown {
        let place = draft.name.unwrap_or(draft.whole);
        findings.push(
            Diagnostic::error(problem.code, problem.title)
                .at(place, problem.label)
                .help(problem.help),
        );
    }
}

/// Why nobody reads what a gate speaks of.
struct Problem {
    code: &'static str,
    title: String,
    label: &'static str,
    help: String,
}

fn process(figure: ProcessFigure, of: &str, scenario: &ScenarioDraft) -> Option<Problem> {
    if of == SQUALL {
        return (figure == ProcessFigure::Restarts).then(|| Problem {
            code: codes::GATE_OUT_OF_PLACE,
            title: "squall is never started again".to_owned(),
            label: "not a process of the system",
            help: "`cpu`, `memory` and `fds` can be asked of squall".to_owned(),
        });
    }
    let names = &scenario.system.names;
    let known = matches!(
        names.resolve(of),
        Some(FaultTarget::Process(_) | FaultTarget::Instance { .. })
    );
    if known || names.incomplete {
        return None;
    }
    let processes: Vec<&str> = names
        .declared
        .iter()
        .filter(|declared| declared.kind == NameKind::Process)
        .map(|declared| declared.name.as_str())
        .collect();
    let help = if processes.is_empty() {
        "only processes that squall starts can be read; describe it under `processes`".to_owned()
    } else {
        did_you_mean(of, &processes, "processes")
    };
    Some(Problem {
        code: codes::UNKNOWN_REFERENCE,
        title: format!("there is no process called {}", quoted(of)),
        label: "not a process or an instance",
        help,
    })
}

fn probe(name: &str, scenario: &ScenarioDraft) -> Option<Problem> {
    let system = &scenario.system;
    let known: Vec<&str> = system.probes.iter().map(|(n, _)| n.as_str()).collect();
    if known.contains(&name) || system.names.incomplete {
        return None;
    }
    let help = if known.is_empty() {
        format!("add it: probes: [ {{ name: {name}, read: {{ http: {{ get: http://… }} }} }} ]")
    } else {
        did_you_mean(name, &known, "probes")
    };
    Some(Problem {
        code: codes::UNKNOWN_REFERENCE,
        title: format!("there is no probe called {}", quoted(name)),
        label: "nobody reads this",
        help,
    })
}

fn fallback(source: Option<FallbackSource>, of: &str, scenario: &ScenarioDraft) -> Option<Problem> {
    let requests: Vec<&str> = match scenario.load.as_ref() {
        Some(load) if load.requests_complete => {
            let names = load.load.routes();
            names.map(|request| request.name.as_str()).collect()
        }
        _ => return None,
    };
    let system = &scenario.system;
    if system.names.incomplete {
        return None;
    }
    let breakers: Vec<&str> = system.breakers.iter().map(|(n, _)| n.as_str()).collect();
    let (request, breaker) = (requests.contains(&of), breakers.contains(&of));
    let (among, what) = match source {
        Some(FallbackSource::Request) => (requests, "requests"),
        Some(FallbackSource::Breaker) => (breakers, "breakers"),
        None if request && breaker => {
            return Some(Problem {
                code: codes::TWO_MEANINGS,
                title: format!("{} is a breaker and a request", quoted(of)),
                label: "which of the two?",
                help: format!("write `fallback of breaker {of}` or `fallback of request {of}`"),
            });
        }
        None => ([breakers, requests].concat(), "breakers and requests"),
    };
    if !among.contains(&of) {
        return Some(Problem {
            code: codes::UNKNOWN_REFERENCE,
            title: format!("nothing called {} has a fallback", quoted(of)),
            label: "neither a breaker nor a request",
            help: did_you_mean(of, &among, what),
        });
    }
    if source == Some(FallbackSource::Request) || !breaker {
        return None;
    }
    let counts =
        system.system.breakers.iter().any(|(name, source)| {
            name == of && matches!(source, BreakerSource::HystrixStream { .. })
        });
    (!counts).then(|| Problem {
        code: codes::NO_FALLBACK_COUNTS,
        title: format!("the source of {} does not count fallbacks", quoted(of)),
        label: "tells only where the breaker stands",
        help: "only a `hystrix` stream counts them; or ask a request: `fallback of request NAME`"
            .to_owned(),
    })
}

/// Whether this reading may be asked for here.
fn place(draft: &GateDraft, gate: &ReadingGate, role: Role, findings: &mut Vec<Diagnostic>) {
    let (code, at, title, help) = match (role, &gate.reading) {
        (Role::After, _) => (
            codes::RECOVERY_ONLY,
            draft.whole,
            "`after` speaks of recovery only",
            "gates on the time after go in a block with `during: recovery`",
        ),
        (Role::Abort, Reading::Fallback { .. }) => (
            codes::GATE_OUT_OF_PLACE,
            draft.whole,
            "a fallback share is known only when its window is over",
            "abort on a metric, a process or a probe: `memory of NAME > 1GiB for 5s`",
        ),
        (
            Role::Abort,
            Reading::Process {
                figure: ProcessFigure::Restarts,
                ..
            },
        ) if draft.sustained.is_some() => (
            codes::GATE_OUT_OF_PLACE,
            draft.sustained.unwrap_or(draft.whole),
            "restarts only ever rise",
            "leave out `for`: the rule fires at the restart that is one too many",
        ),
        (Role::SteadyState | Role::During, _) if draft.sustained.is_some() => (
            codes::GATE_OUT_OF_PLACE,
            draft.sustained.unwrap_or(draft.whole),
            "only `abort_when` has `for`",
            "leave it out: a reading gate holds at every reading of its window",
        ),
        _ => return,
    };
    findings.push(Diagnostic::error(code, title).at(at, "not here").help(help));
}

/// Warns about a limit on what a process uses that stands the wrong way round.
fn direction(draft: &GateDraft, gate: &ReadingGate, role: Role, findings: &mut Vec<Diagnostic>) {
    let Reading::Process { figure, .. } = gate.reading else {
        return;
    };
    let rising = matches!(gate.comparison, Comparison::Above | Comparison::AtLeast);
    let falling = matches!(gate.comparison, Comparison::Below | Comparison::AtMost);
    // `restarts of api >= 1` is a sensible thing to expect of a kill.
    let title = match (role, figure) {
        (Role::Abort, _) if falling => "this rule aborts when the process uses LITTLE",
        (Role::SteadyState | Role::During, ProcessFigure::Restarts) => return,
        (Role::SteadyState | Role::During, _) if rising => {
            "this gate passes when the process uses MUCH"
        }
        _ => return,
    };
    findings.push(other_way_round(draft, gate.comparison, title));
}
