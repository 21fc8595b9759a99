//! The keeper: a process that does what is left to do when the guardian itself
//! is killed, alone or together with squall.
//!
//! It does nothing but wait for that. It knows of the guardian's end by a pipe of
//! which only the guardian holds the other side, and finds everything by the
//! journal and the mark of the run, as `squall recover` does.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::guard::journal::{self, Inverse};
use crate::guard::recover::{RecoverReport, replay, thaw};
use crate::guard::undo::carry_out;
use crate::process::ProcessHandle;
use crate::wait::pause;

/// The argument of a keeper, before the path of its journal.
pub(super) const KEEP: &str = "--keep";

/// What the guardian says when it needs no keeper any more.
const DISMISSED: &[u8] = b".";
/// A keeper that was dismissed ends by itself; one that does not is ended.
const ENDS_WITHIN: Duration = Duration::from_secs(1);
/// A squall that lives longer than this without its guardian undoes the rest
/// itself.
const SQUALL_ENDS_WITHIN: Duration = Duration::from_secs(5);

/// A running keeper, as its guardian sees it.
pub(super) struct Keeper {
    pid: Pid,
    /// Its other side is the keeper's standard input.
    lifeline: OwnedFd,
}

impl Keeper {
    /// Starts one: this program, called as the guardian was with `own`.
    pub(super) fn start(own: &[OsString], journal: &Path) -> io::Result<Self> {
        let (stdin, lifeline) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(own)
            .arg(KEEP)
            .arg(journal)
            // It is none of the run's processes.
            .env_clear()
            .envs(std::env::var_os("LD_LIBRARY_PATH").map(|path| ("LD_LIBRARY_PATH", path)))
            .stdin(stdin)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // Not kept as a `Child`: the guardian reaps all its children in one place.
        let pid = Pid::from_raw(command.spawn()?.id().cast_signed());
        let pid = pid.ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self { pid, lifeline })
    }

    /// It is none of the system under test.
    pub(super) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().cast_unsigned()
    }

    /// Everything is done: lets it go, and returns when it has.
    pub(super) fn dismiss(self) {
        let told = rustix::io::write(&self.lifeline, DISMISSED);
        let patience = told.map_or(Duration::ZERO, |_| ENDS_WITHIN);
        let start = Instant::now();
        // An error means that it was reaped already.
        while let Ok(None) = waitpid(Some(self.pid), WaitOptions::NOHANG) {
            if start.elapsed() >= patience {
                let _ = kill_process(self.pid, Signal::KILL);
            }
            pause(Duration::from_millis(1));
        }
    }
}

/// [`KEEP`]: waits for the guardian's end, and then ends and undoes whatever it
/// left.
pub(super) fn keep(journal: PathBuf) -> io::Result<()> {
    // Whatever is sent to the guardian's group or terminal is not for it.
    if let Err(error) = rustix::process::setsid() {
        tracing::debug!(%error, "no new session");
    }
    let mut word = [0];
    if io::stdin().read(&mut word)? > 0 {
        return Ok(());
    }
    thaw(&journal);
    end_the_system(&journal);
    if !squall_lives(&journal)
        && let Ok(Ok(contents)) = journal::read(&journal)
    {
        replay(&journal, &contents, &mut RecoverReport::default());
    }
    Ok(())
}

/// Nobody looks after it any more, whatever becomes of squall.
fn end_the_system(journal: &Path) {
    let Ok(Ok(contents)) = journal::read(journal) else {
        return;
    };
    for undo in contents.pending.values().rev() {
        if matches!(undo.inverse, Inverse::EndMarked { .. }) {
            // What cannot be ended stays in the journal.
            let _ = carry_out(&undo.inverse);
        }
    }
}

/// Whether squall lives on, and undoes the rest itself.
fn squall_lives(journal: &Path) -> bool {
    let Ok(Ok(contents)) = journal::read(journal) else {
        return false;
    };
    let owner = contents.header.map(|header| header.owner);
    let squall = owner.and_then(|owner| ProcessHandle::open(owner).ok());
    squall.is_some_and(|squall| !squall.ended_within(SQUALL_ENDS_WITHIN))
}
