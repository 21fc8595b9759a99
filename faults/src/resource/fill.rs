//! `disk`: the file system of a folder is filled by a file that has no name, so that
//! the kernel frees it with squall, however squall ends.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{FallocateFlags, Mode, OFlags, fallocate, fstat, fstatvfs, ftruncate, open};
use rustix::io::{Errno, pwrite};
use squall_scenario::inject::Disk;
use squall_scenario::{
    Evidence, EvidenceLevel, Measured, OnResource, ProcessSeen, ResourceSeen, Sighting,
};

use super::pen::hittable;
use crate::process::{ProcessHandle, off_runtime};
use crate::{FaultContext, FaultError, ProcessTarget};

/// What is taken in one step; what is free is looked at between them.
const STEP_BYTES: u64 = 64 * 1024 * 1024;
/// What is written at a time where space cannot be had without.
const BLOCK_BYTES: usize = 256 * 1024;
/// The least that is left where squall writes, and the machine.
const SHARED_FLOOR_BYTES: u64 = 64 * 1024 * 1024;

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
    /// Bytes that it has.
    filled: u64,
    /// What was said when it was removed.
    removed: Option<Evidence>,
}

/// Bytes that a file takes, and those that are left on its file system.
#[derive(Debug, Clone, Copy)]
struct Space {
    taken: u64,
    free: u64,
}

impl ActiveFill {
    /// Opens a file without a name and lets it take all but what is to be left.
    pub(crate) async fn inject(
        target: &ProcessTarget,
        disk: &Disk,
        context: &FaultContext,
    ) -> Result<Self, FaultError> {
        let handle = ProcessHandle::open(target.identity)?;
        let folder = folder(target.identity.pid, &disk.fill);
        let (fill, leave) = (disk.fill.clone(), disk.leave.0);
        let journal = context.journal.path().to_owned();
        let within = context.deadline;
        let begin = move || {
            refuse_shared(&folder, &fill, leave, &journal)?;
            let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
            let opened = open(&folder, flags, Mode::RUSR | Mode::WUSR);
            let file = opened.map_err(|error| match error {
                Errno::OPNOTSUPP | Errno::ISDIR => FaultError::NotFilled {
                    folder: fill.clone(),
                    why: "its file system has no files without a name (O_TMPFILE)".to_owned(),
                },
                error => failed(&fill, "opening a file in", error),
            })?;
            let mut filler = Filler {
                file: Some(file),
                leave,
                filled: 0,
                removed: None,
            };
            let space = filler.fill(&fill, within)?;
            if space.taken == 0 {
                return Err(FaultError::NotFilled {
                    folder: fill,
                    why: format!("only {} bytes are free already", space.free),
                });
            }
            Ok(filler)
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
            let space = lock(&filler).fill(&fill, within)?;
            Ok((space, hittable(identity, mark.as_deref())?.len()))
        };
        let (space, processes) = off_runtime(look).await?;
        Ok(Evidence {
            level: EvidenceLevel::Felt,
            seen: vec![Sighting::Short(self.seen(processes, space))],
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
    fn fill(&mut self, folder: &str, within: Duration) -> Result<Space, FaultError> {
        let deadline = Instant::now() + within;
        let Some(file) = &self.file else {
            return Err(FaultError::NotFilled {
                folder: folder.to_owned(),
                why: "it was given back already".to_owned(),
            });
        };
        let mut most = STEP_BYTES;
        loop {
            let space = space(file, folder)?;
            let step = space.free.saturating_sub(self.leave).min(most);
            if step == 0 {
                return Ok(space);
            }
            if Instant::now() >= deadline {
                return Err(FaultError::NotFilled {
                    folder: folder.to_owned(),
                    why: format!("{} bytes are still free", space.free),
                });
            }
            match take(file, self.filled, step) {
                Ok(taken) => self.filled += taken,
                // Less than a step is to be had, or others were faster.
                Err(Errno::NOSPC | Errno::DQUOT) if step > 1 => most = step / 2,
                Err(Errno::NOSPC | Errno::DQUOT) => return Ok(space),
                Err(error) => return Err(failed(folder, "filling", error)),
            }
        }
    }

    /// Gives everything back; what it had taken, and what is free now.
    fn empty(&mut self, folder: &str) -> Result<Space, FaultError> {
        let Some(file) = &self.file else {
            return Ok(Space { taken: 0, free: 0 });
        };
        let before = space(file, folder)?;
        ftruncate(file, 0).map_err(|error| failed(folder, "emptying the file in", error))?;
        let after = space(file, folder)?;
        if after.taken > 0 {
            return Err(FaultError::NotFilled {
                folder: folder.to_owned(),
                why: format!("the file that fills it still has {} bytes", after.taken),
            });
        }
        self.file = None;
        Ok(Space {
            taken: before.taken,
            free: after.free,
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

fn space(file: &OwnedFd, folder: &str) -> Result<Space, FaultError> {
    let looking = |error| failed(folder, "looking at", error);
    let all = fstatvfs(file).map_err(looking)?;
    let own = fstat(file).map_err(looking)?;
    Ok(Space {
        // In blocks of 512 bytes, see stat(2).
        taken: u64::try_from(own.st_blocks).unwrap_or_default() * 512,
        free: all.f_bavail * all.f_frsize,
    })
}

/// A folder as a process sees it.
fn folder(pid: u32, folder: &str) -> PathBuf {
    match folder.strip_prefix('/') {
        Some(below) => PathBuf::from(format!("/proc/{pid}/root")).join(below),
        None => PathBuf::from(format!("/proc/{pid}/cwd")).join(folder),
    }
}

/// Whoever keeps the undo journal and the record of the run must be able to go on
/// writing them, and the machine must be able to go on.
fn refuse_shared(folder: &Path, fill: &str, leave: u64, journal: &Path) -> Result<(), FaultError> {
    if leave >= SHARED_FLOOR_BYTES {
        return Ok(());
    }
    let system = |path: &Path| File::open(path).ok().and_then(|file| fstat(file).ok());
    let own = system(folder).map(|stat| stat.st_dev);
    let shared = [
        (journal, "the undo journal is there"),
        (Path::new("."), "squall runs there"),
        (Path::new("/"), "it is the root file system"),
    ];
    let mut shared = shared.into_iter();
    let why = shared.find(|(path, _)| own.is_some() && system(path).map(|stat| stat.st_dev) == own);
    why.map_or(Ok(()), |(_, why)| {
        Err(FaultError::NotFilled {
            folder: fill.to_owned(),
            why: format!("{why}, so at least 64MiB have to be left"),
        })
    })
}

fn failed(folder: &str, doing: &str, error: Errno) -> FaultError {
    FaultError::io(format!("{doing} {folder}"), error)
}

fn lock(filler: &Mutex<Filler>) -> MutexGuard<'_, Filler> {
    filler.lock().unwrap_or_else(PoisonError::into_inner)
}
