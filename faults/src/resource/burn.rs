//! `cpu_burn`: threads of squall's compete with a running process for the processor.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Pid;
use rustix::thread::sched_getaffinity;
use squall_scenario::inject::CpuBurn;
use squall_scenario::{
    Evidence, EvidenceLevel, Measured, OnResource, ProcessSeen, ResourceSeen, Sighting,
};

use super::cgroup::Controller;
use super::lowered::hittable;
use super::processor::ran;
use super::rival::Rival;
use super::rival_work::Work;
use super::waiting::{Waiting, is_counted};
use crate::process::{ProcessHandle, off_runtime};
use crate::{FaultContext, FaultError, Member, ProcessIdentity, ProcessTarget};

/// How often it is looked whether threads run that were told to.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Threads that run beside a target.
#[derive(Debug)]
pub(crate) struct ActiveBurn {
    target: ProcessTarget,
    fault: CpuBurn,
    handle: ProcessHandle,
    rival: Arc<Rival>,
    begun: Instant,
    known: Mutex<Known>,
}

/// What is known of it so far.
#[derive(Debug, Default)]
struct Known {
    waiting: Waiting,
    /// Whether anybody was looked at.
    looked: bool,
    level: Option<EvidenceLevel>,
    /// What was said when it was removed.
    removed: Option<Evidence>,
}

impl ActiveBurn {
    /// Journal first, then the threads.
    pub(crate) async fn inject(
        target: &ProcessTarget,
        burn: CpuBurn,
        context: &FaultContext,
    ) -> Result<Self, FaultError> {
        let identity = target.identity;
        let handle = ProcessHandle::open(identity)?;
        let threads = burn.cores.unwrap_or_else(|| may_run_on(identity));
        let intent = format!("burn {threads} processors beside {}", target.name);
        let work = Work::Burn {
            threads,
            beside: identity.pid,
        };
        let rival = Rival::start(target, work, Controller::Cpu, intent, context).await?;
        let mark = target.mark.clone();
        let look = move || {
            let mut known = Known::default();
            known.look(&hittable(identity, mark.as_deref())?);
            Ok(known)
        };
        let known = off_runtime(look).await?;
        rival.begin(identity)?;
        Ok(Self {
            target: target.clone(),
            fault: burn,
            handle,
            rival: Arc::new(rival),
            begun: Instant::now(),
            known: Mutex::new(known),
        })
    }

    /// Looks whether the threads have run, and how long the target has waited.
    pub(crate) async fn verify(&self, within: Duration) -> Result<Evidence, FaultError> {
        let pid = self.target.identity.pid;
        let deadline = Instant::now() + within;
        loop {
            if self.target_ended() {
                return Err(FaultError::ProcessGone { pid });
            }
            if self.rival.has_ended() {
                let why = "it has ended, or was ended".to_owned();
                return Err(FaultError::Rival { pid, why });
            }
            let (members, used) = self.look().await?;
            if used > Duration::ZERO {
                let (measured, level) = self.reach(&members, used, EvidenceLevel::Acted);
                let seen = self.seen(members.len(), measured);
                return Ok(Evidence {
                    level,
                    seen: vec![Sighting::Short(seen)],
                });
            }
            if Instant::now() >= deadline {
                let why = "it was told to begin and has not run".to_owned();
                return Err(FaultError::Rival { pid, why });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Ends the threads, and sees that they have ended.
    pub(crate) async fn remove(&self) -> Result<Evidence, FaultError> {
        if let Some(said) = self.known().removed.clone() {
            return Ok(said);
        }
        let (members, used) = self.look().await?;
        let rival = Arc::clone(&self.rival);
        off_runtime(move || rival.end()).await?;
        let (measured, level) = self.reach(&members, used, EvidenceLevel::Requested);
        let evidence = Evidence {
            level,
            seen: vec![Sighting::PutBack(self.seen(members.len(), measured))],
        };
        self.known().removed = Some(evidence.clone());
        Ok(evidence)
    }

    /// For a dropped guard: ended on the spot.
    pub(crate) fn signal_removal(&self) {
        self.rival.signal_removal();
    }

    /// Who is there of the target, and what squall's threads have used.
    async fn look(&self) -> Result<(Vec<Member>, Duration), FaultError> {
        let (identity, mark) = (self.target.identity, self.target.mark.clone());
        let rival = self.rival.identity();
        let look = move || Ok((hittable(identity, mark.as_deref())?, ran(rival)));
        let (members, used) = off_runtime(look).await?;
        Ok((members, used.unwrap_or_default()))
    }

    /// What was counted, and what that proves: once it was felt it stays so.
    fn reach(
        &self,
        members: &[Member],
        used: Duration,
        level: EvidenceLevel,
    ) -> (Measured, EvidenceLevel) {
        let mut known = self.known();
        let waited = known.look(members);
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let measured = Measured::Burn {
            used_us: micros(used),
            over_us: micros(self.begun.elapsed()),
            waited_us: is_counted(std::process::id()).then(|| micros(waited)),
            inside: self.rival.inside,
        };
        let level = match measured.was_met() {
            true => EvidenceLevel::Felt,
            false => level,
        };
        let best = known.level.map_or(level, |before| before.max(level));
        known.level = Some(best);
        (measured, best)
    }

    fn seen(&self, processes: usize, measured: Measured) -> ResourceSeen {
        ResourceSeen {
            process: ProcessSeen {
                name: self.target.name.clone(),
                pid: self.target.identity.pid,
                processes: processes as u64,
            },
            fault: OnResource::CpuBurn(self.fault),
            measured: Some(measured),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn target_ended(&self) -> bool {
        self.handle.ended_within(Duration::ZERO)
    }
}

impl Known {
    fn look(&mut self, members: &[Member]) -> Duration {
        let is_first = !std::mem::replace(&mut self.looked, true);
        self.waiting.look(members, is_first)
    }
}

/// How many processors a process may run on.
fn may_run_on(who: ProcessIdentity) -> u32 {
    let pid = i32::try_from(who.pid).ok().and_then(Pid::from_raw);
    sched_getaffinity(pid).map_or(1, |all| all.count().max(1))
}
