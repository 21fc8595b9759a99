//! Putting processes into a cgroup of squall's and letting them go back where they
//! came from. Synchronous: the guardian and `recover` have no runtime.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::cgroup::{
    Controller, Hierarchy, PREFIX, PROCESSES, TASKS, Version, is_ours, lost_limit, lost_tasks,
};
use super::inverse::Pen;
use super::lowered::{ROUNDS_MAX, hittable};
use super::standstill::Standstill;
use crate::process::{ProcessHandle, stat};
use crate::wait::pause;
use crate::{FaultError, Member, ProcessIdentity};

/// How long the kernel may take to count those who have left.
const EMPTY_WITHIN: Duration = Duration::from_secs(1);
/// How long a process may take to end that has begun to.
const ENDS_WITHIN: Duration = Duration::from_millis(500);
/// How often it is asked.
const LOOK_EVERY: Duration = Duration::from_millis(5);

impl Pen {
    /// What would be made for a target. Makes nothing.
    ///
    /// # Errors
    /// The controller is nowhere to be had, the target is gone, or somebody of it
    /// is in a cgroup of squall's already.
    pub(super) fn plan(
        controller: Controller,
        leader: ProcessIdentity,
        mark: Option<String>,
    ) -> Result<Self, FaultError> {
        let hierarchy = hierarchy(controller)?;
        let mut before = Vec::new();
        for member in hittable(leader, mark.as_deref())? {
            let who = member.identity;
            let place = hierarchy.place_of(who.pid);
            // Asked afterwards, so the answer is about the one that was read.
            if !who.is_alive() {
                continue;
            }
            let place = place.map_err(|error| FaultError::io("reading /proc/PID/cgroup", error))?;
            if is_ours(&place) {
                let (pid, place) = (who.pid, place.display().to_string());
                return Err(FaultError::PenOverlaps { pid, place });
            }
            before.push((who, place));
        }
        let own = before.iter().find(|(who, _)| *who == leader);
        let Some((_, others)) = own.cloned() else {
            return Err(FaultError::ProcessGone { pid: leader.pid });
        };
        let parent = hierarchy.parent_for(&others);
        let parent = parent.map_err(|error| FaultError::io("looking for a cgroup", error))?;
        refuse_to_free(&hierarchy, &before, &parent)?;
        let name = format!("{PREFIX}{controller}-{}-{}", leader.pid, leader.start_time);
        Ok(Self {
            controller,
            version: hierarchy.version,
            place: parent.join(name),
            leader,
            mark,
            before,
            others,
        })
    }

    /// Makes the cgroup, with nobody in it. In version 2 no more tasks may be in it
    /// than where the processes come from.
    pub(super) fn make(&self) -> Result<(), FaultError> {
        let making = |error| FaultError::io(format!("making {}", self.place.display()), error);
        std::fs::create_dir(&self.place).map_err(making)?;
        let parent = self.place.parent().filter(|_| self.version == Version::V2);
        let tasks = parent.and_then(|parent| {
            let places = self.before.iter().map(|(_, place)| place);
            places.filter_map(|place| lost_tasks(place, parent)).min()
        });
        let limited = tasks.map_or(Ok(()), |tasks| self.set(TASKS, &tasks.to_string()));
        limited.inspect_err(|_| {
            if let Err(error) = std::fs::remove_dir(&self.place) {
                tracing::error!(place = %self.place.display(), %error, "an empty cgroup stays");
            }
        })
    }

    /// Writes one of its files.
    pub(super) fn set(&self, file: &str, value: &str) -> Result<(), FaultError> {
        let file = self.place.join(file);
        let setting = |error| FaultError::io(format!("writing {}", file.display()), error);
        write(&file, value).map_err(setting)
    }

    /// Reads one of its files.
    pub(super) fn get(&self, file: &str) -> Result<String, FaultError> {
        let file = self.place.join(file);
        let reading = |error| FaultError::io(format!("reading {}", file.display()), error);
        std::fs::read_to_string(&file).map_err(reading)
    }

    /// Puts everybody in, and again whoever was started meanwhile; who is in. Fails
    /// for one of `settled`, who were in before, and whom somebody took out.
    pub(super) fn fill(&self, settled: &[ProcessIdentity]) -> Result<Vec<Member>, FaultError> {
        let hierarchy = hierarchy(self.controller)?;
        let mut found = Vec::new();
        for _ in 0..ROUNDS_MAX {
            found = hittable(self.leader, self.mark.as_deref())?;
            let mut all_in = true;
            for member in &found {
                let who = member.identity;
                // One that has ended meanwhile is nowhere.
                let place = hierarchy.place_of(who.pid).ok();
                let place = place.filter(|place| *place != self.place && who.is_alive());
                let Some(place) = place else { continue };
                if settled.contains(&who) {
                    // One that is about to end has left its cgroup already.
                    let gone = ProcessHandle::open(who)
                        .map_or(true, |handle| handle.ended_within(ENDS_WITHIN));
                    if gone {
                        continue;
                    }
                    return Err(FaultError::TakenOut {
                        pid: who.pid,
                        is: place.display().to_string(),
                        wanted: self.place.display().to_string(),
                    });
                }
                all_in = false;
                match self.put(who, &self.place) {
                    Ok(()) | Err(FaultError::ProcessGone { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            if all_in {
                break;
            }
        }
        Ok(found)
    }

    /// Puts a process into a cgroup, or nobody. A stranger that was given its
    /// number at that very moment goes back to where its parent is.
    fn put(&self, who: ProcessIdentity, place: &Path) -> Result<(), FaultError> {
        let handle = ProcessHandle::open(who)?;
        match write(&place.join(PROCESSES), &who.pid.to_string()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => {
                return Err(FaultError::ProcessGone { pid: who.pid });
            }
            Err(error) => {
                let doing = format!("moving process {} to {}", who.pid, place.display());
                return Err(FaultError::io(doing, error));
            }
        }
        if !handle.ended_within(Duration::ZERO) {
            return Ok(());
        }
        let stranger = stat(who.pid)
            .ok()
            .filter(|now| now.starttime != who.start_time);
        let parent = stranger.and_then(|now| u32::try_from(now.ppid).ok());
        if let (Some(parent), Ok(hierarchy)) = (parent, Hierarchy::of(self.controller))
            && let Ok(home) = hierarchy.place_of(parent)
            && let Err(error) = write(&home.join(PROCESSES), &who.pid.to_string())
        {
            tracing::error!(pid = who.pid, %error, "a process that is none of squall's stays moved");
        }
        Err(FaultError::ProcessGone { pid: who.pid })
    }

    /// Lets everybody go back and removes the cgroup; a sentence on that. Doing it
    /// twice does no harm.
    ///
    /// # Errors
    /// Somebody is still in, or the cgroup is still there; in words.
    pub(crate) fn open_up(&self) -> Result<String, String> {
        let shown = self.place.display();
        if !is_ours(&self.place) {
            return Err(format!("{shown} is no cgroup of squall's"));
        }
        let deadline = Instant::now() + EMPTY_WITHIN;
        let mut back = 0_usize;
        loop {
            let inside = match self.let_go() {
                Ok(inside) => inside,
                Err(_) if self.is_gone() => {
                    return Ok(format!("{shown} is gone, {back} processes went back"));
                }
                // Where others remove it, its files go before it does.
                Err(_) if Instant::now() < deadline => {
                    pause(LOOK_EVERY);
                    continue;
                }
                Err(error) => return Err(format!("{shown}: {error}")),
            };
            for who in inside {
                match self.put_back(who) {
                    Ok(()) => back += 1,
                    Err(FaultError::ProcessGone { .. }) => {}
                    Err(error) => return Err(error.to_string()),
                }
            }
            match std::fs::remove_dir(&self.place) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                // Whoever has just left is still counted for a moment.
                Err(error) if Instant::now() >= deadline => {
                    return Err(format!("removing {shown}: {error}"));
                }
                Ok(()) | Err(_) => pause(LOOK_EVERY),
            }
        }
    }

    /// Lets everybody go on who stands still; whoever is in.
    fn let_go(&self) -> Result<Vec<ProcessIdentity>, FaultError> {
        if self.stands_still() {
            Standstill::end(self)?;
        }
        let reading = |error| FaultError::io("reading who is in", error);
        self.inside().map_err(reading)
    }

    /// Whoever is in and can be seen from here.
    fn inside(&self) -> io::Result<Vec<ProcessIdentity>> {
        let text = std::fs::read_to_string(self.place.join(PROCESSES))?;
        let pids = text.lines().filter_map(|line| line.parse().ok());
        // A process of another PID namespace has number 0 here, which would be
        // squall itself to the kernel.
        let pids = pids.filter(|pid: &u32| *pid != 0);
        Ok(pids
            .filter_map(|pid| ProcessIdentity::of(pid).ok())
            .collect())
    }

    /// To where it was, or to the nearest cgroup above that is still there.
    fn put_back(&self, who: ProcessIdentity) -> Result<(), FaultError> {
        let home = self.home_of(who);
        let mut result = Err(FaultError::ProcessGone { pid: who.pid });
        let there = |place: &&Path| !place.is_dir() || place.join(PROCESSES).is_file();
        for place in home.ancestors().take_while(there) {
            if place.is_dir() {
                result = self.put(who, place);
            }
            if let Ok(()) | Err(FaultError::ProcessGone { .. }) = &result
                && place.is_dir()
            {
                break;
            }
        }
        result
    }

    fn home_of(&self, who: ProcessIdentity) -> &PathBuf {
        let known = self.before.iter().find(|(known, _)| *known == who);
        known.map_or(&self.others, |(_, place)| place)
    }

    /// Whether who is in it can neither act on a signal nor, in version 1, be ended.
    pub(crate) fn stands_still(&self) -> bool {
        self.controller == Controller::Freezer
    }

    /// Whether nothing of it is left to undo.
    pub(crate) fn is_gone(&self) -> bool {
        let found = std::fs::symlink_metadata(&self.place);
        found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }
}

/// Takes nobody out of limits of his own; below a cgroup of version 1 they hold.
fn refuse_to_free(
    hierarchy: &Hierarchy,
    before: &[(ProcessIdentity, PathBuf)],
    parent: &Path,
) -> Result<(), FaultError> {
    let lost = |(who, place): &(ProcessIdentity, PathBuf)| {
        let limit = lost_limit(place, parent)?;
        Some((who.pid, limit))
    };
    let is_v2 = hierarchy.version == Version::V2;
    let lost = before.iter().find_map(lost).filter(|_| is_v2);
    lost.map_or(Ok(()), |(pid, limit)| {
        Err(FaultError::WouldBeFree { pid, limit })
    })
}

fn hierarchy(controller: Controller) -> Result<Hierarchy, FaultError> {
    Hierarchy::of(controller).map_err(|error| FaultError::io("looking for cgroups", error))
}

/// A file that is there is written; none is made.
fn write(file: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(file)?;
    file.write_all(text.as_bytes())
}

/// Whether squall may make cgroups with a controller beside its own, and whether one
/// of `files` is in them: where that is. Leaves nothing.
pub(super) fn may_make(controller: Controller, files: &[&str]) -> io::Result<String> {
    let hierarchy = Hierarchy::of(controller)?;
    let own = std::process::id();
    let parent = hierarchy.parent_for(&hierarchy.place_of(own)?)?;
    let place = parent.join(format!("{PREFIX}doctor-{own}"));
    std::fs::create_dir(&place)?;
    let there = files.iter().any(|file| place.join(file).is_file());
    std::fs::remove_dir(&place)?;
    match there {
        true => Ok(hierarchy.to_string()),
        false => Err(io::Error::other(format!(
            "{hierarchy} has no {}",
            files.join(" or ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cgroup_that_others_are_removing_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let leader = ProcessIdentity::own().unwrap();
        for controller in [Controller::Cpu, Controller::Freezer] {
            // Without a file in it, as cgroups are for a moment before they go.
            let place = dir.path().join(format!("{PREFIX}{controller}-1-1"));
            std::fs::create_dir(&place).unwrap();
            let pen = Pen {
                controller,
                version: Version::V1,
                place: place.clone(),
                leader,
                mark: None,
                before: Vec::new(),
                others: dir.path().to_owned(),
            };
            let goes = std::thread::spawn(move || {
                pause(Duration::from_millis(20));
                std::fs::remove_dir(place).unwrap();
            });
            let said = pen.open_up().unwrap();
            assert!(said.ends_with("is gone, 0 processes went back"), "{said}");
            goes.join().unwrap();
        }
    }
}
