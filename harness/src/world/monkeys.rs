//! Whom a monkey kills: drawn by the seed among those whose process has enough
//! others that serve.

use std::sync::{Arc, Mutex, PoisonError};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha12Rng;
use squall_scenario::FaultSpec;
use squall_scenario::inject::Monkey;
use squall_scenario::seed::sub_seed;

use crate::system::{Instance, InstanceState, Member, RunningSystem};

/// The choices of all monkeys of a run, one at a time: two that look at the same
/// moment must not both count on the other's victim.
#[derive(Debug, Default)]
pub(crate) struct Monkeys(Mutex<()>);

impl Monkeys {
    /// Chooses whom the nth kill of a monkey hits. Who is chosen no longer counts
    /// as a survivor; whoever does not kill it then has to [`let_go`] of it.
    ///
    /// # Errors
    /// Nobody may be killed now; in words.
    pub(crate) fn choose(
        &self,
        system: &RunningSystem,
        spec: &FaultSpec,
        (monkey, number): (&Monkey, u32),
        seed: u64,
    ) -> Result<Vec<Member>, String> {
        let _one_at_a_time = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut members = system.members(&spec.into.value);
        let stream = sub_seed(seed, &format!("fault/{}/{number}", spec.name.value));
        members.shuffle(&mut ChaCha12Rng::seed_from_u64(stream));
        let mut why = "nobody serves".to_owned();
        for member in members {
            let Member::Instance(instance) = &member else {
                continue;
            };
            if !serves(instance) {
                continue;
            }
            let process = &instance.process.name;
            let others = system.instances_of(process).filter(|other| serves(other));
            let left = others.count() - 1;
            if left < monkey.survivors as usize {
                why = format!(
                    "of {process}, {left} would be left serving, and {} must be",
                    monkey.survivors
                );
                continue;
            }
            instance.expect_end(false);
            return Ok(vec![member]);
        }
        Err(why)
    }
}

/// Whether callers can count on it: it is ready, runs, and no fault is about to
/// end it.
fn serves(instance: &Arc<Instance>) -> bool {
    match instance.state() {
        InstanceState::Ready(origin) => !instance.end_is_expected() && origin.root.runs(),
        InstanceState::Down | InstanceState::Starting(_) | InstanceState::Failed(_) => false,
    }
}

/// Whoever a monkey has chosen lives on.
pub(crate) fn let_go(spec: &FaultSpec, members: &[Member]) {
    if spec.inject.monkey().is_none() {
        return;
    }
    for member in members {
        if let Member::Instance(instance) = member {
            instance.expect_no_end();
        }
    }
}
