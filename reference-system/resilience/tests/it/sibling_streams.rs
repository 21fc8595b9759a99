//! The streams beside `/hystrix.stream`: settings and utilization, field by field.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test they help"
)]

use std::time::Duration;

use serde_json::{Value, json};
use squall_resilience::collapser::{BatchFn, Collapser, CollapserProperties};
use squall_resilience::hystrix_stream::{config, utilization};
use squall_resilience::{Attempt, Classify, Command, Deadline, Properties, Registry};

#[derive(Debug, Clone)]
struct Reset;

impl Classify for Reset {}

fn registry(properties: Properties) -> (Registry, Command) {
    let registry = Registry::new();
    let command = registry.command("catalog", "gateway", properties).unwrap();
    (registry, command)
}

fn parsed(message: &str) -> Value {
    serde_json::from_str(message).unwrap()
}

/// Each setting differs from its default and from every other.
fn unusual() -> Properties {
    Properties::builder()
        .execution_timeout_ms(300)
        .execution_timeout_enabled(false)
        .execution_semaphore_max_concurrent(7)
        .execution_queue_size(3)
        .fallback_semaphore_max_concurrent(6)
        .fallback_enabled(false)
        .request_cache_enabled(false)
        .circuit_breaker_enabled(false)
        .circuit_breaker_force_open(true)
        .circuit_breaker_request_volume_threshold(21)
        .circuit_breaker_error_threshold_percentage(51)
        .circuit_breaker_sleep_window_ms(4000)
        .metrics_rolling_window_ms(8000)
        .metrics_rolling_buckets(4)
        .metrics_rolling_percentile_window_ms(30_000)
        .metrics_rolling_percentile_buckets(5)
        .metrics_health_snapshot_interval_ms(250)
        .build()
        .unwrap()
}

#[test]
fn settings_are_told_under_the_names_hystrix_gives_them() {
    let (registry, _) = registry(unusual());
    let expected = json!({
        "type": "HystrixConfig",
        "commands": { "catalog": {
            "threadPoolKey": "catalog",
            "groupKey": "gateway",
            "execution": {
                "isolationStrategy": "SEMAPHORE",
                "threadPoolKeyOverride": null,
                "requestCacheEnabled": false,
                "requestLogEnabled": false,
                "timeoutEnabled": false,
                "fallbackEnabled": false,
                "timeoutInMilliseconds": 300,
                "semaphoreSize": 7,
                "fallbackSemaphoreSize": 6,
                "threadInterruptOnTimeout": true,
            },
            "metrics": {
                "healthBucketSizeInMs": 250,
                "percentileBucketSizeInMilliseconds": 6000,
                "percentileBucketCount": 5,
                "percentileEnabled": true,
                "counterBucketSizeInMilliseconds": 2000,
                "counterBucketCount": 4,
            },
            "circuitBreaker": {
                "enabled": false,
                "isForcedOpen": true,
                "isForcedClosed": false,
                "requestVolumeThreshold": 21,
                "errorPercentageThreshold": 51,
                "sleepInMilliseconds": 4000,
            },
        } },
        "threadpools": { "catalog": {
            "coreSize": 7,
            "maximumSize": 7,
            "maxQueueSize": 3,
            "queueRejectionThreshold": 3,
            "keepAliveTimeInMinutes": 0,
            "allowMaximumSizeToDivergeFromCoreSize": false,
            "counterBucketSizeInMilliseconds": 2000,
            "counterBucketCount": 4,
        } },
        "collapsers": {},
    });
    assert_eq!(
        parsed(&config::message(&registry.snapshots(), &[])),
        expected
    );
}

#[test]
fn a_pool_where_nobody_can_wait_has_no_queue() {
    let (registry, _) = registry(Properties::default());
    let message = parsed(&config::message(&registry.snapshots(), &[]));
    let pool = &message["threadpools"]["catalog"];
    assert_eq!(
        (&pool["maxQueueSize"], &pool["queueRejectionThreshold"]),
        (&json!(-1), &json!(0))
    );
}

#[test]
fn settings_of_collapsers_are_told_too() {
    let (registry, command) = registry(Properties::default());
    let properties = CollapserProperties {
        max_requests_in_batch: 9,
        timer_delay_ms: 25,
        request_cache_enabled: false,
        metrics_rolling_window_ms: 6000,
        metrics_rolling_buckets: 3,
        metrics_rolling_percentile_window_ms: 20_000,
        metrics_rolling_percentile_buckets: 4,
    };
    let nothing = BatchFn(|_: Vec<u32>, _: Attempt| async move {
        Ok::<Vec<(u32, Result<u32, Reset>)>, Reset>(Vec::new())
    });
    let collapser = Collapser::new("titles", command, properties, nothing).unwrap();
    let message = config::message(&registry.snapshots(), &[collapser.snapshot()]);
    let expected = json!({ "titles": {
        "maxRequestsInBatch": 9,
        "timerDelayInMilliseconds": 25,
        "requestCacheEnabled": false,
        "metrics": {
            "percentileBucketSizeInMilliseconds": 5000,
            "percentileBucketCount": 4,
            "percentileEnabled": true,
            "counterBucketSizeInMilliseconds": 2000,
            "counterBucketCount": 3,
        },
    } });
    assert_eq!(parsed(&message)["collapsers"], expected);
}

#[tokio::test(start_paused = true)]
async fn utilization_counts_who_runs_and_who_waits() {
    let properties = Properties::builder()
        .execution_semaphore_max_concurrent(2)
        .execution_queue_size(5)
        .build()
        .unwrap();
    let (registry, command) = registry(properties);
    let deadline = Deadline::after(command.now(), Duration::from_secs(1));
    let calls: Vec<_> = (0..5)
        .map(|_| {
            let command = command.clone();
            tokio::spawn(async move {
                let pending = async |_| std::future::pending::<Result<(), Reset>>().await;
                command.execute(deadline, pending).await
            })
        })
        .collect();
    tokio::task::yield_now().await;
    let seen = |active, waiting| {
        json!({
            "type": "HystrixUtilization",
            "commands": { "catalog": { "activeCount": active } },
            "threadpools": { "catalog": {
                "activeCount": active, "queueSize": waiting, "corePoolSize": 2, "poolSize": 2,
            } },
        })
    };
    let message = || parsed(&utilization::message(&registry.snapshots()));
    assert_eq!(message(), seen(2, 3));
    for call in calls {
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
    }
    assert_eq!(message(), seen(0, 0));
}
