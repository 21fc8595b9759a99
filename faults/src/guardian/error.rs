//! Why a guardian was no help.

use std::io;
use std::time::Duration;

use thiserror::Error;

use crate::JournalError;

/// The guardian could not be started or did not do as asked.
#[derive(Debug, Error)]
pub enum GuardianError {
    /// The executable could not be started, or is no guardian.
    #[error("the guardian could not be started: {0}")]
    Start(#[source] io::Error),
    /// The journal refused.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The guardian is gone.
    #[error("the guardian is gone; processes it started may be left, `squall recover` ends them")]
    Gone,
    /// The guardian did not answer in time.
    #[error("the guardian did not answer within {within_ms} ms")]
    Silent {
        /// How long was waited.
        within_ms: u64,
    },
    /// The guardian could not do it; for instance the program was not found.
    #[error("{0}")]
    Refused(String),
}

/// The guardian did not answer for so long.
pub(super) fn silent(within: Duration) -> GuardianError {
    GuardianError::Silent {
        within_ms: u64::try_from(within.as_millis()).unwrap_or(u64::MAX),
    }
}
