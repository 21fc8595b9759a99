//! What a setting may be, and the error that says so.

pub(crate) fn within(
    name: &'static str,
    found: u64,
    min: u64,
    max: u64,
) -> Result<(), PropertiesError> {
    if (min..=max).contains(&found) {
        return Ok(());
    }
    Err(PropertiesError::OutOfRange {
        name,
        found,
        min,
        max,
    })
}

pub(crate) fn divides(
    name: &'static str,
    window_ms: u64,
    found: u64,
) -> Result<(), PropertiesError> {
    if found != 0 && window_ms != 0 && window_ms.is_multiple_of(found) {
        return Ok(());
    }
    Err(PropertiesError::Uneven {
        name,
        found,
        window_ms,
    })
}

/// A setting that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PropertiesError {
    /// Too small or too large.
    #[error("{name} must be {min} to {max}, not {found}")]
    OutOfRange {
        /// The setting.
        name: &'static str,
        /// What was given.
        found: u64,
        /// The smallest it may be.
        min: u64,
        /// The largest it may be.
        max: u64,
    },
    /// A window that cannot be cut into equal buckets.
    #[error("{name} must divide its window of {window_ms} ms without remainder; {found} does not")]
    Uneven {
        /// The setting.
        name: &'static str,
        /// What was given.
        found: u64,
        /// The window it belongs to, in milliseconds.
        window_ms: u64,
    },
    /// A running command was to change the shape of its windows.
    #[error("metrics_* settings are fixed once a command is made; leave them as they are")]
    WindowsFixed,
}
