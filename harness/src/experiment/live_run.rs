//! A run whose system is up, from the first request to the end of the system.

use std::sync::Arc;
use std::time::{Duration, Instant};

use squall_load::{Gauges, LoadOutput};
use squall_record::{Phase, RunEvent};
use squall_scenario::format_duration;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::called_off::{CalledOff, called_off};
use super::ending::{ended, hurry, longest};
use super::heard::{HeardLoad, Told};
use super::patience::{Patience, Unanswered};
use super::steady::SteadyWatch;
use super::timeline::Unremoved;
use super::{Control, RunContext};
use crate::clock::now;
use crate::system::BREAKERS_EVERY;
use crate::world::seam::System;

/// Time for answers under way when a run is cut short.
pub(super) const CUT_SHORT_GRACE: Duration = Duration::from_millis(500);
/// From the decision to begin to time zero.
pub(super) const ZERO_AHEAD: Duration = Duration::from_millis(50);
/// For the target to be found.
const LOAD_STARTS_WITHIN: Duration = Duration::from_secs(30);
/// For what is being read when the load is over: longer than what it gives
/// itself.
const LAST_READINGS: Duration = Duration::from_secs(6);
/// The same once the run was asked to stop.
const LAST_READINGS_CUT_SHORT: Duration = Duration::from_millis(300);

/// A run whose system is up.
pub(super) struct LiveRun<'c, S: System> {
    pub(super) context: &'c RunContext,
    pub(super) system: Arc<S>,
    watchers: TaskTracker,
    stop_watchers: CancellationToken,
    /// Faults that could not be taken back so far.
    pub(super) not_undone: Vec<Unremoved<S::Injection>>,
    /// How often the run was asked to stop.
    asked_to_stop: u32,
    /// It was asked to.
    asked: CancellationToken,
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
            asked_to_stop: 0,
            asked: CancellationToken::new(),
        }
    }

    /// Everything from the first request to the last answer.
    pub(super) async fn load(
        &mut self,
        control: &mut mpsc::Receiver<Control>,
        gauges: watch::Sender<Gauges>,
    ) {
        let started = tokio::select! {
            biased;
            why = called_off(&self.context.hub, self.system.guardian(), control) => {
                return self.call_off(why).await;
            }
            started = timeout(LOAD_STARTS_WITHIN, self.system.start_load()) => started,
        };
        let mut load = match started {
            Ok(Ok(load)) => HeardLoad::new(load),
            Ok(Err(detail)) => return self.emit(RunEvent::NotReady { detail }).await,
            Err(_elapsed) => {
                let within = format_duration(LOAD_STARTS_WITHIN);
                let detail = format!("the load was not started within {within}");
                return self.emit(RunEvent::NotReady { detail }).await;
            }
        };
        let forward = forward_gauges(load.gauges(), gauges);
        let forward = tokio::spawn(forward);
        if self.reach_steady_state(&mut load, control).await {
            self.measured_load(&mut load, control).await;
        } else {
            load.stop(Duration::ZERO).await;
        }
        if !load.join().await {
            let text = "the load's thread did not end";
            self.emit(RunEvent::Note {
                text: text.to_owned(),
            })
            .await;
        }
        forward.abort();
    }

    /// Warm-up and steady state; whether the run may go on.
    async fn reach_steady_state(
        &mut self,
        load: &mut HeardLoad<S::Load>,
        control: &mut mpsc::Receiver<Control>,
    ) -> bool {
        let scenario = &self.context.scenario;
        self.emit(RunEvent::Phase(Phase::WarmUp)).await;
        let warm = now() + scenario.load.warm_up;
        let mut steady = SteadyWatch::new(scenario.steady_state.as_ref(), scenario.load.warm_up);
        let mut announced = false;
        loop {
            tokio::select! {
                biased;
                why = called_off(&self.context.hub, self.system.guardian(), control) => {
                    self.call_off(why).await;
                    return false;
                }
                told = load.next() => match told {
                    Told::Output(LoadOutput::Lead(interval)) => steady.feed(interval),
                    Told::Output(_) => {}
                    Told::Lost(detail) => {
                        self.emit(RunEvent::Internal { detail }).await;
                        return false;
                    }
                },
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
        &mut self,
        zero: Instant,
        load: &mut HeardLoad<S::Load>,
        control: &mut mpsc::Receiver<Control>,
    ) -> bool {
        if let Some(late) = now().checked_duration_since(zero) {
            self.emit(started_too_late(late)).await;
            return false;
        }
        let soon = zero.checked_sub(ZERO_AHEAD).unwrap_or(zero);
        loop {
            tokio::select! {
                biased;
                why = called_off(&self.context.hub, self.system.guardian(), control) => {
                    self.call_off(why).await;
                    return false;
                }
                told = load.next() => if let Told::Lost(detail) = told {
                    self.emit(RunEvent::Internal { detail }).await;
                    return false;
                },
                () = tokio::time::sleep_until(soon.into()) => return true,
            }
        }
    }

    /// Ends the system; returns what could not be undone. A request to stop
    /// takes away the time that processes have to end by themselves.
    pub(super) async fn stop(mut self, control: &mut mpsc::Receiver<Control>) -> Vec<String> {
        self.emit(RunEvent::Phase(Phase::Stopping)).await;
        self.stop_watchers.cancel();
        if self.asked_to_stop > 1 {
            hurry(self.system.guardian()).await;
        }
        let (hub, guardian) = (&self.context.hub, self.system.guardian());
        let within = longest(&self.context.scenario.system);
        let ending = async {
            self.last_readings().await;
            self.system.stop().await
        };
        let stopped = ended(hub, guardian, control, within, ending).await;
        let mut left: Vec<String> = stopped.err().into_iter().collect();
        // The end of a process undoes what was done to it.
        for fault in std::mem::take(&mut self.not_undone) {
            left.extend(fault.try_a_last_time().await);
        }
        left
    }

    /// Waits for those who read something for the record.
    async fn last_readings(&self) {
        let patience = Patience {
            within: LAST_READINGS,
            cut_short: &self.asked,
            then: LAST_READINGS_CUT_SHORT,
        };
        if patience.wait(self.watchers.wait()).await == Err(Unanswered::Late) {
            let within = format_duration(LAST_READINGS);
            let text = format!("what was read when the load ended was not done within {within}");
            self.emit(RunEvent::Note { text }).await;
        }
    }

    /// Notes why the run ends before its time.
    pub(super) async fn call_off(&mut self, why: CalledOff) {
        if let CalledOff::Asked(_) = why {
            self.asked_to_stop += 1;
            self.asked.cancel();
        }
        self.emit(why.event()).await;
    }

    pub(super) async fn emit(&self, event: RunEvent) {
        self.context.hub.emit(event).await;
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

/// Copies the load's gauges to the run's view of them.
async fn forward_gauges(mut from: watch::Receiver<Gauges>, to: watch::Sender<Gauges>) {
    while from.changed().await.is_ok() {
        to.send_replace(*from.borrow_and_update());
    }
}
