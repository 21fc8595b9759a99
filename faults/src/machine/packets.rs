//! Whether packets can be dropped.

use super::{Machine, Standing};
use crate::network::may_filter;

/// A table of nftables that the kernel takes away with its owner, Linux 5.12.
pub(super) fn nftables(_: &Machine) -> Standing {
    match may_filter() {
        Ok(()) => Standing::works(
            "rules for addresses of loopback, in tables that end with the guardian; no network namespace",
        ),
        Err(why) => Standing::Missing {
            why,
            help: "run squall as root on Linux 5.12 or newer with nftables; in the meantime `cut`, `reset` and `delay` do their work on links",
        },
    }
}
