//! `cpu_burn`: threads of squall's compete with a running process for the processor.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Pid;
use rustix::thread::sched_getaffinity;
use squall_scenario::inject::CpuBurn;
use squall_scenario::{Evidence, Measured, OnResource};

use super::before::Before;
use super::beside::Beside;
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
    beside: Beside,
    /// How many threads, where that is fewer than were asked for.
    capped: Option<u32>,
    begun: Instant,
    waiting: Mutex<Waiting>,
    /// Of each second before it began, how many the target waited, where that is known.
    before: Option<f64>,
}

impl ActiveBurn {
    /// Journal first, then the threads.
    pub(crate) async fn inject(
        target: &ProcessTarget,
        burn: CpuBurn,
        before: &Before,
        context: &FaultContext,
    ) -> Result<Self, FaultError> {
        let identity = target.identity;
        let handle = ProcessHandle::open(identity)?;
        let most = may_run_on(identity);
        let capped = burn.cores.filter(|cores| *cores > most).map(|_| most);
        let threads = capped.or(burn.cores).unwrap_or(most);
        let intent = format!("burn {threads} processors beside {}", target.name);
        let work = Work::Burn {
            threads,
            beside: identity.pid,
        };
        let rival = Rival::start(target, work, Controller::Cpu, intent, context).await?;
        let mark = target.mark.clone();
        let look = move || Ok(Waiting::begin(&hittable(identity, mark.as_deref())?));
        let waiting = off_runtime(look).await?;
        rival.begin(identity)?;
        Ok(Self {
            beside: Beside::new(target, OnResource::CpuBurn(burn), handle, rival),
            capped,
            begun: Instant::now(),
            waiting: Mutex::new(waiting),
            before: before.share(identity),
        })
    }

    /// Looks whether the threads have run, and how long the target has waited.
    pub(crate) async fn verify(&self, within: Duration) -> Result<Evidence, FaultError> {
        let deadline = Instant::now() + within;
        loop {
            self.beside.is_there("it has ended, or was ended")?;
            let (members, used) = self.look().await?;
            if used > Duration::ZERO {
                let measured = self.counted(&members, used);
                return Ok(self.beside.in_force(members.len(), measured));
            }
            if Instant::now() >= deadline {
                let pid = self.beside.target.identity.pid;
                let why = "it was told to begin and has not run".to_owned();
                return Err(FaultError::Rival { pid, why });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Ends the threads, and sees that they have ended.
    pub(crate) async fn remove(&self) -> Result<Evidence, FaultError> {
        if let Some(said) = self.beside.removed() {
            return Ok(said);
        }
        let (members, used) = self.look().await?;
        let measured = self.counted(&members, used);
        self.beside.end(members.len(), Some(measured)).await
    }

    /// For a dropped guard: ended on the spot.
    pub(crate) fn signal_removal(&self) {
        self.beside.rival.signal_removal();
    }

    pub(crate) fn target_ended(&self) -> bool {
        self.beside.target_ended()
    }

    /// Who is there of the target, and what squall's threads have used.
    async fn look(&self) -> Result<(Vec<Member>, Duration), FaultError> {
        let target = &self.beside.target;
        let (identity, mark) = (target.identity, target.mark.clone());
        let rival = self.beside.rival.identity();
        let look = move || Ok((hittable(identity, mark.as_deref())?, ran(rival)));
        let (members, used) = off_runtime(look).await?;
        Ok((members, used.unwrap_or_default()))
    }

    fn counted(&self, members: &[Member], used: Duration) -> Measured {
        let waiting = self.waiting.lock();
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        let (waited, over) = (waiting.look(members), self.begun.elapsed());
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let counted = |time: Duration| is_counted(std::process::id()).then(|| micros(time));
        Measured::Burn {
            used_us: micros(used),
            over_us: micros(over),
            waited_us: counted(waited),
            as_before_us: self.before.and_then(|share| counted(over.mul_f64(share))),
            capped: self.capped,
            inside: self.beside.rival.inside,
        }
    }
}

/// How many processors a process may run on.
fn may_run_on(who: ProcessIdentity) -> u32 {
    let pid = i32::try_from(who.pid).ok().and_then(Pid::from_raw);
    sched_getaffinity(pid).map_or(1, |all| all.count().max(1))
}
