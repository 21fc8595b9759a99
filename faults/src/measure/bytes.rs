//! Faults on bytes, and how late the machine is by itself.

use std::time::{Duration, Instant};

use squall_scenario::inject::{Bandwidth, Cut, Delay, Direction, Reset, SlowClose};
use squall_scenario::{ByteCount, OnBytes};

use super::stage::{Caller, Stage};
use super::{Amount, Measured, NotMeasured, Observed};

type Taken = Result<Vec<Measured>, NotMeasured>;

/// What is slept to know how late the machine wakes.
const SLEEP: Duration = Duration::from_millis(10);
const SLEEPS: usize = 50;
/// Connections of a measurement that counts.
const CONNECTIONS: usize = 20;
/// What is sent through a limited link: long enough to see its rate.
const BULK_BYTES: usize = 512 * 1024;

/// How late timers are: no fault can be truer.
pub(super) async fn timer() -> Taken {
    let mut slept = Vec::new();
    for _ in 0..SLEEPS {
        let begun = Instant::now();
        tokio::time::sleep(SLEEP).await;
        slept.push(begun.elapsed());
    }
    let mut spun = Vec::new();
    for _ in 0..SLEEPS {
        let begun = Instant::now();
        tokio::task::yield_now().await;
        spun.push(begun.elapsed());
    }
    Ok(vec![Measured {
        fault: "timer of this machine".to_owned(),
        requested: Amount::Time(SLEEP),
        observed: Observed::times(slept),
        beside: Observed::times(spun),
    }])
}

pub(super) async fn delay(stage: &Stage) -> Taken {
    let mut measured = Vec::new();
    for (by, times) in [(1, 100), (20, 50), (100, 10)] {
        let by = Duration::from_millis(by);
        let fault = OnBytes::Delay(Delay::of(by, Duration::ZERO, Direction::From));
        let mut guard = stage.inject(fault).await?;
        let mut hit = Caller::connect(&stage.link).await?;
        let mut spared = Caller::connect(&stage.beside).await?;
        let (mut observed, mut beside) = (Vec::new(), Vec::new());
        for _ in 0..times {
            observed.push(hit.round_trip().await?);
            beside.push(spared.round_trip().await?);
        }
        guard.remove().await?;
        measured.push(Measured {
            fault: format!("delay {}", squall_scenario::format_duration(by)),
            requested: Amount::Time(by),
            observed: Observed::times(observed),
            beside: Observed::times(beside),
        });
    }
    Ok(measured)
}

pub(super) async fn bandwidth(stage: &Stage) -> Taken {
    let rate = ByteCount(1024 * 1024);
    let fault = OnBytes::Bandwidth(Bandwidth {
        rate,
        direction: Direction::From,
    });
    let mut guard = stage.inject(fault).await?;
    let per_second = |took: Duration| {
        let rate = BULK_BYTES as f64 / took.as_secs_f64().max(f64::MIN_POSITIVE);
        Observed::Rate(ByteCount(rate as u64))
    };
    let observed = Caller::connect(&stage.link)
        .await?
        .echoed(BULK_BYTES)
        .await?;
    let beside = Caller::connect(&stage.beside).await?;
    let beside = { beside }.echoed(BULK_BYTES).await?;
    guard.remove().await?;
    Ok(vec![Measured {
        fault: format!("bandwidth {rate}/s"),
        requested: Amount::Rate(rate),
        observed: per_second(observed),
        beside: per_second(beside),
    }])
}

pub(super) async fn slow_close(stage: &Stage) -> Taken {
    let by = Duration::from_millis(50);
    let fault = OnBytes::SlowClose(SlowClose {
        by,
        direction: Direction::From,
    });
    let mut guard = stage.inject(fault).await?;
    let (mut observed, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..CONNECTIONS {
        observed.push(Caller::connect(&stage.link).await?.close().await?);
        beside.push(Caller::connect(&stage.beside).await?.close().await?);
    }
    guard.remove().await?;
    Ok(vec![Measured {
        fault: "slow_close 50ms".to_owned(),
        requested: Amount::Time(by),
        observed: Observed::times(observed),
        beside: Observed::times(beside),
    }])
}

pub(super) async fn cut(stage: &Stage) -> Taken {
    let direction = Direction::From;
    let mut guard = stage.inject(OnBytes::Cut(Cut { direction })).await?;
    let (mut observed, mut beside) = (0, 0);
    for _ in 0..CONNECTIONS {
        let mut hit = Caller::connect(&stage.link).await?;
        observed += usize::from(hit.hears_nothing().await);
        let mut spared = Caller::connect(&stage.beside).await?;
        beside += usize::from(spared.round_trip().await.is_err());
    }
    guard.remove().await?;
    Ok(vec![counted("cut: no answer", observed, beside)])
}

pub(super) async fn reset(stage: &Stage) -> Taken {
    let mut guard = stage.inject(OnBytes::Reset(Reset::default())).await?;
    let (mut observed, mut beside) = (0, 0);
    for _ in 0..CONNECTIONS {
        let mut hit = Caller::connect(&stage.link).await?;
        observed += usize::from(hit.is_reset().await);
        let mut spared = Caller::connect(&stage.beside).await?;
        beside += usize::from(spared.round_trip().await.is_err());
    }
    guard.remove().await?;
    Ok(vec![counted("reset: connections reset", observed, beside)])
}

fn counted(what: &str, observed: usize, beside: usize) -> Measured {
    let happened = |times| Observed::Happened {
        times,
        of: CONNECTIONS,
    };
    Measured {
        fault: what.to_owned(),
        requested: Amount::Always,
        observed: happened(observed),
        beside: happened(beside),
    }
}
