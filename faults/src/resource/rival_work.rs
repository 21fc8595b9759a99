//! What a process of squall's does that takes what a target wants: nothing until it is
//! told to begin, and nothing any more once its standard input has ended. The kernel
//! ends that with squall, however squall ends.

use std::ffi::OsString;
use std::hint::black_box;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Duration;

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::io::{Errno, pwrite};
use rustix::process::Pid;
use rustix::thread::{sched_getaffinity, sched_setaffinity};

use super::headroom::{Places, Wanted, to_hold};
use crate::wait::pause;

/// The argument of such a process, before its work.
pub(crate) const RIVAL: &str = "--rival";

/// What the memory that is held is called.
pub(super) const HELD: &str = "squall-held";

/// How often it is looked how much is in use.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The most that is taken between two looks, in bytes.
const STEP: u64 = 4 * 1024 * 1024;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Work {
    /// Threads want all they can get of the processors that a process may run on.
    Burn {
        /// How many.
        threads: u32,
        /// The process.
        beside: u32,
    },
    /// Memory is held until so much is in use where a process has its own.
    Hold {
        /// How much.
        wanted: Wanted,
        /// The process.
        beside: u32,
    },
}

impl Work {
    /// As arguments.
    pub(super) fn words(self) -> Vec<String> {
        match self {
            Self::Burn { threads, beside } => {
                ["burn".to_owned(), beside.to_string(), threads.to_string()].into()
            }
            Self::Hold { wanted, beside } => {
                let Wanted {
                    up_to,
                    leave,
                    bound,
                } = wanted;
                let numbers = [beside.to_string(), up_to.to_string()];
                let bytes = [leave, bound].map(|bytes| bytes.to_string());
                let words = ["hold".to_owned()].into_iter();
                words.chain(numbers).chain(bytes).collect()
            }
        }
    }

    fn of(words: &[OsString]) -> Option<Self> {
        let words: Option<Vec<&str>> = words.iter().map(|word| word.to_str()).collect();
        match words?.as_slice() {
            ["burn", beside, threads] => Some(Self::Burn {
                threads: threads.parse().ok()?,
                beside: beside.parse().ok()?,
            }),
            ["hold", beside, up_to, leave, bound] => Some(Self::Hold {
                wanted: Wanted {
                    up_to: up_to.parse().ok().filter(|up_to| *up_to <= 1.0)?,
                    leave: leave.parse().ok()?,
                    bound: bound.parse().ok()?,
                },
                beside: beside.parse().ok()?,
            }),
            _ => None,
        }
    }

    fn begin(self) -> io::Result<()> {
        match self {
            Self::Burn { threads, beside } => burn(threads, beside),
            Self::Hold { wanted, beside } => hold(wanted, beside),
        }
    }
}

/// [`RIVAL`]: works from the first byte of standard input until its end.
///
/// # Errors
/// There is no such work, or it cannot be begun.
pub(crate) fn compete(words: &[OsString]) -> io::Result<()> {
    let work = Work::of(words).ok_or(io::ErrorKind::InvalidInput)?;
    let mut input = io::stdin().lock();
    if input.read(&mut [0])? == 0 {
        return Ok(());
    }
    work.begin()?;
    while input.read(&mut [0; 64])? > 0 {}
    Ok(())
}

fn burn(threads: u32, beside: u32) -> io::Result<()> {
    let process = i32::try_from(beside).ok().and_then(Pid::from_raw);
    // One that is gone has left nothing to compete for.
    if let Ok(may_run_on) = sched_getaffinity(process) {
        sched_setaffinity(None, &may_run_on)?;
    }
    for _ in 0..threads {
        thread::Builder::new()
            .stack_size(64 * 1024)
            .spawn(spin_for_ever)?;
    }
    Ok(())
}

fn spin_for_ever() {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Before anybody else is ended for want of memory, this is.
fn hold(wanted: Wanted, beside: u32) -> io::Result<()> {
    std::fs::write("/proc/self/oom_score_adj", "1000")?;
    let places = Places::of(beside);
    let mut held = Held::none()?;
    let keep_on = move || {
        loop {
            match held.adjust(&places, wanted) {
                Ok(true) => {}
                Ok(false) => pause(LOOK_EVERY),
                // Without a look nothing may be held.
                Err(_) => std::process::abort(),
            }
        }
    };
    thread::Builder::new().spawn(keep_on)?;
    Ok(())
}

/// Memory as a file of which nobody else knows.
struct Held {
    file: OwnedFd,
    bytes: u64,
}

impl Held {
    fn none() -> io::Result<Self> {
        let file = memfd_create(HELD, MemfdFlags::CLOEXEC)?;
        Ok(Self { file, bytes: 0 })
    }

    /// Takes a little more, or gives back what is too much; whether more may be to be
    /// taken.
    fn adjust(&mut self, places: &Places, wanted: Wanted) -> io::Result<bool> {
        let levels = places.look()?;
        let page = procfs::page_size();
        let to_hold = to_hold(&levels, wanted, self.bytes) / page * page;
        if to_hold < self.bytes {
            ftruncate(&self.file, to_hold)?;
            self.bytes = to_hold;
            return Ok(false);
        }
        let step = (to_hold - self.bytes).min(STEP);
        let block = vec![0xAA; usize::try_from(step).unwrap_or_default()];
        let taken = match pwrite(&self.file, &block, self.bytes) {
            Ok(taken) => taken as u64,
            // Others were faster.
            Err(Errno::NOMEM | Errno::NOSPC) => 0,
            Err(error) => return Err(error.into()),
        };
        self.bytes += taken;
        Ok(taken > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::headroom::narrowest;
    use super::*;

    #[test]
    fn work_is_read_as_it_is_said_and_nothing_else_is_work() {
        let burn = Work::Burn {
            threads: 3,
            beside: 77,
        };
        let wanted = Wanted {
            up_to: 0.8,
            leave: 16 << 20,
            bound: 64 << 20,
        };
        let hold = Work::Hold { wanted, beside: 77 };
        let words = |text: &str| -> Vec<OsString> { text.split(' ').map(Into::into).collect() };
        for work in [burn, hold] {
            let said: Vec<OsString> = work.words().into_iter().map(Into::into).collect();
            assert_eq!(Work::of(&said), Some(work));
        }
        for other in [
            "burn 3",
            "burn -1 7",
            "burn x 7",
            "dig 3 7",
            "hold 7 0.5 0",
            "hold 7 1.5 0 0",
            "hold 7 NaN 0 0",
        ] {
            assert_eq!(Work::of(&words(other)), None, "{other}");
        }
    }

    #[test]
    fn what_is_held_grows_to_what_is_wanted_and_shrinks_below_the_floor() {
        let own = Places::of(std::process::id());
        let used = narrowest(&own.look().unwrap()).unwrap();
        let mut held = Held::none().unwrap();
        let wanted = |bytes: u64| Wanted {
            up_to: (used.used + bytes) as f64 / used.limit as f64,
            leave: 0,
            bound: u64::MAX,
        };
        // Whatever others do meanwhile: a step at a time, and no more than that.
        held.adjust(&own, wanted(1 << 30)).unwrap();
        assert!(held.bytes <= STEP);
        let nothing = Wanted {
            up_to: 1.0,
            leave: u64::MAX,
            bound: u64::MAX,
        };
        held.adjust(&own, nothing).unwrap();
        assert_eq!(held.bytes, 0);
    }
}
