//! A run whose system is up: load, steady state, faults, drain.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use squall_judge::live::{AbortGuard, AbortTrip};
use squall_record::{HandAction, HandSide, Interval, Phase, RunEvent, Shard, Stamped, StopReason};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::reading_guards::ReadingGuards;
use super::steady::SteadyWatch;
use super::timeline::{Timeline, Unremoved, late_cut};
use super::{Control, RunContext, next_request, refused, stop_reason};
use crate::clock::now;
use crate::system::BREAKERS_EVERY;
use crate::world::seam::{Guardian, Load, System};
use squall_load::{Gauges, LoadCommand, LoadOutput};

/// Time for answers under way when a run is cut short.
const CUT_SHORT_GRACE: Duration = Duration::from_millis(500);
/// From the decision to begin to time zero.
const ZERO_AHEAD: Duration = Duration::from_millis(50);

/// A run whose system is up.
pub(super) struct LiveRun<'c, S: System> {
    context: &'c RunContext,
    system: Arc<S>,
    watchers: TaskTracker,
    stop_watchers: CancellationToken,
    /// Faults that could not be taken back so far.
    not_undone: Vec<Unremoved<S::Injection>>,
    /// How often the run was asked to stop.
    asked_to_stop: AtomicU32,
}

impl<'c, S: System> LiveRun<'c, S> {
    pub(super) async fn new(context: &'c RunContext, system: Arc<S>) -> Self {
        if !context.scenario.system.breakers.is_empty() {
            let every_us = u64::try_from(BREAKERS_EVERY.as_micros()).unwrap_or(u64::MAX);
            context.hub.emit(RunEvent::BreakersRead { every_us }).await;
        }
        let watchers = TaskTracker::new();
        let stop = CancellationToken::new();
        system.watch(&context.hub, &watchers, &stop);
        watchers.close();
        Self {
            context,
            system,
            watchers,
            stop_watchers: stop,
            not_undone: Vec::new(),
            asked_to_stop: AtomicU32::new(0),
        }
    }

    /// Everything from the first request to the last answer.
    pub(super) async fn load(
        &mut self,
        control: &mut mpsc::Receiver<Control>,
        gauges: watch::Sender<Gauges>,
    ) {
        let mut load = match self.system.start_load().await {
            Ok(load) => load,
            Err(detail) => return self.emit(RunEvent::NotReady { detail }).await,
        };
        let forward = forward_gauges(load.gauges(), gauges);
        let forward = tokio::spawn(forward);
        if self.reach_steady_state(&mut load, control).await {
            self.measured_load(&mut load, control).await;
        } else {
            let _ = load
                .commands()
                .send(LoadCommand::Stop {
                    grace: Duration::ZERO,
                })
                .await;
        }
        load.join().await;
        forward.abort();
    }

    /// Warm-up and steady state; whether the run may go on.
    async fn reach_steady_state(
        &self,
        load: &mut S::Load,
        control: &mut mpsc::Receiver<Control>,
    ) -> bool {
        let scenario = &self.context.scenario;
        self.emit(RunEvent::Phase(Phase::WarmUp)).await;
        let warm = now() + scenario.load.warm_up;
        let mut steady = SteadyWatch::new(scenario.steady_state.as_ref(), scenario.load.warm_up);
        let mut announced = false;
        loop {
            tokio::select! {
                output = load.next() => match output {
                    Some(LoadOutput::Lead(interval)) => steady.feed(interval),
                    Some(_) => {}
                    None => {
                        let detail = "the load's thread ended by itself".to_owned();
                        self.emit(RunEvent::NotReady { detail }).await;
                        return false;
                    }
                },
                reason = stop_reason(&self.context.hub, control) => {
                    self.interrupted(reason).await;
                    return false;
                }
                () = self.context.hub.record_lost() => {
                    self.emit(record_lost()).await;
                    return false;
                }
                () = self.system.guardian().gone() => {
                    self.emit(guardian_lost()).await;
                    return false;
                }
                () = tokio::time::sleep(Duration::from_millis(100)) => {}
            }
            if now() < warm {
                continue;
            }
            if scenario.steady_state.is_none() {
                let text = "no steady state was asked for: the measured load follows the warm-up";
                self.emit(RunEvent::Note {
                    text: text.to_owned(),
                })
                .await;
                return true;
            }
            if !announced {
                announced = true;
                self.emit(RunEvent::Phase(Phase::SteadyState)).await;
            }
            if let Some((reached, detail)) = steady.decided() {
                self.emit(RunEvent::SteadyState { reached, detail }).await;
                return match self.context.zero_at {
                    Some(zero) if reached => self.wait_for_zero(zero, load, control).await,
                    _ => reached,
                };
            }
        }
    }

    /// Keeps the lead load up until just before the agreed time zero; whether
    /// the run may go on.
    async fn wait_for_zero(
        &self,
        zero: Instant,
        load: &mut S::Load,
        control: &mut mpsc::Receiver<Control>,
    ) -> bool {
        if let Some(late) = now().checked_duration_since(zero) {
            self.emit(started_too_late(late)).await;
            return false;
        }
        let soon = zero.checked_sub(ZERO_AHEAD).unwrap_or(zero);
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(soon.into()) => return true,
                output = load.next() => if output.is_none() {
                    let detail = "the load's thread ended by itself".to_owned();
                    self.emit(RunEvent::NotReady { detail }).await;
                    return false;
                },
                reason = stop_reason(&self.context.hub, control) => {
                    self.interrupted(reason).await;
                    return false;
                }
                () = self.system.guardian().gone() => {
                    self.emit(guardian_lost()).await;
                    return false;
                }
            }
        }
    }

    /// The measured load with its faults, to the last answer.
    async fn measured_load(&mut self, load: &mut S::Load, control: &mut mpsc::Receiver<Control>) {
        let zero = self.context.zero_at.unwrap_or_else(|| now() + ZERO_AHEAD);
        self.context.hub.clock().set_zero(zero);
        let _ = load.commands().send(LoadCommand::Begin { zero }).await;
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
            tokio::select! {
                not_undone = &mut finishing => break not_undone,
                reason = stop_reason(&self.context.hub, control) => {
                    self.interrupted(reason).await;
                    cut_short = true;
                }
                () = self.system.guardian().gone(), if !cut_short => {
                    self.emit(guardian_lost()).await;
                    cut_short = true;
                }
            }
            stop.cancel();
        };
    }

    /// Passes on what the load tells until it is finished; whether the run was
    /// cut short.
    async fn follow(
        &self,
        load: &mut S::Load,
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
            tokio::select! {
                output = load.next() => match output {
                    Some(LoadOutput::Interval(interval)) => {
                        if self.interval(interval, &mut guards).await && !cut_short {
                            cut_short = true;
                            cut_load_short(load, stop_faults, CUT_SHORT_GRACE).await;
                        }
                    }
                    Some(LoadOutput::Samples(samples)) => self.context.hub.samples(samples).await,
                    Some(LoadOutput::Draining) => self.emit(RunEvent::Phase(Phase::Drain)).await,
                    Some(LoadOutput::LateCut { at }) => self.emit(late_cut(self.context, at)).await,
                    Some(LoadOutput::Lead(_)) => {}
                    Some(LoadOutput::Finished { scheduled, lag_max_us }) => {
                        self.emit(RunEvent::LoadFinished { scheduled, lag_max_us }).await;
                        return cut_short;
                    }
                    None => return true,
                },
                AbortTrip { guard, detail } = reading_guards.tripped(), if !cut_short => {
                    cut_short = true;
                    self.emit(RunEvent::Abort { guard, detail }).await;
                    cut_load_short(load, stop_faults, CUT_SHORT_GRACE).await;
                }
                () = self.system.guardian().gone(), if !cut_short => {
                    cut_short = true;
                    self.emit(guardian_lost()).await;
                    cut_load_short(load, stop_faults, CUT_SHORT_GRACE).await;
                }
                () = self.context.hub.record_lost(), if !cut_short => {
                    cut_short = true;
                    self.emit(record_lost()).await;
                    cut_load_short(load, stop_faults, CUT_SHORT_GRACE).await;
                }
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
                    let grace = if cut_short { Duration::ZERO } else { CUT_SHORT_GRACE };
                    self.interrupted(reason).await;
                    cut_short = true;
                    cut_load_short(load, stop_faults, grace).await;
                }
            }
        }
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

    /// Passes an interval on and shows it to the guards; whether one tripped.
    async fn interval(&self, interval: Interval, guards: &mut [AbortGuard]) -> bool {
        let at_us = self.context.hub.clock().stamp(now());
        let stamped = Stamped {
            at_us,
            event: RunEvent::Interval(interval),
        };
        let tripped = guards.iter_mut().find_map(|guard| guard.hear(&stamped));
        self.emit(stamped.event).await;
        let Some(AbortTrip { guard, detail }) = tripped else {
            return false;
        };
        self.emit(RunEvent::Abort { guard, detail }).await;
        true
    }

    /// Ends the system; returns what could not be undone. A request to stop
    /// takes away the time that processes have to end by themselves.
    pub(super) async fn stop(mut self, control: &mut mpsc::Receiver<Control>) -> Vec<String> {
        self.emit(RunEvent::Phase(Phase::Stopping)).await;
        self.stop_watchers.cancel();
        self.watchers.wait().await;
        if self.asked_to_stop.load(Ordering::SeqCst) > 1 {
            self.system.guardian().hurry().await;
        }
        let mut left = Vec::new();
        let stopping = self.system.stop();
        tokio::pin!(stopping);
        loop {
            tokio::select! {
                ended = &mut stopping => {
                    left.extend(ended.err());
                    break;
                }
                // The load is over and its verdict stands.
                _ = stop_reason(&self.context.hub, control) => {
                    let text = "asked to stop while stopping: processes have no more time to end";
                    self.emit(RunEvent::Note { text: text.to_owned() }).await;
                    self.system.guardian().hurry().await;
                }
            }
        }
        // The end of a process undoes what was done to it.
        for fault in std::mem::take(&mut self.not_undone) {
            left.extend(fault.try_a_last_time().await);
        }
        left
    }

    async fn interrupted(&self, reason: StopReason) {
        self.asked_to_stop.fetch_add(1, Ordering::SeqCst);
        self.emit(RunEvent::Interrupted { reason }).await;
    }

    async fn emit(&self, event: RunEvent) {
        self.context.hub.emit(event).await;
    }
}

/// Shards know of each other's faults only what the scenario says: all of them
/// cut their intervals there, so that a merged record has those cuts.
async fn cut_where_planned(context: &RunContext, load: &impl Load, zero: Instant) {
    for fault in &context.scenario.faults {
        for at in fault.injections() {
            let begins = zero + at;
            let ends = fault.duration.map(|duration| begins + duration);
            for at in std::iter::once(begins).chain(ends) {
                let _ = load.commands().send(LoadCommand::Cut { at }).await;
            }
        }
    }
}

fn started_too_late(late: Duration) -> RunEvent {
    RunEvent::NotReady {
        detail: format!(
            "the agreed start had passed by {late:.1?} when the steady state was reached; \
             give all shards a later --start-at"
        ),
    }
}

fn guardian_lost() -> RunEvent {
    RunEvent::Abort {
        guard: "the guardian is alive".to_owned(),
        detail: "the guardian ended, so nobody owns the processes any more".to_owned(),
    }
}

/// For those who watch; the record cannot hold it any more.
fn record_lost() -> RunEvent {
    RunEvent::Abort {
        guard: "the record can be written".to_owned(),
        detail: "the record cannot be written any more, so nothing more can be proven".to_owned(),
    }
}

async fn cut_load_short(load: &impl Load, stop_faults: &CancellationToken, grace: Duration) {
    stop_faults.cancel();
    let _ = load.commands().send(LoadCommand::Stop { grace }).await;
}

/// Copies the load's gauges to the run's view of them.
async fn forward_gauges(mut from: watch::Receiver<Gauges>, to: watch::Sender<Gauges>) {
    while from.changed().await.is_ok() {
        to.send_replace(*from.borrow_and_update());
    }
}
