//! `disk`: the file system of a folder is filled by a file that has no name, so that
//! the kernel frees it with squall, however squall ends.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use procfs::process::Process;
use rustix::fs::{FallocateFlags, Mode, OFlags, fallocate, fstat, fstatvfs, ftruncate, openat};
use rustix::io::{Errno, pwrite};
use squall_scenario::inject::Disk;
use squall_scenario::{
    ByteCount, Evidence, EvidenceLevel, Measured, OnResource, ProcessSeen, ResourceSeen, Sighting,
};

use super::folder::open_as_seen_by;
use super::lowered::hittable;
use super::spared::{FLOOR_BYTES, Spared, free_for};
use crate::process::{ProcessHandle, off_runtime};
use crate::{FaultContext, FaultError, Member, ProcessTarget};

/// What is taken in one step; what is free is looked at between them.
const STEP_BYTES: u64 = 64 * 1024 * 1024;
/// What is written at a time where space cannot be had without.
const BLOCK_BYTES: usize = 256 * 1024;

/// A file system that was filled.
#[derive(Debug)]
pub(crate) struct ActiveFill {
    target: ProcessTarget,
    fault: Disk,
    handle: ProcessHandle,
    filler: Arc<Mutex<Filler>>,
}

/// The file that fills it.
#[derive(Debug)]
struct Filler {
    /// Until it was removed.
    file: Option<OwnedFd>,
    leave: u64,
    /// Whether the target may take what is kept for root.
    for_root: bool,
    spared: Spared,
    /// Bytes that it has.
    filled: u64,
    /// What was said when it was removed.
    removed: Option<Evidence>,
}

/// Bytes that a file takes, and those that are left on its file system.
#[derive(Debug, Clone, Copy)]
struct Space {
    taken: u64,
    /// For the target.
    free: u64,
    /// What is given at the least.
    block: u64,
}

/// What became of filling it.
struct Filled {
    space: Space,
    /// Why it is not full, if it is not.
    lacks: Option<String>,
}

impl ActiveFill {
    /// Opens a file without a name and lets it take all but what is to be left.
    pub(crate) async fn inject(
        target: &ProcessTarget,
        disk: &Disk,
        context: &FaultContext,
    ) -> Result<Self, FaultError> {
        let handle = ProcessHandle::open(target.identity)?;
        let (fill, leave) = (disk.fill.clone(), disk.leave.0);
        let (identity, mark) = (target.identity, target.mark.clone());
        let spared = Arc::clone(&context.journal);
        let within = context.deadline;
        let begin = move || {
            let file = open_file(identity.pid, &fill)?;
            let spared = Spared::of(&spared);
            refuse_shared(&file, &fill, leave, &spared)?;
            let for_root = hittable(identity, mark.as_deref())?.iter().any(is_root);
            // Otherwise the folder may be of another one that has its number.
            if !identity.is_alive() {
                return Err(FaultError::ProcessGone { pid: identity.pid });
            }
            let mut filler = Filler {
                file: Some(file),
                leave,
                for_root,
                spared,
                filled: 0,
                removed: None,
            };
            let Filled { space, lacks } = filler.fill(&fill, within)?;
            let none = || format!("only {} bytes are free already", space.free);
            match lacks.or_else(|| (space.taken == 0).then(none)) {
                Some(why) => Err(FaultError::NotFilled { folder: fill, why }),
                None => Ok(filler),
            }
        };
        let filler = off_runtime(begin).await?;
        Ok(Self {
            target: target.clone(),
            fault: disk.clone(),
            handle,
            filler: Arc::new(Mutex::new(filler)),
        })
    }

    /// Looks how much is free, and takes again what somebody has given back.
    pub(crate) async fn verify(&self, within: Duration) -> Result<Evidence, FaultError> {
        let (filler, fill) = (Arc::clone(&self.filler), self.fault.fill.clone());
        let (identity, mark) = (self.target.identity, self.target.mark.clone());
        let look = move || {
            let filled = lock(&filler).fill(&fill, within)?;
            Ok((filled, hittable(identity, mark.as_deref())?.len()))
        };
        let (filled, processes) = off_runtime(look).await?;
        Ok(Evidence {
            level: match filled.lacks {
                None => EvidenceLevel::Felt,
                Some(_) => EvidenceLevel::Acted,
            },
            seen: vec![Sighting::Short(self.seen(processes, filled.space))],
        })
    }

    /// Empties the file, sees that it is empty, and closes it.
    pub(crate) async fn remove(&self) -> Result<Evidence, FaultError> {
        let (filler, fill) = (Arc::clone(&self.filler), self.fault.fill.clone());
        let (identity, mark) = (self.target.identity, self.target.mark.clone());
        let empty = move || {
            let processes = hittable(identity, mark.as_deref())?.len();
            let mut filler = lock(&filler);
            if let Some(said) = &filler.removed {
                return Ok(Err(said.clone()));
            }
            Ok(Ok((filler.empty(&fill)?, processes)))
        };
        let (space, processes) = match off_runtime(empty).await? {
            Ok(emptied) => emptied,
            Err(said) => return Ok(said),
        };
        let evidence = Evidence {
            level: EvidenceLevel::Felt,
            seen: vec![Sighting::PutBack(self.seen(processes, space))],
        };
        lock(&self.filler).removed = Some(evidence.clone());
        Ok(evidence)
    }

    /// For a dropped guard: the file is closed, and gone.
    pub(crate) fn signal_removal(&self) {
        lock(&self.filler).file = None;
    }

    fn seen(&self, processes: usize, space: Space) -> ResourceSeen {
        ResourceSeen {
            process: ProcessSeen {
                name: self.target.name.clone(),
                pid: self.target.identity.pid,
                processes: processes as u64,
            },
            fault: OnResource::Disk(self.fault.clone()),
            measured: Some(Measured::Disk {
                filled: space.taken,
                free: space.free,
            }),
        }
    }

    pub(crate) fn target_ended(&self) -> bool {
        self.handle.ended_within(Duration::ZERO)
    }
}

impl Filler {
    /// Takes what is free but what is to be left, step by step.
    fn fill(&mut self, folder: &str, within: Duration) -> Result<Filled, FaultError> {
        let deadline = Instant::now() + within;
        let not_filled = |why| FaultError::NotFilled {
            folder: folder.to_owned(),
            why,
        };
        let Some(file) = &self.file else {
            return Err(not_filled("it was given back already".to_owned()));
        };
        let mut most = STEP_BYTES;
        loop {
            let space = space(file, folder, self.for_root)?;
            let block = space.block;
            let wanted = space.free.saturating_sub(self.leave) / block * block;
            if wanted == 0 {
                return Ok(Filled { space, lacks: None });
            }
            if Instant::now() >= deadline {
                let lacks = Some(format!("{} bytes are still free", space.free));
                return Ok(Filled { space, lacks });
            }
            let most_now = most.min(self.spared.step()) / block * block;
            let step = wanted.min(most_now.max(block));
            match take(file, self.filled, step) {
                Ok(taken) => self.filled += taken,
                // Less than a step is to be had, or others were faster.
                Err(Errno::NOSPC | Errno::DQUOT) if step > block => most = step / 2,
                Err(error @ (Errno::NOSPC | Errno::DQUOT)) => {
                    let root = rustix::process::geteuid().is_root();
                    let lacks = lacks(space, self.leave, error, root);
                    return Ok(Filled { space, lacks });
                }
                Err(error) => return Err(failed(folder, "filling", error)),
            }
            if let Some(why) = self.spared.fallen() {
                return Err(not_filled(why));
            }
        }
    }

    /// Gives everything back; what it had taken, and what is free now.
    fn empty(&mut self, folder: &str) -> Result<Space, FaultError> {
        let Some(file) = &self.file else {
            return Ok(Space {
                taken: 0,
                free: 0,
                block: 0,
            });
        };
        let before = space(file, folder, self.for_root)?;
        ftruncate(file, 0).map_err(|error| failed(folder, "emptying the file in", error))?;
        let after = space(file, folder, self.for_root)?;
        if after.taken > 0 {
            return Err(FaultError::NotFilled {
                folder: folder.to_owned(),
                why: format!("the file that fills it still has {} bytes", after.taken),
            });
        }
        self.file = None;
        Ok(Space {
            taken: before.taken,
            ..after
        })
    }
}

/// Takes bytes behind those that a file has; how many.
fn take(file: &OwnedFd, at: u64, bytes: u64) -> Result<u64, Errno> {
    match fallocate(file, FallocateFlags::empty(), at, bytes) {
        Ok(()) => return Ok(bytes),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
        Err(error) => return Err(error),
    }
    let block = vec![0xAA; BLOCK_BYTES.min(usize::try_from(bytes).unwrap_or(BLOCK_BYTES))];
    pwrite(file, &block, at).map(|taken| taken as u64)
}

fn space(file: &OwnedFd, folder: &str, for_root: bool) -> Result<Space, FaultError> {
    let looking = |error| failed(folder, "looking at", error);
    let all = fstatvfs(file).map_err(looking)?;
    let own = fstat(file).map_err(looking)?;
    Ok(Space {
        // In blocks of 512 bytes, see stat(2).
        taken: u64::try_from(own.st_blocks).unwrap_or_default() * 512,
        free: free_for(&all, for_root),
        block: all.f_frsize.max(1),
    })
}

/// Why it is not full for the target, although squall was refused a block more.
/// Where root was, nobody gets any: ext4 and others count as free what they keep for
/// themselves. A quota holds for its owner only.
fn lacks(space: Space, leave: u64, refused: Errno, root: bool) -> Option<String> {
    let is_full = root && refused == Errno::NOSPC;
    (!is_full && space.free > leave + space.block).then(|| {
        let whose = match refused {
            Errno::DQUOT => "its quota",
            _ => "what is kept for root",
        };
        format!(
            "squall may take no more of it ({whose}), and {} bytes are still free",
            space.free
        )
    })
}

/// A file without a name in a folder of a process.
fn open_file(pid: u32, folder: &str) -> Result<OwnedFd, FaultError> {
    let opening = |error| failed(folder, "opening a file in", error);
    let inside = open_as_seen_by(pid, folder).map_err(|error| match error {
        Errno::NOSYS => FaultError::NotFilled {
            folder: folder.to_owned(),
            why: "openat2(2) is missing (Linux 5.6), or seccomp forbids it".to_owned(),
        },
        error => opening(error),
    })?;
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = openat(inside, ".", flags, Mode::RUSR | Mode::WUSR);
    file.map_err(|error| match error {
        Errno::OPNOTSUPP | Errno::ISDIR => FaultError::NotFilled {
            folder: folder.to_owned(),
            why: "its file system has no files without a name (O_TMPFILE)".to_owned(),
        },
        error => opening(error),
    })
}

fn is_root(member: &Member) -> bool {
    let pid = i32::try_from(member.identity.pid).unwrap_or_default();
    let status = Process::new(pid).and_then(|process| process.status());
    status.is_ok_and(|status| status.euid == 0)
}

/// Whoever keeps the undo journal and the record of the run must be able to go on
/// writing them, and the machine must be able to go on.
fn refuse_shared(
    file: &OwnedFd,
    fill: &str,
    leave: u64,
    spared: &Spared,
) -> Result<(), FaultError> {
    if leave >= FLOOR_BYTES {
        return Ok(());
    }
    let own = fstat(file).map_err(|error| failed(fill, "looking at", error))?;
    spared.why_not(own.st_dev).map_or(Ok(()), |why| {
        Err(FaultError::NotFilled {
            folder: fill.to_owned(),
            why: format!(
                "{why}, so at least {} have to be left",
                ByteCount(FLOOR_BYTES)
            ),
        })
    })
}

fn failed(folder: &str, doing: &str, error: Errno) -> FaultError {
    FaultError::io(format!("{doing} {folder}"), error)
}

fn lock(filler: &Mutex<Filler>) -> MutexGuard<'_, Filler> {
    filler.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_squall_alone_may_not_take_is_free_for_others() {
        let space = |free| Space {
            taken: 4096,
            free,
            block: 4096,
        };
        let lacks = |free, refused, root| lacks(space(free), 8192, refused, root).is_some();
        assert!(lacks(16_384, Errno::DQUOT, true), "its quota");
        assert!(lacks(16_384, Errno::NOSPC, false), "the reserve of root");
        assert!(!lacks(16_384, Errno::NOSPC, true), "nobody gets more");
        // Somebody else may have taken that in between.
        assert!(!lacks(12_288, Errno::DQUOT, false));
    }
}
