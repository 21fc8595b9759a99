//! One load sent by several machines: which share of it a record holds.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most machines that may share one schedule.
pub const SHARDS_MAX: u32 = 10_000;

/// One share of a schedule: arrival k belongs to shard `k mod of + 1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    number: u32,
    of: u32,
}

impl Shard {
    /// Shard `number`, counted from 1, of `of`.
    ///
    /// # Errors
    /// When there is no such shard, in words.
    pub fn new(number: u32, of: u32) -> Result<Self, String> {
        if of == 0 || of > SHARDS_MAX {
            return Err(format!("a load has 1 to {SHARDS_MAX} shards, not {of}"));
        }
        if number == 0 || number > of {
            return Err(format!(
                "shards count from 1, so there is no shard {number} of {of}"
            ));
        }
        Ok(Self { number, of })
    }

    /// Its number, from 1.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.number
    }

    /// How many there are.
    #[must_use]
    pub const fn of(self) -> u32 {
        self.of
    }

    /// Whether it is the one that injects the faults.
    #[must_use]
    pub const fn is_first(self) -> bool {
        self.number == 1
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("write a shard as NUMBER/COUNT, for instance 2/8, not {text:?}");
        let (number, of) = text.split_once('/').ok_or_else(wrong)?;
        let number = number.trim().parse().map_err(|_| wrong())?;
        let of = of.trim().parse().map_err(|_| wrong())?;
        Self::new(number, of)
    }
}

/// Which shards of a schedule a record holds. A record without it holds the
/// whole schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShardSet {
    /// How many shards the schedule was split into.
    pub of: u32,
    /// Numbers of those in the record, from 1, in order.
    pub present: Vec<u32>,
    /// The wall-clock time all of them were told to call time zero, RFC 3339.
    #[serde(default)]
    pub start_at: Option<String>,
    /// What speaks against judging what was merged, in words.
    #[serde(default)]
    pub doubts: Vec<String>,
}

impl ShardSet {
    /// The set of one shard.
    #[must_use]
    pub fn single(shard: Shard, start_at: Option<String>) -> Self {
        Self {
            of: shard.of,
            present: vec![shard.number],
            start_at,
            doubts: Vec::new(),
        }
    }

    /// Numbers of the shards that are not in the record, at most ten of them.
    #[must_use]
    pub fn missing(&self) -> Vec<u32> {
        // A record says how many there are, and may be damaged.
        (1..=self.of.min(SHARDS_MAX))
            .filter(|number| !self.present.contains(number))
            .take(10)
            .collect()
    }

    /// Why the record may not be judged; empty when every shard is there.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let missing = self.missing();
        let mut problems = Vec::new();
        if let ([present], false) = (self.present.as_slice(), missing.is_empty()) {
            problems.push(format!(
                "this is shard {present} of {} alone; `squall merge` puts all of them together",
                self.of
            ));
        } else if !missing.is_empty() {
            problems.push(match missing.as_slice() {
                [one] => format!("shard {one} of {} is missing", self.of),
                many => format!("shards {} of {} are missing", list(many), self.of),
            });
        }
        problems.extend(self.doubts.iter().cloned());
        problems
    }
}

fn list(numbers: &[u32]) -> String {
    let words: Vec<_> = numbers.iter().map(u32::to_string).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_a_number_of_a_count() {
        let shard: Shard = "2/8".parse().unwrap();
        assert_eq!((shard.number(), shard.of()), (2, 8));
        assert_eq!(shard.to_string(), "2/8");
        for wrong in ["0/8", "9/8", "1/0", "2", "a/b", "-1/2", "1/20000", ""] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_is_missing_is_said() {
        let set = |of, present: &[u32]| ShardSet {
            of,
            present: present.to_vec(),
            start_at: None,
            doubts: Vec::new(),
        };
        assert!(set(2, &[1, 2]).problems().is_empty());
        assert!(set(1, &[1]).problems().is_empty());
        assert!(set(4, &[2]).problems()[0].contains("shard 2 of 4 alone"));
        assert_eq!(set(4, &[1, 2, 4]).problems(), ["shard 3 of 4 is missing"]);
        assert_eq!(set(4, &[1, 2]).problems(), ["shards 3, 4 of 4 are missing"]);
        assert_eq!(set(u32::MAX, &[]).missing().len(), 10);
    }
}
