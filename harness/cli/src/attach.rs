//! Watching a run from another terminal. Events come from the run's record,
//! which is flushed as it goes and holds all that happened; a socket in the
//! run directory adds the present (time and gauges) and takes requests back.

pub mod client;
pub mod server;

use std::path::{Path, PathBuf};

use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::Uid;
use serde::{Deserialize, Serialize};
pub use squall_harness::experiment::ATTACH_SOCKET as SOCKET_FILE;
use squall_load::Gauges;
use squall_record::HandAction;

/// Version of the words that are exchanged.
const PROTOCOL_VERSION: u32 = 1;
/// Bytes of the longest line.
const LINE_BYTES_MAX: usize = 4096;

/// What a watcher says, a line of JSON each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Said {
    /// First.
    Watch {
        /// Version of the words.
        version: u32,
        /// Whether it wants to act on the run.
        control: bool,
    },
    /// Asks for something to be done.
    Ask(HandAction),
}

/// What the run answers, a line of JSON each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Told {
    /// The present, ten times a second.
    Now {
        /// Microseconds since time zero.
        at_us: i64,
        /// Rough figures of the load.
        gauges: Gauges,
    },
    /// A request was not taken.
    Refused {
        /// Why, in words.
        why: String,
    },
    /// Nothing more will come.
    Bye {
        /// Why, in words.
        why: String,
    },
}

fn line(words: &impl Serialize) -> Vec<u8> {
    // Numbers and text always have a JSON form.
    let mut line = serde_json::to_vec(words).unwrap_or_default();
    line.push(b'\n');
    line
}

/// A short name for the socket in `dir`, whose own may be longer than the name
/// of a socket can be; good for as long as the file descriptor is open.
fn short_name(dir: &Path) -> Result<(OwnedFd, PathBuf), Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(dir, flags, Mode::empty())?;
    let name = format!("/proc/self/fd/{}/{SOCKET_FILE}", folder.as_raw_fd());
    Ok((folder, PathBuf::from(name)))
}

/// A user who may watch and steer: the own one, and root, who could anyway.
fn is_trusted(uid: Uid) -> bool {
    uid.is_root() || uid == rustix::process::geteuid()
}
