//! The guardian: a small process that starts the system under test, and ends
//! all of it when squall is gone, however squall went.

mod client;
pub mod protocol;

use std::ffi::OsString;
use std::process::ExitCode;

pub use client::{GuardianClient, GuardianError};
pub use protocol::{ExitStatus, Exited, GroupSignal, ShutdownReport, SpawnRequest, Spawned};

/// Runs the guardian until squall is gone or asks it to end. `args` are those
/// behind the hidden subcommand (`--journal PATH`); requests come over standard
/// input, a socket. Synchronous: call it before any runtime is started.
#[must_use]
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let _ = args.into_iter().count();
    ExitCode::FAILURE
}
