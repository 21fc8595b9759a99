//! The guardian: a small process that starts the system under test, and ends
//! all of it when squall is gone, however squall went.
//!
//! It is synchronous: it must work when nothing else does. A second thread
//! carries the output of processes to their files.

mod children;
mod client;
mod descendants;
mod error;
mod keeper;
mod meeting;
mod namespace;
mod output;
pub mod protocol;
mod reaping;
mod server;
mod words;

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;

pub use client::GuardianClient;
pub use error::GuardianError;
pub(crate) use namespace::lay_over_here;
pub use protocol::{
    ExitStatus, Exited, GroupSignal, LaidOver, LeftOut, ShutdownReport, SpawnRequest, Spawned,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::ProcessIdentity;
use crate::resource::{RIVAL, compete};
use keeper::Keeper;
use namespace::Namespace;
use output::Output;
use server::Server;

/// Runs the guardian until squall is gone or asks it to end. `args` are those
/// behind the hidden subcommand (`--journal PATH`); requests come over standard
/// input, a socket. Synchronous: call it before any runtime is started.
#[must_use]
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    match guard(args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            tracing::error!(%error, "the guardian failed");
            ExitCode::FAILURE
        }
    }
}

/// Whether this user may have a PID namespace. `own` is what this program is
/// called with to be a guardian.
///
/// # Errors
/// It may not, or that could not be tried.
pub(crate) fn may_have_a_namespace(own: &[OsString]) -> io::Result<()> {
    namespace::probe(own)
}

/// Returns whether nothing was left.
fn guard(args: impl IntoIterator<Item = OsString>) -> io::Result<bool> {
    let args: Vec<OsString> = args.into_iter().collect();
    // What this program is called with to be a guardian.
    let own: Vec<OsString> = std::env::args_os().skip(1).collect();
    let own = &own[..own.len().saturating_sub(args.len())];
    match args.as_slice() {
        [only] if only == namespace::INIT => {
            return namespace::reap_until_the_guardian_ends().map(|()| true);
        }
        [only] if only == namespace::PROBE => return namespace::try_out(own).map(|()| true),
        [flag, work @ ..] if flag == RIVAL => return compete(work).map(|()| true),
        [flag, journal] if flag == keeper::KEEP => {
            return keeper::keep(PathBuf::from(journal)).map(|()| true);
        }
        _ => {}
    }
    let journal = journal_path(args)?;
    // A session of its own: Ctrl-C in squall's terminal does not reach it, nor
    // what it starts. It fails only for one who leads a session already.
    if let Err(error) = rustix::process::setsid() {
        tracing::debug!(%error, "no new session");
    }
    // Children whose parents die become the guardian's, so none gets away.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    socket.set_nonblocking(true)?;
    let keeper = Keeper::start(own, &journal)?;
    let mut output = Output::default();
    let start = Start {
        namespace: Namespace::enter(own, || output.start()),
        descriptors: raise_descriptor_limit(),
        keeper: keeper.pid(),
    };
    tracing::info!(namespace = start.namespace.is_some(), "it guards");
    let served = Server::new(socket, ProcessIdentity::own()?, journal, start, output).run();
    keeper.dismiss();
    served
}

/// How processes are started.
struct Start {
    /// Where they live; the guardian's own namespace without one.
    namespace: Option<Namespace>,
    /// Their limit of descriptors.
    descriptors: Rlimit,
    /// A child of the guardian that is none of them.
    keeper: u32,
}

/// The guardian holds a handle on everything that it stops. What it starts gets
/// the limit that it had.
fn raise_descriptor_limit() -> Rlimit {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%error, "the limit of descriptors stays as it is");
    }
    limit
}

fn journal_path(args: impl IntoIterator<Item = OsString>) -> io::Result<PathBuf> {
    let mut args = args.into_iter();
    match (args.next(), args.next(), args.next()) {
        (Some(flag), Some(path), None) if flag == "--journal" => Ok(path.into()),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the guardian is started by squall, with --journal PATH",
        )),
    }
}
