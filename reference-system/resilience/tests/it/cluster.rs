//! Several processes as one: what the dashboard makes of it is what the hosts have told.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test they help"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::{Value, json};
use squall_resilience::hystrix_stream::cluster::{Cluster, ClusterError, MESSAGE_MAX, OBJECTS_MAX};
use squall_resilience::{Properties, Registry};

const SILENT: Duration = Duration::from_secs(3);

fn round(cluster: &mut Cluster, now: Instant) -> Vec<Value> {
    let messages = cluster.round(now);
    let parsed = messages.iter().map(|text| serde_json::from_str(text));
    parsed.collect::<Result<_, _>>().unwrap()
}

/// The sum of `objects`, each of a host of its own.
fn sum(objects: &[Value]) -> Value {
    let now = Instant::now();
    let mut cluster = Cluster::new(SILENT);
    for (host, object) in objects.iter().enumerate() {
        let host = host.to_string();
        cluster.add(&host, &object.to_string(), now).unwrap();
    }
    let mut messages = round(&mut cluster, now);
    assert_eq!(messages.len(), 1, "{messages:?}");
    messages.remove(0)
}

fn command(fields: Value) -> Value {
    with("HystrixCommand", fields)
}

fn with(kind: &str, mut fields: Value) -> Value {
    fields["type"] = json!(kind);
    fields["name"] = json!("catalog");
    fields["reportingHosts"] = json!(1);
    fields
}

#[test]
fn a_single_host_comes_out_as_it_went_in() {
    let registry = Registry::new();
    for (name, open) in [("catalog", false), ("playback", true)] {
        let properties = Properties::builder().circuit_breaker_force_open(open);
        registry
            .command(name, "gateway", properties.build().unwrap())
            .unwrap();
    }
    let now = Instant::now();
    let mut cluster = Cluster::new(SILENT);
    let mut messages: Vec<Value> = Vec::new();
    for message in registry.hystrix_messages() {
        cluster.add("a", &message, now).unwrap();
        messages.push(serde_json::from_str(&message).unwrap());
    }
    let key = |one: &Value| (one["type"].to_string(), one["name"].to_string());
    messages.sort_by_key(key);
    assert_eq!(round(&mut cluster, now), messages);
}

#[test]
fn numbers_are_summed_and_so_are_percentiles() {
    let sum = sum(&[
        command(json!({ "requestCount": 3, "latencyExecute": { "50": 10, "99.5": 40 } })),
        command(json!({ "requestCount": 4, "latencyExecute": { "50": 20, "99.5": 2, "100": 9 } })),
        command(json!({ "openedCount": 1 })),
    ]);
    assert_eq!(sum["requestCount"], 7);
    let percentiles = json!({ "50": 30, "99.5": 42, "100": 9 });
    assert_eq!(sum["latencyExecute"], percentiles);
    assert_eq!(
        (&sum["openedCount"], &sum["reportingHosts"]),
        (&json!(1), &json!(3))
    );
    assert_eq!(
        (&sum["type"], &sum["name"]),
        (&json!("HystrixCommand"), &json!("catalog"))
    );
}

#[test]
fn a_circuit_is_open_in_all_hosts_in_none_or_in_some() {
    let open = |hosts: &[bool]| {
        let objects: Vec<Value> = hosts
            .iter()
            .map(|open| command(json!({ "isCircuitBreakerOpen": open })))
            .collect();
        sum(&objects)["isCircuitBreakerOpen"].clone()
    };
    assert_eq!(open(&[false]), false);
    assert_eq!(open(&[true]), true);
    assert_eq!(open(&[false, false]), false);
    // The dashboard takes it for open if it equals the number of hosts.
    assert_eq!(open(&[true, true, true]), 3);
    assert_eq!(open(&[true, false, false]), "{false:2,true:1}");
}

#[test]
fn settings_of_commands_are_told_and_those_of_pools_are_summed() {
    const WINDOW: &str = "propertyValue_metricsRollingStatisticalWindowInMilliseconds";
    const QUEUE: &str = "propertyValue_queueSizeRejectionThreshold";
    const TIMEOUT: &str = "propertyValue_executionTimeoutInMilliseconds";
    const ENABLED: &str = "propertyValue_circuitBreakerEnabled";
    let of = |window: u64, timeout: u64, enabled: bool| {
        command(json!({ WINDOW: window, TIMEOUT: timeout, ENABLED: enabled }))
    };
    let same = sum(&[of(10_000, 300, true), of(10_000, 300, true)]);
    let told = (&same[WINDOW], &same[TIMEOUT], &same[ENABLED]);
    assert_eq!(told, (&json!(10_000), &json!(300), &json!(true)));
    let differ = sum(&[
        of(10_000, 300, true),
        of(20_000, 250, false),
        of(30_000, 300, true),
    ]);
    let told = (&differ[WINDOW], &differ[TIMEOUT], &differ[ENABLED]);
    let texts = (
        &json!(20_000),
        &json!("{250:1,300:2}"),
        &json!("{false:1,true:2}"),
    );
    assert_eq!(told, texts);

    let pool = |queue: u64| with("HystrixThreadPool", json!({ WINDOW: 10_000, QUEUE: queue }));
    let pools = sum(&[pool(4), pool(6)]);
    assert_eq!(
        (&pools[WINDOW], &pools[QUEUE]),
        (&json!(20_000), &json!(10))
    );
}

#[test]
fn texts_are_counted_where_they_differ_and_times_are_chosen() {
    let of = |state: &str, time: u64, probe: Option<u64>| {
        command(json!({
            "breakerState": state, "currentTime": time, "nextProbeInMilliseconds": probe,
            "group": "gateway", "propertyValue_executionIsolationThreadPoolKeyOverride": null,
        }))
    };
    let all = sum(&[
        of("OPEN", 7, Some(4000)),
        of("CLOSED", 9, None),
        of("OPEN", 8, Some(3000)),
    ]);
    assert_eq!(all["breakerState"], "{CLOSED:1,OPEN:2}");
    assert_eq!(
        (&all["currentTime"], &all["group"]),
        (&json!(9), &json!("gateway"))
    );
    assert_eq!(all["nextProbeInMilliseconds"], 3000);
    assert!(all["propertyValue_executionIsolationThreadPoolKeyOverride"].is_null());
    assert!(sum(&[of("CLOSED", 1, None)])["nextProbeInMilliseconds"].is_null());
}

#[test]
fn what_no_host_has_any_more_is_deleted_once() {
    let start = Instant::now();
    let mut cluster = Cluster::new(SILENT);
    let named = |name: &str| {
        json!({ "type": "HystrixCommand", "name": name, "requestCount": 1 }).to_string()
    };
    cluster.add("a", &named("say \"hi\".now"), start).unwrap();
    cluster.add("a", &named("catalog"), start).unwrap();
    cluster
        .add("b", &named("catalog"), start + SILENT / 2)
        .unwrap();
    assert_eq!(
        round(&mut cluster, start + SILENT - Duration::from_nanos(1)).len(),
        2
    );
    let messages = round(&mut cluster, start + SILENT);
    assert_eq!(messages[0]["reportingHosts"], Value::Null);
    assert_eq!(messages[0]["requestCount"], 1, "only b is left");
    let deletion = json!({
        "type": "HystrixCommand", "name": "say \"hi\".now", "deleteData": "true",
        "escapedName": "say\\ \\\"hi\\\"\\.now_0",
    });
    assert_eq!(messages[1], deletion);
    assert_eq!(round(&mut cluster, start + SILENT).len(), 1);

    let deletion = json!({ "type": "HystrixCommand", "name": "catalog", "deleteData": "true" });
    cluster
        .add("b", &deletion.to_string(), start + SILENT)
        .unwrap();
    assert_eq!(round(&mut cluster, start + SILENT)[0]["deleteData"], "true");
    assert!(round(&mut cluster, start + SILENT).is_empty());
}

#[test]
fn what_is_no_message_of_a_command_or_a_pool_is_refused() {
    let now = Instant::now();
    let mut cluster = Cluster::new(SILENT);
    for message in [
        "",
        "[]",
        "7",
        "{}",
        r#"{"type":"HystrixConfig"}"#,
        r#"{"type":1,"name":"a"}"#,
        "{",
    ] {
        assert_eq!(
            cluster.add("a", message, now),
            Err(ClusterError::Nameless),
            "{message}"
        );
    }
    let long = format!(
        "{{\"type\":\"a\",\"name\":\"{}\"}}",
        "b".repeat(MESSAGE_MAX)
    );
    assert_eq!(cluster.add("a", &long, now), Err(ClusterError::TooLong));
    let message = |number: usize| format!("{{\"type\":\"a\",\"name\":\"{number}\"}}");
    for number in 0..OBJECTS_MAX {
        cluster.add("a", &message(number), now).unwrap();
    }
    assert_eq!(
        cluster.add("a", &message(OBJECTS_MAX), now),
        Err(ClusterError::Full)
    );
    assert_eq!(cluster.add("b", &message(0), now), Err(ClusterError::Full));
    cluster.add("a", &message(0), now).unwrap();
    cluster.remove_host("a");
    cluster.add("b", &message(0), now).unwrap();
}

#[derive(Debug, Clone)]
enum Op {
    Add {
        host: u8,
        name: u8,
        count: i64,
        open: bool,
    },
    Delete {
        host: u8,
        name: u8,
    },
    Leave {
        host: u8,
    },
    Wait {
        ms: u64,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let (host, name) = (0..4u8, 0..3u8);
    prop_oneof![
        6 => (host.clone(), name.clone(), -5..1000i64, any::<bool>())
            .prop_map(|(host, name, count, open)| Op::Add { host, name, count, open }),
        1 => (host.clone(), name).prop_map(|(host, name)| Op::Delete { host, name }),
        1 => host.prop_map(|host| Op::Leave { host }),
        2 => (0..2000u64).prop_map(|ms| Op::Wait { ms }),
    ]
}

fn message(name: u8, count: i64, open: bool) -> String {
    json!({
        "type": "HystrixCommand", "name": name.to_string(), "reportingHosts": 1,
        "requestCount": count, "isCircuitBreakerOpen": open,
    })
    .to_string()
}

/// What is open of how many hosts, as the dashboard would have it.
fn open_of(hosts: i64, open: i64) -> Value {
    match open {
        0 => json!(false),
        1 if hosts == 1 => json!(true),
        _ if hosts == open => json!(open),
        _ => json!(format!("{{false:{},true:{open}}}", hosts - open)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: RngSeed::Fixed(13),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Whatever hosts send, repeat, lose and leave, in whatever order: a round is the sum of what
    /// each living host said last, and of nothing else. A cluster of two clusters shows the same.
    #[test]
    fn a_round_is_the_sum_of_the_last_words_of_the_living(ops in vec(op(), 0..60)) {
        let mut now = Instant::now();
        let mut cluster = Cluster::new(SILENT);
        let mut halves = [Cluster::new(SILENT), Cluster::new(SILENT)];
        let mut model: BTreeMap<(u8, u8), (i64, bool, Instant)> = BTreeMap::new();
        for op in ops {
            match op {
                Op::Add { host, name, count, open } => {
                    let text = message(name, count, open);
                    for cluster in [&mut cluster, &mut halves[usize::from(host % 2)]] {
                        cluster.add(&host.to_string(), &text, now).unwrap();
                    }
                    model.insert((name, host), (count, open, now));
                }
                Op::Delete { host, name } => {
                    let text = json!({ "type": "HystrixCommand", "name": name.to_string(), "deleteData": "true" });
                    for cluster in [&mut cluster, &mut halves[usize::from(host % 2)]] {
                        cluster.add(&host.to_string(), &text.to_string(), now).unwrap();
                    }
                    model.remove(&(name, host));
                }
                Op::Leave { host } => {
                    for cluster in [&mut cluster, &mut halves[usize::from(host % 2)]] {
                        cluster.remove_host(&host.to_string());
                    }
                    model.retain(|(_, one), _| *one != host);
                }
                Op::Wait { ms } => now += Duration::from_millis(ms),
            }
            model.retain(|_, (_, _, at)| now - *at < SILENT);
            let mut sums: BTreeMap<u8, (i64, i64, i64)> = BTreeMap::new();
            for ((name, _), (count, open, _)) in &model {
                let sum = sums.entry(*name).or_default();
                *sum = (sum.0 + count, sum.1 + 1, sum.2 + i64::from(*open));
            }
            let expected: Vec<Value> = sums
                .into_iter()
                .map(|(name, (count, hosts, open))| json!({
                    "type": "HystrixCommand", "name": name.to_string(), "requestCount": count,
                    "reportingHosts": hosts, "isCircuitBreakerOpen": open_of(hosts, open),
                }))
                .collect();
            let mut whole = Cluster::new(SILENT);
            for (number, half) in halves.iter_mut().enumerate() {
                for text in half.round(now) {
                    whole.add(&number.to_string(), &text, now).unwrap();
                }
            }
            for mut messages in [round(&mut cluster, now), round(&mut whole, now)] {
                messages.retain(|message| message["deleteData"].is_null());
                prop_assert_eq!(&messages, &expected);
            }
        }
    }
}
