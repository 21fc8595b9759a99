//! One injection of a fault: chosen, injected, verified, removed, verified.

use std::sync::Arc;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha12Rng;
use squall_faults::{
    EventSink, EvidenceLevel, Fault, FaultContext, FaultGuard, ProcessFault, ProcessIdentity,
    ProcessTarget, Proxy, ToxicFault,
};
use squall_scenario::{FaultSpec, FaultTarget, Inject};

use super::{BACK_WITHIN, EFFECT_WITHIN, RunContext};
use crate::system::{Instance, InstanceState, Member, RunningSystem};
use squall_scenario::seed::sub_seed;

/// A fault that is in force.
#[derive(Debug)]
pub(super) struct Injection {
    guards: Vec<FaultGuard>,
    /// Processes that the fault ended, as they were.
    ended: Vec<(Arc<Instance>, ProcessIdentity)>,
}

/// What was seen of an injection.
pub(super) struct Seen {
    pub(super) evidence: String,
    pub(super) effective: bool,
}

/// Chooses what the nth injection of a fault acts on. `any N of X` takes the
/// first N that serve, in an order that only the seed decides.
pub(super) fn choose(
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
        Member::Link(_) => true,
    }
}

impl Injection {
    /// Breaks `members`. When this fails nothing stays broken.
    pub(super) async fn inject(
        context: &RunContext,
        system: &RunningSystem,
        spec: &FaultSpec,
        number: u32,
        members: &[Member],
    ) -> Result<Self, String> {
        let fault_context = FaultContext {
            fault: spec.name.value.clone(),
            injection: number,
            events: EventSink::discard(),
            journal: Arc::clone(&context.journal),
            guardian: Some(system.guardian().identity()),
            deadline: EFFECT_WITHIN,
        };
        let mut injection = Self {
            guards: Vec::new(),
            ended: Vec::new(),
        };
        for fault in faults(spec, members)? {
            if let Inject::Kill(_) = spec.inject {
                injection.announce_end(&fault, members, spec.duration.is_some());
            }
            match fault.inject(&fault_context).await {
                Ok(guard) => injection.guards.push(guard),
                Err(error) => {
                    // This one was not hit; half an injection is none, so the
                    // others are taken back.
                    if let Inject::Kill(_) = spec.inject
                        && let Some((instance, _)) = injection.ended.pop()
                    {
                        instance.expect_no_end();
                    }
                    let taken_back = injection.remove().await.err();
                    let rest = taken_back.map_or_else(String::new, |why| format!("; {why}"));
                    return Err(format!("{error}{rest}"));
                }
            }
        }
        Ok(injection)
    }

    fn announce_end(&mut self, fault: &Fault, members: &[Member], hold: bool) {
        let Fault::Process(ProcessFault { target, .. }) = fault else {
            return;
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

    /// Looks for proof of the effect.
    pub(super) async fn verify(&self) -> Result<Seen, String> {
        let mut texts = Vec::new();
        let mut effective = true;
        for guard in &self.guards {
            let evidence = guard.verify().await.map_err(|error| error.to_string())?;
            effective &= evidence.level == EvidenceLevel::Effective;
            texts.push(evidence.text);
        }
        Ok(Seen {
            evidence: texts.join("; "),
            effective,
        })
    }

    /// Takes everything back and checks that it is gone. Goes on after an
    /// error: one part that stays must not keep the others.
    pub(super) async fn remove(&mut self) -> Result<String, String> {
        let mut texts = Vec::new();
        let mut failures = Vec::new();
        for guard in &mut self.guards {
            match guard.remove().await {
                Ok(removal) => texts.push(removal.text),
                Err(error) => failures.push(error.to_string()),
            }
        }
        self.guards.clear();
        if !self.ended.is_empty() {
            // The undo of a kill is the process that serves again.
            texts.clear();
        }
        for (instance, killed) in &self.ended {
            if !killed.is_alive() {
                instance.release();
            }
        }
        for (instance, killed) in self.ended.drain(..) {
            if killed.is_alive() {
                // It ignored the signal: there is nothing to bring back.
                instance.expect_no_end();
                texts.push(format!("{} never ended", instance.name));
                continue;
            }
            match instance.wait_until_ready(Some(killed), BACK_WITHIN).await {
                Ok(identity) => {
                    texts.push(format!(
                        "{} serves again as pid {}",
                        instance.name, identity.pid
                    ));
                }
                Err(why) => failures.push(format!("{}: {why}", instance.name)),
            }
        }
        if failures.is_empty() {
            Ok(texts.join("; "))
        } else {
            Err(failures.join("; "))
        }
    }
}

/// The faults of the fault crate that one injection is made of.
fn faults(spec: &FaultSpec, members: &[Member]) -> Result<Vec<Fault>, String> {
    if spec.inject.acts_on_bytes() {
        let proxies: Vec<Proxy> = members.iter().filter_map(|m| m.proxy().cloned()).collect();
        return Ok(vec![Fault::Toxic(ToxicFault {
            proxies,
            inject: spec.inject.clone(),
        })]);
    }
    let mut faults = Vec::new();
    for member in members {
        let Member::Instance(instance) = member else {
            return Err(format!("`{}` is a link, not a process", member.name()));
        };
        let origin = instance
            .origin()
            .ok_or_else(|| format!("{} is not running, so it cannot be hit", instance.name))?;
        let target = ProcessTarget {
            name: instance.name.clone(),
            identity: origin.root,
            mark: Some(origin.mark),
        };
        faults.push(Fault::Process(ProcessFault {
            target,
            inject: spec.inject.clone(),
        }));
    }
    Ok(faults)
}
