//! The fault timeline: one task per injection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use squall_record::{FaultChange, HandAction, RunEvent};
use squall_scenario::{Evidence, EvidenceLevel, FaultSpec, Sighting, format_duration};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::RunContext;
use super::heard;
use super::patience::{Patience, Unanswered};
use crate::clock::now;
use crate::world::seam::{Injected, Member, NotInjected, System};
use squall_load::LoadCommand;

/// Between two tries to take back a fault that could not be taken back.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// For a look at a fault, and what is left of it when the run is cut short.
const LOOK: (Duration, Duration) = (Duration::from_secs(60), Duration::from_millis(500));
/// For an injection likewise: it must not be given up in its middle if that can
/// be avoided.
const INJECTION: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(10));
/// For a removal likewise, which waits for killed processes to serve again.
const REMOVAL: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(10));

/// The faults of a run under way.
#[derive(Debug)]
pub(super) struct Timeline<I> {
    tasks: TaskTracker,
    stop: CancellationToken,
    /// The load is over: what could not be taken back so far is handed over.
    closing: CancellationToken,
    /// Each fault that this run injects, and what ends it alone.
    faults: Vec<(String, CancellationToken)>,
    unremoved: mpsc::Receiver<Unremoved<I>>,
}

/// An injection that could not be taken back so far.
#[derive(Debug)]
pub(super) struct Unremoved<I> {
    fault: String,
    /// None where it was given up before it was known.
    injection: Option<I>,
}

impl<I: Injected> Unremoved<I> {
    /// Tries once more; what is left after that, in words.
    pub(super) async fn try_a_last_time(mut self) -> Option<String> {
        let ended = CancellationToken::new();
        ended.cancel();
        let failed = match &mut self.injection {
            Some(injection) => remove(injection, &ended).await.err()?,
            None => "its injection was given up, so nobody saw what is left of it".to_owned(),
        };
        Some(format!("fault `{}`: {failed}", self.fault))
    }
}

/// What every injection's task shares.
struct Shared<S: System> {
    context: RunContext,
    system: Arc<S>,
    load: mpsc::Sender<LoadCommand>,
    /// The run is cut short: nobody waits for what is of no use to it any more.
    cut_short: CancellationToken,
    closing: CancellationToken,
    unremoved: mpsc::Sender<Unremoved<S::Injection>>,
    zero: Instant,
}

impl<I: Injected> Timeline<I> {
    /// Schedules every injection of the scenario, counted from `zero`; none
    /// where another shard `injects` them.
    pub(super) fn start<S: System<Injection = I>>(
        context: &RunContext,
        system: &Arc<S>,
        load: &mpsc::Sender<LoadCommand>,
        zero: Instant,
        injects: bool,
    ) -> Self {
        let tasks = TaskTracker::new();
        let stop = CancellationToken::new();
        let closing = CancellationToken::new();
        // One for each injection at most: none ever waits for room.
        let injections = context
            .scenario
            .faults
            .iter()
            .map(|f| f.injections(context.seed).count());
        let (failed, unremoved) = mpsc::channel(injections.sum::<usize>().max(1));
        let shared = Arc::new(Shared {
            context: context.clone(),
            system: Arc::clone(system),
            load: load.clone(),
            cut_short: stop.clone(),
            closing: closing.clone(),
            unremoved: failed,
            zero,
        });
        let mut faults = Vec::new();
        let own = context.scenario.faults.iter().filter(|_| injects);
        for (index, spec) in own.enumerate() {
            let stop = stop.child_token();
            faults.push((spec.name.value.clone(), stop.clone()));
            for (number, at) in (0..).zip(spec.injections(context.seed)) {
                let (shared, stop) = (Arc::clone(&shared), stop.clone());
                tasks.spawn(async move {
                    let due = tokio::time::sleep_until((shared.zero + at).into());
                    let waited = stop.run_until_cancelled(due).await;
                    if waited.is_some() {
                        let spec = &shared.context.scenario.faults[index];
                        Live {
                            shared: &shared,
                            stop: &stop,
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
            closing,
            faults,
            unremoved,
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

    /// Waits until every removal is verified or given up. Returns what could
    /// not be undone.
    pub(super) async fn finish(mut self) -> Vec<Unremoved<I>> {
        self.closing.cancel();
        self.tasks.wait().await;
        let mut left = Vec::new();
        while let Ok(unremoved) = self.unremoved.try_recv() {
            left.push(unremoved);
        }
        left
    }

    /// A token that ends every injection when it is cancelled.
    pub(super) fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }
}

/// Squall stood still for so long that an edge of a fault was told only when
/// its second had been recorded.
pub(super) fn late_cut(context: &RunContext, at: Instant) -> RunEvent {
    let at_s = context.hub.clock().stamp(at) as f64 / 1e6;
    RunEvent::Note {
        text: format!(
            "squall was too late to cut the second at {at_s:.3}s, where a fault began or ended: \
             its arrivals count to one side of that edge"
        ),
    }
}

fn patience((within, then): (Duration, Duration), cut_short: &CancellationToken) -> Patience<'_> {
    Patience {
        within,
        cut_short,
        then,
    }
}

fn late(what: &str, within: Duration) -> String {
    format!("{what}: no answer within {}", format_duration(within))
}

/// Takes an injection back; one that does not answer may be asked again.
async fn remove(
    injection: &mut impl Injected,
    cut_short: &CancellationToken,
) -> Result<Evidence, String> {
    let removing = injection.remove(cut_short);
    match patience(REMOVAL, cut_short).wait(removing).await {
        Ok(removed) => removed,
        Err(Unanswered::Late) => Err(late("nobody saw it removed", REMOVAL.0)),
        Err(Unanswered::CutShort) => Err(late("nobody saw it removed", REMOVAL.1)),
    }
}

/// That a fault was not in force any more.
fn lost(why: String) -> FaultChange {
    FaultChange::Observed {
        evidence: Evidence::lost(why).into(),
        effective: false,
        lost: true,
    }
}

/// One injection under way.
struct Live<'r, S: System> {
    shared: &'r Shared<S>,
    /// Ends the fault, with all others or alone.
    stop: &'r CancellationToken,
    spec: &'r FaultSpec,
    number: u32,
    targets: Vec<String>,
}

impl<S: System> Live<'_, S> {
    async fn run(mut self) {
        let shared = self.shared;
        let control = self.spec.is_control(self.number, shared.context.seed);
        if control || shared.context.withhold_faults {
            return self.withhold().await;
        }
        let members = match shared.system.choose(self.spec, self.number) {
            Ok(members) => members,
            Err(why) => return self.tell(now(), FaultChange::Spared { why }).await,
        };
        self.targets = members
            .iter()
            .map(|member| member.name().to_owned())
            .collect();
        self.edge(FaultChange::Requested).await;
        let Some(mut injection) = self.inject(&members).await else {
            return;
        };
        self.observe(&injection).await;
        // What a killed process broke lasts until it serves again, whether it is
        // brought back at once or after a time: so does the window.
        let killed = self.spec.inject.ends_processes();
        if !killed {
            self.edge(FaultChange::RemovalRequested).await;
        }
        let removed = remove(&mut injection, &shared.cut_short).await;
        if killed {
            self.edge(FaultChange::RemovalRequested).await;
        }
        match removed {
            Ok(removed) => {
                self.edge(FaultChange::Removed {
                    evidence: removed.into(),
                })
                .await
            }
            Err(detail) => {
                self.tell(now(), FaultChange::Failed { detail }).await;
                self.try_again(injection).await;
            }
        }
    }

    /// Lets the fault last, with looks at it as it begins and as it ends. A look
    /// that takes longer than the fault should last is both: another one would only
    /// lengthen it more. When the run is cut short they are given up together, and
    /// what they would have told.
    async fn observe(&self, injection: &S::Injection) {
        let lasting = async {
            if let Some(duration) = self.spec.each_lasts() {
                let lasting = tokio::time::sleep(duration);
                self.stop.run_until_cancelled(lasting).await;
            }
            now()
        };
        let first_look = async { (self.look_who_serves(injection).await, now()) };
        let looking = async {
            let (due, (who_serves, looked)) = tokio::join!(lasting, first_look);
            let who_serves = who_serves.filter(|_| looked > due);
            self.look_again(injection, who_serves).await;
        };
        let cut_short = async {
            self.shared.cut_short.cancelled().await;
            tokio::time::sleep(LOOK.1).await;
        };
        tokio::select! {
            biased;
            () = looking => {}
            () = cut_short => {}
        }
    }

    /// Tries again and again to take an injection back, as long as the load
    /// lasts. What is in force after that is handed over.
    async fn try_again(&self, mut injection: S::Injection) {
        let shared = self.shared;
        while injection.is_in_force() {
            let pause = tokio::time::sleep(AGAIN_AFTER);
            if shared.closing.run_until_cancelled(pause).await.is_none() {
                let fault = self.spec.name.value.clone();
                // Nobody waits for it only if the run itself was given up; the
                // injection is taken back once more as it is dropped.
                let injection = Some(injection);
                let _ = shared.unremoved.send(Unremoved { fault, injection }).await;
                return;
            }
            if let Ok(removed) = remove(&mut injection, &shared.cut_short).await {
                let evidence = removed.into();
                return self.edge(FaultChange::Removed { evidence }).await;
            }
        }
    }

    /// Cuts the window where the fault would have been: a control period, or a
    /// run that measures false alarms.
    async fn withhold(&self) {
        self.edge(FaultChange::Withheld).await;
        let would_last = self.shared.context.scenario.length_of(self.spec);
        let lasting = tokio::time::sleep(would_last);
        self.stop.run_until_cancelled(lasting).await;
        self.edge(FaultChange::WithheldEnds).await;
    }

    /// Somebody else may serve from the beginning on. What was seen, if that is
    /// not so.
    async fn look_who_serves(&self, injection: &S::Injection) -> Option<Vec<Sighting>> {
        let looking = timeout(LOOK.0, injection.holds_who_serves());
        let unseen = |_elapsed| Err(late("nobody saw who serves", LOOK.0));
        match looking.await.unwrap_or_else(unseen) {
            Ok(seen) => Some(seen),
            Err(why) => {
                self.tell(now(), lost(why)).await;
                None
            }
        }
    }

    /// What traffic felt is known only now; a pause may have been ended by
    /// somebody else, and somebody else may serve instead of a killed process, unless
    /// `who_serves` was seen only just now.
    async fn look_again(&self, injection: &S::Injection, who_serves: Option<Vec<Sighting>>) {
        let killed = self.spec.inject.ends_processes();
        if killed && self.spec.each_lasts().is_none() {
            return;
        }
        let looking = async {
            let mut evidence = injection.verify().await?;
            let who_serves = match who_serves {
                Some(seen) => seen,
                None => injection.holds_who_serves().await?,
            };
            evidence.seen.extend(who_serves);
            Ok(evidence)
        };
        let unseen = |_elapsed| Err(late("nothing was seen of it any more", LOOK.0));
        let seen = timeout(LOOK.0, looking).await.unwrap_or_else(unseen);
        let change = match seen {
            // That it is still down was said when it went down.
            Ok(_) if killed => return,
            Ok(evidence) => FaultChange::Observed {
                effective: evidence.level == EvidenceLevel::Felt,
                evidence: evidence.into(),
                lost: false,
            },
            Err(why) => lost(why),
        };
        self.tell(now(), change).await;
    }

    async fn inject(&self, members: &[S::Member]) -> Option<S::Injection> {
        let shared = self.shared;
        let injected = shared
            .system
            .inject(self.spec, self.number, members, &shared.cut_short);
        let injected = patience(INJECTION, &shared.cut_short).wait(injected).await;
        let mut injection = match injected {
            Ok(Ok(injection)) => injection,
            Err(_unanswered) => {
                let detail = "its injection was given up: it did not come to an end".to_owned();
                self.tell(now(), FaultChange::Failed { detail }).await;
                let fault = self.spec.name.value.clone();
                let injection = None;
                let _ = shared.unremoved.send(Unremoved { fault, injection }).await;
                return None;
            }
            Ok(Err(NotInjected { why, rest })) => {
                let failed = FaultChange::Failed { detail: why };
                self.tell(now(), failed).await;
                self.try_again(rest).await;
                return None;
            }
        };
        let verified = patience(LOOK, &shared.cut_short).wait(injection.verify());
        match verified
            .await
            .unwrap_or_else(|unanswered| match unanswered {
                Unanswered::Late => Err(late("its effect was not seen", LOOK.0)),
                Unanswered::CutShort => {
                    Err("the run was cut short before its effect was seen".to_owned())
                }
            }) {
            Ok(evidence) => {
                let evidence = evidence.into();
                self.edge(FaultChange::Active { evidence }).await;
                Some(injection)
            }
            Err(detail) => {
                self.tell(now(), FaultChange::Failed { detail }).await;
                if remove(&mut injection, &shared.cut_short).await.is_err() {
                    self.try_again(injection).await;
                }
                None
            }
        }
    }

    /// A change that is an edge of the fault's window: intervals are cut there.
    async fn edge(&self, change: FaultChange) {
        let at = now();
        heard::tell(&self.shared.load, LoadCommand::Cut { at }).await;
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
