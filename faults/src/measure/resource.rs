//! Faults on what a process has: how much of it is left.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use squall_scenario::inject::{Cpu, Memory};
use squall_scenario::{ByteCount, OnResource, Share};

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
    let (begun, before) = (Instant::now(), [hit.ran()?, spared.ran()?]);
    tokio::time::sleep(OVER).await;
    let (over, after) = (begun.elapsed(), [hit.ran()?, spared.ran()?]);
    guard.remove().await?;
    // Not by what the fault says of itself.
    let of = |before: Duration, after: Duration| Observed::Processor {
        percent: (after - before).as_secs_f64() * 100.0 / over.as_secs_f64(),
    };
    Ok(vec![Measured {
        fault: format!("cpu {share}"),
        requested: Amount::Share(share),
        observed: of(before[0], after[0]),
        beside: of(before[1], after[1]),
    }])
}

/// How much memory a process is left.
const LIMIT: ByteCount = ByteCount(32 * 1024 * 1024);
/// The last program reads all of its one line before it writes it: three times that.
const TAKES: &str = "read go; head -c 96M /dev/zero | tail > /dev/null";
/// What a shell says of a program that SIGKILL ended.
const KILLED: i32 = 128 + 9;
/// How often it is asked whether it is done.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// One that takes more than it may under the limit, and another of the same kind
/// without one.
pub(super) async fn memory(stage: &Stage) -> Result<Vec<Measured>, NotMeasured> {
    let (mut hit, mut spared) = (Hungry::for_memory()?, Hungry::for_memory()?);
    let fault = Fault::Resource(ResourceFault {
        target: hit.target()?,
        inject: OnResource::Memory(Memory { limit: LIMIT }),
    });
    let mut guard = fault.inject(stage.context()).await?;
    let observed = hit.was_killed().await?;
    let beside = spared.was_killed().await?;
    guard.remove().await?;
    let of = |killed: bool| Observed::Happened {
        times: usize::from(killed),
        of: 1,
    };
    Ok(vec![Measured {
        fault: format!("memory to {LIMIT}: 96MiB are refused"),
        requested: Amount::Always,
        observed: of(observed),
        beside: of(beside),
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

    /// One that takes memory when it is told to.
    fn for_memory() -> Result<Self, NotMeasured> {
        let mut command = Command::new("sh");
        command.args(["-c", TAKES]).stdin(Stdio::piped());
        // Some shells say it there.
        command.stderr(Stdio::null());
        Ok(Self(command.spawn()?))
    }

    /// Tells it to take memory, and waits for what becomes of it.
    async fn was_killed(&mut self) -> Result<bool, NotMeasured> {
        if let Some(mut input) = self.0.stdin.take() {
            input.write_all(b"go\n")?;
        }
        loop {
            if let Some(ended) = self.0.try_wait()? {
                return Ok(ended.code() == Some(KILLED));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
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
