//! The measured load with its faults, from time zero until no fault is in force.

use std::time::{Duration, Instant};

use squall_judge::live::{AbortGuard, AbortTrip};
use squall_load::{LoadCommand, LoadOutput};
use squall_record::{
    HandAction, HandSide, Interval, Phase, RunEvent, Shard, Stamped, StopReason, Viewings,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::called_off::{CalledOff, lost};
use super::heard::{HeardLoad, Told, tell};
use super::live_run::{CUT_SHORT_GRACE, LiveRun, ZERO_AHEAD};
use super::reading_guards::ReadingGuards;
use super::timeline::{Timeline, late_cut};
use super::{Control, RunContext, next_request, refused, stop_reason};
use crate::clock::now;
use crate::world::seam::{Load, System};

impl<S: System> LiveRun<'_, S> {
    /// The measured load with its faults, to the last answer.
    pub(super) async fn measured_load(
        &mut self,
        load: &mut HeardLoad<S::Load>,
        control: &mut mpsc::Receiver<Control>,
    ) {
        let zero = self.context.zero_at.unwrap_or_else(|| now() + ZERO_AHEAD);
        self.context.hub.clock().set_zero(zero);
        tell(load.commands(), LoadCommand::Begin { zero }).await;
        self.context
            .hub
            .emit_at(zero, RunEvent::Phase(Phase::Load))
            .await;
        if self.context.shard.is_some() {
            cut_where_planned(self.context, load, zero).await;
        }
        let injects = self.context.shard.is_none_or(Shard::is_first);
        let timeline = Timeline::start(self.context, &self.system, load.commands(), zero, injects);
        let cut_short = self.follow(load, control, &timeline).await;
        self.end_faults(timeline, control, cut_short).await;
    }

    /// Waits until no fault is in force, unless the run is cut short meanwhile:
    /// then nothing is waited for that only time brings.
    async fn end_faults(
        &mut self,
        timeline: Timeline<S::Injection>,
        control: &mut mpsc::Receiver<Control>,
        mut cut_short: bool,
    ) {
        let stop = timeline.stop_token();
        if cut_short {
            stop.cancel();
        }
        let finishing = timeline.finish();
        tokio::pin!(finishing);
        self.not_undone = loop {
            let why = tokio::select! {
                biased;
                reason = stop_reason(&self.context.hub, control) => CalledOff::Asked(reason),
                why = lost(&self.context.hub, self.system.guardian()), if !cut_short => why,
                not_undone = &mut finishing => break not_undone,
            };
            self.call_off(why).await;
            cut_short = true;
            stop.cancel();
        };
    }

    /// Passes on what the load tells until it is finished; whether the run was
    /// cut short.
    async fn follow(
        &mut self,
        load: &mut HeardLoad<S::Load>,
        control: &mut mpsc::Receiver<Control>,
        timeline: &Timeline<S::Injection>,
    ) -> bool {
        let stop_faults = &timeline.stop_token();
        let mut guards: Vec<_> = self
            .context
            .scenario
            .abort_when
            .iter()
            .map(|rule| AbortGuard::new(rule.value.clone()))
            .collect();
        let mut reading_guards = ReadingGuards::new(self.context, self.system.instances());
        let mut cut_short = false;
        loop {
            let grace = tokio::select! {
                biased;
                request = next_request(control) => {
                    let reason = match request {
                        Control::Stop(reason) => reason,
                        Control::ByHand(action, from) => {
                            match self.by_hand(timeline, action, from).await {
                                Some(reason) => reason,
                                None => continue,
                            }
                        }
                    };
                    self.call_off(CalledOff::Asked(reason)).await;
                    if cut_short { Duration::ZERO } else { CUT_SHORT_GRACE }
                }
                why = lost(&self.context.hub, self.system.guardian()), if !cut_short => {
                    self.call_off(why).await;
                    CUT_SHORT_GRACE
                }
                trip = reading_guards.tripped(), if !cut_short => {
                    self.emit(tripped(trip)).await;
                    CUT_SHORT_GRACE
                }
                told = load.next() => match told {
                    Told::Output(LoadOutput::Finished { scheduled, lag_max_us }) => {
                        self.emit(RunEvent::LoadFinished { scheduled, lag_max_us }).await;
                        return cut_short;
                    }
                    Told::Output(output) => {
                        let Some(trip) = self.pass_on(output, &mut guards).await else {
                            continue;
                        };
                        self.emit(tripped(trip)).await;
                        if cut_short {
                            continue;
                        }
                        CUT_SHORT_GRACE
                    }
                    Told::Lost(detail) => {
                        self.emit(load_lost(detail)).await;
                        return true;
                    }
                },
            };
            cut_short = true;
            cut_load_short(load, stop_faults, grace).await;
        }
    }

    /// Passes on what the load tells; the guard that trips over it.
    async fn pass_on(&self, output: LoadOutput, guards: &mut [AbortGuard]) -> Option<AbortTrip> {
        match output {
            LoadOutput::Interval(interval) => return self.interval(interval, guards).await,
            LoadOutput::Samples(samples) => self.context.hub.samples(samples).await,
            LoadOutput::Draining => self.emit(RunEvent::Phase(Phase::Drain)).await,
            LoadOutput::LateCut { at } => self.emit(late_cut(self.context, at)).await,
            LoadOutput::Viewings(players) => {
                for event in Viewings::events(players) {
                    self.emit(event).await;
                }
            }
            LoadOutput::Journeys(journeys) => {
                self.emit(RunEvent::JourneysEnded { journeys }).await;
            }
            LoadOutput::Lead(_) | LoadOutput::Finished { .. } => {}
        }
        None
    }

    /// Records what a person did, and does it; why the run is to end, where it
    /// is.
    async fn by_hand(
        &self,
        timeline: &Timeline<S::Injection>,
        action: HandAction,
        from: HandSide,
    ) -> Option<StopReason> {
        if let Err(why) = timeline.can(&action) {
            self.emit(refused(&action, &why)).await;
            return None;
        }
        // The record names the cause before its effects.
        let event = RunEvent::ByHand {
            action: action.clone(),
            from,
        };
        self.emit(event).await;
        timeline.carry_out(&action);
        (action == HandAction::Finish).then_some(StopReason::Finish)
    }

    /// Passes an interval on and shows it to the guards; the first that trips.
    async fn interval(&self, interval: Interval, guards: &mut [AbortGuard]) -> Option<AbortTrip> {
        let at_us = self.context.hub.clock().stamp(now());
        let stamped = Stamped {
            at_us,
            event: RunEvent::Interval(interval),
        };
        let tripped = guards.iter_mut().find_map(|guard| guard.hear(&stamped));
        self.emit(stamped.event).await;
        tripped
    }
}

/// Shards know of each other's faults only what the scenario says: all of them
/// cut their intervals there, so that a merged record has those cuts.
async fn cut_where_planned<L: Load>(context: &RunContext, load: &HeardLoad<L>, zero: Instant) {
    for fault in &context.scenario.faults {
        for at in fault.injections(context.seed) {
            let begins = zero + at;
            let ends = fault.each_lasts().map(|duration| begins + duration);
            for at in std::iter::once(begins).chain(ends) {
                tell(load.commands(), LoadCommand::Cut { at }).await;
            }
        }
    }
}

fn tripped(AbortTrip { guard, detail }: AbortTrip) -> RunEvent {
    RunEvent::Abort { guard, detail }
}

/// Without its end, nobody knows what became of the last arrivals.
fn load_lost(detail: String) -> RunEvent {
    RunEvent::Internal { detail }
}

async fn cut_load_short<L: Load>(
    load: &mut HeardLoad<L>,
    stop_faults: &CancellationToken,
    grace: Duration,
) {
    stop_faults.cancel();
    load.stop(grace).await;
}
