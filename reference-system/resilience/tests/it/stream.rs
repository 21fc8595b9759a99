//! What leaves the process: every field Hystrix's dashboard insists on, and the Prometheus text.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test they help"
)]

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use squall_resilience::collapser::{BatchFn, Collapser, CollapserProperties};
use squall_resilience::{
    Attempt, Command, Deadline, Properties, Registry, RequestContext, hystrix_stream,
};

/// The fields without which the dashboard of 1.5.18 drops a command.
const COMMAND_FIELDS: &str = "type name group isCircuitBreakerOpen errorPercentage errorCount requestCount \
    rollingCountBadRequests rollingCountCollapsedRequests rollingCountExceptionsThrown rollingCountFailure \
    rollingCountFallbackFailure rollingCountFallbackRejection rollingCountFallbackSuccess \
    rollingCountResponsesFromCache rollingCountSemaphoreRejected rollingCountShortCircuited rollingCountSuccess \
    rollingCountThreadPoolRejected rollingCountTimeout currentConcurrentExecutionCount latencyExecute_mean \
    latencyExecute propertyValue_circuitBreakerRequestVolumeThreshold \
    propertyValue_circuitBreakerSleepWindowInMilliseconds propertyValue_circuitBreakerErrorThresholdPercentage \
    propertyValue_circuitBreakerForceOpen propertyValue_circuitBreakerForceClosed \
    propertyValue_executionIsolationStrategy propertyValue_executionIsolationThreadTimeoutInMilliseconds \
    propertyValue_executionIsolationThreadInterruptOnTimeout \
    propertyValue_executionIsolationSemaphoreMaxConcurrentRequests \
    propertyValue_fallbackIsolationSemaphoreMaxConcurrentRequests \
    propertyValue_metricsRollingStatisticalWindowInMilliseconds propertyValue_requestCacheEnabled \
    propertyValue_requestLogEnabled reportingHosts";

/// Optional for 1.5.18, or insisted on by older dashboards.
const COMMAND_FIELDS_ALSO_SENT: &str = "currentTime rollingCountEmit rollingCountFallbackEmit \
    rollingCountFallbackMissing rollingMaxConcurrentExecutionCount latencyTotal_mean latencyTotal \
    latencyCompleted_mean latencyCompleted \
    propertyValue_circuitBreakerEnabled propertyValue_executionTimeoutInMilliseconds threadPool \
    breakerState openedCount";

const POOL_FIELDS: &str = "type name currentTime currentActiveCount currentCompletedTaskCount \
    currentCorePoolSize currentLargestPoolSize currentMaximumPoolSize currentPoolSize currentQueueSize \
    currentTaskCount rollingCountThreadsExecuted rollingMaxActiveThreads rollingCountCommandRejections \
    propertyValue_queueSizeRejectionThreshold propertyValue_metricsRollingStatisticalWindowInMilliseconds \
    reportingHosts";

async fn run(command: &Command, outcome: Result<(), &'static str>) {
    let deadline = Deadline::after(command.now(), Duration::from_secs(1));
    let _ = command.execute(deadline, async |_| outcome).await;
}

fn parsed(registry: &Registry) -> Vec<Value> {
    registry
        .hystrix_messages()
        .iter()
        .map(|message| serde_json::from_str(message).unwrap())
        .collect()
}

fn assert_fields(object: &Value, fields: &str) {
    for field in fields.split_whitespace() {
        assert!(!object[field].is_null(), "{field} is missing or null");
    }
}

#[tokio::test(start_paused = true)]
async fn every_field_the_dashboard_needs_is_there() {
    let registry = Registry::new();
    registry
        .command("catalog", "gateway", Properties::default())
        .unwrap();
    let c = registry
        .command("recommendations", "gateway", Properties::default())
        .unwrap();
    run(&c, Ok(())).await;
    run(&c, Err("reset")).await;
    let messages = parsed(&registry);
    assert_eq!(messages.len(), 4);
    for pair in messages.chunks(2) {
        assert_eq!(
            (&pair[0]["type"], &pair[1]["type"]),
            (&"HystrixCommand".into(), &"HystrixThreadPool".into())
        );
        assert_fields(&pair[0], COMMAND_FIELDS);
        assert_fields(&pair[0], COMMAND_FIELDS_ALSO_SENT);
        assert_fields(&pair[1], POOL_FIELDS);
        let points: BTreeSet<&str> = pair[0]["latencyExecute"]
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(
            points,
            BTreeSet::from(["0", "25", "50", "75", "90", "95", "99", "99.5", "100"])
        );
    }
    let object = &messages[2];
    assert_eq!(
        (&object["name"], &object["group"]),
        (&"recommendations".into(), &"gateway".into())
    );
    assert_eq!(
        (
            &object["rollingCountSuccess"],
            &object["rollingCountFailure"]
        ),
        (&1.into(), &1.into())
    );
    assert_eq!(
        object["propertyValue_executionIsolationStrategy"],
        "SEMAPHORE"
    );
    assert_eq!(messages[3]["currentCompletedTaskCount"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_state_shows_in_the_next_round_even_without_traffic() {
    let registry = Registry::new();
    let c = registry
        .command("recommendations", "gateway", Properties::default())
        .unwrap();
    let breaker = |registry: &Registry| {
        let object = parsed(registry).swap_remove(0);
        (
            object["breakerState"].clone(),
            object["isCircuitBreakerOpen"].clone(),
            object["openedCount"].clone(),
        )
    };
    for _ in 0..20 {
        run(&c, Err("reset")).await;
    }
    assert_eq!(
        breaker(&registry),
        ("CLOSED".into(), false.into(), 0.into())
    );
    tokio::time::advance(hystrix_stream::INTERVAL).await;
    assert_eq!(breaker(&registry), ("OPEN".into(), true.into(), 1.into()));
    let object = parsed(&registry).swap_remove(0);
    assert_eq!(
        (&object["errorPercentage"], &object["requestCount"]),
        (&100.into(), &20.into())
    );
    assert_eq!(object["nextProbeInMilliseconds"], 5000);
    tokio::time::advance(Duration::from_millis(5001)).await;
    let probe = c.breaker().admit(c.now()).unwrap();
    assert_eq!(
        breaker(&registry),
        ("HALF_OPEN".into(), true.into(), 1.into())
    );
    probe.success(c.now());
    assert_eq!(
        breaker(&registry),
        ("CLOSED".into(), false.into(), 1.into())
    );
}

#[tokio::test(start_paused = true)]
async fn answers_from_the_request_cache_show() {
    let registry = Registry::new();
    let c = registry
        .command("profile", "gateway", Properties::default())
        .unwrap();
    let (context, deadline) = (
        RequestContext::new(),
        Deadline::after(c.now(), Duration::MAX),
    );
    for _ in 0..3 {
        let cached = c.cached(&context, "7");
        let answer = cached.execute(deadline, |_| async { Ok::<_, &str>(7) });
        assert_eq!(answer.await, Ok(7));
    }
    let object = parsed(&registry).swap_remove(0);
    assert_eq!(object["rollingCountResponsesFromCache"], 2);
    assert_eq!(object["rollingCountSuccess"], 1);
    assert_eq!(object["propertyValue_requestCacheEnabled"], true);
}

const COLLAPSER_FIELDS: &str = "type name currentTime rollingCountRequestsBatched rollingCountBatches \
    rollingCountResponsesFromCache batchSize_mean batchSize propertyValue_requestCacheEnabled \
    propertyValue_maxRequestsInBatch propertyValue_timerDelayInMilliseconds reportingHosts";

#[tokio::test(start_paused = true)]
async fn collapsers_show_with_every_field() {
    let registry = Registry::new();
    let c = registry
        .command("titles", "catalog", Properties::default())
        .unwrap();
    let halves = BatchFn(|numbers: Vec<u32>, _: Attempt| async move {
        let halves = numbers.into_iter().map(|number| (number, Ok(number / 2)));
        Ok::<_, &'static str>(halves)
    });
    let properties = CollapserProperties::default();
    let collapser = Collapser::new("half", c.clone(), properties, halves).unwrap();
    assert_eq!(parsed(&registry).len(), 2);
    registry.show_collapser(&collapser);
    let deadline = Deadline::after(c.now(), Duration::from_secs(1));
    let ask = |number| collapser.submit(deadline, number);
    assert_eq!(tokio::join!(ask(8), ask(6), ask(6)), (Ok(4), Ok(3), Ok(3)));
    assert_eq!(ask(4).await, Ok(2));
    let messages = parsed(&registry);
    let object = &messages[2];
    assert_fields(object, COLLAPSER_FIELDS);
    let points: BTreeSet<&str> = object["batchSize"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        points,
        BTreeSet::from(["25", "50", "75", "90", "95", "99", "99.5", "100"])
    );
    assert_eq!(
        (&object["type"], &object["name"]),
        (&"HystrixCollapser".into(), &"half".into())
    );
    assert_eq!(object["rollingCountRequestsBatched"], 3);
    assert_eq!(object["rollingCountBatches"], 2);
    assert_eq!(object["rollingCountResponsesFromCache"], 1);
    assert_eq!(
        (&object["batchSize"]["25"], &object["batchSize"]["100"]),
        (&1.into(), &2.into())
    );
    assert_eq!(object["batchSize_mean"], 2, "1.5, rounded");
    assert_eq!(object["propertyValue_maxRequestsInBatch"], 1000);
    assert_eq!(object["propertyValue_timerDelayInMilliseconds"], 10);
    assert_eq!(messages[0]["rollingCountCollapsedRequests"], 3);
    assert_eq!(registry.collapser_snapshots().len(), 1);
    let text = registry.prometheus_text();
    for line in [
        "resilience_collapser_requests_total{collapser=\"half\",event=\"ADDED_TO_BATCH\"} 3",
        "resilience_collapser_requests_total{collapser=\"half\",event=\"RESPONSE_FROM_CACHE\"} 1",
        "resilience_collapser_batches_total{collapser=\"half\"} 2",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }
}

#[test]
fn a_client_may_ask_for_rounds_more_or_less_often_within_bounds() {
    for (query, ms) in [
        (None, 500),
        (Some(""), 500),
        (Some("delay=2000"), 2000),
        (Some("cluster=a&delay=250&x=delay"), 250),
        (Some("delay=100"), 100),
        (Some("delay=99"), 100),
        (Some("delay=0"), 100),
        (Some("delay=10000"), 10_000),
        (Some("delay=10001"), 10_000),
        (Some("delay=18446744073709551615"), 10_000),
        (Some("delay="), 500),
        (Some("delay=-1"), 500),
        (Some("delay=1s"), 500),
        (Some("delayed=2000"), 500),
    ] {
        let interval = hystrix_stream::interval(query, hystrix_stream::INTERVAL);
        assert_eq!(interval, Duration::from_millis(ms), "{query:?}");
    }
}

#[test]
fn an_event_is_one_line_and_an_empty_one() {
    assert_eq!(
        hystrix_stream::sse_event(r#"{"type":"x"}"#),
        "data: {\"type\":\"x\"}\n\n"
    );
}

#[tokio::test(start_paused = true)]
async fn prometheus_reads_states_calls_and_latencies() {
    let registry = Registry::new();
    let c = registry
        .command("say \"hi\"", "gateway", Properties::default())
        .unwrap();
    run(&c, Ok(())).await;
    run(&c, Err("reset")).await;
    let text = registry.prometheus_text();
    let labels = r#"command="say \"hi\"",group="gateway""#;
    for line in [
        format!("resilience_breaker_state{{{labels}}} 0"),
        format!("resilience_breaker_opened_total{{{labels}}} 0"),
        format!("resilience_calls_total{{{labels},event=\"SUCCESS\"}} 1"),
        format!("resilience_calls_total{{{labels},event=\"FAILURE\"}} 1"),
        format!("resilience_execution_seconds_bucket{{le=\"0.001\",{labels}}} 2"),
        format!("resilience_execution_seconds_bucket{{le=\"+Inf\",{labels}}} 2"),
        format!("resilience_execution_seconds_count{{{labels}}} 2"),
        format!("resilience_completion_seconds_count{{{labels}}} 2"),
        format!("resilience_late_completions_total{{{labels}}} 0"),
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }
    let (text, nothing) = text.split_once("# EOF\n").unwrap();
    assert_eq!(nothing, "");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (_, value) = line.rsplit_once(' ').unwrap();
        value.parse::<f64>().unwrap();
    }
}
