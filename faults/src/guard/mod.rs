//! Faults as guards: injected, verified, removed, and removed when dropped.

mod context;
pub(crate) mod journal;
mod message_fault;
pub mod recover;
pub(crate) mod run_mark;
mod switched;
mod toxic_fault;
pub(crate) mod undo;

use std::slice;

use squall_scenario::{Evidence, OnBytes, OnHttp, OnProcess, OnResource, Share};

use crate::guardian::GuardianClient;
use crate::http::ScopeKey;
use crate::in_process::{ActiveCalls, CallsFault};
use crate::network::{ActiveNames, ActivePackets, NamesFault, PacketsFault};
use crate::process::{ActiveKill, ActivePause, Owner, off_runtime, refuse, refuse_below};
use crate::resource::{ActiveBurn, ActiveFill, ActiveLimit, ActivePressure, ActiveQuota, Before};
use crate::tls::{ActiveTls, TlsFault};
use crate::{FaultError, ProcessTarget, Proxy};
pub use context::FaultContext;
use message_fault::ActiveMessages;
use toxic_fault::ActiveToxics;

/// Something that can be injected.
#[derive(Debug, Clone)]
pub enum Fault {
    /// A fault on the bytes of links.
    Toxic(ToxicFault),
    /// A fault on the HTTP of links.
    Messages(MessageFault),
    /// A fault on a process.
    Process(ProcessFault),
    /// A fault on the TLS of links.
    Tls(TlsFault),
    /// A fault on names.
    Names(NamesFault),
    /// A fault on what a process has.
    Resource(ResourceFault),
    /// A fault on packets.
    Packets(PacketsFault),
    /// A fault on calls inside processes.
    Calls(CallsFault),
}

/// A fault on the bytes of every link given.
#[derive(Debug, Clone)]
pub struct ToxicFault {
    /// The links; at least one.
    pub proxies: Vec<Proxy>,
    /// What is done to their bytes.
    pub inject: OnBytes,
    /// To which share of their connections.
    pub share: Share,
}

/// A fault on the HTTP of every link given.
#[derive(Debug, Clone)]
pub struct MessageFault {
    /// The links; at least one.
    pub proxies: Vec<Proxy>,
    /// What is done to their messages.
    pub inject: OnHttp,
    /// The key by which scopes are signed, for a fault that asks for one.
    pub scopes: Option<ScopeKey>,
}

/// A fault on one process, with everything it started if squall started it or was
/// allowed to hit it: `kill` or `pause`.
#[derive(Debug, Clone)]
pub struct ProcessFault {
    /// Who.
    pub target: ProcessTarget,
    /// What is done.
    pub inject: OnProcess,
}

/// A fault on what one process has, with everything it started if squall started it
/// or was allowed to hit it.
#[derive(Debug, Clone)]
pub struct ResourceFault {
    /// Whose.
    pub target: ProcessTarget,
    /// What is done.
    pub inject: OnResource,
}

/// An injected fault. Dropping it signals the undo; only [`FaultGuard::remove`]
/// waits for it and says whether it worked.
#[derive(Debug)]
pub struct FaultGuard {
    context: FaultContext,
    active: Active,
    removed: bool,
}

/// What is broken right now.
#[derive(Debug)]
enum Active {
    Toxics(ActiveToxics),
    Messages(ActiveMessages),
    Kill(ActiveKill),
    Pause(ActivePause),
    Tls(ActiveTls),
    Names(ActiveNames),
    Limit(ActiveLimit),
    Packets(ActivePackets),
    Quota(ActiveQuota),
    Fill(ActiveFill),
    Burn(ActiveBurn),
    Pressure(ActivePressure),
    Calls(ActiveCalls),
}

impl Fault {
    /// Looks at the targets of those faults whose effect is compared with the moment
    /// before, all at once; takes no time where there is none.
    pub async fn look_before(faults: &[Self]) -> Before {
        let targets = faults.iter().filter_map(Self::compared);
        let targets = targets.map(|target| (target.identity, target.mark.clone()));
        Before::of(targets.collect()).await
    }

    /// The target, where its waiting is compared with that of before.
    const fn compared(&self) -> Option<&ProcessTarget> {
        match self {
            Self::Resource(fault) => match &fault.inject {
                OnResource::CpuBurn(_) => Some(&fault.target),
                OnResource::Limit(_)
                | OnResource::Cpu(_)
                | OnResource::Memory(_)
                | OnResource::Freeze(_)
                | OnResource::MemoryPressure(_)
                | OnResource::Disk(_) => None,
            },
            Self::Toxic(_)
            | Self::Messages(_)
            | Self::Process(_)
            | Self::Tls(_)
            | Self::Names(_)
            | Self::Packets(_)
            | Self::Calls(_) => None,
        }
    }

    /// Breaks something. When this fails, nothing is left broken.
    ///
    /// # Errors
    /// See [`FaultError`].
    pub async fn inject(&self, context: &FaultContext) -> Result<FaultGuard, FaultError> {
        let before = Self::look_before(slice::from_ref(self)).await;
        self.inject_after(&before, context).await
    }

    /// Breaks something of several that are broken together, all of which were looked
    /// at before. When this fails, nothing of it is left broken.
    ///
    /// # Errors
    /// See [`FaultError`].
    pub async fn inject_after(
        &self,
        before: &Before,
        context: &FaultContext,
    ) -> Result<FaultGuard, FaultError> {
        let active = match self {
            Self::Toxic(fault) => Active::Toxics(ActiveToxics::inject(fault, context)?),
            Self::Messages(fault) => Active::Messages(ActiveMessages::inject(fault, context)?),
            Self::Process(fault) => inject_process(fault, context).await?,
            Self::Tls(fault) => Active::Tls(ActiveTls::inject(fault, context)?),
            Self::Names(fault) => Active::Names(ActiveNames::inject(fault, context)?),
            Self::Resource(fault) => inject_resource(fault, before, context).await?,
            Self::Packets(fault) => Active::Packets(ActivePackets::inject(fault, context).await?),
            Self::Calls(fault) => Active::Calls(ActiveCalls::inject(fault, context).await?),
        };
        Ok(FaultGuard {
            context: context.clone(),
            active,
            removed: false,
        })
    }
}

async fn inject_process(
    fault: &ProcessFault,
    context: &FaultContext,
) -> Result<Active, FaultError> {
    let target = &fault.target;
    allowed(target, context).await?;
    match &fault.inject {
        OnProcess::Kill(kill) => {
            let killed = ActiveKill::inject(target, *kill, context).await?;
            Ok(Active::Kill(killed))
        }
        OnProcess::Monkey(monkey) => {
            let killed = ActiveKill::inject(target, monkey.kill(), context).await?;
            Ok(Active::Kill(killed))
        }
        OnProcess::Pause => Ok(Active::Pause(ActivePause::inject(target, context).await?)),
    }
}

async fn inject_resource(
    fault: &ResourceFault,
    before: &Before,
    context: &FaultContext,
) -> Result<Active, FaultError> {
    let target = &fault.target;
    allowed(target, context).await?;
    match &fault.inject {
        OnResource::Limit(limit) => {
            let lowered = ActiveLimit::inject(target, *limit, context).await?;
            Ok(Active::Limit(lowered))
        }
        OnResource::Cpu(cpu) => {
            let starved = ActiveQuota::inject(target, (*cpu).into(), context).await?;
            Ok(Active::Quota(starved))
        }
        OnResource::CpuBurn(burn) => {
            let burning = ActiveBurn::inject(target, *burn, before, context).await?;
            Ok(Active::Burn(burning))
        }
        OnResource::Memory(memory) => {
            let limited = ActiveQuota::inject(target, (*memory).into(), context).await?;
            Ok(Active::Quota(limited))
        }
        OnResource::Freeze(freeze) => {
            let frozen = ActiveQuota::inject(target, (*freeze).into(), context).await?;
            Ok(Active::Quota(frozen))
        }
        OnResource::MemoryPressure(pressure) => {
            let pressed = ActivePressure::inject(target, *pressure, context).await?;
            Ok(Active::Pressure(pressed))
        }
        OnResource::Disk(disk) => {
            let filled = ActiveFill::inject(target, disk, context).await?;
            Ok(Active::Fill(filled))
        }
    }
}

/// Whether nothing forbids to touch a process, and what a fault on it reaches.
async fn allowed(target: &ProcessTarget, context: &FaultContext) -> Result<(), FaultError> {
    let guardian = context.guardian.as_ref().map(GuardianClient::identity);
    let (identity, owner) = (target.identity, target.owner());
    refuse(identity.pid, owner, guardian)?;
    match owner {
        Owner::Allowed => off_runtime(move || refuse_below(identity, guardian)).await,
        Owner::Squall | Owner::Unknown => Ok(()),
    }
}

impl FaultGuard {
    /// Looks for proof of the effect. May be asked again: evidence grows from
    /// acted to felt as traffic meets the fault.
    ///
    /// # Errors
    /// The effect is not there: [`FaultError::NotSwitched`],
    /// [`FaultError::NotEffective`]; or not any more:
    /// [`FaultError::NoLongerEffective`], [`FaultError::ProcessGone`].
    pub async fn verify(&self) -> Result<Evidence, FaultError> {
        let within = self.context.deadline;
        match &self.active {
            Active::Toxics(toxics) => toxics.verify(within).await,
            Active::Messages(messages) => messages.verify(within).await,
            Active::Kill(kill) => kill.verify(within).await,
            Active::Pause(pause) => pause.verify(within).await,
            Active::Tls(tls) => Ok(tls.verify()),
            Active::Names(names) => names.verify(within).await,
            Active::Limit(limit) => limit.verify().await,
            Active::Packets(packets) => packets.verify().await,
            Active::Quota(quota) => quota.verify().await,
            Active::Fill(fill) => fill.verify(within).await,
            Active::Burn(burn) => burn.verify(within).await,
            Active::Pressure(pressure) => pressure.verify(within).await,
            Active::Calls(calls) => calls.verify(within).await,
        }
    }

    /// Undoes the effect and checks that it is gone. After a failure it may be
    /// tried again; after a success it has nothing to do and says the same.
    ///
    /// # Errors
    /// The effect may still be there.
    pub async fn remove(&mut self) -> Result<Evidence, FaultError> {
        let within = self.context.deadline;
        let result = match &self.active {
            Active::Toxics(toxics) => toxics.remove(within).await,
            Active::Messages(messages) => messages.remove(within).await,
            Active::Kill(kill) => Ok(kill.remove()),
            Active::Pause(pause) => pause.remove(within).await,
            Active::Tls(tls) => Ok(tls.remove()),
            Active::Names(names) => names.remove(within).await,
            Active::Limit(limit) => limit.remove().await,
            Active::Packets(packets) => packets.remove().await,
            Active::Quota(quota) => quota.remove().await,
            Active::Fill(fill) => fill.remove().await,
            Active::Burn(burn) => burn.remove().await,
            Active::Pressure(pressure) => pressure.remove().await,
            Active::Calls(calls) => calls.remove(within).await,
        };
        self.removed |= result.is_ok();
        result
    }

    /// Whether the process that was hit has ended; `false` for a fault that hits none.
    #[must_use]
    pub fn target_ended(&self) -> bool {
        match &self.active {
            Active::Toxics(_)
            | Active::Tls(_)
            | Active::Messages(_)
            | Active::Names(_)
            | Active::Packets(_)
            | Active::Calls(_) => false,
            Active::Kill(kill) => kill.target_ended(),
            Active::Pause(pause) => pause.target_ended(),
            Active::Limit(limit) => limit.target_ended(),
            Active::Quota(quota) => quota.target_ended(),
            Active::Fill(fill) => fill.target_ended(),
            Active::Burn(burn) => burn.target_ended(),
            Active::Pressure(pressure) => pressure.target_ended(),
        }
    }
}

impl Drop for FaultGuard {
    fn drop(&mut self) {
        if self.removed {
            return;
        }
        match &self.active {
            Active::Toxics(toxics) => toxics.signal_removal(),
            Active::Messages(messages) => messages.signal_removal(),
            Active::Pause(pause) => pause.signal_removal(),
            Active::Tls(tls) => tls.signal_removal(),
            Active::Names(names) => names.signal_removal(),
            Active::Limit(limit) => limit.signal_removal(),
            Active::Packets(packets) => packets.signal_removal(),
            Active::Quota(quota) => quota.signal_removal(),
            Active::Fill(fill) => fill.signal_removal(),
            Active::Burn(burn) => burn.signal_removal(),
            Active::Pressure(pressure) => pressure.signal_removal(),
            // The process is ended; there is nothing to put back. Connections end
            // with the guard, and what was set on them.
            Active::Kill(_) | Active::Calls(_) => {}
        }
    }
}
