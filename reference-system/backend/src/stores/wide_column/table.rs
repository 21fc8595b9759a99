//! The tables and the byte keys of their rows.

use serde::{Deserialize, Serialize};

/// The tables, each modelled for the one question it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Table {
    /// Title id → its metadata.
    Titles,
    /// Title id → the countries it is licensed for.
    Availability,
    /// Country → ranked titles, most watched first.
    Popularity,
    /// Profile id → genre weights.
    Features,
    /// Profile id → what was started, newest first.
    History,
    /// Profile id → title id → where watching stopped.
    Bookmarks,
}

impl Table {
    /// Every table, in order.
    pub(crate) const ALL: [Self; 6] = [
        Self::Titles,
        Self::Availability,
        Self::Popularity,
        Self::Features,
        Self::History,
        Self::Bookmarks,
    ];

    /// Whether a partition is one row with an empty clustering key, which one lookup finds.
    pub(crate) fn has_single_rows(self) -> bool {
        match self {
            Self::Titles | Self::Availability | Self::Features => true,
            Self::Popularity | Self::History | Self::Bookmarks => false,
        }
    }

    /// The name of the table on disk.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Titles => "titles",
            Self::Availability => "availability",
            Self::Popularity => "popularity",
            Self::Features => "features",
            Self::History => "history",
            Self::Bookmarks => "bookmarks",
        }
    }
}

/// Longest partition or clustering key, in bytes.
pub(crate) const KEY_BYTES_MAX: usize = 128;

/// The prefix all rows of a partition share: its length, then its bytes, so that no partition's
/// prefix is the beginning of another's. Decimal ids sort by value this way.
pub(crate) fn prefix(partition: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(2 + partition.len());
    bytes.extend((partition.len() as u16).to_be_bytes());
    bytes.extend(partition.as_bytes());
    bytes
}

/// The key of one row.
pub(crate) fn key(partition: &str, clustering: &str) -> Vec<u8> {
    let mut bytes = prefix(partition);
    bytes.extend(clustering.as_bytes());
    bytes
}

/// The partition of a row's key.
pub(crate) fn partition(key: &[u8]) -> Option<&str> {
    let (length, rest) = key.split_at_checked(2)?;
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    std::str::from_utf8(rest.get(..length)?).ok()
}

/// The clustering part of a row's key.
pub(crate) fn clustering(key: &[u8]) -> Option<&str> {
    let (length, rest) = key.split_at_checked(2)?;
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    std::str::from_utf8(rest.get(length..)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_never_the_beginning_of_another() {
        assert!(!key("12", "").starts_with(&prefix("1")));
        assert!(key("1", "2").starts_with(&prefix("1")));
        assert!(key("9", "") < key("10", ""));
    }

    #[test]
    fn the_clustering_key_comes_back() {
        assert_eq!(clustering(&key("US", "007")), Some("007"));
        assert_eq!(clustering(&key("US", "")), Some(""));
        assert_eq!(clustering(&[]), None);
        assert_eq!(clustering(&[0, 9, 1]), None);
        assert_eq!(partition(&key("US", "007")), Some("US"));
        assert_eq!(partition(&[]), None);
        assert_eq!(partition(&[0, 9, 1]), None);
    }
}
