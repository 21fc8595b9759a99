//! Calls over several instances: retries go elsewhere, attempts are counted where they were made.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test they help"
)]

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use squall_resilience::balance::{BalanceRules, Balancer, BalancerMetrics, Instance, NoInstance};
use squall_resilience::layers::{Balance, BalanceError, BalanceLayer, NoFallback, Placed};
use squall_resilience::{
    Attempt, Call, CallOptions, Classification, Classify, Command, CommandError, CommandEvent,
    Deadline, Properties,
};
use tower::{Layer, Service, ServiceExt, service_fn};

#[derive(Debug, Clone, PartialEq, Eq)]
enum Wrong {
    Reset,
    Unknown,
    Nobody(NoInstance),
}

impl Classify for Wrong {
    fn classify(&self) -> Classification {
        match self {
            Self::Reset => Classification::Retryable,
            Self::Unknown => Classification::BadRequest,
            Self::Nobody(none) => none.classify(),
        }
    }
}

fn command(attempts: u32) -> Command {
    let properties = Properties::builder()
        .retry_max_attempts(attempts)
        .retry_budget_min_per_s(1000);
    Command::new("catalog", "gateway", properties.build().unwrap()).unwrap()
}

fn options(command: &Command) -> CallOptions {
    CallOptions::idempotent(Deadline::after(command.now(), Duration::from_secs(60)))
}

fn balancer<T>(command: &Command, targets: impl IntoIterator<Item = T>) -> Balancer<T> {
    let balancer = Balancer::builder("catalog").build().unwrap();
    let targets = targets.into_iter().enumerate();
    let instances = targets.map(|(nth, target)| Instance::new(nth.to_string(), target));
    balancer.set_instances(command.now(), instances);
    balancer
}

/// Attempts, failures and attempts under way of each instance.
fn counts<T>(balancer: &Balancer<T>, command: &Command) -> Vec<(u64, u64, usize)> {
    let instances = balancer.snapshot(command.now()).instances.into_iter();
    let counts = instances.map(|i| (i.attempts, i.failures, i.in_flight));
    counts.collect()
}

#[tokio::test(start_paused = true)]
async fn a_call_tries_every_instance_before_it_tries_one_again() {
    let command = command(4);
    for _ in 0..50 {
        let balancer = balancer(&command, [0, 1, 2]);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let client = service_fn(|call: Call<Placed<i32, &'static str>>| {
            asked.lock().unwrap().push(call.request.target);
            std::future::ready(Err::<(), _>(Wrong::Reset))
        });
        let service = command
            .layer(NoFallback::default())
            .layer(BalanceLayer::new(balancer.clone()).layer(client));
        let answer = service
            .oneshot(Call::new("titles", options(&command)))
            .await;
        let failed = CommandError::Failure(BalanceError::Instance(Wrong::Reset));
        assert_eq!(answer, Err(failed));
        let asked = asked.lock().unwrap();
        assert_eq!(asked.len(), 4);
        assert_eq!(asked[..3].iter().collect::<BTreeSet<_>>().len(), 3);
        let counts = counts(&balancer, &command);
        assert!(counts.iter().all(|(_, _, under_way)| *under_way == 0));
        assert_eq!(counts.iter().map(|(_, failed, _)| failed).sum::<u64>(), 4);
    }
    let retries = command.snapshot().metrics.total(CommandEvent::Retry);
    assert_eq!(retries, 150, "calls are counted once, attempts each");
}

#[tokio::test(start_paused = true)]
async fn an_async_function_picks_by_its_attempt() {
    let command = command(2);
    let balancer = balancer(&command, ["bad", "good"]);
    for _ in 0..20 {
        let work = async |attempt: Attempt| {
            let pick = balancer
                .pick(&attempt, command.now())
                .map_err(Wrong::Nobody)?;
            let result = match *pick.target() {
                "good" => Ok(()),
                _ => Err(Wrong::Reset),
            };
            pick.ended(command.now(), &result);
            result
        };
        assert_eq!(command.execute(options(&command), work).await, Ok(()));
    }
    let snapshot = balancer.snapshot(command.now());
    assert!(snapshot.instances[0].ejected_for.is_some(), "{snapshot:?}");
    assert_eq!(snapshot.instances[0].failures, 5);
    assert_eq!(snapshot.instances[1].attempts, 20);
}

#[tokio::test(start_paused = true)]
async fn without_instances_the_call_fails_and_is_not_tried_again() {
    let command = command(3);
    let balancer = balancer::<&str>(&command, []);
    let client = service_fn(async |_: Call<Placed<&'static str, ()>>| Ok::<_, Wrong>(()));
    let service = BalanceLayer::new(balancer).layer(client);
    let service = command.layer(NoFallback::default()).layer(service);
    let answer = service.oneshot(Call::new((), options(&command))).await;
    let Err(CommandError::Failure(BalanceError::NoInstance(none))) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(none.to_string(), "no instance of catalog is there for it");
    assert_eq!(command.snapshot().metrics.total(CommandEvent::Retry), 0);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_times_out_is_the_instances_failure_and_one_that_is_dropped_is_not() {
    let command = command(1);
    let balancer = balancer(&command, [()]);
    let client = service_fn(async |_: Call<Placed<(), ()>>| pending::<Result<(), Wrong>>().await);
    let mut service = command
        .layer(NoFallback::default())
        .layer(BalanceLayer::new(balancer.clone()).layer(client));
    let call = || Call::new((), options(&command));
    {
        let dropped = service.ready().await.unwrap().call(call());
        let waited = tokio::time::timeout(Duration::from_millis(999), dropped).await;
        assert!(waited.is_err());
    }
    assert_eq!(counts(&balancer, &command), [(1, 0, 0)]);
    let answer = service.ready().await.unwrap().call(call()).await;
    assert!(matches!(answer, Err(CommandError::Timeout { .. })));
    assert_eq!(counts(&balancer, &command), [(2, 1, 0)]);
}

#[tokio::test(start_paused = true)]
async fn the_callers_own_mistake_is_an_answer_of_the_instance() {
    let command = command(3);
    let rules = BalanceRules {
        outlier_consecutive_failures: 1,
        ..BalanceRules::default()
    };
    let builder = Balancer::builder("catalog").rules(rules);
    let balancer: Balancer<()> = builder.build().unwrap();
    let instances = ["one", "two"].map(|name| Instance::new(name, ()));
    balancer.set_instances(command.now(), instances);
    let client = service_fn(async |_: Call<Placed<(), ()>>| Err::<(), _>(Wrong::Unknown));
    let service = command
        .layer(NoFallback::default())
        .layer(BalanceLayer::new(balancer.clone()).layer(client));
    let answer = service.oneshot(Call::new((), options(&command))).await;
    let wrong = BalanceError::Instance(Wrong::Unknown);
    assert_eq!(answer, Err(CommandError::BadRequest(wrong)));
    let snapshot = balancer.snapshot(command.now());
    assert_eq!(snapshot.counts.ejected_consecutive, 0);
}

#[tokio::test(start_paused = true)]
async fn instances_may_be_services_and_may_change() {
    let command = command(1);
    let instance = |answer: u32| {
        service_fn(move |call: Call<u32>| std::future::ready(Ok::<_, Wrong>(answer + call.request)))
    };
    let balancer = balancer(&command, [instance(10)]);
    let mut service = Balance::over(balancer.clone());
    let call = || Call::new(1, options(&command));
    assert_eq!(service.ready().await.unwrap().call(call()).await, Ok(11));
    balancer.set_instances(command.now(), [Instance::new("0", instance(20))]);
    assert_eq!(service.ready().await.unwrap().call(call()).await, Ok(21));
    assert_eq!(counts(&balancer, &command), [(2, 0, 0)], "of one name");
}

#[tokio::test(start_paused = true)]
async fn prometheus_reads_instances_and_who_is_out() {
    let command = command(1);
    let balancer = Balancer::builder("say \"hi\"").build::<()>().unwrap();
    let instances = ["one", "two"].map(|name| Instance::new(name, ()).in_zone("a"));
    let mut registry = prometheus_client::registry::Registry::default();
    let other = self::balancer(&command, [1]);
    let metrics = BalancerMetrics::new().with(&balancer).with(&other);
    registry.register_collector(Box::new(metrics));
    let text = || {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    };
    balancer.set_instances(command.now(), instances);
    let attempt = Attempt::only(options(&command).deadline);
    let pick = || balancer.pick(&attempt, command.now()).unwrap();
    let under_way = pick();
    let other = if under_way.name() == "one" {
        "two"
    } else {
        "one"
    };
    for _ in 0..5 {
        pick().failure(command.now());
    }
    let of = |name: &str| format!("{{balancer=\"say \\\"hi\\\"\",instance=\"{name}\",zone=\"a\"}}");
    let text = text();
    for line in [
        format!(
            "resilience_instance_attempts_active{} 1",
            of(under_way.name())
        ),
        format!("resilience_instance_attempts_total{} 5", of(other)),
        format!("resilience_instance_failures_total{} 5", of(other)),
        format!("resilience_instance_ejections_total{} 1", of(other)),
        format!("resilience_instance_ejected{} 1", of(other)),
        format!("resilience_instance_ejected{} 0", of(under_way.name())),
        "resilience_instance_ejected{balancer=\"catalog\",instance=\"0\",zone=\"\"} 0".to_owned(),
        "resilience_balancer_panics_total{balancer=\"say \\\"hi\\\"\"} 0".to_owned(),
    ] {
        let is_there = text.lines().any(|found| found == line);
        assert!(is_there, "{line} is not in\n{text}");
    }
    let told = text.lines().filter(|line| line.starts_with("# TYPE"));
    assert_eq!(told.count(), 7, "each once");
}
