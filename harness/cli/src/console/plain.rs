//! Plain progress: one line per second, one line per event. The same text
//! serves terminals, CI logs and screen readers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use squall_harness::clock::RunClock;
use squall_harness::experiment::RunView;
use squall_judge::live::{GateBoard, LiveState};
use squall_load::Gauges;
use squall_record::{
    BreakerReport, FaultChange, JourneyEnds, Phase, ProcessChange, RunEvent, Stamped, StopReason,
    Viewings, terminal_line,
};
use squall_scenario::{BreakerState, Scenario, format_duration};
use tokio::sync::{broadcast, watch};

use crate::output;

/// Follows a run in plain lines.
pub struct PlainLines {
    name: String,
    length: Duration,
    clock: RunClock,
    gauges: watch::Receiver<Gauges>,
    last: Gauges,
    phase: Phase,
    /// Faults in force, in the order they came.
    active: Vec<String>,
    ready: usize,
    gates: GateBoard,
    /// State by breaker and instance.
    breakers: BTreeMap<(String, String), BreakerState>,
}

impl PlainLines {
    /// For a run of `scenario`.
    pub fn new(scenario: &Scenario, view: &RunView) -> Self {
        Self {
            name: scenario.name.clone(),
            length: scenario.load.duration(),
            clock: view.hub.clock().clone(),
            gauges: view.gauges.clone(),
            last: Gauges::default(),
            phase: Phase::Starting,
            active: Vec::new(),
            ready: 0,
            gates: GateBoard::new(scenario),
            breakers: BTreeMap::new(),
        }
    }

    /// Prints until the run is finished.
    pub async fn follow(mut self, mut events: broadcast::Receiver<Arc<Stamped>>) {
        output::progress(terminal_line(&self.name));
        let mut seconds = tokio::time::interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Ok(stamped) => {
                        self.event(&stamped);
                        if self.phase == Phase::Finished {
                            return;
                        }
                    }
                    Err(broadcast::error::RecvError::Lagged(missed)) => {
                        output::progress(format_args!("      {missed} events were too fast to show"));
                    }
                    Err(broadcast::error::RecvError::Closed) => return,
                },
                _ = seconds.tick() => self.progress(),
            }
        }
    }

    fn progress(&mut self) {
        if self.phase != Phase::Load && self.phase != Phase::Drain {
            return;
        }
        let gauges = *self.gauges.borrow();
        let now_us = self.clock.stamp(std::time::Instant::now());
        let sent = gauges.scheduled.saturating_sub(self.last.scheduled);
        let good = gauges.good.saturating_sub(self.last.good);
        let bad = gauges.bad.saturating_sub(self.last.bad);
        let dropped = gauges.dropped.saturating_sub(self.last.dropped);
        self.last = gauges;
        let settled = good + bad + dropped;
        let ok = match settled {
            0 => "   -  ".to_owned(),
            _ => format!("{:5.1}%", 100.0 * good as f64 / settled as f64),
        };
        let window = match (self.active.is_empty(), self.phase) {
            (false, _) => self.active.join(" + "),
            (true, Phase::Drain) => "waiting for answers".to_owned(),
            (true, _) => "-".to_owned(),
        };
        let mut line = format!(
            "{} {window} | asked {sent}/s ok {ok} | p50 {} p99 {} | in flight {}",
            self.time(now_us),
            time_of(gauges.p50_us),
            time_of(gauges.p99_us),
            gauges.in_flight,
        );
        if dropped > 0 {
            line.push_str(&format!(" | dropped {dropped}"));
        }
        let gates = self.gates.gates();
        let count = |state| gates.iter().filter(|gate| gate.state == state).count();
        line.push_str(&format!(
            " | gates {} good {} bad {} open",
            count(LiveState::OnTrack),
            count(LiveState::Failing),
            count(LiveState::Pending),
        ));
        output::progress(&line);
    }

    fn event(&mut self, stamped: &Stamped) {
        self.gates.hear(stamped);
        if let Some(text) = self.describe(&stamped.event) {
            // Some of it was written by the system under test.
            let safe: Vec<_> = text.lines().map(terminal_line).collect();
            output::progress(format_args!(
                "{} {}",
                self.time(stamped.at_us),
                safe.join("\n")
            ));
        }
    }

    /// `mm:ss.t` since time zero; before it, dashes.
    fn time(&self, at_us: i64) -> String {
        if at_us < 0 || self.clock.zero().is_none() {
            return "--:--.-".to_owned();
        }
        let tenths = at_us / 100_000;
        format!(
            "{:02}:{:02}.{}",
            tenths / 600,
            tenths / 10 % 60,
            tenths % 10
        )
    }

    fn describe(&mut self, event: &RunEvent) -> Option<String> {
        match event {
            RunEvent::Phase(phase) => {
                self.phase = *phase;
                self.phase_text(*phase)
            }
            RunEvent::Process {
                instance, change, ..
            } => self.process_text(instance, change),
            RunEvent::Fault {
                fault,
                targets,
                change,
                ..
            } => Some(self.fault_text(fault, targets, change)),
            RunEvent::Breaker(report) => self.breaker_text(report),
            RunEvent::SteadyState { reached, detail } => Some(match reached {
                true => format!("steady state reached: {detail}"),
                false => format!("steady state NOT reached: {detail}"),
            }),
            RunEvent::Abort { guard, detail } => Some(format!("ABORT {guard}: {detail}")),
            RunEvent::Interrupted { reason } => Some(match reason {
                StopReason::Interrupt => {
                    "interrupted: removing faults, once more to stop waiting".to_owned()
                }
                StopReason::Terminate => "terminated: removing faults".to_owned(),
                StopReason::Finish => "finishing early: removing faults".to_owned(),
            }),
            RunEvent::Note { text } => Some(text.clone()),
            RunEvent::ByHand { action, from } => {
                Some(format!("BY HAND {}", action.words_from(*from)))
            }
            RunEvent::Viewings { players, .. } => {
                Some(format!("viewers: {}", Viewings::words(players)))
            }
            RunEvent::JourneysEnded { journeys } => {
                Some(format!("journeys: {}", JourneyEnds::words(journeys)))
            }
            RunEvent::LinkShort(short) => Some(format!("SQUALL SHORT {}", short.words())),
            RunEvent::NotReady { detail } => Some(format!("NOT READY {detail}")),
            RunEvent::UndoFailed { detail } => Some(format!("UNDO FAILED {detail}")),
            RunEvent::Internal { detail } => Some(format!("SQUALL FAILED {detail}")),
            RunEvent::UndoVerified { detail } => Some(format!("put back: {detail}")),
            _ => None,
        }
    }

    fn phase_text(&self, phase: Phase) -> Option<String> {
        Some(match phase {
            Phase::Starting => "starting the system".to_owned(),
            Phase::WarmUp if self.ready > 0 => {
                format!("{} processes ready; warming up", self.ready)
            }
            Phase::WarmUp => "warming up".to_owned(),
            Phase::SteadyState => "checking the steady state".to_owned(),
            Phase::Load => format!("load begins, {}", format_duration(self.length)),
            Phase::Drain => "load is over, waiting for answers".to_owned(),
            Phase::Stopping => "ending the system".to_owned(),
            Phase::Finished => return None,
        })
    }

    fn process_text(&mut self, instance: &str, change: &ProcessChange) -> Option<String> {
        let quiet = self.phase == Phase::Starting;
        match change {
            ProcessChange::Ready if quiet => {
                self.ready += 1;
                None
            }
            ProcessChange::Ready => Some(format!("{instance} serves")),
            ProcessChange::Exited {
                status,
                expected: false,
            } if self.phase != Phase::Stopping => {
                Some(format!("{instance} ended by itself: {status}"))
            }
            ProcessChange::Started { .. }
            | ProcessChange::Exited { .. }
            | ProcessChange::Restarting => None,
        }
    }

    /// A line only when the state changed: the engine also tells when a window
    /// gains or loses its volume.
    fn breaker_text(&mut self, report: &BreakerReport) -> Option<String> {
        let state = report.state?;
        let key = (report.breaker.clone(), report.instance.clone());
        let before = self.breakers.insert(key, state);
        let from = match before {
            Some(before) if before == state => return None,
            Some(before) => format!("{before} -> "),
            None if state == BreakerState::Closed => return None,
            None => String::new(),
        };
        // Metrics and logs tell the state only.
        let figures = match report.calls {
            0 => String::new(),
            calls => format!(" ({} % of {calls} calls failed)", report.error_percent),
        };
        Some(format!(
            "breaker {} of {}: {from}{state}{figures}",
            report.breaker, report.instance
        ))
    }

    fn fault_text(&mut self, fault: &str, targets: &[String], change: &FaultChange) -> String {
        let into = targets.join(", ");
        match change {
            FaultChange::Requested => format!("FAULT {fault}: injecting into {into}"),
            FaultChange::Active { evidence } => {
                self.active.push(fault.to_owned());
                format!("FAULT {fault}: active ({evidence})")
            }
            FaultChange::Observed { evidence, .. } => format!("FAULT {fault}: seen: {evidence}"),
            FaultChange::RemovalRequested => {
                if let Some(index) = self.active.iter().position(|name| name == fault) {
                    self.active.remove(index);
                }
                format!("FAULT {fault}: removing")
            }
            FaultChange::Removed { evidence } => format!("FAULT {fault}: removed ({evidence})"),
            FaultChange::Failed { detail } => format!("FAULT {fault}: FAILED {detail}"),
            FaultChange::Spared { why } => format!("FAULT {fault}: no kill: {why}"),
            FaultChange::Withheld => format!("FAULT {fault}: withheld, nothing is injected"),
            FaultChange::WithheldEnds => format!("FAULT {fault}: its time is over"),
        }
    }
}

fn time_of(micros: Option<u64>) -> String {
    micros.map_or_else(|| "-".to_owned(), squall_judge::quantity::micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_that_fit() {
        assert_eq!(time_of(Some(900)), "900\u{b5}s");
        assert_eq!(time_of(Some(1_500)), "1.5ms");
        assert_eq!(time_of(Some(361_000)), "361ms");
        assert_eq!(time_of(Some(5_020_000)), "5.02s");
        assert_eq!(time_of(None), "-");
    }
}
