//! Faults on bytes, and how late the machine is by itself.

use std::time::{Duration, Instant};

use squall_scenario::inject::{
    Bandwidth, Corrupt, Cut, Delay, Direction, LimitData, Reset, Slicer, SlowClose, Timeout,
};
use squall_scenario::{ByteCount, OnBytes, Share};

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
        let mut hit = Caller::connect(&stage.echo.link).await?;
        let mut spared = Caller::connect(&stage.echo.beside).await?;
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
    let observed = Caller::connect(&stage.echo.link)
        .await?
        .echoed(BULK_BYTES)
        .await?;
    let beside = Caller::connect(&stage.echo.beside).await?;
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
        observed.push(Caller::connect(&stage.echo.link).await?.close().await?);
        beside.push(Caller::connect(&stage.echo.beside).await?.close().await?);
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
        let mut hit = Caller::connect(&stage.echo.link).await?;
        observed += usize::from(hit.hears_nothing().await);
        let mut spared = Caller::connect(&stage.echo.beside).await?;
        beside += usize::from(spared.round_trip().await.is_err());
    }
    guard.remove().await?;
    Ok(vec![counted("cut: no answer", observed, beside)])
}

pub(super) async fn reset(stage: &Stage) -> Taken {
    let mut guard = stage.inject(OnBytes::Reset(Reset::default())).await?;
    let (mut observed, mut beside) = (0, 0);
    for _ in 0..CONNECTIONS {
        let mut hit = Caller::connect(&stage.echo.link).await?;
        observed += usize::from(hit.is_reset().await);
        let mut spared = Caller::connect(&stage.echo.beside).await?;
        beside += usize::from(spared.round_trip().await.is_err());
    }
    guard.remove().await?;
    Ok(vec![counted("reset: connections reset", observed, beside)])
}

/// How long a connection without a byte lives under a timeout.
const SILENT_FOR: Duration = Duration::from_millis(50);

pub(super) async fn timeout(stage: &Stage) -> Taken {
    let fault = OnBytes::Timeout(Timeout {
        after: SILENT_FOR,
        direction: Direction::From,
    });
    let mut guard = stage.inject(fault).await?;
    let (mut observed, mut beside) = (Vec::new(), 0);
    for _ in 0..CONNECTIONS {
        let mut hit = Caller::connect(&stage.echo.link).await?;
        observed.push(hit.closed_after().await?);
        let mut spared = Caller::connect(&stage.echo.beside).await?;
        beside += usize::from(spared.round_trip().await.is_err());
    }
    guard.remove().await?;
    Ok(vec![Measured {
        fault: "timeout 50ms".to_owned(),
        requested: Amount::Time(SILENT_FOR),
        observed: Observed::times(observed),
        beside: happened(beside, CONNECTIONS),
    }])
}

/// What is sent where bytes are counted.
const SENT_BYTES: usize = 64 * 1024;

pub(super) async fn limit_data(stage: &Stage) -> Taken {
    let bytes = ByteCount(4096);
    let fault = OnBytes::LimitData(LimitData {
        bytes,
        direction: Direction::From,
    });
    let mut guard = stage.inject(fault).await?;
    let sent = vec![b'x'; SENT_BYTES];
    let (mut observed, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..CONNECTIONS {
        let hit = Caller::connect(&stage.echo.link).await?;
        observed.push({ hit }.pieces_of(&sent).await?.concat().len());
        let spared = Caller::connect(&stage.echo.beside).await?;
        beside.push({ spared }.pieces_of(&sent).await?.concat().len());
    }
    guard.remove().await?;
    Ok(vec![Measured {
        fault: "limit_data 4KiB".to_owned(),
        requested: Amount::Bytes(bytes),
        observed: Observed::sizes(&observed),
        beside: Observed::sizes(&beside),
    }])
}

pub(super) async fn slicer(stage: &Stage) -> Taken {
    let size = ByteCount(64);
    let fault = OnBytes::Slicer(Slicer {
        size,
        variation: ByteCount(0),
        pause: Duration::from_millis(2),
        direction: Direction::From,
    });
    let mut guard = stage.inject(fault).await?;
    let sent = vec![b'x'; 4096];
    let lengths = |pieces: Vec<Vec<u8>>| pieces.iter().map(Vec::len).collect::<Vec<_>>();
    let mut hit = Caller::connect(&stage.echo.link).await?;
    let observed = lengths(hit.pieces_of(&sent).await?);
    let mut spared = Caller::connect(&stage.echo.beside).await?;
    let beside = lengths(spared.pieces_of(&sent).await?);
    guard.remove().await?;
    Ok(vec![Measured {
        fault: "slicer 64B every 2ms".to_owned(),
        requested: Amount::Bytes(size),
        observed: Observed::sizes(&observed),
        beside: Observed::sizes(&beside),
    }])
}

pub(super) async fn corrupt(stage: &Stage) -> Taken {
    const EVERY: usize = 64;
    let fault = OnBytes::Corrupt(Corrupt {
        chunks: Share::WHOLE,
        every: Some(ByteCount(EVERY as u64)),
        direction: Direction::From,
    });
    let mut guard = stage.inject(fault).await?;
    let sent = vec![0; SENT_BYTES];
    // Stretches in which exactly one bit came back set.
    let flipped = |got: &[u8]| {
        let bits = |stretch: &[u8]| stretch.iter().map(|byte| byte.count_ones()).sum::<u32>();
        let times = got.chunks(EVERY).filter(|stretch| bits(stretch) == 1);
        happened(times.count(), SENT_BYTES / EVERY)
    };
    let mut hit = Caller::connect(&stage.echo.link).await?;
    let observed = flipped(&hit.pieces_of(&sent).await?.concat());
    let mut spared = Caller::connect(&stage.echo.beside).await?;
    let beside = flipped(&spared.pieces_of(&sent).await?.concat());
    guard.remove().await?;
    Ok(vec![Measured {
        fault: "corrupt: one bit in 64B".to_owned(),
        requested: Amount::Always,
        observed,
        beside,
    }])
}

pub(super) async fn share(stage: &Stage) -> Taken {
    const OF: usize = 400;
    let Some(share) = Share::new(0.2) else {
        return Ok(Vec::new());
    };
    let fault = OnBytes::Reset(Reset::default());
    let mut guard = stage.inject_on(fault, share).await?;
    let (mut observed, mut beside) = (0, 0);
    for _ in 0..OF {
        let mut hit = Caller::connect(&stage.echo.link).await?;
        observed += usize::from(hit.is_reset().await);
        let mut spared = Caller::connect(&stage.echo.beside).await?;
        beside += usize::from(spared.round_trip().await.is_err());
    }
    guard.remove().await?;
    Ok(vec![Measured {
        fault: format!("reset of {share}"),
        requested: Amount::Share(share),
        observed: happened(observed, OF),
        beside: happened(beside, OF),
    }])
}

fn happened(times: usize, of: usize) -> Observed {
    Observed::Happened { times, of }
}

fn counted(what: &str, observed: usize, beside: usize) -> Measured {
    Measured {
        fault: what.to_owned(),
        requested: Amount::Always,
        observed: happened(observed, CONNECTIONS),
        beside: happened(beside, CONNECTIONS),
    }
}
