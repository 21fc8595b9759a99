//! Where a gate may stand.

/// Where a gate stands, which decides what it may be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    SteadyState,
    Abort,
    During,
    After,
}
