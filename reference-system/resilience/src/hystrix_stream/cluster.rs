//! Several processes as one, for `/turbine.stream`: the objects of each command and pool summed
//! over hosts, as Netflix's Turbine does it and Hystrix's dashboard takes apart again.

mod sum;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

/// Most objects that are kept: one per host, type and name.
pub const OBJECTS_MAX: usize = 10_000;

/// Longest message that is read, in bytes; Hystrix's are of 2 to 3 KiB.
pub const MESSAGE_MAX: usize = 64 * 1024;

/// The commands and pools of several hosts. Feed it what their streams send, and send a
/// [`round`](Self::round) every [`INTERVAL`](super::INTERVAL).
///
/// What the dashboard of 1.5.18 makes of a round decides the form of each field:
///
/// | field | form |
/// |---|---|
/// | numbers, and numbers by percentile | the sum; the dashboard divides by `reportingHosts` what is no count |
/// | `isCircuitBreakerOpen` | `false` where none is open, how many where all are (`true` for a single host), else Turbine's text `{false:2,true:1}` |
/// | settings of a command or collapser | the value where all agree, else Turbine's text; the window, by which rates are divided, as the mean |
/// | settings of a pool | the sum |
/// | other texts | the text where all agree, else Turbine's text with counts |
/// | `currentTime`, `nextProbeInMilliseconds` | the latest; the soonest, none if null |
///
/// A single host comes out as it went in.
#[derive(Debug)]
pub struct Cluster {
    silent_after: Duration,
    objects: BTreeMap<Key, BTreeMap<String, Seen>>,
    count: usize,
}

/// Type and name.
type Key = (String, String);

/// The last object of one host.
#[derive(Debug)]
struct Seen {
    object: Map<String, Value>,
    at: Instant,
}

/// Why a message is not part of the sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// Longer than [`MESSAGE_MAX`].
    #[error("a message of more than {MESSAGE_MAX} bytes")]
    TooLong,
    /// No JSON object with a type and a name, as those of configuration are.
    #[error("no JSON object with a `type` and a `name`")]
    Nameless,
    /// There are [`OBJECTS_MAX`] objects already.
    #[error("more than {OBJECTS_MAX} commands and pools of all hosts")]
    Full,
}

impl Cluster {
    /// Without hosts. What a host has not repeated for `silent_after` is no longer part of the sum:
    /// a few intervals, and more than the longest pause of a process.
    pub fn new(silent_after: Duration) -> Self {
        Self {
            silent_after,
            objects: BTreeMap::new(),
            count: 0,
        }
    }

    /// Takes the JSON of a message from the stream of `host` in place of the last one of that type
    /// and name. A message with `"deleteData":"true"`, as clusters send them, takes that away.
    ///
    /// # Errors
    /// It is no such message, or there is no room; the sum is as before.
    pub fn add(&mut self, host: &str, message: &str, now: Instant) -> Result<(), ClusterError> {
        if message.len() > MESSAGE_MAX {
            return Err(ClusterError::TooLong);
        }
        let object: Map<String, Value> =
            serde_json::from_str(message).map_err(|_| ClusterError::Nameless)?;
        let text = |key: &str| object.get(key).and_then(Value::as_str).map(str::to_owned);
        let (Some(kind), Some(name)) = (text("type"), text("name")) else {
            return Err(ClusterError::Nameless);
        };
        let deleted = text("deleteData").is_some_and(|deleted| deleted == "true");
        let key = (kind, name);
        let hosts = self.objects.get_mut(&key);
        if deleted {
            let gone = hosts.and_then(|hosts| hosts.remove(host));
            self.count -= usize::from(gone.is_some());
            return Ok(());
        }
        let seen = Seen { object, at: now };
        if let Some(place) = hosts.and_then(|hosts| hosts.get_mut(host)) {
            *place = seen;
            return Ok(());
        }
        if self.count >= OBJECTS_MAX {
            return Err(ClusterError::Full);
        }
        self.count += 1;
        let hosts = self.objects.entry(key).or_default();
        hosts.insert(host.to_owned(), seen);
        Ok(())
    }

    /// Takes away all that `host` has sent.
    pub fn remove_host(&mut self, host: &str) {
        for hosts in self.objects.values_mut() {
            self.count -= usize::from(hosts.remove(host).is_some());
        }
    }

    /// One JSON object per command and pool, each to be framed by
    /// [`sse_event`](super::sse_event). One that no host has any more is deleted from dashboards
    /// once: by the id it has as the first stream of a page.
    pub fn round(&mut self, now: Instant) -> Vec<String> {
        let (silent_after, count) = (self.silent_after, &mut self.count);
        let mut messages = Vec::new();
        self.objects.retain(|key, hosts| {
            hosts.retain(|_, seen| {
                let silent = now.saturating_duration_since(seen.at) >= silent_after;
                *count -= usize::from(silent);
                !silent
            });
            let objects: Vec<&Map<String, Value>> =
                hosts.values().map(|seen| &seen.object).collect();
            let message = match objects.is_empty() {
                true => deletion(key),
                false => Value::Object(sum::sum(&key.0, &objects)),
            };
            messages.push(message.to_string());
            !hosts.is_empty()
        });
        messages
    }
}

fn deletion((kind, name): &Key) -> Value {
    // What the dashboard puts a backslash before, to find the name among the ids of its page.
    const ESCAPED: &str = " !\"#$%&'()*+,./:;<=>?@[]^`{|}~";
    let mut escaped = String::new();
    for letter in name.chars() {
        if ESCAPED.contains(letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    json!({
        "type": kind,
        "name": name,
        "deleteData": "true",
        "escapedName": format!("{escaped}_0"),
    })
}
