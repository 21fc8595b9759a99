//! `memory_pressure`: a process of squall's holds memory that a running process may need.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use squall_scenario::inject::MemoryPressure;
use squall_scenario::{
    Evidence, EvidenceLevel, Measured, OnResource, ProcessSeen, ResourceSeen, Sighting,
};

use super::cgroup::Controller;
use super::headroom::{Places, Wanted, narrowest};
use super::lowered::hittable;
use super::rival::Rival;
use super::rival_work::{HELD, Work};
use crate::process::{ProcessHandle, off_runtime};
use crate::{FaultContext, FaultError, ProcessTarget};

/// How often it is looked whether enough is in use.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// After so many looks without a change there is none on its way.
const SETTLED: usize = 10;

/// Memory that is held beside a target.
#[derive(Debug)]
pub(crate) struct ActivePressure {
    target: ProcessTarget,
    fault: MemoryPressure,
    handle: ProcessHandle,
    rival: Arc<Rival>,
    places: Places,
    known: Mutex<Known>,
}

/// What is known of it so far.
#[derive(Debug, Default)]
struct Known {
    level: Option<EvidenceLevel>,
    /// What was said when it was removed.
    removed: Option<Evidence>,
}

impl ActivePressure {
    /// Journal first, then the process, then its memory.
    pub(crate) async fn inject(
        target: &ProcessTarget,
        pressure: MemoryPressure,
        context: &FaultContext,
    ) -> Result<Self, FaultError> {
        let handle = ProcessHandle::open(target.identity)?;
        let pid = target.identity.pid;
        let work = Work::Hold {
            wanted: wanted(&pressure),
            beside: pid,
        };
        let intent = format!("hold memory beside {}", target.name);
        let rival = Rival::start(target, work, Controller::Memory, intent, context).await?;
        let places = Places::of(pid);
        let active = Self {
            target: target.clone(),
            fault: pressure,
            handle,
            rival: Arc::new(rival),
            places,
            known: Mutex::default(),
        };
        let own = Places::of(active.rival.identity().pid);
        if let Some(place) = active.places.not_shared_with(&own) {
            let place = place.display();
            let why = format!(
                "it may not be put into {place}, whose limit is the target's; run squall as root"
            );
            active.signal_removal();
            return Err(FaultError::Rival { pid, why });
        }
        active.rival.begin(target.identity)?;
        Ok(active)
    }

    /// Waits until as much is in use as was asked for, or may be.
    pub(crate) async fn verify(&self, within: Duration) -> Result<Evidence, FaultError> {
        let pid = self.target.identity.pid;
        let deadline = Instant::now() + within;
        let (mut before, mut same) = (0, 0);
        loop {
            if self.target_ended() {
                return Err(FaultError::ProcessGone { pid });
            }
            if self.rival.has_ended() {
                let why = "it has ended: something ended it, or the kernel for want of memory";
                let why = why.to_owned();
                return Err(FaultError::Rival { pid, why });
            }
            let (processes, measured) = self.look().await?;
            let held = held_of(&measured);
            same = if held == before { same + 1 } else { 0 };
            before = held;
            // It may have come to its floor.
            let settled = held > 0 && same > SETTLED;
            let done = measured.was_met() || settled || Instant::now() >= deadline;
            if done || self.known().level.is_some() {
                let level = self.known().reach(EvidenceLevel::Acted, measured);
                let seen = self.seen(processes, measured);
                return Ok(Evidence {
                    level,
                    seen: vec![Sighting::Short(seen)],
                });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Ends the process that holds it, and sees that it has ended.
    pub(crate) async fn remove(&self) -> Result<Evidence, FaultError> {
        if let Some(said) = self.known().removed.clone() {
            return Ok(said);
        }
        let (processes, measured) = self.look().await?;
        let rival = Arc::clone(&self.rival);
        off_runtime(move || rival.end()).await?;
        let mut known = self.known();
        let level = known.reach(EvidenceLevel::Requested, measured);
        let evidence = Evidence {
            level,
            seen: vec![Sighting::PutBack(self.seen(processes, measured))],
        };
        known.removed = Some(evidence.clone());
        Ok(evidence)
    }

    /// For a dropped guard: ended on the spot.
    pub(crate) fn signal_removal(&self) {
        self.rival.signal_removal();
    }

    /// How many are there of the target, and how much is in use.
    async fn look(&self) -> Result<(usize, Measured), FaultError> {
        let (identity, mark) = (self.target.identity, self.target.mark.clone());
        let (rival, inside) = (self.rival.identity().pid, self.rival.inside);
        let (places, wanted) = (self.places.clone(), wanted(&self.fault));
        let look = move || {
            let processes = hittable(identity, mark.as_deref())?.len();
            let levels = places.look();
            let levels = levels.map_err(|error| FaultError::io("reading /proc/meminfo", error))?;
            let narrow = narrowest(&levels);
            let measured = Measured::Pressure {
                held: held_by(rival),
                used: narrow.map_or(0, |level| level.used),
                wanted: narrow.map_or(0, |level| level.wanted(wanted)),
                limit: narrow.map_or(0, |level| level.limit),
                inside,
            };
            Ok((processes, measured))
        };
        off_runtime(look).await
    }

    fn seen(&self, processes: usize, measured: Measured) -> ResourceSeen {
        ResourceSeen {
            process: ProcessSeen {
                name: self.target.name.clone(),
                pid: self.target.identity.pid,
                processes: processes as u64,
            },
            fault: OnResource::MemoryPressure(self.fault),
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
    /// Once it was felt it stays so: what others took since is theirs.
    fn reach(&mut self, level: EvidenceLevel, measured: Measured) -> EvidenceLevel {
        let level = match measured.was_met() {
            true => EvidenceLevel::Felt,
            false => level,
        };
        let best = self.level.map_or(level, |before| before.max(level));
        self.level = Some(best);
        best
    }
}

const fn held_of(measured: &Measured) -> u64 {
    match measured {
        Measured::Pressure { held, .. } => *held,
        Measured::Descriptors { .. }
        | Measured::Processor { .. }
        | Measured::Memory { .. }
        | Measured::Disk { .. }
        | Measured::Frozen { .. }
        | Measured::Burn { .. } => 0,
    }
}

const fn wanted(pressure: &MemoryPressure) -> Wanted {
    Wanted {
        up_to: pressure.up_to.get(),
        leave: pressure.leave.0,
    }
}

/// Bytes that a process of squall's holds: those of the file in memory that it has open.
fn held_by(pid: u32) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(open) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
        return 0;
    };
    let is_held = |path: &std::path::PathBuf| {
        let link = std::fs::read_link(path).unwrap_or_default();
        link.to_string_lossy()
            .starts_with(&format!("/memfd:{HELD}"))
    };
    let mut paths = open.filter_map(|entry| Some(entry.ok()?.path()));
    let file = paths.find(is_held).map(std::fs::metadata);
    // In blocks of 512 bytes, see stat(2).
    file.and_then(Result::ok)
        .map_or(0, |file| file.blocks() * 512)
}
