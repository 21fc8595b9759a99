//! Faults on packets: what connections meet, and what the kernel counts.

use std::io;

use squall_scenario::inject::{Loss, Partition, Reject};
use squall_scenario::{Direction, OnNetwork, Share};

use super::stage::{Caller, Stage};
use super::{Amount, Measured, NotMeasured, Observed};
use crate::network::{ActivePackets, may_filter};
use crate::{Filter, PacketsFault};

/// Connections of each measurement.
const CONNECTIONS: usize = 20;
/// Connections that send until enough packets were seen.
const SENDERS: usize = 100;
/// How many packets are enough.
const PACKETS: u64 = 1000;
const SHARE: f64 = 0.2;

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
