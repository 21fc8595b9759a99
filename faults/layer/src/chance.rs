//! Decisions by hash: the same seed strikes the same calls, however the machine
//! schedules them.
//!
//! A copy of the streams of `squall_scenario::seed`, which a test holds it to: this
//! crate goes into services of others and brings no crate of squall along.

/// The stream of what is called `name`: FNV-1a and the finish of `SplitMix64`.
pub(crate) fn stream(seed: u64, name: &str) -> u64 {
    let hashed = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    mix(seed ^ mix(hashed))
}

/// The value of a stream at `index`.
pub(crate) const fn nth(stream: u64, index: u64) -> u64 {
    mix(stream.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

/// A number in `[0, 1)`.
pub(crate) fn unit(value: u64) -> f64 {
    (value >> 11) as f64 / (1_u64 << 53) as f64
}

const fn mix(mut value: u64) -> u64 {
    value ^= value >> 30;
    value = value.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value ^= value >> 27;
    value = value.wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use squall_scenario::seed;

    use super::*;

    proptest! {
        #[test]
        fn the_streams_are_those_of_a_run(any_seed: u64, name: String, index: u64) {
            let ours = stream(any_seed, &name);
            prop_assert_eq!(ours, seed::sub_seed(any_seed, &name));
            prop_assert_eq!(nth(ours, index), seed::nth(ours, index));
            prop_assert_eq!(unit(ours), seed::unit_interval(ours));
        }
    }
}
