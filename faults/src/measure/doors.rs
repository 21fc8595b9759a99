//! Faults on new connections: what becomes of callers before their first byte.

use std::io;
use std::time::{Duration, Instant};

use squall_scenario::OnBytes;
use squall_scenario::inject::{AcceptReset, Beyond, ConnectionLimit, Refuse, SlowConnect, Stall};

use super::stage::{Caller, Stage};
use super::{Amount, Measured, NotMeasured, Observed};
use crate::Proxy;

/// Connections of each measurement.
const TIMES: usize = 20;
/// How much later new connections are served.
const LATER: Duration = Duration::from_millis(20);

type Taken = Result<Vec<Measured>, NotMeasured>;

/// What becomes of one who calls, and for how long.
struct Called {
    /// Whether the fault shows.
    is_hit: bool,
    took: Duration,
}

pub(super) async fn refuse(stage: &Stage) -> Taken {
    let refuse = OnBytes::Refuse(Refuse {});
    happens(stage, "refuse: connections refused", refuse, |error| {
        error.kind() == io::ErrorKind::ConnectionRefused
    })
    .await
}

pub(super) async fn accept_reset(stage: &Stage) -> Taken {
    let reset = OnBytes::AcceptReset(AcceptReset {});
    happens(stage, "accept_reset: resets", reset, is_reset).await
}

pub(super) async fn connection_limit(stage: &Stage) -> Taken {
    let limit = ConnectionLimit {
        most: 1,
        beyond: Beyond::Reset,
    };
    let mut inside = Caller::connect(&stage.echo.link).await?;
    inside.round_trip().await?;
    let limit = OnBytes::ConnectionLimit(limit);
    let taken = happens(stage, "connection_limit 1: resets", limit, is_reset).await;
    // It is there all the while.
    inside.round_trip().await?;
    taken
}

pub(super) async fn stall(stage: &Stage) -> Taken {
    let mut guard = stage.inject(OnBytes::Stall(Stall {})).await?;
    let mut silent = 0;
    for _ in 0..TIMES {
        let mut hit = Caller::connect(&stage.echo.link).await?;
        silent += usize::from(hit.hears_nothing().await);
        // However long that takes on a busy machine.
        call(&stage.echo.beside, |_| false).await?;
    }
    guard.remove().await?;
    Ok(vec![every_time("stall: no answer", [silent, 0])])
}

pub(super) async fn slow_connect(stage: &Stage) -> Taken {
    let later = OnBytes::SlowConnect(SlowConnect { by: LATER });
    let mut guard = stage.inject(later).await?;
    let (mut hit, mut spared) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        hit.push(call(&stage.echo.link, |_| false).await?.took);
        spared.push(call(&stage.echo.beside, |_| false).await?.took);
    }
    guard.remove().await?;
    Ok(vec![Measured {
        fault: "slow_connect 20ms".to_owned(),
        requested: Amount::Time(LATER),
        observed: Observed::times(hit),
        beside: Observed::times(spared),
    }])
}

/// How often callers fail in a way that shows the fault.
async fn happens(
    stage: &Stage,
    what: &str,
    inject: OnBytes,
    shows: fn(&io::Error) -> bool,
) -> Taken {
    let mut guard = stage.inject(inject).await?;
    // A link that is to refuse may listen for a moment longer.
    guard.verify().await?;
    let mut times = [0, 0];
    for _ in 0..TIMES {
        for (link, times) in [&stage.echo.link, &stage.echo.beside]
            .into_iter()
            .zip(&mut times)
        {
            *times += usize::from(call(link, shows).await?.is_hit);
        }
    }
    guard.remove().await?;
    Ok(vec![every_time(what, times)])
}

/// Connects and waits for a byte that comes back.
async fn call(link: &Proxy, shows: fn(&io::Error) -> bool) -> io::Result<Called> {
    let begun = Instant::now();
    let called = async { Caller::connect(link).await?.round_trip().await };
    match called.await {
        Ok(_) => Ok(Called {
            is_hit: false,
            took: begun.elapsed(),
        }),
        Err(error) if shows(&error) => Ok(Called {
            is_hit: true,
            took: begun.elapsed(),
        }),
        Err(error) => Err(error),
    }
}

fn is_reset(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionReset
}

fn every_time(fault: &str, [hit, spared]: [usize; 2]) -> Measured {
    let of = TIMES;
    Measured {
        fault: fault.to_owned(),
        requested: Amount::Always,
        observed: Observed::Happened { times: hit, of },
        beside: Observed::Happened { times: spared, of },
    }
}
