//! Why nothing was found.

use std::io;
use std::path::PathBuf;

/// Why nothing was found.
#[derive(Debug, thiserror::Error)]
pub enum NotFound {
    /// The pid file cannot be read.
    #[error("{}: {source}", path.display())]
    PidFile {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The pid file says something else.
    #[error("{}: no process number in it", path.display())]
    NoNumber {
        /// The file.
        path: PathBuf,
    },
    /// Its process is gone.
    #[error("{}: process {pid} does not run", path.display())]
    Stale {
        /// The file.
        path: PathBuf,
        /// What it says.
        pid: u32,
    },
    /// Its number was given to another process.
    #[error(
        "{}: process {pid} started after this was written, so it is another one that has the \
         number now",
        path.display()
    )]
    Reused {
        /// The file.
        path: PathBuf,
        /// What it says.
        pid: u32,
    },
    /// No control group has the unit's name.
    #[error("no unit {0} is running (looked for its control group in /sys/fs/cgroup)")]
    NoUnit(String),
    /// Several have it, such as those of a container beside those of the machine.
    #[error("several control groups are called {name}: {}", listed(paths))]
    SeveralUnits {
        /// The name.
        name: String,
        /// Where each is.
        paths: Vec<PathBuf>,
    },
    /// No command line matches.
    #[error("no command line matches {0:?}")]
    NoCommand(String),
    /// The pattern is none.
    #[error("{0:?} is no pattern: {1}")]
    BadPattern(String, regex_lite::Error),
    /// Nobody listens there, or nobody who can be seen.
    #[error("nobody that can be seen listens on port {0}")]
    NoListener(u16),
    /// No squall runs such an instance.
    #[error("no squall runs an instance called {0}")]
    NoInstance(String),
    /// Several do.
    #[error("several runs of squall have an instance called {name}: {}", runs.join(", "))]
    SeveralRuns {
        /// The name.
        name: String,
        /// The runs.
        runs: Vec<String>,
    },
    /// Processes cannot be looked at.
    #[error("looking at processes: {0}")]
    Unseen(String),
}

fn listed(paths: &[PathBuf]) -> String {
    let paths: Vec<_> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    paths.join(", ")
}
