//! Virtual users: who asked and who was hurt, exactly.
//!
//! Each interval holds the sorted numbers of its distinct users as the
//! differences between neighbours, seven bits a byte, so that a second of
//! 10 000 users takes some 15 kB and a window can be counted without an error.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Most distinct users of one interval that are told apart.
pub const USERS_MAX: usize = 200_000;

/// A set of users, packed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserSet(Vec<u8>);

impl UserSet {
    /// Packs users in any order; repeated ones count once.
    #[must_use]
    pub fn pack(mut users: Vec<u64>) -> Self {
        users.sort_unstable();
        users.dedup();
        let mut bytes = Vec::with_capacity(users.len() * 2);
        let mut before = 0;
        for user in users {
            let mut rest = user - before;
            before = user;
            while rest >= 0x80 {
                bytes.push((rest & 0x7f) as u8 | 0x80);
                rest >>= 7;
            }
            bytes.push(rest as u8);
        }
        Self(bytes)
    }

    /// The users in order. Damaged bytes end it early, or give other users.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        let mut bytes = self.0.iter();
        let mut user = 0_u64;
        std::iter::from_fn(move || {
            let mut difference = 0_u64;
            let mut shift = 0_u32;
            loop {
                let byte = *bytes.next()?;
                difference |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
                shift = shift.saturating_add(7);
                if byte & 0x80 == 0 {
                    user = user.saturating_add(difference);
                    return Some(user);
                }
            }
        })
    }
}

impl Serialize for UserSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for UserSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text).map_err(serde::de::Error::custom)?;
        Ok(Self(bytes))
    }
}

/// The users of one interval, over all routes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct IntervalUsers {
    /// Who had an arrival that is settled: base64 of the packed set.
    #[schemars(with = "String")]
    pub seen: UserSet,
    /// Who had one that failed or was dropped.
    #[schemars(with = "String")]
    pub hurt: UserSet,
    /// Whether there were more users than are told apart.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overflowed: bool,
}

impl IntervalUsers {
    /// From the users of the interval, repeated ones included.
    #[must_use]
    pub fn new(mut seen: Vec<u64>, mut hurt: Vec<u64>) -> Self {
        seen.sort_unstable();
        seen.dedup();
        let overflowed = seen.len() > USERS_MAX;
        if overflowed {
            let known = &seen[..USERS_MAX];
            hurt.retain(|user| known.binary_search(user).is_ok());
            seen.truncate(USERS_MAX);
        }
        Self {
            seen: UserSet::pack(seen),
            hurt: UserSet::pack(hurt),
            overflowed,
        }
    }

    /// The users of both; for merging shards, which share users.
    #[must_use]
    pub(crate) fn united(&self, other: &Self) -> Self {
        let both = |a: &UserSet, b: &UserSet| a.iter().chain(b.iter()).collect();
        let mut united = Self::new(both(&self.seen, &other.seen), both(&self.hurt, &other.hurt));
        united.overflowed |= self.overflowed || other.overflowed;
        united
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_packed_set_is_the_set(users in prop::collection::vec(any::<u64>(), 0..200)) {
            let mut sorted = users.clone();
            sorted.sort_unstable();
            sorted.dedup();
            let packed = UserSet::pack(users);
            prop_assert_eq!(packed.iter().collect::<Vec<_>>(), sorted);
            let text = serde_json::to_string(&packed).unwrap();
            prop_assert_eq!(serde_json::from_str::<UserSet>(&text).unwrap(), packed);
        }

        #[test]
        fn any_bytes_are_some_set(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let count = UserSet(bytes.clone()).iter().count();
            prop_assert!(count <= bytes.len());
        }
    }
}
