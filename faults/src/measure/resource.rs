//! Faults on what a process has: how much of it is left.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::statvfs;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use squall_scenario::inject::{Cpu, CpuBurn, Disk, Freeze, Memory, MemoryPressure};
use squall_scenario::{ByteCount, OnResource, Share};

use super::stage::Stage;
use super::{Amount, Measured, NotMeasured, Observed};
use crate::process::stat;
use crate::resource::{Places, free_for, freezers, memory_limits, narrowest};
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

/// One that wants all it can get, while it stands still, and another of the same kind.
pub(super) async fn freeze(stage: &Stage) -> Result<Vec<Measured>, NotMeasured> {
    may_have(freezers())?;
    let (hit, spared) = (Hungry::start()?, Hungry::start()?);
    let fault = Fault::Resource(ResourceFault {
        target: hit.target()?,
        inject: OnResource::Freeze(Freeze {}),
    });
    let mut guard = fault.inject(stage.context()).await?;
    guard.verify().await?;
    let (observed, beside) = tokio::join!(hit.over_a_while(), spared.over_a_while());
    guard.remove().await?;
    Ok(vec![Measured {
        fault: "freeze: left".to_owned(),
        requested: Amount::Share(Share::new(0.0).unwrap_or(Share::WHOLE)),
        observed: observed?,
        beside: beside?,
    }])
}

/// One that wants all it can get of one processor, before and beside a thread that
/// wants the same.
pub(super) async fn burn(stage: &Stage) -> Result<Vec<Measured>, NotMeasured> {
    let hit = Hungry::start()?;
    hit.stay_on_one_processor()?;
    let beside = hit.over_a_while().await?;
    let (context, guardian) = stage.guarded().await?;
    let fault = Fault::Resource(ResourceFault {
        target: hit.target()?,
        inject: OnResource::CpuBurn(CpuBurn { cores: Some(1) }),
    });
    let mut guard = fault.inject(&context).await?;
    let observed = hit.over_a_while().await?;
    guard.remove().await?;
    let ended = guardian.shutdown(Duration::ZERO).await;
    ended.map_err(crate::FaultError::from)?;
    Ok(vec![Measured {
        fault: "cpu_burn 1 core: left".to_owned(),
        requested: Amount::Share(Share::new(0.5).unwrap_or(Share::WHOLE)),
        observed,
        beside,
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

/// What it is left of its limit, with everything that squall holds.
const UP_TO: f64 = 0.8;

/// One with a limit of memory, before and while most of it is in use.
pub(super) async fn pressure(stage: &Stage) -> Result<Vec<Measured>, NotMeasured> {
    may_have(memory_limits())?;
    let hit = Hungry::for_memory()?;
    let (context, guardian) = stage.guarded().await?;
    let up_to = Share::new(UP_TO).unwrap_or(Share::WHOLE);
    let fault = |inject| {
        let target = hit.target()?;
        Ok::<_, NotMeasured>(Fault::Resource(ResourceFault { target, inject }))
    };
    let memory = OnResource::Memory(Memory { limit: LIMIT });
    let mut limit = fault(memory)?.inject(&context).await?;
    let beside = is_in_use(hit.0.id(), up_to);
    let pressure = MemoryPressure {
        up_to,
        leave: ByteCount(0),
    };
    let pressure = fault(OnResource::MemoryPressure(pressure))?;
    let mut guard = pressure.inject(&context).await?;
    guard.verify().await?;
    let observed = is_in_use(hit.0.id(), up_to);
    guard.remove().await?;
    limit.remove().await?;
    let ended = guardian.shutdown(Duration::ZERO).await;
    ended.map_err(crate::FaultError::from)?;
    Ok(vec![Measured {
        fault: format!("memory_pressure {up_to} of {LIMIT}"),
        requested: Amount::Always,
        observed,
        beside,
    }])
}

/// What is taken of a disk, so that whoever writes there meanwhile is not kept from it.
const TAKEN: u64 = 16 << 20;
/// What has to be left where squall itself writes.
const LEFT: u64 = 128 << 20;

/// One that works where the undo journal is, whose disk has a little less meanwhile.
pub(super) async fn disk(stage: &Stage) -> Result<Vec<Measured>, NotMeasured> {
    let path = stage.context().journal.path();
    let folder = path.parent().unwrap_or(path);
    let before = free_at(folder)?;
    if before < TAKEN + LEFT {
        let why = format!(
            "only {} are free at {}",
            ByteCount(before),
            folder.display()
        );
        return Err(NotMeasured::Missing(why));
    }
    let hit = Hungry::for_memory()?;
    let fault = Fault::Resource(ResourceFault {
        target: hit.target()?,
        inject: OnResource::Disk(Disk {
            fill: folder.display().to_string(),
            leave: ByteCount(before - TAKEN),
        }),
    });
    let is_full = |free: u64| Observed::Happened {
        // Others may give back and take meanwhile.
        times: usize::from(free < before - TAKEN / 2),
        of: 1,
    };
    let mut guard = fault.inject(stage.context()).await?;
    let during = free_at(folder)?;
    guard.remove().await?;
    Ok(vec![Measured {
        fault: format!("disk: {} are taken", ByteCount(TAKEN)),
        requested: Amount::Always,
        observed: is_full(during),
        beside: is_full(before),
    }])
}

/// Bytes that are free where a folder is, for this user.
fn free_at(folder: &Path) -> Result<u64, NotMeasured> {
    let all = statvfs(folder).map_err(std::io::Error::from)?;
    Ok(free_for(&all, rustix::process::geteuid().is_root()))
}

/// Whether nearly such a share is in use of the memory that a process may have.
fn is_in_use(pid: u32, share: Share) -> Observed {
    let levels = Places::of(pid).look().unwrap_or_default();
    let in_use = narrowest(&levels).is_some_and(|level| {
        let nearly = level.limit as f64 * (share.get() - 0.02);
        level.used as f64 >= nearly
    });
    Observed::Happened {
        times: usize::from(in_use),
        of: 1,
    }
}

fn may_have(found: std::io::Result<String>) -> Result<(), NotMeasured> {
    found
        .map(drop)
        .map_err(|error| NotMeasured::Missing(error.to_string()))
}

/// A process that does nothing, as fast as it can, and ends with its handle.
struct Hungry(Child);

impl Hungry {
    fn start() -> Result<Self, NotMeasured> {
        let mut command = Command::new("sh");
        command.args(["-c", "while :; do :; done"]);
        Ok(Self(command.stdin(Stdio::null()).spawn()?))
    }

    fn stay_on_one_processor(&self) -> Result<(), NotMeasured> {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        let all = sched_getaffinity(pid).map_err(std::io::Error::from)?;
        let mut processors = 0..CpuSet::MAX_CPU;
        let first = processors.find(|processor| all.is_set(*processor));
        let mut one = CpuSet::new();
        one.set(first.unwrap_or_default());
        Ok(sched_setaffinity(pid, &one).map_err(std::io::Error::from)?)
    }

    /// How much of a processor it had, over a while from now on.
    async fn over_a_while(&self) -> Result<Observed, NotMeasured> {
        let (begun, before) = (Instant::now(), self.ran()?);
        tokio::time::sleep(OVER / 2).await;
        let used = self.ran()?.saturating_sub(before);
        Ok(Observed::Processor {
            percent: used.as_secs_f64() * 100.0 / begun.elapsed().as_secs_f64(),
        })
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
