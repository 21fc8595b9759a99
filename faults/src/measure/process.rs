//! Faults on processes: how long until the effect is there.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use squall_scenario::inject::{Kill, Limit, Signal};
use squall_scenario::{OnProcess, OnResource};

use super::stage::Stage;
use super::{Amount, Measured, NotMeasured, Observed};
use crate::{Fault, ProcessFault, ProcessIdentity, ProcessTarget, ResourceFault};

/// How often each is done.
const TIMES: usize = 10;
/// Longer than any measurement.
const LIFE_S: &str = "60";
/// The effect is asked for at once.
const AT_ONCE: Amount = Amount::Time(Duration::ZERO);

pub(super) async fn pause(stage: &Stage) -> Result<Vec<Measured>, NotMeasured> {
    on_process(stage, "pause: until it is stopped", OnProcess::Pause).await
}

pub(super) async fn kill(stage: &Stage) -> Result<Vec<Measured>, NotMeasured> {
    let signal = Signal::Kill;
    let kill = OnProcess::Kill(Kill { signal });
    on_process(stage, "kill: until it is gone", kill).await
}

pub(super) async fn limit(stage: &Stage) -> Result<Vec<Measured>, NotMeasured> {
    let inject = OnResource::Limit(Limit {
        files: Some(LOWERED_TO),
        ..Limit::default()
    });
    let fault = |target| {
        Fault::Resource(ResourceFault {
            target,
            inject: inject.clone(),
        })
    };
    let limited = |who: &ProcessIdentity| soft_limit(who.pid) == Some(LOWERED_TO.into());
    take(stage, "limit: until it is lowered", fault, limited).await
}

/// What a process is asked to be limited to.
const LOWERED_TO: u32 = 7;

/// How many descriptors a process may open.
fn soft_limit(pid: u32) -> Option<u64> {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let files = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    files.split_whitespace().next()?.parse().ok()
}

async fn on_process(
    stage: &Stage,
    what: &str,
    inject: OnProcess,
) -> Result<Vec<Measured>, NotMeasured> {
    let fault = |target| {
        Fault::Process(ProcessFault {
            target,
            inject: inject.clone(),
        })
    };
    let harmed = |who: &ProcessIdentity| who.state().is_none_or(|state| "TZX".contains(state));
    take(stage, what, fault, harmed).await
}

/// From injection to proof on one process; another of the same kind lives on and is
/// looked at.
async fn take(
    stage: &Stage,
    what: &str,
    fault: impl Fn(ProcessTarget) -> Fault,
    is_hit: impl Fn(&ProcessIdentity) -> bool,
) -> Result<Vec<Measured>, NotMeasured> {
    let (mut observed, mut harmed) = (Vec::new(), 0);
    for _ in 0..TIMES {
        let (hit, spared) = (Sleeper::start()?, Sleeper::start()?);
        let (target, other) = (hit.target()?, spared.target()?);
        let fault = fault(target);
        let begun = Instant::now();
        let mut guard = fault.inject(stage.context()).await?;
        guard.verify().await?;
        observed.push(begun.elapsed());
        harmed += usize::from(is_hit(&other.identity));
        guard.remove().await?;
    }
    Ok(vec![Measured {
        fault: what.to_owned(),
        requested: AT_ONCE,
        observed: Observed::times(observed),
        beside: Observed::Happened {
            times: harmed,
            of: TIMES,
        },
    }])
}

/// A process that does nothing, and ends with its handle.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Result<Self, NotMeasured> {
        let mut command = Command::new("sleep");
        command.arg(LIFE_S).stdin(Stdio::null());
        Ok(Self(command.spawn()?))
    }

    fn target(&self) -> Result<ProcessTarget, NotMeasured> {
        Ok(ProcessTarget {
            name: "sleep".to_owned(),
            identity: ProcessIdentity::of(self.0.id())?,
            mark: None,
        })
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        // One that is killed already is only waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
