//! A process of squall's own beside a target, as squall holds it: started, put where the
//! target is, told to begin once its end is on disk, and ended.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::cgroup::{Controller, Hierarchy, PROCESSES, is_ours_for};
use super::rival_work::{RIVAL, Work};
use crate::marks::{INSTANCE_MARK, RUN_MARK};
use crate::process::{ProcessHandle, off_runtime};
use crate::wait::pause;
use crate::{EntryId, FaultContext, FaultError, Inverse, Journal, ProcessIdentity, ProcessTarget};

/// How long it may take to end by itself.
const ENDS_WITHIN: Duration = Duration::from_millis(500);
/// How long it may take to be gone that was killed.
const KILLED_WITHIN: Duration = Duration::from_secs(2);

/// How often it is asked.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// A process of squall's own that works against a target.
#[derive(Debug)]
pub(super) struct Rival {
    handle: ProcessHandle,
    /// Whether it is in the cgroup of the target.
    pub(super) inside: bool,
    journal: Arc<Journal>,
    held: Mutex<Held>,
}

/// What ends with it.
#[derive(Debug)]
struct Held {
    child: Child,
    /// It works as long as this is there.
    lifeline: Option<ChildStdin>,
    /// Its end in the journal, as long as that is pending.
    entry: Option<EntryId>,
}

impl Rival {
    /// Starts one where the target is, or beside it. It does nothing before it is told
    /// to; that its end is on disk comes first.
    pub(super) async fn start(
        target: &ProcessTarget,
        work: Work,
        controller: Controller,
        intent: String,
        context: &FaultContext,
    ) -> Result<Self, FaultError> {
        let pid = target.identity.pid;
        let Some(guardian) = &context.guardian else {
            let why = "it needs a guardian, and the run has none".to_owned();
            return Err(FaultError::Rival { pid, why });
        };
        let called = guardian.called().to_vec();
        let journal = Arc::clone(&context.journal);
        let start = move || {
            let mut rival = Self::idle(&called, work, &journal).map_err(|why| match why {
                FaultError::Io { doing, source } => FaultError::Rival {
                    pid,
                    why: format!("{doing}: {source}"),
                },
                why => why,
            })?;
            let inverse = Inverse::EndProcess(rival.handle.identity);
            rival.held().entry = Some(journal.record(&intent, inverse)?);
            rival.inside = join(controller, pid, rival.handle.identity.pid);
            Ok(rival)
        };
        off_runtime(start).await
    }

    /// Starts one that nothing is known of yet; it ends where it is dropped.
    fn idle(called: &[OsString], work: Work, journal: &Arc<Journal>) -> Result<Self, FaultError> {
        let starting = |error| FaultError::io("it could not be started", error);
        let mut held = spawn(called, work, journal).map_err(starting)?;
        let identity = ProcessIdentity::of(held.child.id()).map_err(starting);
        match identity.and_then(ProcessHandle::open) {
            Ok(handle) => Ok(Self {
                handle,
                inside: false,
                journal: Arc::clone(journal),
                held: Mutex::new(held),
            }),
            Err(error) => {
                held.end();
                Err(error)
            }
        }
    }

    /// Tells it to begin. One that cannot be told is ended.
    pub(super) fn begin(&self, target: ProcessIdentity) -> Result<(), FaultError> {
        let told = match &mut self.held().lifeline {
            Some(lifeline) => lifeline.write_all(b"go\n"),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        };
        told.map_err(|error| {
            self.signal_removal();
            let pid = target.pid;
            let why = format!("it could not be told to begin: {error}");
            FaultError::Rival { pid, why }
        })
    }

    pub(super) const fn identity(&self) -> ProcessIdentity {
        self.handle.identity
    }

    /// Whether it works no more, whoever ended it.
    pub(super) fn has_ended(&self) -> bool {
        self.handle.ended_within(Duration::ZERO)
    }

    /// Ends it and sees that it has ended; nothing the second time. Blocks.
    pub(super) fn end(&self) -> Result<(), FaultError> {
        let mut held = self.held();
        if !held.end() {
            let pid = self.handle.identity.pid;
            let why = format!("process {pid} did not end");
            return Err(FaultError::NotLifted(why));
        }
        let entry = held.entry.take();
        entry.into_iter().for_each(|entry| self.journal.done(entry));
        Ok(())
    }

    /// For a dropped guard: ended on the spot. What could not be stays in the journal.
    pub(super) fn signal_removal(&self) {
        if let Err(error) = self.end() {
            tracing::error!(%error, "a process of squall's own was left");
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Rival {
    fn drop(&mut self) {
        // Nothing where it was ended, and where it was not told to begin.
        self.signal_removal();
    }
}

impl Held {
    /// Whether it has ended. It needs no descriptor that is not there already.
    fn end(&mut self) -> bool {
        self.lifeline = None;
        if self.ended_within(ENDS_WITHIN) {
            return true;
        }
        // Refused only where it was waited for.
        let _ = self.child.kill();
        self.ended_within(KILLED_WITHIN)
    }

    fn ended_within(&mut self, within: Duration) -> bool {
        let begun = Instant::now();
        loop {
            match self.child.try_wait() {
                Ok(Some(_)) => return true,
                // Somebody else has waited for it.
                Err(_) => return true,
                Ok(None) if begun.elapsed() >= within => return false,
                Ok(None) => pause(LOOK_EVERY),
            }
        }
    }
}

fn spawn(called: &[OsString], work: Work, journal: &Journal) -> io::Result<Held> {
    let [program, arguments @ ..] = called else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .arg(RIVAL)
        .args(work.words())
        .env(RUN_MARK, journal.mark())
        // It is of no instance, even where squall is.
        .env_remove(INSTANCE_MARK)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C at squall's terminal is squall's.
        .process_group(0);
    let mut child = command.spawn()?;
    let lifeline = child.stdin.take();
    Ok(Held {
        child,
        lifeline,
        entry: None,
    })
}

/// Puts a process of squall's into the cgroup of a target; whether it is there.
fn join(controller: Controller, target: u32, own: u32) -> bool {
    let joined = || -> io::Result<()> {
        let hierarchy = Hierarchy::of(controller)?;
        let place = where_it_works(hierarchy.place_of(target)?);
        match hierarchy.place_of(own)? == place {
            true => Ok(()),
            false => put(&place, own),
        }
    };
    joined()
        .inspect_err(|error| tracing::info!(%error, "not in the cgroup of the target"))
        .is_ok()
}

/// Where a target that may stand still is, without what lets it stand still.
fn where_it_works(place: PathBuf) -> PathBuf {
    match place.parent() {
        Some(above) if is_ours_for(&place, Controller::Freezer) => above.to_owned(),
        _ => place,
    }
}

fn put(place: &Path, pid: u32) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .open(place.join(PROCESSES))?;
    file.write_all(pid.to_string().as_bytes())
}

/// Whether processes can be put into cgroups of others: tried with the own one, into
/// which everybody who may so much as that is put without effect.
pub(super) fn may_join(controller: Controller) -> io::Result<String> {
    let hierarchy = Hierarchy::of(controller)?;
    let own = std::process::id();
    put(&hierarchy.place_of(own)?, own)?;
    Ok(hierarchy.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_works_beside_one_that_stands_still_does_not_stand_still() {
        let at = |place: &str| where_it_works(PathBuf::from(place));
        let unit = Path::new("/sys/fs/cgroup/web.service");
        let frozen = "/sys/fs/cgroup/web.service/squall-freezer-7-99";
        assert_eq!(at(frozen), unit);
        for other in [
            "/sys/fs/cgroup/web.service",
            "/sys/fs/cgroup/web.service/squall-memory-7-99",
        ] {
            assert_eq!(at(other), Path::new(other));
        }
    }
}
