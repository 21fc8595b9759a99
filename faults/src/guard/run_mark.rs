//! The mark of a run: what every process of it carries in its environment, and
//! what tells whether the run still lives.

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use procfs::process::Process;

use crate::ProcessIdentity;
use crate::marks::{RUN_MARK, fnv};

/// Whose run it is, in which PID namespace its number means anything, and where
/// its journal belongs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RunMark {
    text: String,
    run_id: String,
    owner: (u32, u64),
    place: Option<Place>,
}

/// Where marks of dead runs are judged from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// The PID namespace, by its inode.
    namespace: u64,
    /// The folder of journals, as a hash of its path.
    folder: u64,
}

impl Place {
    fn of(dir: &Path) -> Option<Self> {
        let dir = dir.canonicalize().or_else(|_| std::path::absolute(dir));
        Some(Self {
            namespace: pid_namespace("self")?,
            folder: fnv(dir.ok()?.as_os_str().as_bytes()),
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let (namespace, folder) = text.split_once('.')?;
        Some(Self {
            namespace: namespace.parse().ok()?,
            folder: u64::from_str_radix(folder, 16).ok()?,
        })
    }
}

impl RunMark {
    /// The mark of a run of this process.
    /// The journal goes to `dir`.
    pub(crate) fn of(run_id: &str, owner: ProcessIdentity, dir: &Path) -> Self {
        let place = Place::of(dir);
        let ProcessIdentity { pid, start_time } = owner;
        let words = place.map_or_else(String::new, |Place { namespace, folder }| {
            format!("@{namespace}.{folder:x}")
        });
        Self {
            text: format!("{run_id}.{pid}.{start_time}{words}"),
            run_id: run_id.to_owned(),
            owner: (pid, start_time),
            place,
        }
    }

    /// `RUN.PID.START@NAMESPACE.FOLDER`; older marks name no place.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (mark, place) = match text.split_once('@') {
            Some((mark, place)) => (mark, Some(Place::parse(place)?)),
            None => (text, None),
        };
        let mut parts = mark.rsplitn(3, '.');
        let start_time = parts.next()?.parse().ok()?;
        let pid = parts.next()?.parse().ok()?;
        Some(Self {
            text: text.to_owned(),
            run_id: parts.next()?.to_owned(),
            owner: (pid, start_time),
            place,
        })
    }

    pub(crate) fn run_id(&self) -> &str {
        &self.run_id
    }

    /// Whether the squall of this run lives.
    fn is_alive(&self) -> bool {
        let (pid, start_time) = self.owner;
        ProcessIdentity { pid, start_time }.is_alive()
    }
}

impl fmt::Display for RunMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Living processes of this user that carry the mark of a run whose squall is
/// dead and whose journal belongs into `dir`, by mark. Those whose squall has
/// its number in another PID namespace are not judged from here.
pub(crate) fn of_dead_runs(dir: &Path) -> Result<BTreeMap<RunMark, Vec<ProcessIdentity>>, String> {
    let own = Place::of(dir);
    let mut found: BTreeMap<RunMark, Vec<ProcessIdentity>> = BTreeMap::new();
    let processes = procfs::process::all_processes().map_err(|error| error.to_string())?;
    for process in processes.flatten() {
        let Some(mark) = mark_of(&process) else {
            continue;
        };
        let here = match mark.place {
            Some(place) => Some(place) == own,
            None => pid_namespace(process.pid()) == own.map(|own| own.namespace),
        };
        if !here || mark.is_alive() {
            continue;
        }
        let identity = ProcessIdentity::of(process.pid().cast_unsigned());
        if let Some(identity) = identity.ok().filter(ProcessIdentity::is_alive) {
            found.entry(mark).or_default().push(identity);
        }
    }
    Ok(found)
}

fn mark_of(process: &Process) -> Option<RunMark> {
    if process.uid().ok()? != rustix::process::geteuid().as_raw() {
        return None;
    }
    let environ = process.environ().ok()?;
    let mark = environ.get(std::ffi::OsStr::new(RUN_MARK))?;
    RunMark::parse(mark.to_str()?)
}

/// The PID namespace of a process, by its inode.
fn pid_namespace(process: impl fmt::Display) -> Option<u64> {
    let namespace = std::fs::metadata(format!("/proc/{process}/ns/pid"));
    namespace.ok().map(|namespace| namespace.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_says_whose_run_it_is() {
        let own = ProcessIdentity::own().unwrap();
        let mark = RunMark::of("a.b-1.2", own, Path::new("/tmp"));
        let read = RunMark::parse(&mark.to_string()).unwrap();
        assert_eq!(read, mark);
        assert!(read.is_alive() && read.run_id() == "a.b-1.2");
        let old = RunMark::parse("run.4000000.1").unwrap();
        assert_eq!((old.place, old.is_alive()), (None, false));
        for bad in [
            "",
            "run",
            "run.1",
            "run.x.1",
            "run.1.2@",
            "run.1.2@7",
            "run.1.2@x.y",
        ] {
            assert_eq!(RunMark::parse(bad), None, "{bad}");
        }
    }
}
