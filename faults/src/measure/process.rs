//! Faults on processes: how long until the effect is there.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use squall_scenario::OnProcess;
use squall_scenario::inject::{Kill, Signal};

use super::stage::Stage;
use super::{Amount, Measured, NotMeasured, Observed};
use crate::{Fault, ProcessFault, ProcessIdentity, ProcessTarget};

/// How often each is done.
const TIMES: usize = 10;
/// Longer than any measurement.
const LIFE_S: &str = "60";
/// The effect is asked for at once.
const AT_ONCE: Amount = Amount::Time(Duration::ZERO);

pub(super) async fn pause(stage: &Stage) -> Result<Vec<Measured>, NotMeasured> {
    take(stage, "pause: until it is stopped", &OnProcess::Pause).await
}

pub(super) async fn kill(stage: &Stage) -> Result<Vec<Measured>, NotMeasured> {
    let signal = Signal::Kill;
    let kill = OnProcess::Kill(Kill { signal });
    take(stage, "kill: until it is gone", &kill).await
}

/// From injection to proof on one process; another of the same kind lives on.
async fn take(stage: &Stage, what: &str, inject: &OnProcess) -> Result<Vec<Measured>, NotMeasured> {
    let (mut observed, mut harmed) = (Vec::new(), 0);
    for _ in 0..TIMES {
        let (hit, spared) = (Sleeper::start()?, Sleeper::start()?);
        let (target, other) = (hit.target()?, spared.target()?);
        let fault = Fault::Process(ProcessFault {
            target,
            inject: inject.clone(),
        });
        let begun = Instant::now();
        let mut guard = fault.inject(stage.context()).await?;
        guard.verify().await?;
        observed.push(begun.elapsed());
        harmed += usize::from(
            other
                .identity
                .state()
                .is_none_or(|state| "TZX".contains(state)),
        );
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
