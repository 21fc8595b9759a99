//! What processes of a run are marked with, so that they are found again.

/// The environment variable that marks every process of a run, children of
/// children included, with [`crate::Journal::mark`].
pub const RUN_MARK: &str = "SQUALL_RUN_MARK";

/// The environment variable that marks what one start of one process is made
/// of. The mark is also put into a limit that nobody uses: some programs clear
/// their environment.
pub const INSTANCE_MARK: &str = "SQUALL_INSTANCE_MARK";

/// The mark as a limit of file locks, which Linux keeps and hands down but has
/// not looked at since 2.4.25. A process that clears its environment still has
/// it, and unlike the environment everybody may read it.
pub(crate) fn limit_mark(mark: &str) -> u64 {
    // Far above what anybody would set, and not "unlimited".
    (fnv(mark.as_bytes()) >> 2) | (1 << 61)
}

/// A hash that is the same in every build: FNV-1a.
pub(crate) fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
