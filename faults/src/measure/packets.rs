//! Faults on packets: what connections meet, and what the kernel counts.

use std::io;
use std::time::{Duration, Instant};

use squall_scenario::inject::{Loss, Partition, Rate, Reject};
use squall_scenario::{ByteCount, Direction, OnNetwork, Share};

use super::stage::{Caller, Stage};
use super::{Amount, Measured, NotMeasured, Observed};
use crate::network::{ActivePackets, Met, may_filter};
use crate::{Filter, PacketsFault};

/// Connections of each measurement.
const CONNECTIONS: usize = 20;
/// Connections that send until enough packets were seen.
const SENDERS: usize = 100;
/// How many packets are enough.
const PACKETS: u64 = 1000;
const SHARE: f64 = 0.2;
/// Bytes per second that pass.
const LIMIT: u64 = 1 << 20;
/// For how long what passes is counted.
const COUNTED_FOR: Duration = Duration::from_secs(2);
/// How often it is looked whether anything was dropped.
const LOOK_EVERY: Duration = Duration::from_millis(10);

type Taken = Result<Vec<Measured>, NotMeasured>;

pub(super) async fn partition(stage: &Stage) -> Taken {
    let mut hit = connected(stage, CONNECTIONS).await?;
    let direction = Direction::Both;
    let active = inject(stage, &OnNetwork::Partition(Partition { direction })).await?;
    let mut silent = 0;
    for caller in &mut hit {
        silent += usize::from(caller.hears_nothing().await);
    }
    let harmed = harmed(stage).await?;
    active.remove().await?;
    Ok(vec![happened("partition: no answer", silent, harmed)])
}

pub(super) async fn reject(stage: &Stage) -> Taken {
    let active = inject(stage, &OnNetwork::Reject(Reject)).await?;
    let mut refused = 0;
    for _ in 0..CONNECTIONS {
        let connected = Caller::connect(&stage.echo.link).await;
        refused += usize::from(
            connected.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused),
        );
    }
    let harmed = harmed(stage).await?;
    active.remove().await?;
    Ok(vec![happened(
        "reject: connections refused",
        refused,
        harmed,
    )])
}

/// Nobody waits for what is lost: what counts is what the kernel counts.
pub(super) async fn loss(stage: &Stage) -> Taken {
    let mut senders = connected(stage, SENDERS).await?;
    let share = Share::new(SHARE).unwrap_or(Share::WHOLE);
    let direction = Direction::To;
    let active = inject(stage, &OnNetwork::Loss(Loss { share, direction })).await?;
    let observed = loop {
        for sender in &mut senders {
            sender.send().await?;
        }
        let met = active.met().await?;
        if met.seen.packets >= PACKETS {
            break Observed::Happened {
                times: met.hit.packets as usize,
                of: met.seen.packets as usize,
            };
        }
    };
    let harmed = harmed(stage).await?;
    active.remove().await?;
    Ok(vec![Measured {
        fault: format!("loss {share}: packets dropped"),
        requested: Amount::Share(share),
        observed,
        beside: harmed,
    }])
}

/// How much passes once what was not used before is used up; the kernel counts it.
pub(super) async fn rate(stage: &Stage) -> Taken {
    let limit = ByteCount(LIMIT);
    let direction = Direction::To;
    let mut sender = Caller::connect(&stage.echo.link).await?;
    sender.round_trip().await?;
    let active = inject(stage, &OnNetwork::Rate(Rate { limit, direction })).await?;
    let observed = tokio::select! {
        observed = passes(&active) => observed?,
        ended = sender.sends_without_end() => return Err(ended.into()),
    };
    let harmed = harmed(stage).await?;
    active.remove().await?;
    Ok(vec![Measured {
        fault: format!("rate {limit}/s: passed"),
        requested: Amount::Rate(limit),
        observed,
        beside: harmed,
    }])
}

/// Bytes per second that are not dropped.
async fn passes(active: &ActivePackets) -> Result<Observed, NotMeasured> {
    // The first that is dropped has found nothing left.
    while active.met().await?.hit.packets == 0 {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let begun = Instant::now();
    let before = active.met().await?;
    tokio::time::sleep(COUNTED_FOR).await;
    let after = active.met().await?;
    let passed = |met: &Met| met.seen.bytes.saturating_sub(met.hit.bytes);
    let bytes = passed(&after).saturating_sub(passed(&before)) as f64;
    let per_second = bytes / begun.elapsed().as_secs_f64();
    Ok(Observed::Rate(ByteCount(per_second as u64)))
}

async fn connected(stage: &Stage, times: usize) -> io::Result<Vec<Caller>> {
    let mut callers = Vec::new();
    for _ in 0..times {
        let mut caller = Caller::connect(&stage.echo.link).await?;
        // Now the target has accepted it.
        caller.round_trip().await?;
        callers.push(caller);
    }
    Ok(callers)
}

/// How many connections beside the fault get no answer.
async fn harmed(stage: &Stage) -> io::Result<Observed> {
    let mut times = 0;
    for _ in 0..CONNECTIONS {
        let mut spared = Caller::connect(&stage.echo.beside).await?;
        times += usize::from(spared.round_trip().await.is_err());
    }
    let of = CONNECTIONS;
    Ok(Observed::Happened { times, of })
}

async fn inject(stage: &Stage, inject: &OnNetwork) -> Result<ActivePackets, NotMeasured> {
    may_filter().map_err(NotMeasured::Missing)?;
    let inject = inject.packets();
    let inject = inject.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let link = &stage.echo.link;
    let fault = PacketsFault {
        targets: vec![link.name().to_owned()],
        filter: Filter::of(&inject, vec![link.address()]),
        inject,
    };
    Ok(ActivePackets::inject(&fault, stage.context()).await?)
}

fn happened(fault: &str, times: usize, beside: Observed) -> Measured {
    let of = CONNECTIONS;
    Measured {
        fault: fault.to_owned(),
        requested: Amount::Always,
        observed: Observed::Happened { times, of },
        beside,
    }
}
