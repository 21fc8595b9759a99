//! The simulated world itself: a guardian, a system, injections.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use squall_faults::JournalError;
use squall_record::{Manifest, ProbeReading, ProcessChange, RecordError, RunEvent};
use squall_scenario::{Evidence, EvidenceLevel, FaultSpec, ProcessSeen, Sighting};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::load::{SimulatedLoad, TheTold, Traffic};
use super::script::{Answer, Call, Script};
use crate::clock::RunClock;
use crate::hub::{Disk, EventHub};
use crate::world::seam::{Guardian, Injected, Member, NotInjected, System, Undo, World};

/// Between two readings of what processes use.
const READ_EVERY: Duration = Duration::from_secs(1);

/// From the start of the system to its first process.
const TOLD_AFTER: Duration = Duration::from_millis(310);

/// A world, and the strings by which a test pulls it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct SimulatedWorld {
    pub(crate) script: Arc<Script>,
    pub(crate) traffic: watch::Sender<Traffic>,
    pub(crate) disk: watch::Sender<Disk>,
    pub(crate) told: Arc<Mutex<TheTold>>,
    /// What is broken right now.
    pub(crate) broken: Arc<Mutex<BTreeSet<(String, u32)>>>,
    /// Injections that came about, and removals that worked.
    pub(crate) injected: Arc<Mutex<Vec<(String, u32)>>>,
    pub(crate) removed: Arc<Mutex<Vec<(String, u32)>>>,
    /// Why a monkey may kill nobody.
    pub(crate) spares: Arc<Mutex<Option<String>>>,
    guardian_gone: CancellationToken,
    system_dead: CancellationToken,
    manifest: Manifest,
    dir: PathBuf,
    hub: Arc<Mutex<Option<EventHub>>>,
}

impl SimulatedWorld {
    pub(crate) fn new(manifest: Manifest, dir: PathBuf) -> Self {
        Self {
            script: Arc::new(Script::new()),
            traffic: watch::Sender::new(Traffic::Good),
            disk: watch::Sender::new(Disk::Writes),
            told: Arc::default(),
            broken: Arc::default(),
            injected: Arc::default(),
            removed: Arc::default(),
            spares: Arc::default(),
            guardian_gone: CancellationToken::new(),
            system_dead: CancellationToken::new(),
            manifest,
            dir,
            hub: Arc::default(),
        }
    }

    /// The guardian is gone, and the system with it.
    pub(crate) fn lose_guardian(&self) {
        self.guardian_gone.cancel();
        self.kill_system();
    }

    /// The system ends by itself.
    pub(crate) fn kill_system(&self) {
        self.system_dead.cancel();
        self.traffic.send_replace(Traffic::Refused);
        self.tell(life_of_a_process(ProcessChange::Exited {
            status: "signal 11".to_owned(),
            expected: false,
        }));
    }

    /// A reading over which a guard of the scenario trips.
    pub(crate) fn read_trouble(&self) {
        self.tell(RunEvent::Probe(ProbeReading {
            probe: "trouble".to_owned(),
            value: Some(1.0),
            error: None,
            took_us: 0,
            looked_us: None,
        }));
    }

    fn tell(&self, event: RunEvent) {
        if let Some(hub) = self.hub.lock().unwrap().as_ref() {
            hub.emit_at_once(event);
        }
    }
}

impl World for SimulatedWorld {
    type Undo = Self;
    type Guardian = Self;
    type System = Self;

    fn open_record(&self, clock: RunClock) -> Result<EventHub, RecordError> {
        let disk = self.disk.subscribe();
        let hub = EventHub::on_disk(disk, self.dir.clone(), &self.manifest, clock)?;
        *self.hub.lock().unwrap() = Some(hub.clone());
        Ok(hub)
    }

    async fn open_undo(&self) -> Result<Self, JournalError> {
        let opened = self.script.answer(Call::OpenUndo).await;
        opened.map(|()| self.clone()).map_err(journal_error)
    }

    async fn start_guardian(&self, _undo: &Self) -> Result<Self, String> {
        self.script.answer(Call::StartGuardian).await?;
        Ok(self.clone())
    }

    async fn start_system(
        &self,
        _undo: &Self,
        _guardian: &Self,
        hub: &EventHub,
    ) -> Result<Self, String> {
        let told = async {
            tokio::time::sleep(TOLD_AFTER).await;
            hub.emit(life_of_a_process(ProcessChange::Started { pid: 7 }))
                .await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = told => unreachable!("it never ends"),
            () = self.guardian_gone.cancelled() => Err("its guardian is gone".to_owned()),
            () = self.system_dead.cancelled() => Err("shop-0 ended before it was ready".to_owned()),
            started = self.script.answer(Call::StartSystem) => started.map(|()| self.clone()),
        }
    }
}

impl Undo for SimulatedWorld {
    fn close(&self) -> Result<usize, JournalError> {
        match self.script.enter(Call::CloseUndo) {
            Answer::After(_) => Ok(0),
            Answer::Fails(_, why) => Err(journal_error(why.to_owned())),
            Answer::Never => unreachable!("closing takes no time"),
        }
    }
}

impl Guardian for SimulatedWorld {
    async fn gone(&self) {
        self.guardian_gone.cancelled().await;
    }

    async fn hurry(&self) {
        let _ = self.script.answer(Call::Hurry).await;
    }

    async fn end(&self) -> Result<(), String> {
        self.script.answer(Call::EndGuardian).await
    }
}

impl System for SimulatedWorld {
    type Guardian = Self;
    type Load = SimulatedLoad;
    type Member = Target;
    type Injection = SimulatedInjection;

    fn guardian(&self) -> &Self {
        self
    }

    fn instances(&self) -> BTreeMap<String, String> {
        BTreeMap::from([("shop-0".to_owned(), "shop".to_owned())])
    }

    fn watch(&self, hub: &EventHub, tasks: &TaskTracker, stop: &CancellationToken) {
        let (script, hub, stop) = (Arc::clone(&self.script), hub.clone(), stop.clone());
        tasks.spawn(async move {
            let mut ticks = tokio::time::interval(READ_EVERY);
            while stop.run_until_cancelled(ticks.tick()).await.is_some() {
                let usage = BTreeMap::new();
                hub.emit(RunEvent::Resources { usage }).await;
            }
            let _ = script.answer(Call::LastReadings).await;
        });
    }

    async fn start_load(&self) -> Result<SimulatedLoad, String> {
        self.script.answer(Call::StartLoad).await?;
        Ok(SimulatedLoad::start(
            &self.manifest.scenario,
            Arc::clone(&self.script),
            self.traffic.subscribe(),
            Arc::clone(&self.told),
        ))
    }

    fn choose(&self, spec: &FaultSpec, _number: u32) -> Result<Vec<Target>, String> {
        let chosen = vec![Target(spec.into.value.to_string())];
        match self.spares.lock().unwrap().clone() {
            Some(why) if spec.inject.monkey().is_some() => Err(why),
            _ => Ok(chosen),
        }
    }

    async fn inject(
        &self,
        spec: &FaultSpec,
        number: u32,
        _members: &[Target],
        _cut_short: &CancellationToken,
    ) -> Result<SimulatedInjection, NotInjected<SimulatedInjection>> {
        let mut injection = SimulatedInjection {
            world: self.clone(),
            key: (spec.name.value.clone(), number),
            in_force: false,
            is_kill: spec.inject.ends_processes(),
        };
        let mut answer = self.script.answer(Call::Inject).await;
        if self.system_dead.is_cancelled() {
            answer = Err("shop-0 is not running, so it cannot be hit".to_owned());
        }
        match answer {
            Ok(()) => {
                injection.in_force = true;
                self.broken.lock().unwrap().insert(injection.key.clone());
                self.injected.lock().unwrap().push(injection.key.clone());
                Ok(injection)
            }
            Err(why) => Err(NotInjected {
                why,
                rest: injection,
            }),
        }
    }

    async fn stop(&self) -> Result<(), String> {
        self.script.answer(Call::StopSystem).await
    }
}

/// What a fault acts on.
pub(crate) struct Target(String);

impl Member for Target {
    fn name(&self) -> &str {
        &self.0
    }
}

/// A fault that is in force until its removal worked.
pub(crate) struct SimulatedInjection {
    world: SimulatedWorld,
    key: (String, u32),
    in_force: bool,
    is_kill: bool,
}

impl SimulatedInjection {
    async fn look(&self, call: Call) -> Result<(), String> {
        self.world.script.answer(call).await?;
        match self.world.system_dead.is_cancelled() {
            true => Err("shop-0 (pid 7) ended (signal 11) while it was paused".to_owned()),
            false => Ok(()),
        }
    }
}

impl Injected for SimulatedInjection {
    async fn verify(&self) -> Result<Evidence, String> {
        self.look(Call::Verify).await?;
        Ok(felt(Sighting::Stopped(shop())))
    }

    async fn holds_who_serves(&self) -> Result<Vec<Sighting>, String> {
        self.look(Call::LookWhoServes).await?;
        Ok(vec![Sighting::ListenerStopped {
            address: "127.0.0.1:80".to_owned(),
            pids: vec![7],
        }])
    }

    fn is_in_force(&self) -> bool {
        self.in_force
    }

    async fn remove(&mut self, cut_short: &CancellationToken) -> Result<Evidence, String> {
        self.world.script.answer(Call::Remove).await?;
        if self.is_kill {
            let again = self.world.script.answer(Call::ServeAgain);
            cut_short.run_until_cancelled(again).await.transpose()?;
        }
        self.in_force = false;
        self.world.broken.lock().unwrap().remove(&self.key);
        self.world.removed.lock().unwrap().push(self.key.clone());
        Ok(felt(Sighting::Continued(shop())))
    }
}

fn felt(sighting: Sighting) -> Evidence {
    let (level, seen) = (EvidenceLevel::Felt, vec![sighting]);
    Evidence { level, seen }
}

fn shop() -> ProcessSeen {
    ProcessSeen {
        name: "shop-0".to_owned(),
        pid: 7,
        processes: 1,
    }
}

fn life_of_a_process(change: ProcessChange) -> RunEvent {
    RunEvent::Process {
        process: "shop".to_owned(),
        instance: "shop-0".to_owned(),
        change,
    }
}

fn journal_error(why: String) -> JournalError {
    JournalError::Io {
        path: PathBuf::from("undo.ndjson"),
        source: std::io::Error::other(why),
    }
}
