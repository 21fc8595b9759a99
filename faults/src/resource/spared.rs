//! What must not run full along with a disk that is filled: where squall writes, and
//! the machine.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, StatVfs, fstat, fstatvfs, open};

use crate::Journal;

/// The least that is left there.
pub(super) const FLOOR_BYTES: u64 = 64 * 1024 * 1024;
/// What may be taken at a time however little is left there, and what a file
/// system may need itself to note what was taken.
const STEP_BYTES: u64 = 1024 * 1024;

/// File systems that are looked at between steps: one may have its space from that
/// which is filled, and yet be another device (overlays, subvolumes, thin pools).
#[derive(Debug)]
pub(super) struct Spared(Vec<One>);

#[derive(Debug)]
struct One {
    why: &'static str,
    file: OwnedFd,
    device: u64,
    /// Bytes that have to be left; half of what there was where that was less.
    floor: u64,
}

impl Spared {
    /// Looks at them before anything is taken. Whatever cannot be looked at is not
    /// written either.
    pub(super) fn of(journal: &Journal) -> Self {
        let all = [
            (Some(journal.path()), "the undo journal is there"),
            (journal.run_folder(), "the record of the run is there"),
            (Some(Path::new(".")), "squall runs there"),
            (Some(Path::new("/")), "it is the root file system"),
        ];
        let known = all
            .into_iter()
            .filter_map(|(path, why)| One::of(path?, why));
        Self(known.collect())
    }

    /// Why a device is one of them.
    pub(super) fn why_not(&self, device: u64) -> Option<&'static str> {
        let one = self.0.iter().find(|one| one.device == device);
        one.map(|one| one.why)
    }

    /// How much may be taken in one step, in bytes.
    pub(super) fn step(&self) -> u64 {
        let above = |one: &One| Some(free(&one.file)?.saturating_sub(one.floor));
        let least = self.0.iter().filter_map(above).min();
        least.unwrap_or(u64::MAX).max(STEP_BYTES)
    }

    /// What is wrong, if one of them has less than its floor now.
    pub(super) fn fallen(&self) -> Option<String> {
        self.0.iter().find_map(|one| {
            let free = free(&one.file)?;
            (free.saturating_add(STEP_BYTES) < one.floor).then(|| {
                format!(
                    "another one has its space from it ({}), and only {free} bytes of at \
                     least {} are free there",
                    one.why, one.floor
                )
            })
        })
    }
}

impl One {
    fn of(path: &Path, why: &'static str) -> Option<Self> {
        let file = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()?;
        let device = fstat(&file).ok()?.st_dev;
        let before = free(&file)?;
        let floor = match before < FLOOR_BYTES {
            true => before / 2,
            false => FLOOR_BYTES,
        };
        Some(Self {
            why,
            file,
            device,
            floor,
        })
    }
}

fn free(file: &OwnedFd) -> Option<u64> {
    let all = fstatvfs(file).ok()?;
    Some(free_for(&all, rustix::process::geteuid().is_root()))
}

/// Bytes that are free; root may take what others may not.
pub(crate) const fn free_for(all: &StatVfs, root: bool) -> u64 {
    match root {
        true => all.f_bfree * all.f_frsize,
        false => all.f_bavail * all.f_frsize,
    }
}
