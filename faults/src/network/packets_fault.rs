//! A fault on packets as a guard. The rules are the guardian's; squall asks.

use std::fs;

use squall_scenario::inject::Packets;
use squall_scenario::{Evidence, EvidenceLevel, PacketsSeen, Sighting};

use super::packets::{Filter, Met};
use crate::guardian::{GuardianClient, GuardianError};
use crate::{FaultContext, FaultError};

/// How TCP controls congestion on this machine.
const CONGESTION: &str = "/proc/sys/net/ipv4/tcp_congestion_control";

/// A fault on the packets of targets.
#[derive(Debug, Clone)]
pub struct PacketsFault {
    /// The targets, by name.
    pub targets: Vec<String>,
    /// What is done.
    pub inject: Packets,
    /// To which packets.
    pub filter: Filter,
}

/// Rules that are in force. The kernel takes them away with the guardian, so
/// there is nothing to journal.
#[derive(Debug)]
pub(crate) struct ActivePackets {
    fault: PacketsFault,
    id: String,
    guardian: GuardianClient,
    /// What they had met when they were taken away.
    met: std::sync::OnceLock<Met>,
}

impl ActivePackets {
    pub(crate) async fn inject(
        fault: &PacketsFault,
        context: &FaultContext,
    ) -> Result<Self, FaultError> {
        if fault.filter.ports.is_empty() {
            return Err(FaultError::NoLinks);
        }
        // Without a guardian nobody could take them away.
        let guardian = context.guardian.clone().ok_or(GuardianError::Gone)?;
        let id = format!("{}#{}", context.fault, context.injection);
        guardian.filter(&id, &fault.filter).await?;
        Ok(Self {
            fault: fault.clone(),
            id,
            guardian,
            met: std::sync::OnceLock::new(),
        })
    }

    /// Reads the rules back from the kernel.
    pub(crate) async fn verify(&self) -> Result<Evidence, FaultError> {
        let met = self.guardian.filtered(&self.id).await?;
        let seen = self.seen(met);
        let level = level(&seen);
        let seen = vec![Sighting::OnPackets(seen)];
        Ok(Evidence { level, seen })
    }

    /// Takes the rules away, and sees that they are gone.
    pub(crate) async fn remove(&self) -> Result<Evidence, FaultError> {
        let met = match self.guardian.unfilter(&self.id).await {
            // The kernel took them away with their owner.
            Err(GuardianError::Gone) => Met::default(),
            met => met?,
        };
        let met = *self.met.get_or_init(|| met);
        let seen = self.seen(met);
        let level = level(&seen);
        let seen = vec![Sighting::OffPackets(seen)];
        Ok(Evidence { level, seen })
    }

    /// Asks for the removal and waits for nothing.
    pub(crate) fn signal_removal(&self) {
        let (guardian, id) = (self.guardian.clone(), self.id.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = guardian.unfilter(&id).await {
                    tracing::warn!(%error, "rules for packets stay until the guardian ends");
                }
            });
        }
    }

    fn seen(&self, met: Met) -> PacketsSeen {
        PacketsSeen {
            fault: self.fault.inject,
            targets: self.fault.targets.clone(),
            seen: met.seen.packets,
            hit: met.hit.packets,
            hit_bytes: met.hit.bytes,
            congestion: congestion(),
        }
    }
}

fn congestion() -> String {
    let read = fs::read_to_string(CONGESTION);
    read.map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned())
}

/// One that no packet met has done nothing yet.
const fn level(seen: &PacketsSeen) -> EvidenceLevel {
    match seen.hit {
        0 => EvidenceLevel::Acted,
        _ => EvidenceLevel::Felt,
    }
}

/// Whether this process may have rules in the kernel, tried with one that hits
/// nothing.
///
/// # Errors
/// Why not, in words.
pub(crate) fn may_filter() -> Result<(), String> {
    let mut filters = super::packets::Filters::default();
    let filter = Filter {
        ports: vec![1],
        direction: squall_scenario::Direction::Both,
        callers: Vec::new(),
        of_ten_thousand: 0,
        reset: false,
    };
    filters.add("tried", &filter)?;
    filters.look("tried")?;
    filters.remove("tried").map(drop)
}
