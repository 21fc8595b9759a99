//! The fault timeline: one task per injection.

use std::sync::Arc;
use std::time::Instant;

use squall_reports::{FaultChange, HandAction, RunEvent};
use squall_scenario::{FaultSpec, Inject};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::RunContext;
use super::injection::{Injection, choose};
use crate::load::LoadCommand;
use crate::system::{Member, RunningSystem};

/// The faults of a run under way.
#[derive(Debug)]
pub(super) struct Timeline {
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Each fault that this run injects, and what ends it alone.
    faults: Vec<(String, CancellationToken)>,
    undo_failures: mpsc::Receiver<String>,
}

/// What every injection's task shares.
#[derive(Debug, Clone)]
struct Shared {
    context: RunContext,
    system: Arc<RunningSystem>,
    load: mpsc::Sender<LoadCommand>,
    /// Ends the fault, with all others or alone.
    stop: CancellationToken,
    undo_failures: mpsc::Sender<String>,
    zero: Instant,
}

impl Timeline {
    /// Schedules every injection of the scenario, counted from `zero`; none
    /// where another shard `injects` them.
    pub(super) fn start(
        context: &RunContext,
        system: &Arc<RunningSystem>,
        load: &mpsc::Sender<LoadCommand>,
        zero: Instant,
        injects: bool,
    ) -> Self {
        let tasks = TaskTracker::new();
        let stop = CancellationToken::new();
        let (failed, undo_failures) = mpsc::channel(1024);
        let shared = Shared {
            context: context.clone(),
            system: Arc::clone(system),
            load: load.clone(),
            stop: stop.clone(),
            undo_failures: failed,
            zero,
        };
        let mut faults = Vec::new();
        let own = context.scenario.faults.iter().filter(|_| injects);
        for (index, spec) in own.enumerate() {
            let shared = Shared {
                stop: stop.child_token(),
                ..shared.clone()
            };
            faults.push((spec.name.value.clone(), shared.stop.clone()));
            for (number, at) in (0..).zip(spec.injections()) {
                let shared = shared.clone();
                tasks.spawn(async move {
                    let due = tokio::time::Instant::from_std(shared.zero + at);
                    let waited = shared
                        .stop
                        .run_until_cancelled(tokio::time::sleep_until(due))
                        .await;
                    if waited.is_some() {
                        let spec = &shared.context.scenario.faults[index];
                        Live {
                            shared: &shared,
                            spec,
                            number,
                            targets: Vec::new(),
                        }
                        .run()
                        .await;
                    }
                });
            }
        }
        tasks.close();
        Self {
            tasks,
            stop,
            faults,
            undo_failures,
        }
    }

    /// Why an action of a person cannot be carried out, in words.
    pub(super) fn can(&self, action: &HandAction) -> Result<(), String> {
        let known = |fault: &str| self.faults.iter().any(|(name, _)| name == fault);
        match action {
            HandAction::StopFault { fault } if !known(fault) => {
                Err(format!("this run injects no fault called `{fault}`"))
            }
            HandAction::StopAllFaults if self.faults.is_empty() => {
                Err("this run injects no fault".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Ends the faults that the action stops; the load goes on.
    pub(super) fn carry_out(&self, action: &HandAction) {
        for (name, stop) in &self.faults {
            if action.stops(name) {
                stop.cancel();
            }
        }
    }

    /// Removes what is in force, injects nothing more, and waits until every
    /// removal is verified. Returns what could not be undone, in words.
    pub(super) async fn finish(mut self, at_once: bool) -> Vec<String> {
        if at_once {
            self.stop.cancel();
        }
        self.tasks.wait().await;
        let mut failures = Vec::new();
        while let Ok(failure) = self.undo_failures.try_recv() {
            failures.push(failure);
        }
        failures
    }

    /// A token that ends every injection when it is cancelled.
    pub(super) fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }
}

/// One injection under way.
struct Live<'r> {
    shared: &'r Shared,
    spec: &'r FaultSpec,
    number: u32,
    targets: Vec<String>,
}

impl Live<'_> {
    async fn run(mut self) {
        let shared = self.shared;
        let control = self.spec.is_control(self.number, shared.context.seed);
        if control || shared.context.withhold_faults {
            return self.withhold().await;
        }
        let members = choose(&shared.system, self.spec, self.number, shared.context.seed);
        self.targets = members
            .iter()
            .map(|member| member.name().to_owned())
            .collect();
        self.edge(FaultChange::Requested).await;
        let Some(mut injection) = self.inject(&members).await else {
            return;
        };
        if let Some(duration) = self.spec.duration {
            let lasting = tokio::time::sleep(duration);
            shared.stop.run_until_cancelled(lasting).await;
        }
        self.look_again(&injection).await;
        // What a killed process broke lasts until it serves again, whether it is
        // brought back at once or after a time: so does the window.
        let killed = matches!(self.spec.inject, Inject::Kill(_));
        if !killed {
            self.edge(FaultChange::RemovalRequested).await;
        }
        let removed = injection.remove().await;
        if killed {
            self.edge(FaultChange::RemovalRequested).await;
        }
        match removed {
            Ok(evidence) => self.edge(FaultChange::Removed { evidence }).await,
            Err(detail) => {
                let words = format!("fault `{}`: {detail}", self.spec.name.value);
                self.tell(Instant::now(), FaultChange::Failed { detail })
                    .await;
                let _ = shared.undo_failures.send(words).await;
            }
        }
    }

    /// Cuts the window where the fault would have been: a control period, or a
    /// run that measures false alarms.
    async fn withhold(&self) {
        self.edge(FaultChange::Withheld).await;
        let would_last = self.shared.context.scenario.length_of(self.spec);
        let lasting = tokio::time::sleep(would_last);
        self.shared.stop.run_until_cancelled(lasting).await;
        self.edge(FaultChange::WithheldEnds).await;
    }

    /// What traffic felt is known only now; and a pause may have been ended by
    /// somebody else. The end of a process cannot be taken back.
    async fn look_again(&self, injection: &Injection) {
        if let Inject::Kill(_) = self.spec.inject {
            return;
        }
        let change = match injection.verify().await {
            Ok(seen) => FaultChange::Observed {
                evidence: seen.evidence,
                effective: seen.effective,
            },
            Err(evidence) => FaultChange::Observed {
                evidence,
                effective: false,
            },
        };
        self.tell(Instant::now(), change).await;
    }

    async fn inject(&self, members: &[Member]) -> Option<Injection> {
        let shared = self.shared;
        let injected = Injection::inject(
            &shared.context,
            &shared.system,
            self.spec,
            self.number,
            members,
        );
        let mut injection = match injected.await {
            Ok(injection) => injection,
            Err(detail) => {
                self.tell(Instant::now(), FaultChange::Failed { detail })
                    .await;
                return None;
            }
        };
        match injection.verify().await {
            Ok(seen) => {
                self.edge(FaultChange::Active {
                    evidence: seen.evidence,
                })
                .await;
                Some(injection)
            }
            Err(detail) => {
                self.tell(Instant::now(), FaultChange::Failed { detail })
                    .await;
                if let Err(words) = injection.remove().await {
                    let _ = shared.undo_failures.send(words).await;
                }
                None
            }
        }
    }

    /// A change that is an edge of the fault's window: intervals are cut there.
    async fn edge(&self, change: FaultChange) {
        let at = Instant::now();
        // The load may have ended; then there is nothing to cut.
        let _ = self.shared.load.send(LoadCommand::Cut { at }).await;
        self.tell(at, change).await;
    }

    async fn tell(&self, at: Instant, change: FaultChange) {
        let event = RunEvent::Fault {
            fault: self.spec.name.value.clone(),
            injection: self.number,
            targets: self.targets.clone(),
            change,
        };
        self.shared.context.hub.emit_at(at, event).await;
    }
}
