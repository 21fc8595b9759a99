//! Settings that change while the process runs, with Hystrix's names and precedence.
//!
//! From the least to the most: the defaults of this crate, `hystrix.command.default.NAME`, what the
//! code of the command says, `hystrix.command.KEY.NAME`. Calls read the settings in force without
//! a lock. Those of collapsers, `hystrix.collapser.KEY.NAME`, go by the same rules.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::collapser::CollapserProperties;
use crate::{Properties, PropertiesError};

/// Hystrix's names and ours, where they are not the same. Ours are understood everywhere.
pub const HYSTRIX_NAMES: &[(&str, &str)] = &[
    (
        "execution.isolation.thread.timeoutInMilliseconds",
        "execution_timeout_ms",
    ),
    ("execution.timeout.enabled", "execution_timeout_enabled"),
    (
        "execution.isolation.semaphore.maxConcurrentRequests",
        "execution_semaphore_max_concurrent",
    ),
    (
        "fallback.isolation.semaphore.maxConcurrentRequests",
        "fallback_semaphore_max_concurrent",
    ),
    ("fallback.enabled", "fallback_enabled"),
    ("circuitBreaker.enabled", "circuit_breaker_enabled"),
    (
        "circuitBreaker.requestVolumeThreshold",
        "circuit_breaker_request_volume_threshold",
    ),
    (
        "circuitBreaker.sleepWindowInMilliseconds",
        "circuit_breaker_sleep_window_ms",
    ),
    (
        "circuitBreaker.errorThresholdPercentage",
        "circuit_breaker_error_threshold_percentage",
    ),
    ("circuitBreaker.forceOpen", "circuit_breaker_force_open"),
    ("circuitBreaker.forceClosed", "circuit_breaker_force_closed"),
    (
        "metrics.rollingStats.timeInMilliseconds",
        "metrics_rolling_window_ms",
    ),
    ("metrics.rollingStats.numBuckets", "metrics_rolling_buckets"),
    (
        "metrics.rollingPercentile.timeInMilliseconds",
        "metrics_rolling_percentile_window_ms",
    ),
    (
        "metrics.rollingPercentile.numBuckets",
        "metrics_rolling_percentile_buckets",
    ),
    (
        "metrics.healthSnapshot.intervalInMilliseconds",
        "metrics_health_snapshot_interval_ms",
    ),
    ("requestCache.enabled", "request_cache_enabled"),
    // Of `hystrix.threadpool.KEY`, where KEY is that of the command.
    ("coreSize", "thread_pool_core_size"),
    ("maxQueueSize", "thread_pool_max_queue_size"),
];

/// The same for the settings of a collapser; those that shape its windows are fixed.
pub const COLLAPSER_NAMES: &[(&str, &str)] = &[
    ("maxRequestsInBatch", "max_requests_in_batch"),
    ("timerDelayInMilliseconds", "timer_delay_ms"),
    ("requestCache.enabled", "request_cache_enabled"),
];

/// Settings of one kind of thing, each of which has a key.
pub(crate) trait Settings: Serialize + DeserializeOwned + Default + Clone {
    /// What comes before the key.
    const PREFIXES: &'static [&'static str];

    /// The names that can be written, and the fields they mean.
    fn names() -> Vec<(String, String)>;

    /// Whether they contradict themselves.
    fn check(&self) -> Result<(), PropertiesError>;

    /// Whether one setting is wrong whatever the others are, which here are the defaults.
    fn check_alone(&self) -> Result<(), PropertiesError>;
}

impl Settings for Properties {
    const PREFIXES: &'static [&'static str] = &["hystrix.command.", "hystrix.threadpool."];

    fn names() -> Vec<(String, String)> {
        let ours = values(&Self::default()).into_iter();
        let ours = ours.map(|(name, _)| (name.clone(), name));
        owned(HYSTRIX_NAMES).chain(ours).collect()
    }

    fn check(&self) -> Result<(), PropertiesError> {
        self.validate()
    }

    /// What is too much beside one setting may be right beside another: the commands are asked.
    fn check_alone(&self) -> Result<(), PropertiesError> {
        Ok(())
    }
}

/// What comes before the key of a collapser.
pub(crate) const OF_COLLAPSER: &str = "hystrix.collapser.";

impl Settings for CollapserProperties {
    const PREFIXES: &'static [&'static str] = &[OF_COLLAPSER];

    fn names() -> Vec<(String, String)> {
        let ours = owned(COLLAPSER_NAMES).map(|(_, name)| (name.clone(), name));
        owned(COLLAPSER_NAMES).chain(ours).collect()
    }

    fn check(&self) -> Result<(), PropertiesError> {
        self.validate()
    }

    /// No setting that can be set depends on another.
    fn check_alone(&self) -> Result<(), PropertiesError> {
        self.validate()
    }
}

fn owned(names: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
    let own = |(written, name): &(&str, &str)| ((*written).to_owned(), (*name).to_owned());
    names.iter().map(own)
}

/// Whom a key is about, and which setting.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    /// None: all whose code says nothing else.
    owner: Option<String>,
    name: String,
}

/// What was set, and what the code said.
#[derive(Debug, Clone)]
pub(crate) struct Layers<S> {
    default: BTreeMap<String, Value>,
    owners: BTreeMap<String, BTreeMap<String, Value>>,
    code: BTreeMap<String, S>,
}

impl<S> Default for Layers<S> {
    fn default() -> Self {
        Self {
            default: BTreeMap::new(),
            owners: BTreeMap::new(),
            code: BTreeMap::new(),
        }
    }
}

/// Why a setting was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DynamicError {
    /// No such key.
    #[error(
        "{key}: write `hystrix.command.KEY.NAME` or `hystrix.collapser.KEY.NAME`, KEY being the \
         name of one or `default`, and NAME one of Hystrix's or of this crate's settings"
    )]
    Key {
        /// What was given.
        key: String,
    },
    /// A value of another kind than the setting's.
    #[error("{key} = {value}: {why}")]
    Value {
        /// What was to be set.
        key: String,
        /// To what.
        value: String,
        /// What it must be.
        why: String,
    },
    /// A command or collapser cannot have these settings together.
    #[error("{command}: {error}")]
    Command {
        /// Its name.
        command: String,
        /// What is wrong.
        error: PropertiesError,
    },
}

impl<S: Settings> Layers<S> {
    pub(crate) fn set(&mut self, key: &str, value: &str) -> Result<(), DynamicError> {
        let parsed = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        let Key { owner, name } = Key::parse::<S>(key)?;
        let parsed = match (name.as_str(), parsed.as_i64()) {
            // As Hystrix says that nobody waits.
            ("thread_pool_max_queue_size", Some(-1)) => Value::from(0),
            _ => parsed,
        };
        fits::<S>(&name, &parsed).map_err(|why| DynamicError::Value {
            key: key.to_owned(),
            value: value.to_owned(),
            why,
        })?;
        self.of(owner.as_deref()).insert(name, parsed);
        Ok(())
    }

    pub(crate) fn clear(&mut self, key: &str) -> Result<(), DynamicError> {
        let Key { owner, name } = Key::parse::<S>(key)?;
        self.of(owner.as_deref()).remove(&name);
        Ok(())
    }

    /// What the owner goes by whose code says `code`.
    pub(crate) fn settle(&mut self, owner: &str, code: S) -> Result<S, PropertiesError> {
        code.check()?;
        self.code.insert(owner.to_owned(), code);
        self.effective(owner)
    }

    /// Owners and what they go by.
    pub(crate) fn all(&self) -> Result<Vec<(String, S)>, DynamicError> {
        let owners = self.code.keys().map(|owner| {
            let error = |error| DynamicError::Command {
                command: owner.clone(),
                error,
            };
            let settings = self.effective(owner).map_err(error)?;
            Ok((owner.clone(), settings))
        });
        owners.collect()
    }

    fn of(&mut self, owner: Option<&str>) -> &mut BTreeMap<String, Value> {
        match owner {
            None => &mut self.default,
            Some(owner) => self.owners.entry(owner.to_owned()).or_default(),
        }
    }

    fn effective(&self, owner: &str) -> Result<S, PropertiesError> {
        let defaults = values(&S::default());
        let mut settled = defaults.clone();
        settled.extend(self.default.clone());
        if let Some(code) = self.code.get(owner) {
            let said = values(code).into_iter();
            settled.extend(said.filter(|(name, value)| defaults.get(name) != Some(value)));
        }
        settled.extend(self.owners.get(owner).cloned().unwrap_or_default());
        // Each value fits its setting: it was looked at when it was set.
        let settings: S = serde_json::from_value(Value::Object(settled)).unwrap_or_default();
        settings.check()?;
        Ok(settings)
    }
}

impl Key {
    fn parse<S: Settings>(key: &str) -> Result<Self, DynamicError> {
        let wrong = || DynamicError::Key {
            key: key.to_owned(),
        };
        let mut prefixes = S::PREFIXES.iter();
        let rest = prefixes.find_map(|prefix| key.strip_prefix(prefix));
        let rest = rest.ok_or_else(wrong)?;
        // A command may have dots in its key: the longest name that fits is meant.
        let known = S::names().into_iter();
        let found = known
            .filter_map(|(written, name)| {
                let owner = rest.strip_suffix(written.as_str())?.strip_suffix('.')?;
                (!owner.is_empty()).then_some((written.len(), owner, name))
            })
            .max();
        let (_, owner, name) = found.ok_or_else(wrong)?;
        Ok(Self {
            owner: (owner != "default").then(|| owner.to_owned()),
            name,
        })
    }
}

/// Whether a setting can have a value, whatever the others are.
fn fits<S: Settings>(name: &str, value: &Value) -> Result<(), String> {
    let mut all = values(&S::default());
    all.insert(name.to_owned(), value.clone());
    let settings = serde_json::from_value::<S>(Value::Object(all));
    let settings = settings.map_err(|error| error.to_string())?;
    settings.check_alone().map_err(|error| error.to_string())
}

fn values(settings: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(settings) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_to_a_setting_of_its_own() {
        let mut ours = values(&Properties::default());
        for (hystrix, name) in HYSTRIX_NAMES {
            assert!(ours.remove(*name).is_some(), "{hystrix} leads to {name}");
        }
        let mut ours = values(&CollapserProperties::default());
        for (hystrix, name) in COLLAPSER_NAMES {
            assert!(ours.remove(*name).is_some(), "{hystrix} leads to {name}");
        }
    }
}
