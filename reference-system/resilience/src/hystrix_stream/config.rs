//! `/hystrix/config.stream`: the settings in force, as Hystrix's `SerialHystrixConfiguration`
//! writes them.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{Pool, by_name, strategy};
use crate::collapser::CollapserSnapshot;
use crate::snapshot::CommandSnapshot;

/// How often to send a round, as Hystrix does (`hystrix.stream.config.intervalInMilliseconds`).
pub const INTERVAL: Duration = Duration::from_secs(5);

/// The one object of a round: settings by command, pool and collapser.
///
/// Two mistakes of Hystrix are not repeated: `isForcedClosed` is not `isForcedOpen` again, and
/// `percentileBucketCount` is that of the latencies.
pub fn message(snapshots: &[CommandSnapshot], collapsers: &[CollapserSnapshot]) -> String {
    let named = |one: &CollapserSnapshot| (one.name.to_string(), collapser(one));
    let collapsers: Map<String, Value> = collapsers.iter().map(named).collect();
    json!({
        "type": "HystrixConfig",
        "commands": by_name(snapshots, command),
        "threadpools": by_name(snapshots, thread_pool),
        "collapsers": collapsers,
    })
    .to_string()
}

fn command(snapshot: &CommandSnapshot) -> Value {
    let p = &snapshot.properties;
    let latency_ms = p.metrics_rolling_percentile_window_ms;
    let latency_buckets = p.metrics_rolling_percentile_buckets;
    json!({
        "threadPoolKey": &*snapshot.name,
        "groupKey": &*snapshot.group,
        "execution": {
            "isolationStrategy": strategy(snapshot),
            "threadPoolKeyOverride": Value::Null,
            "requestCacheEnabled": p.request_cache_enabled,
            "requestLogEnabled": false,
            "timeoutEnabled": p.execution_timeout_enabled,
            "fallbackEnabled": p.fallback_enabled,
            "timeoutInMilliseconds": p.execution_timeout_ms,
            "semaphoreSize": p.execution_semaphore_max_concurrent,
            "fallbackSemaphoreSize": p.fallback_semaphore_max_concurrent,
            "threadInterruptOnTimeout": true,
        },
        "metrics": {
            "healthBucketSizeInMs": p.metrics_health_snapshot_interval_ms,
            "percentileBucketSizeInMilliseconds": bucket_ms(latency_ms, latency_buckets),
            "percentileBucketCount": latency_buckets,
            "percentileEnabled": true,
            "counterBucketSizeInMilliseconds": counter_bucket_ms(snapshot),
            "counterBucketCount": p.metrics_rolling_buckets,
        },
        "circuitBreaker": {
            "enabled": p.circuit_breaker_enabled,
            "isForcedOpen": p.circuit_breaker_force_open,
            "isForcedClosed": p.circuit_breaker_force_closed,
            "requestVolumeThreshold": p.circuit_breaker_request_volume_threshold,
            "errorPercentageThreshold": p.circuit_breaker_error_threshold_percentage,
            "sleepInMilliseconds": p.circuit_breaker_sleep_window_ms,
        },
    })
}

/// Hystrix says −1 where nobody can wait. Threads here are kept, and permits need no keeping.
fn thread_pool(snapshot: &CommandSnapshot) -> Value {
    let pool = Pool::of(snapshot);
    let queue = (pool.room > 0).then_some(pool.room);
    json!({
        "coreSize": pool.limit,
        "maximumSize": pool.limit,
        "maxQueueSize": queue.map_or_else(|| json!(-1), |room| json!(room)),
        "queueRejectionThreshold": pool.room,
        "keepAliveTimeInMinutes": 0,
        "allowMaximumSizeToDivergeFromCoreSize": false,
        "counterBucketSizeInMilliseconds": counter_bucket_ms(snapshot),
        "counterBucketCount": snapshot.properties.metrics_rolling_buckets,
    })
}

fn collapser(snapshot: &CollapserSnapshot) -> Value {
    let p = &snapshot.properties;
    let size_ms = p.metrics_rolling_percentile_window_ms;
    let size_buckets = p.metrics_rolling_percentile_buckets;
    let counter_buckets = p.metrics_rolling_buckets;
    let counter_ms = bucket_ms(p.metrics_rolling_window_ms, counter_buckets);
    json!({
        "maxRequestsInBatch": p.max_requests_in_batch,
        "timerDelayInMilliseconds": p.timer_delay_ms,
        "requestCacheEnabled": p.request_cache_enabled,
        "metrics": {
            "percentileBucketSizeInMilliseconds": bucket_ms(size_ms, size_buckets),
            "percentileBucketCount": size_buckets,
            "percentileEnabled": true,
            "counterBucketSizeInMilliseconds": counter_ms,
            "counterBucketCount": counter_buckets,
        },
    })
}

fn counter_bucket_ms(snapshot: &CommandSnapshot) -> u64 {
    let p = &snapshot.properties;
    bucket_ms(p.metrics_rolling_window_ms, p.metrics_rolling_buckets)
}

/// Properties that are valid have a bucket at least, and whole milliseconds in each.
fn bucket_ms(window_ms: u64, buckets: u32) -> u64 {
    window_ms.checked_div(u64::from(buckets)).unwrap_or(0)
}
