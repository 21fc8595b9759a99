//! What a fault on a process reaches: the process alone, or everything that
//! the instance is made of.
//!
//! A service behind a start script is a child of the process squall started,
//! or has gone into a session of its own; a signal to that process alone, or to
//! its group, would leave the service serving.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use super::handle::LOOK_EVERY;
use super::members::{Member, Origin, members};
use super::signals::{resume_members, signal_members};
use super::{Owner, ProcessHandle, ProcessIdentity, ProcessTarget};
use crate::guardian::{GroupSignal, GuardianClient, GuardianError};
use crate::{FaultContext, FaultError};

/// The longest pause between two looks at an instance; a look reads all of
/// `/proc`.
const LOOK_EVERY_MAX: Duration = Duration::from_millis(32);

/// A process in hand, and whether its instance goes with it.
#[derive(Debug)]
pub(super) struct Reach {
    pub(super) handle: ProcessHandle,
    origin: Option<Origin>,
    guardian: Option<GuardianClient>,
    /// Who was signalled of what squall did not start: nothing marks them, so
    /// they are not found any more when the process that started them is gone.
    followed: Mutex<Vec<ProcessIdentity>>,
}

impl Reach {
    /// Opens the process. Everything of its instance goes with it if squall
    /// started it or was allowed to hit it.
    pub(super) fn open(target: &ProcessTarget, context: &FaultContext) -> Result<Self, FaultError> {
        let handle = ProcessHandle::open(target.identity)?;
        let origin = target.mark.as_ref().map(|mark| Origin {
            root: target.identity,
            mark: mark.clone(),
        });
        Ok(Self {
            handle,
            origin,
            // It knows what it started, and nothing else.
            guardian: match target.owner() {
                Owner::Squall => context.guardian.clone(),
                Owner::Allowed | Owner::Unknown => None,
            },
            followed: Mutex::default(),
        })
    }

    /// The instance, unless it is the process alone.
    pub(super) const fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// Signals everything in reach; who was signalled, or lives after they were
    /// continued. An instance is its guardian's to signal, who needs nothing
    /// that is short here; squall does it itself once the guardian is gone.
    pub(super) async fn signal(&self, signal: GroupSignal) -> Result<Vec<Member>, FaultError> {
        let Some(origin) = self.origin.clone() else {
            let members = alone(self.handle.identity).into_iter().collect();
            self.handle.signal(signal.into())?;
            return Ok(members);
        };
        if let Some(guarded) = self.guarded(&origin, Some(signal)).await {
            return guarded;
        }
        match signal {
            GroupSignal::Cont => {
                self.continue_followed()?;
                let resumed = off_runtime(move || resume_members(&origin).map(drop)).await;
                resumed?;
                self.living().await
            }
            _ => {
                let signalled = off_runtime(move || signal_members(&origin, signal.into())).await?;
                self.follow(&signalled);
                Ok(signalled)
            }
        }
    }

    fn follow(&self, signalled: &[Member]) {
        if self
            .origin
            .as_ref()
            .is_some_and(|origin| origin.mark.is_empty())
        {
            self.followed()
                .extend(signalled.iter().map(|member| member.identity));
        }
    }

    fn followed(&self) -> MutexGuard<'_, Vec<ProcessIdentity>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn continue_followed(&self) -> Result<(), FaultError> {
        for identity in self.followed().iter() {
            let sent = ProcessHandle::open(*identity).and_then(|one| one.signal(Signal::CONT));
            match sent {
                Ok(()) | Err(FaultError::ProcessGone { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What lives within reach.
    pub(super) async fn living(&self) -> Result<Vec<Member>, FaultError> {
        let Some(origin) = self.origin.clone() else {
            return Ok(alone(self.handle.identity).into_iter().collect());
        };
        let mut living = match self.guarded(&origin, None).await {
            Some(guarded) => guarded?,
            None => off_runtime(move || members(&origin)).await?,
        };
        let known: Vec<_> = living.iter().map(|member| member.identity).collect();
        let strays = self.followed().clone().into_iter();
        living.extend(strays.filter(|one| !known.contains(one)).filter_map(alone));
        Ok(living)
    }

    /// What the guardian says; `None` without one.
    async fn guarded(
        &self,
        origin: &Origin,
        signal: Option<GroupSignal>,
    ) -> Option<Result<Vec<Member>, FaultError>> {
        let reached = self.guardian.as_ref()?.reach(origin.root, signal).await;
        match reached {
            Err(GuardianError::Gone | GuardianError::Silent { .. }) => None,
            Ok(members) if members.is_empty() && signal.is_some() => {
                let pid = origin.root.pid;
                Some(Err(FaultError::ProcessGone { pid }))
            }
            reached => Some(reached.map_err(FaultError::Guardian)),
        }
    }

    /// Continues everything in reach on the spot, as well as squall can by
    /// itself.
    pub(super) fn resume_at_once(&self) -> Result<(), FaultError> {
        match self.handle.signal(Signal::CONT) {
            Ok(()) | Err(FaultError::ProcessGone { .. }) => {}
            Err(error) => return Err(error),
        }
        self.continue_followed()?;
        match &self.origin {
            Some(origin) => resume_members(origin).map(drop),
            None => Ok(()),
        }
    }

    /// Looks at what lives within reach until that pleases `wanted`, at most
    /// for `within`; the last look.
    pub(super) async fn settle(
        &self,
        wanted: impl Fn(&[Member]) -> bool,
        within: Duration,
    ) -> Result<Vec<Member>, FaultError> {
        let deadline = Instant::now() + within;
        let mut pause = LOOK_EVERY;
        loop {
            let members = self.living().await?;
            if wanted(&members) || Instant::now() >= deadline {
                return Ok(members);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK_EVERY_MAX);
        }
    }
}

/// The process itself, if it lives.
fn alone(identity: ProcessIdentity) -> Option<Member> {
    let state = identity.state();
    let state = state.filter(|state| !matches!(state, 'Z' | 'X'))?;
    Some(Member { identity, state })
}

/// Runs what reads `/proc` on a thread that may block.
pub(crate) async fn off_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FaultError> + Send + 'static,
) -> Result<T, FaultError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| FaultError::io("looking at processes", io::Error::other(error)))?
}
