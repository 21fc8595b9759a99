//! Faults on what a process has: how much of it is left.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use squall_scenario::inject::Cpu;
use squall_scenario::{Measured as Seen, OnResource, Share, Sighting};

use super::stage::Stage;
use super::{Amount, Measured, NotMeasured, Observed};
use crate::process::stat;
use crate::{Fault, ProcessIdentity, ProcessTarget, ResourceFault};

/// Long enough for twenty periods of a quota.
const OVER: Duration = Duration::from_secs(2);
/// A fifth of a processor.
const SHARE: f64 = 0.2;

/// One that wants all it can get, under the quota, and another of the same kind
/// without one.
pub(super) async fn cpu(stage: &Stage) -> Result<Vec<Measured>, NotMeasured> {
    let share = Share::new(SHARE).unwrap_or(Share::WHOLE);
    let (hit, spared) = (Hungry::start()?, Hungry::start()?);
    let fault = Fault::Resource(ResourceFault {
        target: hit.target()?,
        inject: OnResource::Cpu(Cpu { share }),
    });
    let mut guard = fault.inject(stage.context()).await?;
    let (begun, before) = (Instant::now(), spared.ran()?);
    tokio::time::sleep(OVER).await;
    let (over, after) = (begun.elapsed(), spared.ran()?);
    let removed = guard.remove().await?;
    let of = |used: f64, over: f64| Observed::Processor {
        percent: used * 100.0 / over.max(f64::MIN_POSITIVE),
    };
    let observed = removed.seen.iter().find_map(|sighting| {
        let Sighting::PutBack(seen) = sighting else {
            return None;
        };
        let Some(Seen::Processor {
            used_us, over_us, ..
        }) = seen.measured
        else {
            return None;
        };
        Some(of(used_us as f64, over_us as f64))
    });
    let unseen = || NotMeasured::Unseen("what the process used");
    Ok(vec![Measured {
        fault: format!("cpu {share}"),
        requested: Amount::Share(share),
        observed: observed.ok_or_else(unseen)?,
        beside: of((after - before).as_secs_f64(), over.as_secs_f64()),
    }])
}

/// A process that does nothing, as fast as it can, and ends with its handle.
struct Hungry(Child);

impl Hungry {
    fn start() -> Result<Self, NotMeasured> {
        let mut command = Command::new("sh");
        command.args(["-c", "while :; do :; done"]);
        Ok(Self(command.stdin(Stdio::null()).spawn()?))
    }

    fn target(&self) -> Result<ProcessTarget, NotMeasured> {
        Ok(ProcessTarget {
            name: "hungry".to_owned(),
            identity: ProcessIdentity::of(self.0.id())?,
            mark: None,
        })
    }

    /// How long it has run.
    fn ran(&self) -> Result<Duration, NotMeasured> {
        let stat = stat(self.0.id())?;
        let ticks = (stat.utime + stat.stime) as f64;
        let seconds = ticks / procfs::ticks_per_second() as f64;
        Ok(Duration::from_secs_f64(seconds))
    }
}

impl Drop for Hungry {
    fn drop(&mut self) {
        // One that is gone already is only waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
