//! A fault on packets as a guard. The rules are the guardian's, and squall asks;
//! without a guardian they are its own.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use squall_scenario::inject::Packets;
use squall_scenario::{Direction, Evidence, EvidenceLevel, PacketsSeen, Sighting};

use super::packets::{Filter, Filters, Met};
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

/// Rules that are in force. The kernel takes them away with whoever owns them, so
/// there is nothing to journal.
#[derive(Debug)]
pub(crate) struct ActivePackets {
    fault: PacketsFault,
    id: String,
    owner: Owner,
    /// What they had met when they were taken away.
    met: OnceLock<Met>,
}

/// With whom rules end.
#[derive(Debug, Clone)]
enum Owner {
    Guardian(GuardianClient),
    /// Where there is no guardian: this process.
    Own(Arc<Mutex<Filters>>),
}

impl Owner {
    async fn add(&self, id: &str, filter: &Filter) -> Result<(), FaultError> {
        match self {
            Self::Guardian(guardian) => Ok(guardian.filter(id, filter).await?),
            Self::Own(filters) => own(filters).add(id, filter).map_err(refused),
        }
    }

    async fn look(&self, id: &str) -> Result<Met, FaultError> {
        match self {
            Self::Guardian(guardian) => Ok(guardian.filtered(id).await?),
            Self::Own(filters) => own(filters).look(id).map_err(refused),
        }
    }

    async fn remove(&self, id: &str) -> Result<Met, FaultError> {
        match self {
            Self::Guardian(guardian) => match guardian.unfilter(id).await {
                // The kernel took them away with their owner.
                Err(GuardianError::Gone) => Ok(Met::default()),
                met => Ok(met?),
            },
            Self::Own(filters) => own(filters).remove(id).map_err(refused),
        }
    }
}

/// The kernel answers at once, so whoever waits for the lock does not wait.
fn own(filters: &Mutex<Filters>) -> MutexGuard<'_, Filters> {
    // What is in force is looked up in the kernel, never believed.
    filters.lock().unwrap_or_else(PoisonError::into_inner)
}

fn refused(why: String) -> FaultError {
    FaultError::io("rules for packets", io::Error::other(why))
}

/// Whether rules were asked for and are surely not in force.
const fn is_refusal(error: &FaultError) -> bool {
    matches!(
        error,
        FaultError::Guardian(GuardianError::Refused(_)) | FaultError::Io { .. }
    )
}

fn in_doubt(error: &FaultError, left: &FaultError) -> FaultError {
    refused(format!(
        "{error}; they may be in force until the guardian has taken them away, which it was \
         told to do: {left}"
    ))
}

/// Rules that were asked for. A guardian that was not waited for may put them in
/// force later, so it is told to take them away behind that.
struct Asked<'a> {
    active: &'a ActivePackets,
    answered: bool,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.active.signal_removal();
        }
    }
}

impl ActivePackets {
    pub(crate) async fn inject(
        fault: &PacketsFault,
        context: &FaultContext,
    ) -> Result<Self, FaultError> {
        if fault.filter.addresses.is_empty() {
            return Err(FaultError::NoLinks);
        }
        let owner = context.guardian.clone().map(Owner::Guardian);
        let owner = owner.unwrap_or_else(|| Owner::Own(Arc::default()));
        let id = format!("{}#{}", context.fault, context.injection);
        let active = Self {
            fault: fault.clone(),
            id,
            owner,
            met: OnceLock::new(),
        };
        let mut asked = Asked {
            active: &active,
            answered: false,
        };
        let added = match active.owner.add(&active.id, &fault.filter).await {
            Err(error) if !is_refusal(&error) => match active.owner.remove(&active.id).await {
                Ok(_) => Err(error),
                Err(left) => Err(in_doubt(&error, &left)),
            },
            added => added,
        };
        asked.answered = true;
        drop(asked);
        added.map(|()| active)
    }

    /// What the rules have met, read back from the kernel.
    pub(crate) async fn met(&self) -> Result<Met, FaultError> {
        self.owner.look(&self.id).await
    }

    /// Reads the rules back from the kernel.
    pub(crate) async fn verify(&self) -> Result<Evidence, FaultError> {
        let seen = self.seen(self.met().await?);
        let level = level(&seen);
        let seen = vec![Sighting::OnPackets(seen)];
        Ok(Evidence { level, seen })
    }

    /// Takes the rules away, and sees that they are gone.
    pub(crate) async fn remove(&self) -> Result<Evidence, FaultError> {
        let met = self.owner.remove(&self.id).await?;
        let seen = self.seen(*self.met.get_or_init(|| met));
        let level = level(&seen);
        let seen = vec![Sighting::OffPackets(seen)];
        Ok(Evidence { level, seen })
    }

    /// Asks for the removal and waits for nothing.
    pub(crate) fn signal_removal(&self) {
        let (owner, id) = (self.owner.clone(), self.id.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = owner.remove(&id).await {
                    tracing::warn!(%error, "rules for packets stay until their owner ends");
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
    let mut filters = Filters::default();
    let filter = Filter {
        addresses: vec![(Ipv4Addr::LOCALHOST, 1).into()],
        direction: Direction::Both,
        of_ten_thousand: 0,
        reset: false,
        beyond: Some(1),
    };
    filters.add("tried", &filter)?;
    filters.look("tried")?;
    filters.remove("tried").map(drop)
}
