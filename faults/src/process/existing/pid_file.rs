//! Pid files, and whether the process that is named still has its number.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::not_found::NotFound;
use crate::ProcessIdentity;

/// A pid file holds a number.
const PID_FILE_BYTES_MAX: u64 = 64;
/// How much later than its pid file a process may seem to have started: clocks
/// of the kernel and of file systems are coarse.
const LATER_MAX: Duration = Duration::from_secs(5);

/// The process that a pid file names.
pub(super) fn read(path: &Path) -> Result<u32, NotFound> {
    let failed = |source| NotFound::PidFile {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let written = file.metadata().and_then(|about| about.modified());
    let written = written.map_err(failed)?;
    let mut text = String::new();
    io::Read::read_to_string(&mut io::Read::take(file, PID_FILE_BYTES_MAX), &mut text)
        .map_err(failed)?;
    // Some write more behind the number, on lines of their own.
    let number = text
        .lines()
        .next()
        .and_then(|line| line.trim().parse().ok());
    let pid = number.ok_or_else(|| NotFound::NoNumber {
        path: path.to_owned(),
    })?;
    let path = path.to_owned();
    let lives = ProcessIdentity::of(pid)
        .ok()
        .filter(ProcessIdentity::is_alive);
    let Some(identity) = lives else {
        return Err(NotFound::Stale { path, pid });
    };
    match started(identity)? > written + LATER_MAX {
        true => Err(NotFound::Reused { path, pid }),
        false => Ok(pid),
    }
}

/// When a process started, as the clock stands now. Where that was put forward
/// since, one may seem to have started after it wrote its file: then nobody is hit.
pub(super) fn started(who: ProcessIdentity) -> Result<SystemTime, NotFound> {
    let unseen = |error: procfs::ProcError| NotFound::Unseen(error.to_string());
    let booted = procfs::boot_time_secs().map_err(unseen)?;
    let after = who.start_time / procfs::ticks_per_second();
    Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(booted + after))
}
