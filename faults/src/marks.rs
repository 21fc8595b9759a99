//! What processes of a run are marked with, so that they are found again.

/// The environment variable that marks every process of a run, children of
/// children included, with [`crate::Journal::mark`].
pub const RUN_MARK: &str = "SQUALL_RUN_MARK";

/// The environment variable that marks what one start of one process is made
/// of. The mark is also put into a limit that nobody uses: some programs clear
/// their environment.
pub const INSTANCE_MARK: &str = "SQUALL_INSTANCE_MARK";

/// The bits of a limit that tell the processes of one run apart; those above
/// are the run's.
const INSTANCE_BITS: u64 = (1 << 30) - 1;
/// Far above what anybody would set, and not "unlimited".
const LIMIT: u64 = 1 << 61;

/// The mark as a limit of file locks, which Linux keeps and hands down but has
/// not looked at since 2.4.25. A process that clears its environment still has
/// it, and unlike the environment everybody may read it. `mark` is that of a run,
/// a slash, and what is of the run.
pub(crate) fn limit_mark(mark: &str) -> u64 {
    let run = mark.split('/').next().unwrap_or(mark);
    run_limit(run) | (fnv(mark.as_bytes()) & INSTANCE_BITS)
}

/// Whether a limit of file locks is the mark of something of a run.
pub(crate) fn is_limit_of_run(limit: u64, run: &str) -> bool {
    limit & !INSTANCE_BITS == run_limit(run)
}

fn run_limit(run: &str) -> u64 {
    LIMIT | (fnv(run.as_bytes()) & (LIMIT - 1) & !INSTANCE_BITS)
}

/// A hash that is the same in every build: FNV-1a.
pub(crate) fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_tells_the_run_and_what_is_of_it_apart() {
        let (run, other) = ("20261129T1-7.7.9@1.2", "20261129T1-8.8.9@1.2");
        let marks = ["a/0", "a/1", "b/0"].map(|of| limit_mark(&format!("{run}/{of}")));
        assert!(marks[0] != marks[1] && marks[0] != marks[2] && marks[1] != marks[2]);
        for mark in marks {
            assert!(is_limit_of_run(mark, run));
            assert!(!is_limit_of_run(mark, other));
            assert!((LIMIT..LIMIT << 1).contains(&mark));
        }
        assert!(!is_limit_of_run(u64::MAX, run));
        assert!(!is_limit_of_run(LIMIT, run));
    }
}
