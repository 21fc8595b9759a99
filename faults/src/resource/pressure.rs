//! `memory_pressure`: a process of squall's holds memory that a running process may need.

use std::time::{Duration, Instant};

use squall_scenario::inject::MemoryPressure;
use squall_scenario::{Evidence, Measured, OnResource};

use super::beside::Beside;
use super::cgroup::Controller;
use super::headroom::{Level, Places, Wanted, bound, narrowest, to_hold};
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
    beside: Beside,
    places: Places,
    wanted: Wanted,
}

/// What was seen at one look.
#[derive(Debug, Clone, Copy)]
struct Look {
    /// How many there are of the target.
    processes: usize,
    /// Bytes that squall holds, and those that it should.
    held: u64,
    to_hold: u64,
    /// Nothing where what was asked for is asked of a limit that is no more.
    measured: Option<Measured>,
    /// The least limit.
    limit: u64,
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
        let places = Places::of(pid);
        let wanted = Wanted {
            up_to: pressure.up_to.get(),
            leave: pressure.leave.0,
            bound: bound(&levels(&places)?),
        };
        let beside = pid;
        let work = Work::Hold { wanted, beside };
        let intent = format!("hold memory beside {}", target.name);
        let rival = Rival::start(target, work, Controller::Memory, intent, context).await?;
        let own = Places::of(rival.identity().pid);
        if let Some(place) = places.not_shared_with(&own) {
            let place = place.display();
            let why = format!(
                "it may not be put into {place}, whose limit is the target's; run squall as root"
            );
            rival.signal_removal();
            return Err(FaultError::Rival { pid, why });
        }
        rival.begin(target.identity)?;
        let fault = OnResource::MemoryPressure(pressure);
        Ok(Self {
            beside: Beside::new(target, fault, handle, rival),
            places,
            wanted,
        })
    }

    /// Waits until as much is in use as was asked for, or may be.
    pub(crate) async fn verify(&self, within: Duration) -> Result<Evidence, FaultError> {
        let pid = self.beside.target.identity.pid;
        let deadline = Instant::now() + within;
        let (mut before, mut same) = (0, 0);
        loop {
            let why = "it has ended: something ended it, or the kernel for want of memory";
            self.beside.is_there(why)?;
            let look = self.look().await?;
            let Some(measured) = look.measured else {
                return Err(FaultError::LimitChanged {
                    pid,
                    what: "least limit of memory".to_owned(),
                    is: look.limit.to_string(),
                    wanted: self.wanted.bound,
                });
            };
            same = if look.held == before { same + 1 } else { 0 };
            before = look.held;
            // It may have come to its floor, or be there from the beginning.
            let settled = same > SETTLED && (look.held > 0 || look.to_hold == 0);
            let done = measured.was_met() || settled || Instant::now() >= deadline;
            if done || self.beside.was_seen() {
                return Ok(self.beside.in_force(look.processes, measured));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Ends the process that holds it, and sees that it has ended.
    pub(crate) async fn remove(&self) -> Result<Evidence, FaultError> {
        if let Some(said) = self.beside.removed() {
            return Ok(said);
        }
        let look = self.look().await?;
        self.beside.end(look.processes, look.measured).await
    }

    /// For a dropped guard: ended on the spot.
    pub(crate) fn signal_removal(&self) {
        self.beside.rival.signal_removal();
    }

    pub(crate) fn target_ended(&self) -> bool {
        self.beside.target_ended()
    }

    /// How many are there of the target, and how much is in use.
    async fn look(&self) -> Result<Look, FaultError> {
        let target = &self.beside.target;
        let (identity, mark) = (target.identity, target.mark.clone());
        let rival = &self.beside.rival;
        let (rival, inside) = (rival.identity().pid, rival.inside);
        let (places, wanted) = (self.places.clone(), self.wanted);
        let look = move || {
            let processes = hittable(identity, mark.as_deref())?.len();
            let levels = levels(&places)?;
            let held = held_by(rival);
            let narrow = narrowest(&levels);
            let measured = |level: Level| Measured::Pressure {
                held,
                used: level.used,
                wanted: level.wanted(wanted),
                limit: level.limit,
                inside,
            };
            Ok(Look {
                processes,
                held,
                to_hold: to_hold(&levels, wanted, held),
                measured: narrow
                    .filter(|level| level.limit <= wanted.bound)
                    .map(measured),
                limit: narrow.map_or(0, |level| level.limit),
            })
        };
        off_runtime(look).await
    }
}

fn levels(places: &Places) -> Result<Vec<Level>, FaultError> {
    let levels = places.look();
    levels.map_err(|error| FaultError::io("reading /proc/meminfo", error))
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
