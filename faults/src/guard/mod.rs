//! Faults as guards: injected, verified, removed, and removed when dropped.

pub mod journal;
pub mod recover;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use squall_scenario::Inject;

use crate::{EventSink, FaultError, Journal, ProcessIdentity, ProcessTarget, Proxy};

/// What every injection needs to know about the run.
#[derive(Debug, Clone)]
pub struct FaultContext {
    /// Name of the fault in the scenario.
    pub fault: String,
    /// Which repetition, from 0.
    pub injection: u32,
    /// Where events go.
    pub events: EventSink,
    /// Where undos are written first. Faults that die with squall (toxics)
    /// do not use it.
    pub journal: Arc<Journal>,
    /// The guardian, which no fault may hit.
    pub guardian: Option<ProcessIdentity>,
    /// How long effects and their undo may take to show.
    pub deadline: Duration,
}

/// Something that can be injected.
#[derive(Debug, Clone)]
pub enum Fault {
    /// A fault on the bytes of links.
    Toxic(ToxicFault),
    /// A fault on a process.
    Process(ProcessFault),
}

/// A fault on the bytes of every link given.
#[derive(Debug, Clone)]
pub struct ToxicFault {
    /// The links; at least one.
    pub proxies: Vec<Proxy>,
    /// What is done to their bytes.
    pub inject: Inject,
}

/// A fault on one process: `kill` or `pause`.
#[derive(Debug, Clone)]
pub struct ProcessFault {
    /// Who.
    pub target: ProcessTarget,
    /// What is done.
    pub inject: Inject,
}

/// An injected fault. Dropping it signals the undo; only [`FaultGuard::remove`]
/// waits for it and says whether it worked.
#[derive(Debug)]
pub struct FaultGuard {}

/// How much is proved about an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum EvidenceLevel {
    /// In place, but nothing has met it yet (no traffic since injection).
    Attached,
    /// Something was hit, and that was seen.
    Effective,
}

/// Proof that a fault took effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// How much is proved.
    pub level: EvidenceLevel,
    /// A sentence for people, with numbers.
    pub text: String,
    /// The numbers: name and value, in a fixed order.
    pub counters: Vec<(String, u64)>,
}

/// Proof that a fault is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Removal {
    /// A sentence for people, with numbers.
    pub text: String,
    /// What the fault did in total: name and value, in a fixed order.
    pub counters: Vec<(String, u64)>,
}

impl Fault {
    /// Breaks something. When this fails, nothing is left broken.
    ///
    /// # Errors
    /// See [`FaultError`].
    pub async fn inject(&self, context: &FaultContext) -> Result<FaultGuard, FaultError> {
        let _ = context;
        Err(FaultError::NoLinks)
    }
}

impl FaultGuard {
    /// Looks for proof of the effect. May be asked again: evidence grows from
    /// attached to effective as traffic meets the fault.
    ///
    /// # Errors
    /// The effect is not there: [`FaultError::NotSwitched`],
    /// [`FaultError::NotEffective`].
    pub async fn verify(&self) -> Result<Evidence, FaultError> {
        Err(FaultError::NoLinks)
    }

    /// Undoes the effect and checks that it is gone. A second call has nothing
    /// to do and says so.
    ///
    /// # Errors
    /// The effect may still be there.
    pub async fn remove(&mut self) -> Result<Removal, FaultError> {
        Err(FaultError::NoLinks)
    }
}
