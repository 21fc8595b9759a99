//! The seam between the life of a run and the outside. The engine starts,
//! loads, breaks and ends a system through these traits only, and takes the
//! time from [`clock::now`](crate::clock::now): so its tests run on paused time,
//! against a world that does as it is told.
//!
//! Every future here may be dropped: the engine gives up waiting for an answer
//! that does not come.

use std::collections::BTreeMap;

use squall_faults::JournalError;
use squall_record::RecordError;
use squall_scenario::{Evidence, FaultSpec, Sighting};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::RunClock;
use crate::hub::EventHub;
use squall_load::{Gauges, LoadCommand, LoadOutput};

/// Where a run happens.
pub(crate) trait World: Sync {
    /// The book of what has to be undone.
    type Undo: Undo;
    /// Who owns the processes.
    type Guardian: Guardian;
    /// The system under test.
    type System: System<Guardian = Self::Guardian>;

    /// Creates the record, and the hub that writes it.
    ///
    /// # Errors
    /// It cannot be written; nothing was done.
    fn open_record(&self, clock: RunClock) -> Result<EventHub, RecordError>;

    /// Forgets dead runs and opens the book of this one.
    ///
    /// # Errors
    /// It cannot be written; nothing was started.
    fn open_undo(&self) -> impl Future<Output = Result<Self::Undo, JournalError>> + Send;

    /// Starts who owns the processes.
    ///
    /// # Errors
    /// It did not come up, and nothing of it is left; in words.
    fn start_guardian(
        &self,
        undo: &Self::Undo,
    ) -> impl Future<Output = Result<Self::Guardian, String>> + Send;

    /// Starts the system and waits until all of it is ready.
    ///
    /// # Errors
    /// It is not; in words. What was started ends with the guardian.
    fn start_system(
        &self,
        undo: &Self::Undo,
        guardian: &Self::Guardian,
        hub: &EventHub,
    ) -> impl Future<Output = Result<Self::System, String>> + Send;
}

/// The book of what has to be undone, whoever does it.
pub(crate) trait Undo: Sync {
    /// Closes it at the end of the run; how many undos are pending.
    ///
    /// # Errors
    /// It cannot be closed.
    fn close(&self) -> Result<usize, JournalError>;
}

/// Who owns the processes of the system.
pub(crate) trait Guardian: Sync {
    /// Returns when it is gone.
    fn gone(&self) -> impl Future<Output = ()> + Send;

    /// Takes away the time that processes have to end by themselves.
    fn hurry(&self) -> impl Future<Output = ()> + Send;

    /// Ends it with everything that it started.
    ///
    /// # Errors
    /// What is left, in words.
    fn end(&self) -> impl Future<Output = Result<(), String>> + Send;
}

/// A system that is up.
pub(crate) trait System: Send + Sync + 'static {
    /// Who owns its processes.
    type Guardian: Guardian;
    /// A load on it.
    type Load: Load;
    /// Something a fault can act on.
    type Member: Member;
    /// A fault that is in force.
    type Injection: Injected;

    /// Who owns its processes.
    fn guardian(&self) -> &Self::Guardian;

    /// Every instance, and the process that it is one of.
    fn instances(&self) -> BTreeMap<String, String>;

    /// Reads what the scenario wants read until `stop`, and emits it.
    fn watch(&self, hub: &EventHub, tasks: &TaskTracker, stop: &CancellationToken);

    /// Starts the load: the lead load, where there is one.
    ///
    /// # Errors
    /// The target may not be loaded, or nobody is there; in words.
    fn start_load(&self) -> impl Future<Output = Result<Self::Load, String>> + Send;

    /// Chooses what the nth injection of a fault acts on.
    ///
    /// # Errors
    /// A monkey may kill nobody now; in words.
    fn choose(&self, spec: &FaultSpec, number: u32) -> Result<Vec<Self::Member>, String>;

    /// Breaks all of `members` or none.
    ///
    /// # Errors
    /// Why not, with what could not be taken back.
    fn inject(
        &self,
        spec: &FaultSpec,
        number: u32,
        members: &[Self::Member],
        cut_short: &CancellationToken,
    ) -> impl Future<Output = Result<Self::Injection, NotInjected<Self::Injection>>> + Send;

    /// Ends every process and closes every link.
    ///
    /// # Errors
    /// What is left, in words.
    fn stop(&self) -> impl Future<Output = Result<(), String>> + Send;
}

/// Something a fault can act on.
pub(crate) trait Member: Send + Sync {
    /// Its name, for people.
    fn name(&self) -> &str;
}

/// A running load, on a thread of its own.
pub(crate) trait Load: Send {
    /// Commands to it.
    fn commands(&self) -> &mpsc::Sender<LoadCommand>;

    /// The next thing it tells; `None` when its thread has ended.
    fn next(&mut self) -> impl Future<Output = Option<LoadOutput>> + Send;

    /// Rough live figures.
    fn gauges(&self) -> watch::Receiver<Gauges>;

    /// Waits for the end of its thread.
    fn join(self) -> impl Future<Output = ()> + Send;
}

/// A fault that is in force.
pub(crate) trait Injected: Send + Sync + 'static {
    /// Looks for proof of the effect.
    ///
    /// # Errors
    /// It is not there, or not any more; in words.
    fn verify(&self) -> impl Future<Output = Result<Evidence, String>> + Send;

    /// Looks whether the fault holds whoever serves, and what it does to them.
    ///
    /// # Errors
    /// Somebody serves whom it does not hold, or that cannot be seen; in words.
    fn holds_who_serves(&self) -> impl Future<Output = Result<Vec<Sighting>, String>> + Send;

    /// Whether something of it still has to be taken back.
    fn is_in_force(&self) -> bool;

    /// Takes everything back and checks that it is gone. What stays may be tried
    /// again, also by whoever gave up waiting. Nobody waits for processes that
    /// serve again once the run is `cut_short`.
    ///
    /// # Errors
    /// What could not be taken back, in words.
    fn remove(
        &mut self,
        cut_short: &CancellationToken,
    ) -> impl Future<Output = Result<Evidence, String>> + Send;
}

/// An injection that did not come about.
pub(crate) struct NotInjected<I> {
    /// In words.
    pub(crate) why: String,
    /// What could not be taken back of the half that did.
    pub(crate) rest: I,
}
