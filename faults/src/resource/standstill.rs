//! The freezer of a cgroup: who is in it stands still.

use std::time::{Duration, Instant};

use squall_scenario::Measured;

use super::cgroup::{Version, number};
use super::inverse::Pen;
use super::processor::ran;
use crate::wait::pause;
use crate::{FaultError, Member};

/// How long the kernel may take to stop everybody: whoever waits for a disk first has
/// to get what it waits for.
const FROZEN_WITHIN: Duration = Duration::from_secs(2);
/// How often it is asked.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// The freezer as a cgroup has it.
pub(super) struct Standstill;

/// How long processes have stood still.
#[derive(Debug, Clone, Copy)]
pub(super) struct Use {
    at: Instant,
    used: Duration,
}

impl Standstill {
    /// The files of which one must be there, by version.
    pub(super) const FILES: &[&str] = &["freezer.state", "cgroup.freeze"];

    /// Lets whoever is in or comes in stand still.
    pub(super) fn begin(pen: &Pen) -> Result<(), FaultError> {
        match pen.version {
            Version::V1 => pen.set("freezer.state", "FROZEN"),
            Version::V2 => pen.set("cgroup.freeze", "1"),
        }
    }

    /// Lets everybody go on. A cgroup that is gone holds nobody.
    pub(super) fn end(pen: &Pen) -> Result<(), FaultError> {
        let ended = match pen.version {
            Version::V1 => pen.set("freezer.state", "THAWED"),
            Version::V2 => pen.set("cgroup.freeze", "0"),
        };
        match ended {
            Err(_) if pen.is_gone() => Ok(()),
            ended => ended,
        }
    }

    /// Waits until everybody stands still; what it says else.
    pub(super) fn stands(pen: &Pen) -> Result<bool, FaultError> {
        let begun = Instant::now();
        loop {
            let frozen = match pen.version {
                Version::V1 => pen.get("freezer.state")?.trim() == "FROZEN",
                Version::V2 => {
                    let asked = pen.get("cgroup.freeze")?.trim() == "1";
                    asked && number(&pen.get("cgroup.events")?, "frozen") == Some(1)
                }
            };
            if frozen || begun.elapsed() >= FROZEN_WITHIN {
                return Ok(frozen);
            }
            pause(LOOK_EVERY);
        }
    }

    /// What those inside have used of the processor.
    pub(super) fn used(inside: &[Member]) -> Use {
        let used = inside.iter().filter_map(|member| ran(member.identity));
        Use {
            at: Instant::now(),
            used: used.sum(),
        }
    }
}

impl Use {
    /// What became of it since an earlier look.
    pub(super) fn since(self, begun: Self) -> Measured {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Measured::Frozen {
            over_us: micros(self.at.saturating_duration_since(begun.at)),
            used_us: micros(self.used.saturating_sub(begun.used)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::super::cgroup::Controller;
    use super::*;
    use crate::ProcessIdentity;

    /// Where the newer interface is mounted, if this user may make cgroups there.
    fn newer() -> Option<std::path::PathBuf> {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        let mut mounts = mounts.lines().map(|line| line.split(' '));
        let place = mounts.find_map(|mut words| {
            let place = words.nth(1)?.to_owned();
            (words.next() == Some("cgroup2")).then_some(place)
        });
        let place = Path::new(&place?).join("squall-freezer-tried");
        let _ = std::fs::remove_dir(&place);
        std::fs::create_dir(&place).ok()?;
        std::fs::remove_dir(&place).ok()?;
        place.parent().map(Path::to_owned)
    }

    #[test]
    fn in_version_2_as_well_processes_stand_still_and_go_on() {
        let Some(mounted) = newer() else {
            return;
        };
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let leader = ProcessIdentity::of(child.id()).unwrap();
        let pen = Pen {
            controller: Controller::Freezer,
            version: Version::V2,
            place: mounted.join(format!("squall-freezer-{}", leader.pid)),
            leader,
            mark: None,
            before: vec![(leader, mounted.clone())],
            others: mounted,
        };
        pen.make().unwrap();
        Standstill::begin(&pen).unwrap();
        pen.set("cgroup.procs", &leader.pid.to_string()).unwrap();
        assert!(Standstill::stands(&pen).unwrap());
        pen.open_up().unwrap();
        assert!(pen.is_gone() && leader.is_alive());
        Standstill::end(&pen).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
