//! Whether a fault on processes holds what serves, and not a stand-in: whoever
//! listens where callers connect must be among those that it reached.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use squall_faults::{Member, Origin};
use squall_scenario::{OnProcess, Sighting};
use tokio::time::{Instant, sleep};

use crate::system::{Instance, Listens};

/// How long a listening socket may outlive what was done to its owner, and how
/// long a new start of an instance may be unknown.
const SETTLES_WITHIN: Duration = Duration::from_secs(1);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// An instance that a fault was aimed at, as it was then.
#[derive(Debug)]
pub(super) struct Reached {
    fault: OnProcess,
    instance: Arc<Instance>,
    origin: Origin,
    /// Whether the fault keeps it down until its end.
    held: bool,
    /// Who listened when the fault was first seen in force.
    listened: OnceLock<Vec<Member>>,
}

impl Reached {
    pub(super) const fn new(
        fault: OnProcess,
        instance: Arc<Instance>,
        origin: Origin,
        held: bool,
    ) -> Self {
        Self {
            fault,
            instance,
            origin,
            held,
            listened: OnceLock::new(),
        }
    }

    /// What the fault does to who listens.
    ///
    /// # Errors
    /// Somebody serves whom it does not hold, or that cannot be seen; in words.
    pub(super) async fn verify(&self) -> Result<Sighting, String> {
        let deadline = Instant::now() + SETTLES_WITHIN;
        loop {
            let seen = match self.fault {
                OnProcess::Pause => self.is_stopped().await,
                OnProcess::Kill(_) | OnProcess::Monkey(_) => self.is_down().await,
            };
            if seen.is_ok() || Instant::now() >= deadline {
                return seen;
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn is_stopped(&self) -> Result<Sighting, String> {
        let address = self.instance.address();
        match self.instance.listens(&self.origin).await {
            Listens::Own(by) => {
                if let Some(runs) = by.iter().find(|member| !member.is_stopped()) {
                    return Err(format!(
                        "pid {}, which listens on {address}, is in state {}, not stopped",
                        runs.identity.pid, runs.state
                    ));
                }
                let by = self.listened.get_or_init(|| by);
                Ok(Sighting::ListenerStopped {
                    address: address.to_string(),
                    pids: by.iter().map(|member| member.identity.pid).collect(),
                })
            }
            Listens::Nobody if self.listened.get().is_some() => Err(format!(
                "nobody listens on {address} any more: what listened there has ended"
            )),
            Listens::Nobody => Ok(Sighting::NobodyListens {
                address: address.to_string(),
            }),
            Listens::Stranger(who) => Err(self.out_of_reach(&who)),
            Listens::Unseen(why) => Err(format!("{why}, so nothing shows that it is stopped")),
        }
    }

    async fn is_down(&self) -> Result<Sighting, String> {
        let address = self.instance.address();
        let again = self.instance.origin();
        let again = again.filter(|origin| !self.held && *origin != self.origin);
        let of = again.as_ref().unwrap_or(&self.origin);
        match self.instance.listens(of).await {
            Listens::Nobody => Ok(Sighting::NobodyListens {
                address: address.to_string(),
            }),
            Listens::Stranger(who) => Err(self.out_of_reach(&who)),
            Listens::Own(_) | Listens::Unseen(_) if again.is_some() => Ok(Sighting::StartedAgain {
                instance: self.instance.name.clone(),
            }),
            Listens::Own(_) => Err(format!("something of it still listens on {address}")),
            Listens::Unseen(why) => Err(format!("{why}, so nothing shows that it has ended")),
        }
    }

    fn out_of_reach(&self, who: &str) -> String {
        format!(
            "{who} and does not belong to {}: the fault does not reach what serves",
            self.instance.name
        )
    }

    /// How the process ended, if it has; in words.
    pub(super) async fn end(&self) -> Option<String> {
        if self.origin.root.is_alive() {
            return None;
        }
        let pid = self.origin.root.pid;
        let how = self.instance.end_of(self.origin.root, SETTLES_WITHIN).await;
        let how = how.map_or_else(String::new, |how| format!(" ({how})"));
        Some(format!("{} (pid {pid}) ended{how}", self.instance.name))
    }
}
