//! Settings that change while the process runs, with Hystrix's names and precedence.
//!
//! From the least to the most: the defaults of this crate, `hystrix.command.default.NAME`, what the
//! code of the command says, `hystrix.command.KEY.NAME`. Calls read the settings in force without
//! a lock.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

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

/// Whom a key is about, and which setting.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    /// None: all commands whose code says nothing else.
    command: Option<String>,
    name: String,
}

/// What was set, and what the code said.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layers {
    default: BTreeMap<String, Value>,
    commands: BTreeMap<String, BTreeMap<String, Value>>,
    code: BTreeMap<String, Properties>,
}

/// Why a setting was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DynamicError {
    /// No such key.
    #[error(
        "{key}: write `hystrix.command.KEY.NAME`, KEY being a command or `default`, and NAME one of \
         Hystrix's or of this crate's settings"
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
    /// A command cannot have these settings together.
    #[error("{command}: {error}")]
    Command {
        /// The command.
        command: String,
        /// What is wrong.
        error: PropertiesError,
    },
}

impl Layers {
    pub(crate) fn set(&mut self, key: &str, value: &str) -> Result<(), DynamicError> {
        let parsed = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        let Key { command, name } = Key::parse(key)?;
        let parsed = match (name.as_str(), parsed.as_i64()) {
            // As Hystrix says that nobody waits.
            ("thread_pool_max_queue_size", Some(-1)) => Value::from(0),
            _ => parsed,
        };
        fits(&name, &parsed).map_err(|why| DynamicError::Value {
            key: key.to_owned(),
            value: value.to_owned(),
            why,
        })?;
        self.of(command.as_deref()).insert(name, parsed);
        Ok(())
    }

    pub(crate) fn clear(&mut self, key: &str) -> Result<(), DynamicError> {
        let Key { command, name } = Key::parse(key)?;
        self.of(command.as_deref()).remove(&name);
        Ok(())
    }

    /// What a command goes by whose code says `code`.
    pub(crate) fn settle(
        &mut self,
        command: &str,
        code: Properties,
    ) -> Result<Properties, PropertiesError> {
        code.validate()?;
        self.code.insert(command.to_owned(), code);
        self.effective(command)
    }

    /// Commands and what they go by.
    pub(crate) fn all(&self) -> Result<Vec<(String, Properties)>, DynamicError> {
        let commands = self.code.keys().map(|command| {
            let error = |error| DynamicError::Command {
                command: command.clone(),
                error,
            };
            let properties = self.effective(command).map_err(error)?;
            Ok((command.clone(), properties))
        });
        commands.collect()
    }

    fn of(&mut self, command: Option<&str>) -> &mut BTreeMap<String, Value> {
        match command {
            None => &mut self.default,
            Some(command) => self.commands.entry(command.to_owned()).or_default(),
        }
    }

    fn effective(&self, command: &str) -> Result<Properties, PropertiesError> {
        let defaults = values(&Properties::default());
        let mut settled = defaults.clone();
        settled.extend(self.default.clone());
        if let Some(code) = self.code.get(command) {
            let said = values(code).into_iter();
            settled.extend(said.filter(|(name, value)| defaults.get(name) != Some(value)));
        }
        settled.extend(self.commands.get(command).cloned().unwrap_or_default());
        // Each value fits its setting: it was looked at when it was set.
        let properties: Properties =
            serde_json::from_value(Value::Object(settled)).unwrap_or_default();
        properties.validate()?;
        Ok(properties)
    }
}

impl Key {
    fn parse(key: &str) -> Result<Self, DynamicError> {
        let wrong = || DynamicError::Key {
            key: key.to_owned(),
        };
        let prefixes = ["hystrix.command.", "hystrix.threadpool."];
        let rest = prefixes.iter().find_map(|prefix| key.strip_prefix(prefix));
        let rest = rest.ok_or_else(wrong)?;
        let ours = values(&Properties::default());
        let ours = ours.keys().map(|name| (name.as_str(), name.as_str()));
        let known = HYSTRIX_NAMES.iter().copied().chain(ours);
        // A command may have dots in its key: the longest name that fits is meant.
        let found = known
            .filter_map(|(written, name)| {
                let command = rest.strip_suffix(written)?.strip_suffix('.')?;
                (!command.is_empty()).then_some((written.len(), command, name.to_owned()))
            })
            .max();
        let (_, command, name) = found.ok_or_else(wrong)?;
        Ok(Self {
            command: (command != "default").then(|| command.to_owned()),
            name,
        })
    }
}

/// Whether a setting can have a value, by its kind alone.
fn fits(name: &str, value: &Value) -> Result<(), String> {
    let mut all = values(&Properties::default());
    all.insert(name.to_owned(), value.clone());
    let properties = serde_json::from_value::<Properties>(Value::Object(all));
    properties.map(drop).map_err(|error| error.to_string())
}

fn values(properties: &Properties) -> Map<String, Value> {
    match serde_json::to_value(properties) {
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
    }
}
