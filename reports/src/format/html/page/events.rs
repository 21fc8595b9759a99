//! Events of a run as rows of text.

use serde::Serialize;
use squall_judge::quantity::clock;
use squall_record::{
    FaultChange, JourneyEnds, Phase, ProcessChange, Record, RunEvent, Stamped, Viewings,
    terminal_text,
};

/// Most events that are shown.
const EVENTS_MAX: usize = 300;

#[derive(Serialize)]
pub(super) struct EventRow {
    at: String,
    kind: &'static str,
    text: String,
}

/// The rows, and how many were left out.
pub(super) fn rows(record: &Record) -> (Vec<EventRow>, usize) {
    let first_us = record.events.first().map_or(0, |stamped| stamped.at_us);
    let mut rows: Vec<EventRow> = record
        .events
        .iter()
        .filter_map(|stamped| row(stamped, first_us))
        .collect();
    let left_out = rows.len().saturating_sub(EVENTS_MAX);
    rows.truncate(EVENTS_MAX);
    (rows, left_out)
}

/// Stamps before time zero say how far apart events are, not how far from time
/// zero, so these rows count from the first event.
fn row(stamped: &Stamped, first_us: i64) -> Option<EventRow> {
    let (kind, text) = tell(&stamped.event)?;
    let at = if stamped.at_us < 0 {
        format!("start + {}", clock(stamped.at_us.saturating_sub(first_us)))
    } else {
        clock(stamped.at_us)
    };
    Some(EventRow {
        at,
        kind,
        text: terminal_text(&text),
    })
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Starting => "the system is started",
        Phase::WarmUp => "warm-up begins",
        Phase::SteadyState => "the steady state is checked",
        Phase::Load => "the measured load begins",
        Phase::Drain => "the load is over, answers are awaited",
        Phase::Stopping => "the system is ended",
        Phase::Finished => "the run is over",
    }
}

/// An event in words; `None` for those a chart or table shows better.
fn tell(event: &RunEvent) -> Option<(&'static str, String)> {
    Some(match event {
        RunEvent::Phase(phase) => ("phase", self::phase(*phase).to_owned()),
        RunEvent::Process {
            instance, change, ..
        } => ("process", process(instance, change)),
        RunEvent::LinkUp { link, listen, to } => {
            ("link", format!("{link} listens on {listen} for {to}"))
        }
        RunEvent::LinkShort(short) => ("squall short", short.words()),
        RunEvent::Fault {
            fault,
            injection,
            targets,
            change,
        } => ("fault", self::fault(fault, *injection, targets, change)),
        RunEvent::Breaker(report) => {
            let state = report
                .state
                .map_or_else(|| "unreadable".to_owned(), |state| state.to_string());
            let mut text = format!("{} of {} is {state}", report.breaker, report.instance);
            // Metrics and logs tell the state only.
            if report.calls > 0 {
                let (percent, calls) = (report.error_percent, report.calls);
                text.push_str(&format!(": {percent}% errors in {calls} calls"));
            }
            ("breaker", text)
        }
        RunEvent::SteadyState { reached, detail } => {
            let word = if *reached { "reached" } else { "not reached" };
            ("steady state", format!("{word}: {detail}"))
        }
        RunEvent::Abort { guard, detail } => ("abort", format!("{guard}: {detail}")),
        RunEvent::Interrupted { reason } => ("interrupted", format!("{reason:?}").to_lowercase()),
        RunEvent::Note { text } => ("note", text.clone()),
        RunEvent::ByHand { action, from } => ("by hand", action.words_from(*from)),
        RunEvent::NotReady { detail } => ("not ready", detail.clone()),
        RunEvent::UndoFailed { detail } => ("undo failed", detail.clone()),
        RunEvent::Internal { detail } => ("squall failed", detail.clone()),
        RunEvent::UndoVerified { detail } => ("undo verified", detail.clone()),
        RunEvent::LoadFinished { scheduled, .. } => (
            "load finished",
            format!("{scheduled} arrivals were scheduled"),
        ),
        RunEvent::JourneysEnded { journeys } => ("journeys", JourneyEnds::words(journeys)),
        RunEvent::Viewings { players, .. } => ("viewers", Viewings::words(players)),
        // A probe that answers is in its table.
        RunEvent::Probe(reading) => {
            let error = reading.error.as_ref()?;
            (
                "probe",
                format!("{} could not be read: {error}", reading.probe),
            )
        }
        RunEvent::Window { .. }
        | RunEvent::Interval(_)
        | RunEvent::BreakersRead { .. }
        | RunEvent::Fallbacks(_)
        | RunEvent::Resources { .. } => return None,
    })
}

fn process(instance: &str, change: &ProcessChange) -> String {
    match change {
        ProcessChange::Started { pid } => format!("{instance} started as pid {pid}"),
        ProcessChange::Ready => format!("{instance} is ready"),
        ProcessChange::Exited { status, expected } => {
            let note = if *expected {
                ""
            } else {
                ", which nobody asked for"
            };
            format!("{instance} ended with {status}{note}")
        }
        ProcessChange::Restarting => format!("{instance} will be started again"),
    }
}

fn fault(name: &str, injection: u32, targets: &[String], change: &FaultChange) -> String {
    let what = match change {
        FaultChange::Requested => "asked for".to_owned(),
        FaultChange::Active { evidence } => format!("in force: {evidence}"),
        FaultChange::Observed { evidence, .. } => format!("seen: {evidence}"),
        FaultChange::RemovalRequested => "removal asked for".to_owned(),
        FaultChange::Removed { evidence } => format!("gone: {evidence}"),
        FaultChange::Failed { detail } => format!("failed: {detail}"),
        FaultChange::Withheld => "withheld: nothing was injected, on purpose".to_owned(),
        FaultChange::Spared { why } => format!("no kill: {why}"),
        FaultChange::WithheldEnds => "its time is over".to_owned(),
    };
    let number = if injection > 0 {
        format!(" #{}", injection + 1)
    } else {
        String::new()
    };
    format!("{name}{number} on {}: {what}", targets.join(", "))
}
