//! `/hystrix.stream`: commands as the JSON objects Hystrix's dashboard reads. Beside it the streams
//! of settings and of utilization, and several processes as one.
//!
//! The dashboard's page writes names into its own code: one with a quotation mark breaks it.

pub mod cluster;
pub mod config;
pub mod utilization;

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::breaker::BreakerState;
use crate::collapser::CollapserSnapshot;
use crate::event::CommandEvent as Event;
use crate::metrics::LatencyPercentiles;
use crate::snapshot::CommandSnapshot;

/// The media type of the stream.
pub const CONTENT_TYPE: &str = "text/event-stream;charset=UTF-8";

/// What keeps an idle connection open; clients ignore it.
pub const KEEP_ALIVE: &str = "ping: \n\n";

/// How often to send a round, as Hystrix does.
pub const INTERVAL: Duration = Duration::from_millis(500);

/// The shortest and the longest interval that a client may ask for.
const INTERVALS: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(10)];

/// How often to send a round to a client that asks for a stream with this query:
/// `delay=MILLISECONDS`, which the dashboard's page of streams offers, 100 to 10 000; every `usual`
/// where it is missing or no number.
pub fn interval(query: Option<&str>, usual: Duration) -> Duration {
    let mut pairs = query.into_iter().flat_map(|query| query.split('&'));
    let delay = pairs.find_map(|pair| pair.strip_prefix("delay="));
    let asked = delay.and_then(|delay| delay.parse().ok());
    let [shortest, longest] = INTERVALS;
    asked.map_or(usual, |ms| {
        Duration::from_millis(ms).clamp(shortest, longest)
    })
}

/// The keys of the latency maps, one per entry of [`PERCENTILES`](crate::metrics::PERCENTILES).
const PERCENTILE_KEYS: [&str; 9] = ["0", "25", "50", "75", "90", "95", "99", "99.5", "100"];

/// One JSON object as one server-sent event.
pub fn sse_event(json: &str) -> String {
    format!("data: {json}\n\n")
}

/// The two objects of one command: itself and, as a thread pool, its bulkhead.
pub fn messages(snapshot: &CommandSnapshot) -> [String; 2] {
    [
        command(snapshot).to_string(),
        thread_pool(snapshot).to_string(),
    ]
}

/// The object of type `HystrixCommand`. Beyond Hystrix it has `breakerState`, `openedCount`,
/// `nextProbeInMilliseconds`, and in `latencyCompleted` how long work took that went on after its
/// time was up; in `latencyExecute` that ends with the timeout, as in Hystrix.
pub fn command(snapshot: &CommandSnapshot) -> Value {
    let mut object = Map::new();
    object.extend(identity(snapshot));
    object.extend(counts(snapshot));
    object.extend(latencies(snapshot));
    object.extend(settings(snapshot));
    Value::Object(object)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn identity(snapshot: &CommandSnapshot) -> Map<String, Value> {
    object(json!({
        "type": "HystrixCommand",
        "name": &*snapshot.name,
        "group": &*snapshot.group,
        "currentTime": snapshot.unix_ms,
        "isCircuitBreakerOpen": snapshot.breaker_state != BreakerState::Closed,
        "breakerState": snapshot.breaker_state.as_str(),
        "openedCount": snapshot.opened_count,
        "nextProbeInMilliseconds": snapshot.next_probe_in.map(millis),
        "errorPercentage": snapshot.health.error_percentage(),
        "errorCount": snapshot.health.errors,
        "requestCount": snapshot.health.total,
        "reportingHosts": 1,
        "threadPool": &*snapshot.name,
    }))
}

/// Emitting does not exist here; its counts are zero because nothing of the kind can have happened.
/// Hystrix has one name for all calls that are answered without an execution of their own.
fn counts(snapshot: &CommandSnapshot) -> Map<String, Value> {
    let rolling = |event| snapshot.metrics.rolling(event);
    let from_cache = [
        Event::ResponseFromCache,
        Event::Coalesced,
        Event::StaleWhileRevalidate,
        Event::StaleIfError,
    ];
    object(json!({
        "rollingCountBadRequests": rolling(Event::BadRequest),
        "rollingCountCollapsedRequests": rolling(Event::Collapsed),
        "rollingCountEmit": 0,
        "rollingCountExceptionsThrown": rolling(Event::ExceptionThrown),
        "rollingCountFailure": rolling(Event::Failure),
        "rollingCountFallbackEmit": 0,
        "rollingCountFallbackDisabled": rolling(Event::FallbackDisabled),
        "rollingCountFallbackFailure": rolling(Event::FallbackFailure),
        "rollingCountFallbackMissing": rolling(Event::FallbackMissing),
        "rollingCountFallbackRejection": rolling(Event::FallbackRejection),
        "rollingCountFallbackSuccess": rolling(Event::FallbackSuccess),
        "rollingCountResponsesFromCache": from_cache.map(rolling).iter().sum::<u64>(),
        "rollingCountSemaphoreRejected": rolling(Event::SemaphoreRejected),
        "rollingCountShortCircuited": rolling(Event::ShortCircuited),
        "rollingCountSuccess": rolling(Event::Success),
        "rollingCountThreadPoolRejected": rolling(Event::ThreadPoolRejected),
        "rollingCountTimeout": rolling(Event::Timeout),
        "currentConcurrentExecutionCount": snapshot.active,
        "rollingMaxConcurrentExecutionCount": snapshot.metrics.rolling_active_max,
    }))
}

fn latencies(snapshot: &CommandSnapshot) -> Map<String, Value> {
    object(json!({
        "latencyExecute_mean": millis(snapshot.metrics.latency_execute.mean),
        "latencyExecute": percentiles(&snapshot.metrics.latency_execute),
        "latencyCompleted_mean": millis(snapshot.metrics.latency_completed.mean),
        "latencyCompleted": percentiles(&snapshot.metrics.latency_completed),
        "latencyTotal_mean": millis(snapshot.metrics.latency_total.mean),
        "latencyTotal": percentiles(&snapshot.metrics.latency_total),
    }))
}

fn settings(snapshot: &CommandSnapshot) -> Map<String, Value> {
    let p = &snapshot.properties;
    object(json!({
        "propertyValue_circuitBreakerRequestVolumeThreshold": p.circuit_breaker_request_volume_threshold,
        "propertyValue_circuitBreakerSleepWindowInMilliseconds": p.circuit_breaker_sleep_window_ms,
        "propertyValue_circuitBreakerErrorThresholdPercentage": p.circuit_breaker_error_threshold_percentage,
        "propertyValue_circuitBreakerForceOpen": p.circuit_breaker_force_open,
        "propertyValue_circuitBreakerForceClosed": p.circuit_breaker_force_closed,
        "propertyValue_circuitBreakerEnabled": p.circuit_breaker_enabled,
        "propertyValue_executionIsolationStrategy": strategy(snapshot),
        "propertyValue_executionIsolationThreadTimeoutInMilliseconds": p.execution_timeout_ms,
        "propertyValue_executionTimeoutInMilliseconds": p.execution_timeout_ms,
        "propertyValue_executionTimeoutEnabled": p.execution_timeout_enabled,
        "propertyValue_executionIsolationThreadInterruptOnTimeout": true,
        "propertyValue_executionIsolationThreadPoolKeyOverride": Value::Null,
        "propertyValue_executionIsolationSemaphoreMaxConcurrentRequests": p.execution_semaphore_max_concurrent,
        "propertyValue_fallbackIsolationSemaphoreMaxConcurrentRequests": p.fallback_semaphore_max_concurrent,
        "propertyValue_metricsRollingStatisticalWindowInMilliseconds": p.metrics_rolling_window_ms,
        "propertyValue_requestCacheEnabled": p.request_cache_enabled,
        "propertyValue_requestLogEnabled": false,
    }))
}

/// Whether the command has run work that blocks.
fn has_threads(snapshot: &CommandSnapshot) -> bool {
    snapshot.threads_begun > 0
}

/// What Hystrix calls this way of isolating.
fn strategy(snapshot: &CommandSnapshot) -> &'static str {
    if has_threads(snapshot) {
        "THREAD"
    } else {
        "SEMAPHORE"
    }
}

/// The threads of work that blocks, or permits that stand for threads.
struct Pool {
    /// Calls that may run at once.
    limit: usize,
    /// Calls that may wait.
    room: usize,
    /// Threads that have been begun; all permits, which need no beginning.
    size: usize,
}

impl Pool {
    fn of(snapshot: &CommandSnapshot) -> Self {
        let p = &snapshot.properties;
        if has_threads(snapshot) {
            return Self {
                limit: p.thread_pool_core_size,
                room: p.thread_pool_max_queue_size,
                size: snapshot.threads_begun,
            };
        }
        Self {
            limit: snapshot.limit,
            room: p.execution_queue_size,
            size: snapshot.limit,
        }
    }
}

/// An object with one entry per command.
fn by_name(
    snapshots: &[CommandSnapshot],
    object: fn(&CommandSnapshot) -> Value,
) -> Map<String, Value> {
    let entry = |one: &CommandSnapshot| (one.name.to_string(), object(one));
    snapshots.iter().map(entry).collect()
}

/// The object of type `HystrixThreadPool`: the threads of work that blocks, or permits that stand
/// for threads.
pub fn thread_pool(snapshot: &CommandSnapshot) -> Value {
    let Pool { limit, room, size } = Pool::of(snapshot);
    let executed = |count: &dyn Fn(Event) -> u64| -> u64 {
        Event::ALL
            .into_iter()
            .filter(|event| event.did_execute())
            .map(count)
            .sum()
    };
    let rejected = [Event::SemaphoreRejected, Event::ThreadPoolRejected];
    let rejected: u64 = rejected
        .map(|event| snapshot.metrics.rolling(event))
        .iter()
        .sum();
    let completed = executed(&|event| snapshot.metrics.total(event));
    json!({
        "type": "HystrixThreadPool",
        "name": &*snapshot.name,
        "currentTime": snapshot.unix_ms,
        "currentActiveCount": snapshot.active,
        "currentCompletedTaskCount": completed,
        "currentCorePoolSize": limit,
        "currentLargestPoolSize": size,
        "currentMaximumPoolSize": limit,
        "currentPoolSize": size,
        "currentQueueSize": snapshot.waiting,
        "currentTaskCount": completed + (snapshot.active + snapshot.waiting) as u64,
        "rollingCountThreadsExecuted": executed(&|event| snapshot.metrics.rolling(event)),
        "rollingMaxActiveThreads": snapshot.metrics.rolling_active_max,
        "rollingCountCommandRejections": rejected,
        "propertyValue_queueSizeRejectionThreshold": room,
        "propertyValue_metricsRollingStatisticalWindowInMilliseconds": snapshot.properties.metrics_rolling_window_ms,
        "reportingHosts": 1,
    })
}

/// The object of type `HystrixCollapser`.
pub fn collapser(snapshot: &CollapserSnapshot) -> Value {
    let sizes = &snapshot.batch_size;
    let points = PERCENTILE_KEYS.iter().skip(1).zip(sizes.points);
    let batch_size: Map<String, Value> = points
        .map(|(key, size)| ((*key).to_owned(), json!(size)))
        .collect();
    json!({
        "type": "HystrixCollapser",
        "name": &*snapshot.name,
        "currentTime": snapshot.unix_ms,
        "rollingCountRequestsBatched": snapshot.rolling.requests_batched,
        "rollingCountBatches": snapshot.rolling.batches,
        "rollingCountResponsesFromCache": snapshot.rolling.responses_from_cache,
        "batchSize_mean": rounded(sizes.mean),
        "batchSize": batch_size,
        "propertyValue_requestCacheEnabled": snapshot.properties.request_cache_enabled,
        "propertyValue_maxRequestsInBatch": snapshot.properties.max_requests_in_batch,
        "propertyValue_timerDelayInMilliseconds": snapshot.properties.timer_delay_ms,
        "reportingHosts": 1,
    })
}

/// Hystrix shows whole numbers.
fn rounded(mean: f64) -> u64 {
    mean.round().max(0.0) as u64
}

fn percentiles(latency: &LatencyPercentiles) -> Value {
    let points = PERCENTILE_KEYS.iter().zip(latency.points);
    Value::Object(
        points
            .map(|(key, point)| ((*key).to_owned(), json!(millis(point))))
            .collect(),
    )
}

/// Whole milliseconds, rounded to the nearest.
fn millis(duration: Duration) -> u64 {
    u64::try_from((duration.as_micros() + 500) / 1000).unwrap_or(u64::MAX)
}
