//! The guardian: a small process that starts the system under test, and ends
//! all of it when squall is gone, however squall went.
//!
//! It is synchronous: it must work when nothing else does. A second thread
//! carries the output of processes to their files.

mod children;
mod client;
mod descendants;
mod output;
pub mod protocol;
mod server;

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;

pub use client::{GuardianClient, GuardianError};
pub use protocol::{
    ExitStatus, Exited, GroupSignal, LeftOut, ShutdownReport, SpawnRequest, Spawned,
};

use crate::ProcessIdentity;
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

/// Returns whether nothing was left.
fn guard(args: impl IntoIterator<Item = OsString>) -> io::Result<bool> {
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
    Server::new(socket, ProcessIdentity::own()?, journal).run()
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
