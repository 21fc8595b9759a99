//! One injection of a fault: chosen, injected, verified, removed, verified.

use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha12Rng;
use squall_faults::{
    Fault, FaultContext, FaultError, FaultGuard, Origin, ProcessFault, ProcessIdentity,
    ResourceFault,
};
use squall_scenario::seed::sub_seed;
use squall_scenario::{Evidence, FaultSpec, FaultTarget, Inject, Sighting};
use tokio_util::sync::CancellationToken;

use super::made_of::faults;
use super::means::Means;
use super::reached::Reached;
use super::seam::{Injected, NotInjected};
use crate::system::{Instance, InstanceState, Listens, Member, RunningSystem};

/// How long effects of faults and their undo may take to show.
const EFFECT_WITHIN: Duration = Duration::from_secs(5);
/// How long a killed process may take to serve again.
const BACK_WITHIN: Duration = Duration::from_secs(30);

/// A fault that is in force.
#[derive(Debug)]
pub(crate) struct Injection {
    inject: Inject,
    guards: Vec<FaultGuard>,
    /// The instances that a fault on processes was aimed at.
    reached: Vec<Reached>,
    /// Processes that the fault ended, as they were.
    ended: Vec<(Arc<Instance>, ProcessIdentity)>,
}

/// Chooses what the nth injection of a fault acts on. `any N of X` takes the
/// first N that serve, in an order that only the seed decides.
pub(crate) fn choose(
    system: &RunningSystem,
    spec: &FaultSpec,
    number: u32,
    seed: u64,
) -> Vec<Member> {
    let mut members = system.members(&spec.into.value);
    let FaultTarget::Any { count, .. } = &spec.into.value else {
        return members;
    };
    let stream = sub_seed(seed, &format!("fault/{}/{number}", spec.name.value));
    members.shuffle(&mut ChaCha12Rng::seed_from_u64(stream));
    // A stable sort: those that serve first, each part in the seed's order.
    members.sort_by_key(|member| !serves(member));
    members.truncate(*count as usize);
    members
}

fn serves(member: &Member) -> bool {
    match member {
        Member::Instance(instance) => matches!(instance.state(), InstanceState::Ready(_)),
        Member::Existing(_) | Member::Link(_) | Member::Name { .. } => true,
    }
}

impl Injection {
    /// Breaks all of `members` or none; what could not be taken back then comes
    /// with the error.
    pub(crate) async fn inject(
        means: &Means,
        system: &RunningSystem,
        spec: &FaultSpec,
        number: u32,
        members: &[Member],
        cut_short: &CancellationToken,
    ) -> Result<Self, NotInjected<Self>> {
        let fault_context = FaultContext {
            fault: spec.name.value.clone(),
            injection: number,
            journal: Arc::clone(&means.journal),
            guardian: Some(system.guardian().clone()),
            pauses: means.pauses.clone(),
            limits: means.limits.clone(),
            deadline: EFFECT_WITHIN,
        };
        let mut injection = Self {
            inject: spec.inject.clone(),
            guards: Vec::new(),
            reached: reached(spec, members),
            ended: Vec::new(),
        };
        let faults = match faults((means, system), spec, number, members).await {
            Ok(faults) => faults,
            Err(why) => {
                super::monkeys::let_go(spec, members);
                return Err(NotInjected {
                    why,
                    rest: injection,
                });
            }
        };
        if faults.is_empty() {
            return Err(NotInjected {
                why: format!("there is nothing to break in `{}`", spec.into.value),
                rest: injection,
            });
        }
        let before = Fault::look_before(&faults).await;
        for fault in faults {
            if spec.inject.ends_processes() {
                injection.announce_end(&fault, members, spec.each_lasts().is_some());
            }
            match fault.inject_after(&before, &fault_context).await {
                Ok(guard) => injection.guards.push(guard),
                // What squall did not start may end with what was just hit.
                Err(FaultError::ProcessGone { .. })
                    if is_allowed(&fault) && !injection.guards.is_empty() => {}
                Err(error) => {
                    // This one was not hit; half an injection is none, so the
                    // others are taken back.
                    if spec.inject.ends_processes()
                        && let Some((instance, _)) = injection.ended.pop()
                    {
                        instance.expect_no_end();
                    }
                    let taken_back = injection.remove(cut_short).await.err();
                    let more = taken_back.map_or_else(String::new, |why| format!("; {why}"));
                    return Err(NotInjected {
                        why: format!("{error}{more}"),
                        rest: injection,
                    });
                }
            }
        }
        Ok(injection)
    }

    fn announce_end(&mut self, fault: &Fault, members: &[Member], hold: bool) {
        let target = match fault {
            Fault::Toxic(_)
            | Fault::Messages(_)
            | Fault::Tls(_)
            | Fault::Names(_)
            | Fault::Packets(_)
            | Fault::Resource(_)
            | Fault::Calls(_) => return,
            Fault::Process(ProcessFault { target, .. }) => target,
        };
        for member in members {
            if let Member::Instance(instance) = member
                && instance.name == target.name
            {
                instance.expect_end(hold);
                self.ended.push((Arc::clone(instance), target.identity));
            }
        }
    }

    /// A paused process that ended says more than that it is not there.
    async fn why_lost(&self, error: &FaultError) -> String {
        if self.inject.stops_processes()
            && let FaultError::ProcessGone { .. } = error
        {
            for reached in &self.reached {
                if let Some(end) = reached.end().await {
                    return format!("{end} while it was paused");
                }
            }
        }
        error.to_string()
    }
}

impl Injected for Injection {
    /// Looks for proof of the effect.
    async fn verify(&self) -> Result<Evidence, String> {
        let mut parts = Vec::new();
        for guard in &self.guards {
            match guard.verify().await {
                Ok(part) => parts.push(part),
                Err(error) => return Err(self.why_lost(&error).await),
            }
        }
        Ok(Evidence::of_all(parts))
    }

    /// Looks whether a fault on processes holds whoever serves, and what it does
    /// to them. Reads the descriptors of all processes, which takes longer than
    /// a short outage may last: the window begins before.
    async fn holds_who_serves(&self) -> Result<Vec<Sighting>, String> {
        let mut seen = Vec::new();
        for reached in &self.reached {
            seen.push(reached.verify().await?);
        }
        Ok(seen)
    }

    /// Whether something of it still has to be taken back.
    fn is_in_force(&self) -> bool {
        !self.guards.is_empty()
    }

    /// Takes everything back and checks that it is gone. Goes on after an
    /// error: one part that stays must not keep the others. What stays may be
    /// tried again. Processes that serve again are waited for unless the run is
    /// `cut_short`: then nobody wants them any more.
    async fn remove(&mut self, cut_short: &CancellationToken) -> Result<Evidence, String> {
        let mut parts = Vec::new();
        let mut failures = Vec::new();
        // One that ignored the signal is not to be brought back. Asked of what is
        // open already: there may be no descriptor to look with.
        let lives: Vec<bool> = self
            .guards
            .iter()
            .map(|guard| !guard.target_ended())
            .collect();
        // Each stays in its place until it is removed: whoever gives up waiting
        // may ask again.
        let mut staying = 0;
        while let Some(guard) = self.guards.get_mut(staying) {
            match guard.remove().await {
                Ok(part) => {
                    parts.push(part);
                    self.guards.remove(staying);
                }
                Err(error) => {
                    failures.push(error.to_string());
                    staying += 1;
                }
            }
        }
        let mut removed = Evidence::of_all(parts);
        if !self.ended.is_empty() {
            // The undo of a kill is the process that serves again.
            removed.seen.clear();
        }
        let lives = lives.into_iter().chain(std::iter::repeat(false));
        let ended: Vec<_> = self.ended.drain(..).zip(lives).collect();
        for ((instance, _), _) in ended.iter().filter(|(_, lives)| !lives) {
            instance.release();
        }
        for ((instance, killed), lives) in ended {
            if lives {
                instance.expect_no_end();
                let instance = instance.name.clone();
                removed.seen.push(Sighting::NeverEnded { instance });
                continue;
            }
            let ready = instance.wait_until_ready(Some(killed), BACK_WITHIN);
            match cut_short.run_until_cancelled(ready).await {
                Some(Ok(origin)) => {
                    let serves = serves_again(&instance, &origin);
                    let serves = cut_short.run_until_cancelled(serves).await;
                    let unseen = || ready_again(&instance, &origin, None);
                    removed.seen.push(serves.unwrap_or_else(unseen));
                }
                Some(Err(why)) => failures.push(format!("{}: {why}", instance.name)),
                None => removed.seen.push(Sighting::NotAwaited {
                    instance: instance.name.clone(),
                }),
            }
        }
        if failures.is_empty() {
            Ok(removed)
        } else {
            Err(failures.join("; "))
        }
    }
}

/// Whoever answers is not always whom it can be said of.
async fn serves_again(instance: &Instance, origin: &Origin) -> Sighting {
    match instance.listens(origin).await {
        Listens::Own(_) => Sighting::ServesAgain {
            instance: instance.name.clone(),
            pid: origin.root.pid,
        },
        Listens::Nobody => ready_again(instance, origin, None),
        Listens::Stranger(why) | Listens::Unseen(why) => ready_again(instance, origin, Some(why)),
    }
}

fn ready_again(instance: &Instance, origin: &Origin, but: Option<String>) -> Sighting {
    Sighting::ReadyAgain {
        instance: instance.name.clone(),
        pid: origin.root.pid,
        but,
    }
}

/// Whether it hits what squall did not start.
fn is_allowed(fault: &Fault) -> bool {
    match fault {
        Fault::Toxic(_)
        | Fault::Messages(_)
        | Fault::Tls(_)
        | Fault::Names(_)
        | Fault::Packets(_)
        | Fault::Calls(_) => false,
        Fault::Process(ProcessFault { target, .. })
        | Fault::Resource(ResourceFault { target, .. }) => target.mark.as_deref() == Some(""),
    }
}

/// The instances that a fault on processes is aimed at.
fn reached(spec: &FaultSpec, members: &[Member]) -> Vec<Reached> {
    let fault = match &spec.inject {
        Inject::Bytes(_)
        | Inject::Http(_)
        | Inject::Tls(_)
        | Inject::Network(_)
        | Inject::InProcess(_)
        | Inject::Resource(_) => {
            return Vec::new();
        }
        Inject::Process(fault) => fault,
    };
    let of = |member: &Member| match member {
        Member::Instance(instance) => {
            let origin = instance.origin()?;
            let held = spec.each_lasts().is_some();
            let instance = Arc::clone(instance);
            Some(Reached::new(fault.clone(), instance, origin, held))
        }
        Member::Existing(_) | Member::Link(_) | Member::Name { .. } => None,
    };
    members.iter().filter_map(of).collect()
}
