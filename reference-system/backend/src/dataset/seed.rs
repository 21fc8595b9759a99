//! Named sub-seeds, so that two parts of the data never share a stream of random numbers.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// 64-bit FNV-1a, continued from `state`; start from [`FNV_BASIS`].
pub(crate) fn fnv1a(state: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(state, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Where FNV-1a starts.
pub(crate) const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;

/// One step of SplitMix64 (Steele, Lea, Flood 2014): a well-mixed value for every input.
pub(crate) fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The seed of the part of this name.
pub(crate) fn sub_seed(seed: u64, name: &str) -> u64 {
    mix(seed ^ fnv1a(FNV_BASIS, name.as_bytes()))
}

/// Random numbers for the part of this name.
pub(crate) fn sub_rng(seed: u64, name: &str) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(sub_seed(seed, name))
}
