//! The sum of the objects of one command or pool.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

/// By which the dashboard divides the counts of a command, whatever the number of hosts.
const WINDOW: &str = "propertyValue_metricsRollingStatisticalWindowInMilliseconds";

/// The sum of `objects`, of which there is at least one, all of type `kind`.
pub(super) fn sum(kind: &str, objects: &[&Map<String, Value>]) -> Map<String, Value> {
    let keys: BTreeSet<&String> = objects.iter().flat_map(|object| object.keys()).collect();
    let field = |key: &String| {
        let values: Vec<&Value> = objects.iter().filter_map(|one| one.get(key)).collect();
        let value = match key.as_str() {
            "isCircuitBreakerOpen" => open(objects),
            "currentTime" => extreme(&values, i64::max),
            "nextProbeInMilliseconds" => extreme(&values, i64::min),
            "reportingHosts" => json!(objects.iter().map(|one| hosts(one)).sum::<i64>()),
            WINDOW if kind == "HystrixCommand" => mean(&values),
            key if kind != "HystrixThreadPool" && key.starts_with("propertyValue_") => {
                agreed(&values)
            }
            _ => summed(&values),
        };
        (key.clone(), value)
    };
    keys.into_iter().map(field).collect()
}

/// How many hosts an object is of: more than one if a cluster has sent it.
fn hosts(object: &Map<String, Value>) -> i64 {
    let hosts = object.get("reportingHosts").and_then(Value::as_i64);
    hosts.unwrap_or(1).max(1)
}

fn open(objects: &[&Map<String, Value>]) -> Value {
    let all: i64 = objects.iter().map(|object| hosts(object)).sum();
    let open: i64 = objects.iter().map(|object| open_hosts(object)).sum();
    match (open, all) {
        (0, _) => json!(false),
        (1, 1) => json!(true),
        _ if open == all => json!(open),
        _ => json!(format!("{{false:{},true:{open}}}", all - open)),
    }
}

/// In how many of the hosts of an object the circuit is open; it may be a sum itself.
fn open_hosts(object: &Map<String, Value>) -> i64 {
    let open = match object.get("isCircuitBreakerOpen") {
        Some(Value::Bool(true)) => hosts(object),
        Some(Value::Number(open)) => open.as_i64().unwrap_or(0),
        Some(Value::String(text)) => counted(text, "true"),
        _ => 0,
    };
    open.clamp(0, hosts(object))
}

/// The count of `value` in `{value:count,…}`.
fn counted(text: &str, value: &str) -> i64 {
    let inside = text.trim_start_matches('{').trim_end_matches('}');
    let mut counts = inside.split(',').filter_map(|pair| pair.split_once(':'));
    let found = counts.find(|(name, _)| *name == value);
    found.and_then(|(_, count)| count.parse().ok()).unwrap_or(0)
}

fn integers<'v>(values: &'v [&Value]) -> impl Iterator<Item = i64> + 'v {
    values.iter().filter_map(|value| integer(value))
}

/// Turbine knows whole numbers only.
fn integer(value: &Value) -> Option<i64> {
    let cut = || value.as_f64().map(|number| number as i64);
    value.as_i64().or_else(cut)
}

fn extreme(values: &[&Value], which: fn(i64, i64) -> i64) -> Value {
    let found = integers(values).reduce(which);
    found.map_or(Value::Null, |number| json!(number))
}

fn mean(values: &[&Value]) -> Value {
    let count = i64::try_from(integers(values).count()).unwrap_or(i64::MAX);
    match total(integers(values)).checked_div(count) {
        Some(mean) => json!(mean),
        None => agreed(values),
    }
}

fn total(numbers: impl Iterator<Item = i64>) -> i64 {
    numbers.fold(0, i64::saturating_add)
}

fn summed(values: &[&Value]) -> Value {
    if values.iter().all(|value| value.is_number()) {
        return json!(total(integers(values)));
    }
    let maps: Option<Vec<&Map<String, Value>>> =
        values.iter().map(|value| value.as_object()).collect();
    let Some(maps) = maps else {
        return agreed(values);
    };
    let mut sums: BTreeMap<&String, i64> = BTreeMap::new();
    for (key, value) in maps.into_iter().flatten() {
        let sum = sums.entry(key).or_default();
        *sum = sum.saturating_add(integer(value).unwrap_or(0));
    }
    let sums = sums.into_iter();
    Value::Object(sums.map(|(key, sum)| (key.clone(), json!(sum))).collect())
}

/// The value of all, or how many have which, in Turbine's words, which quote nothing.
fn agreed(values: &[&Value]) -> Value {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for value in values {
        let text = value.as_str().map(str::to_owned);
        let text = text.unwrap_or_else(|| value.to_string());
        *counts.entry(text).or_default() += 1;
    }
    if let ([first, ..], 1) = (values, counts.len()) {
        return (*first).clone();
    }
    let counts = counts.iter().map(|(text, count)| format!("{text}:{count}"));
    let counts: Vec<String> = counts.collect();
    json!(format!("{{{}}}", counts.join(",")))
}
