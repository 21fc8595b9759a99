//! Settings that change while a process runs: who wins, and what cannot be.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test they help"
)]

use squall_resilience::collapser::{BatchFn, Collapser, CollapserProperties};
use squall_resilience::dynamic::{COLLAPSER_NAMES, HYSTRIX_NAMES};
use squall_resilience::{Attempt, BreakerState, Command, Properties, PropertiesBuilder, Registry};

fn with_command(builder: PropertiesBuilder) -> (Registry, Command) {
    let registry = Registry::new();
    let command = registry.command("titles.list", "gateway", builder.build().unwrap());
    (registry, command.unwrap())
}

#[test]
fn what_is_said_of_the_command_wins_over_code_over_default() {
    let (registry, command) = with_command(Properties::builder().execution_timeout_ms(300));
    let default = "hystrix.command.default.execution.isolation.thread.timeoutInMilliseconds";
    let own = "hystrix.command.titles.list.execution.isolation.thread.timeoutInMilliseconds";
    let timeout = || command.properties().execution_timeout_ms;
    registry.set_property(default, "700").unwrap();
    assert_eq!(timeout(), 300, "the code says so");
    registry.set_property(own, "200").unwrap();
    assert_eq!(timeout(), 200);
    registry.clear_property(own).unwrap();
    assert_eq!(timeout(), 300);
    let silent = registry.command("silent", "gateway", Properties::default());
    let silent = silent.unwrap();
    assert_eq!(silent.properties().execution_timeout_ms, 700);
    registry.clear_property(default).unwrap();
    assert_eq!(silent.properties().execution_timeout_ms, 1000);
}

#[test]
fn it_reaches_the_breaker_and_the_bulkhead_of_a_running_command() {
    let (registry, command) = with_command(Properties::builder());
    let set = |name: &str, value| {
        registry.set_property(&format!("hystrix.command.titles.list.{name}"), value)
    };
    set("circuitBreaker.forceOpen", "true").unwrap();
    assert_eq!(command.breaker_state(), BreakerState::Open);
    set("circuit_breaker_force_open", "false").unwrap();
    assert_eq!(command.breaker_state(), BreakerState::Closed);
    set("execution.isolation.semaphore.maxConcurrentRequests", "3").unwrap();
    assert_eq!(command.bulkhead().limit(), 3);
    set("circuit_breaker_on_probe_cancel", "release").unwrap();
    registry
        .set_property("hystrix.threadpool.titles.list.coreSize", "4")
        .unwrap();
    assert_eq!(command.properties().thread_pool_core_size, 4);
    registry
        .set_property("hystrix.threadpool.titles.list.maxQueueSize", "-1")
        .unwrap();
    assert_eq!(command.properties().thread_pool_max_queue_size, 0);
}

#[test]
fn a_change_that_any_command_cannot_have_changes_none() {
    let (registry, wide) = with_command(Properties::builder());
    let adaptive = Properties::builder().execution_adaptive_min_concurrent(8);
    registry
        .command("narrow", "gateway", adaptive.build().unwrap())
        .unwrap();
    let key = "hystrix.command.default.execution_semaphore_max_concurrent";
    let error = registry.set_property(key, "5").unwrap_err();
    assert_eq!(
        error.to_string(),
        "narrow: execution_adaptive_min_concurrent must be 0 to 5, not 8"
    );
    assert_eq!(wide.properties().execution_semaphore_max_concurrent, 10);
    registry.set_property(key, "9").unwrap();
    assert_eq!(wide.properties().execution_semaphore_max_concurrent, 9);
}

#[test]
fn mistakes_say_what_to_write() {
    let (registry, _) = with_command(Properties::builder());
    let told = |key: &str, value: &str| registry.set_property(key, value).unwrap_err().to_string();
    for key in [
        "",
        "hystrix.command.",
        "hystrix.command.default.timeout",
        "command.x.fallback.enabled",
        "hystrix.command.fallback.enabled",
    ] {
        assert!(
            told(key, "1").contains("write `hystrix.command.KEY.NAME`"),
            "{key}"
        );
    }
    let found = told("hystrix.command.default.fallback.enabled", "perhaps");
    assert!(found.contains("expected a boolean"), "{found}");
    let found = told("hystrix.command.default.metrics_rolling_buckets", "5");
    assert!(found.contains("fixed once a command is made"), "{found}");
    let found = told(
        "hystrix.command.default.circuitBreaker.errorThresholdPercentage",
        "101",
    );
    assert!(found.contains("must be 1 to 100"), "{found}");
}

fn collapser(name: &str, properties: CollapserProperties) -> Titles {
    let command = Command::new("titles.batch", "gateway", Properties::default()).unwrap();
    let batch: Nothing = BatchFn(|_: Vec<u32>, _: Attempt| std::future::ready(Ok(Vec::new())));
    Collapser::new(name, command, properties, batch).unwrap()
}

type NoAnswer = std::future::Ready<Result<Vec<(u32, Result<String, String>)>, String>>;
type Nothing = BatchFn<fn(Vec<u32>, Attempt) -> NoAnswer>;
type Titles = Collapser<u32, Nothing>;

#[test]
fn a_collapser_goes_by_the_same_rules() {
    let registry = Registry::new();
    let default = "hystrix.collapser.default.timerDelayInMilliseconds";
    registry.set_property(default, "20").unwrap();
    let silent = collapser("titles.one", CollapserProperties::default());
    let code = CollapserProperties {
        timer_delay_ms: 5,
        ..CollapserProperties::default()
    };
    let said = collapser("titles.two", code);
    let of = |shown: &Titles| shown.snapshot().properties.timer_delay_ms;
    assert_eq!((of(&silent), of(&said)), (10, 5), "until they are shown");
    registry.show_collapser(&silent);
    registry.show_collapser(&said);
    assert_eq!((of(&silent), of(&said)), (20, 5));
    let own = "hystrix.collapser.titles.two.timerDelayInMilliseconds";
    registry.set_property(own, "7").unwrap();
    assert_eq!((of(&silent), of(&said)), (20, 7));
    registry.clear_property(own).unwrap();
    registry.clear_property(default).unwrap();
    assert_eq!((of(&silent), of(&said)), (10, 5));
    for (name, value) in [
        ("maxRequestsInBatch", "3"),
        ("request_cache_enabled", "false"),
    ] {
        let key = format!("hystrix.collapser.titles.one.{name}");
        registry.set_property(&key, value).unwrap();
    }
    let properties = silent.snapshot().properties;
    assert_eq!(properties.max_requests_in_batch, 3);
    assert!(!properties.request_cache_enabled);
}

#[test]
fn mistakes_in_a_collapsers_settings_say_what_to_write() {
    let registry = Registry::new();
    let told = |key: &str, value: &str| registry.set_property(key, value).unwrap_err().to_string();
    for key in [
        "hystrix.collapser.timer_delay_ms",
        "hystrix.collapser.default.circuitBreaker.forceOpen",
        "hystrix.collapser.default.metrics_rolling_buckets",
    ] {
        let found = told(key, "1");
        assert!(found.contains("`hystrix.collapser.KEY.NAME`"), "{found}");
    }
    let key = "hystrix.collapser.default.maxRequestsInBatch";
    let found = told(key, "0");
    assert!(
        found.contains("max_requests_in_batch must be 1 to 1000000, not 0"),
        "{found}"
    );
    assert!(told(key, "many").contains("invalid type"), "as any other");
}

/// The table for those who come from Hystrix names every setting, and every key of Hystrix's that is
/// understood beside its setting.
#[test]
fn the_table_of_settings_is_whole() {
    let page = include_str!("../../docs/migrating.md");
    let (table, _) = page.split_once("What has no setting").unwrap();
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with('|')).collect();
    let row_of = |word: &str| {
        let word = format!("`{word}`");
        let mut found = rows.iter().filter(|row| row.contains(&word));
        let row = found
            .next()
            .unwrap_or_else(|| panic!("{word} is in no row"));
        assert!(found.next().is_none(), "{word} is in two rows");
        *row
    };
    let defaults = serde_json::to_value(Properties::default()).unwrap();
    for (name, default) in defaults.as_object().unwrap() {
        let row = row_of(name)
            .replace("10 000", "10000")
            .replace("60 000", "60000");
        let told = row.rsplit('|').nth(1).unwrap().trim();
        let default = default.to_string();
        assert!(
            told.starts_with(default.trim_matches('"')),
            "{name}: {told}, not {default}"
        );
    }
    for (hystrix, ours) in HYSTRIX_NAMES {
        assert_eq!(row_of(hystrix), row_of(ours));
    }
    let (_, collapser) = page.split_once("Those of a collapser").unwrap();
    for (hystrix, ours) in COLLAPSER_NAMES {
        let row = format!("| `{hystrix}` | `{ours}` |");
        assert!(collapser.contains(&row), "{row}");
    }
}
