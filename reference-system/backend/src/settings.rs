//! The switches an operator can flip on a service, as typed values with a table that documents them.
//!
//! A weakened variant of a chaos scenario is the same backend with one of these turned off.

use std::fmt;
use std::str::FromStr;

/// A feature that is either on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// The feature is on.
    Enabled,
    /// The feature is off.
    Disabled,
}

impl Switch {
    /// True when the feature is on.
    pub fn is_enabled(self) -> bool {
        self == Self::Enabled
    }
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_enabled() {
            "enabled"
        } else {
            "disabled"
        })
    }
}

impl FromStr for Switch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "enabled" => Ok(Self::Enabled),
            "disabled" => Ok(Self::Disabled),
            _ => Err("enabled or disabled".to_owned()),
        }
    }
}

/// A number of bytes, written with a binary unit: `64KiB`, `16MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteSize(pub u64);

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n > 0 && n.is_multiple_of(1 << 20) => write!(f, "{}MiB", n >> 20),
            n if n > 0 && n.is_multiple_of(1 << 10) => write!(f, "{}KiB", n >> 10),
            n => write!(f, "{n}B"),
        }
    }
}

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || "a size such as 64KiB or 16MiB, from 64KiB to 1024MiB".to_owned();
        let (digits, unit) = [("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)]
            .into_iter()
            .find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, unit)))
            .ok_or_else(wanted)?;
        let count: u64 = digits.parse().map_err(|_| wanted())?;
        let bytes = count.checked_mul(unit).ok_or_else(wanted)?;
        let range = (64 << 10)..=(1 << 30);
        range
            .contains(&bytes)
            .then_some(Self(bytes))
            .ok_or_else(wanted)
    }
}

/// What an operator can change about a service. Every service understands every setting and
/// ignores those that do not concern it, so one list can be handed to all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Circuit breakers on every remote call.
    pub breakers: Switch,
    /// Time limits on every remote call and the whole-request deadline.
    pub timeouts: Switch,
    /// One more attempt, on another instance, after a failed idempotent call.
    pub retries: Switch,
    /// Whether the store is read while no cache node answers. A miss that a node answers always
    /// reads the store, or nothing would ever fill a cold cache.
    pub store_fallback: Switch,
    /// Whether the local copy of the registry is used while discovery cannot be reached.
    pub registry_copy: Switch,
    /// Memory a cache node may fill with entries.
    pub cache_size: ByteSize,
    /// Memory an edge may fill with segments.
    pub edge_size: ByteSize,
    /// Largest segment of a preview, which names no bit rate; the smallest is a quarter of it.
    pub segment_size: ByteSize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            breakers: Switch::Enabled,
            timeouts: Switch::Enabled,
            retries: Switch::Enabled,
            store_fallback: Switch::Enabled,
            registry_copy: Switch::Enabled,
            cache_size: ByteSize(16 << 20),
            edge_size: ByteSize(24 << 20),
            segment_size: ByteSize(256 << 10),
        }
    }
}

/// One row of the table of settings.
#[derive(Debug, Clone, Copy)]
pub struct SettingKey {
    /// The name on the command line.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub meaning: &'static str,
    /// The value it has unless set.
    pub default: &'static str,
    /// What may be written.
    pub allowed: &'static str,
}

const SWITCH: &str = "enabled | disabled";
const SIZE: &str = "64KiB to 1024MiB";

impl Settings {
    /// Every setting, in the order it is documented.
    pub const KEYS: &[SettingKey] = &[
        SettingKey {
            name: "breakers",
            meaning: "circuit breakers on every remote call",
            default: "enabled",
            allowed: SWITCH,
        },
        SettingKey {
            name: "timeouts",
            meaning: "time limits on remote calls and the whole-request deadline",
            default: "enabled",
            allowed: SWITCH,
        },
        SettingKey {
            name: "retries",
            meaning: "one more attempt on another instance after a failed idempotent call",
            default: "enabled",
            allowed: SWITCH,
        },
        SettingKey {
            name: "store_fallback",
            meaning: "the store is read while no cache node answers",
            default: "enabled",
            allowed: SWITCH,
        },
        SettingKey {
            name: "registry_copy",
            meaning: "the local copy of the registry is used while discovery cannot be reached",
            default: "enabled",
            allowed: SWITCH,
        },
        SettingKey {
            name: "cache_size",
            meaning: "memory a cache node fills with entries",
            default: "16MiB",
            allowed: SIZE,
        },
        SettingKey {
            name: "edge_size",
            meaning: "memory an edge fills with segments",
            default: "24MiB",
            allowed: SIZE,
        },
        SettingKey {
            name: "segment_size",
            meaning: "largest segment without a bit rate; the smallest is a quarter of it",
            default: "256KiB",
            allowed: SIZE,
        },
    ];

    /// Sets one setting from its written form.
    ///
    /// # Errors
    /// [`SettingError::Unknown`] for a name that is not in [`Settings::KEYS`], with the nearest
    /// name; [`SettingError::Invalid`] for a value outside what the setting allows.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SettingError> {
        match name {
            "breakers" => assign(&mut self.breakers, name, value),
            "timeouts" => assign(&mut self.timeouts, name, value),
            "retries" => assign(&mut self.retries, name, value),
            "store_fallback" => assign(&mut self.store_fallback, name, value),
            "registry_copy" => assign(&mut self.registry_copy, name, value),
            "cache_size" => assign(&mut self.cache_size, name, value),
            "edge_size" => assign(&mut self.edge_size, name, value),
            "segment_size" => assign(&mut self.segment_size, name, value),
            _ => Err(SettingError::unknown(name)),
        }
    }
}

fn assign<T: FromStr<Err = String>>(
    slot: &mut T,
    name: &str,
    value: &str,
) -> Result<(), SettingError> {
    *slot = value.parse().map_err(|allowed| SettingError::Invalid {
        name: name.to_owned(),
        value: value.to_owned(),
        allowed,
    })?;
    Ok(())
}

/// Why a setting was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// There is no setting of that name.
    #[error("unknown setting `{name}`{}; the settings are {}", suggestion(.nearest), setting_names())]
    Unknown {
        /// What was written.
        name: String,
        /// The setting that was probably meant.
        nearest: Option<&'static str>,
    },
    /// The value is not one the setting allows.
    #[error("`{value}` is not a value of `{name}`; write {allowed}")]
    Invalid {
        /// The setting.
        name: String,
        /// What was written.
        value: String,
        /// What may be written instead.
        allowed: String,
    },
}

impl SettingError {
    fn unknown(name: &str) -> Self {
        let nearest = Settings::KEYS
            .iter()
            .map(|key| (edit_distance(name, key.name), key.name))
            .min()
            .filter(|(distance, nearest)| *distance <= 1 + nearest.len() / 3)
            .map(|(_, nearest)| nearest);
        Self::Unknown {
            name: name.to_owned(),
            nearest,
        }
    }
}

fn suggestion(nearest: &Option<&'static str>) -> String {
    nearest.map_or_else(String::new, |name| format!(", did you mean `{name}`?"))
}

fn setting_names() -> String {
    let names: Vec<&str> = Settings::KEYS.iter().map(|key| key.name).collect();
    names.join(", ")
}

/// Levenshtein distance in characters, one row at a time.
pub(crate) fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_lists_the_defaults_the_struct_has() {
        let mut settings = Settings::default();
        for key in Settings::KEYS {
            settings.set(key.name, key.default).unwrap();
        }
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn every_setting_in_the_table_changes_something() {
        for key in Settings::KEYS {
            let mut settings = Settings::default();
            let other = if key.allowed == SWITCH {
                "disabled"
            } else {
                "128KiB"
            };
            settings.set(key.name, other).unwrap();
            assert_ne!(settings, Settings::default(), "{}", key.name);
        }
    }

    #[test]
    fn a_misspelt_name_is_answered_with_the_nearest_one() {
        let error = Settings::default().set("breaker", "disabled").unwrap_err();
        assert!(
            error.to_string().contains("did you mean `breakers`?"),
            "{error}"
        );
        let error = Settings::default().set("zzz", "disabled").unwrap_err();
        assert!(!error.to_string().contains("did you mean"), "{error}");
    }

    #[test]
    fn a_bad_value_says_what_to_write() {
        let error = Settings::default().set("breakers", "off").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`off` is not a value of `breakers`; write enabled or disabled"
        );
        for bad in ["16", "0MiB", "2000MiB", "-1KiB", "18446744073709551615MiB"] {
            assert!(Settings::default().set("cache_size", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_read_back_as_they_are_written() {
        for text in ["64KiB", "16MiB", "65537B"] {
            assert_eq!(text.parse::<ByteSize>().unwrap().to_string(), text);
        }
    }
}
