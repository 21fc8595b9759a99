//! A fault inside processes as a guard.
//!
//! There is nothing to journal: the kernel ends the connection when squall ends,
//! and with it the fault.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use squall_scenario::inject::{CallsDone, InProcess};
use squall_scenario::{CallsSeen, Evidence, EvidenceLevel, Sighting};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use super::switch::Switch;
use crate::{FaultContext, FaultError};

/// Between two looks at whether a fault is gone.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A fault inside every process given.
#[derive(Debug, Clone)]
pub struct CallsFault {
    /// The processes; at least one.
    pub processes: Vec<Inside>,
    /// What is done to their calls.
    pub inject: InProcess,
    /// The seed of its decisions.
    pub seed: u64,
}

/// A process with a fault layer in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inside {
    /// Its name, for instance `catalog-0`.
    pub name: String,
    /// Where it was told to let its faults be switched: `SQUALL_FAULTS_SOCKET`.
    pub socket: PathBuf,
}

/// A fault that is set inside its processes.
#[derive(Debug)]
pub(crate) struct ActiveCalls {
    inject: InProcess,
    set: Vec<Set>,
}

/// A fault that is set in one process.
#[derive(Debug)]
struct Set {
    inside: Inside,
    /// The connection it is set on: dropped, it is set no more.
    switch: Mutex<Option<Switch>>,
    /// What it was last known to have done.
    done: std::sync::Mutex<CallsDone>,
}

impl ActiveCalls {
    /// Sets it in all processes or in none.
    pub(crate) async fn inject(
        fault: &CallsFault,
        context: &FaultContext,
    ) -> Result<Self, FaultError> {
        let mut set = Vec::new();
        for inside in &fault.processes {
            let plan = fault.inject.plan();
            let switched = timeout(context.deadline, switched(inside, fault.seed, &plan));
            let switch = switched.await.unwrap_or_else(|_elapsed| Err(silent()));
            let switch = switch.map_err(|why| inside.wrong(why))?;
            set.push(Set {
                inside: inside.clone(),
                switch: Mutex::new(Some(switch)),
                done: std::sync::Mutex::default(),
            });
        }
        let inject = fault.inject.clone();
        Ok(Self { inject, set })
    }

    /// Asks each process.
    pub(crate) async fn verify(&self, within: Duration) -> Result<Evidence, FaultError> {
        for set in &self.set {
            let verified = timeout(within, set.look(&self.inject.point)).await;
            let verified = verified.unwrap_or_else(|_elapsed| Err(silent()));
            verified.map_err(|why| set.inside.wrong(why))?;
        }
        Ok(self.evidence(Sighting::OnCalls))
    }

    /// Takes it away everywhere and asks each process, on another connection,
    /// whether it is gone; one that has ended took it along.
    pub(crate) async fn remove(&self, within: Duration) -> Result<Evidence, FaultError> {
        let mut removed = Ok(());
        for set in &self.set {
            let gone = timeout(within, set.clear(&self.inject.point)).await;
            let gone = gone.unwrap_or_else(|_elapsed| Err(silent()));
            removed = removed.and(gone.map_err(|why| set.inside.wrong(why)));
        }
        removed?;
        Ok(self.evidence(Sighting::OffCalls))
    }

    fn evidence(&self, sighting: impl Fn(CallsSeen) -> Sighting) -> Evidence {
        let each = self.set.iter().map(Set::done);
        let done = each.fold(CallsDone::default(), CallsDone::and);
        let names = self.set.iter().map(|set| set.inside.name.clone());
        let seen = CallsSeen {
            fault: self.inject.clone(),
            processes: names.collect(),
            done,
        };
        let level = match done.struck {
            0 => EvidenceLevel::Acted,
            _ => EvidenceLevel::Felt,
        };
        Evidence {
            level,
            seen: vec![sighting(seen)],
        }
    }
}

async fn switched(inside: &Inside, seed: u64, plan: &str) -> Result<Switch, String> {
    let connected = Switch::connect(&inside.socket).await;
    let mut switch = connected.map_err(|error| match is_nobody(&error) {
        true => "it lets nobody switch its faults: it has no squall-fault-layer, was built without the feature `switch`, or does not call `listen_from_env`".to_owned(),
        false => format!("its faults cannot be switched: {error}"),
    })?;
    switch.set(seed, plan).await?;
    Ok(switch)
}

fn silent() -> String {
    "its fault layer does not answer".to_owned()
}

/// Whether nobody is there to connect to.
fn is_nobody(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    )
}

impl Set {
    /// The connection is taken out while it is used: whoever gives up in the middle
    /// has ended it, and the fault with it.
    async fn look(&self, point: &str) -> Result<(), String> {
        let mut place = self.switch.lock().await;
        let taken = place.take();
        let mut switch = taken.ok_or("it is not set any more")?;
        let done = switch.done(point).await?;
        let done = done.ok_or("something in the process has taken it away")?;
        self.note(done);
        *place = Some(switch);
        Ok(())
    }

    async fn clear(&self, point: &str) -> Result<(), String> {
        let taken = self.switch.lock().await.take();
        if let Some(mut switch) = taken {
            // One that does not answer has lost its connection, and its fault.
            if let Ok(done) = switch.clear(point).await {
                self.note(done);
            }
        }
        loop {
            let mut switch = match Switch::connect(&self.inside.socket).await {
                Ok(switch) => switch,
                Err(error) if is_nobody(&error) => return Ok(()),
                Err(error) => return Err(format!("whether it is gone is not known: {error}")),
            };
            match switch.done(point).await {
                Ok(None) => return Ok(()),
                // The end of a connection is noticed a moment later; the time for
                // all of this is bounded by whoever asked for it.
                Ok(Some(_)) | Err(_) => sleep(LOOK_EVERY).await,
            }
        }
    }

    fn note(&self, done: CallsDone) {
        *self.lock() = done;
    }

    fn done(&self) -> CallsDone {
        *self.lock()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, CallsDone> {
        self.done
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Inside {
    fn wrong(&self, why: String) -> FaultError {
        FaultError::Inside {
            process: self.name.clone(),
            why,
        }
    }
}
