//! The system under test as the engine acts on it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use squall_faults::guardian::GuardianClient;
use squall_record::Shard;
use squall_scenario::{FaultSpec, Scenario};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::injection::{self, Injection};
use super::means::Means;
use super::seam::{self, Guardian, Load, NotInjected, System};
use crate::hub::EventHub;
use crate::probe::{ProbeSetup, watch_probes};
use crate::system::{
    Member, RUN_SCOPE, RunningSystem, watch_breakers, watch_links, watch_resources,
    watch_wall_clock, watch_wants,
};
use squall_load::{Gauges, LoadCommand, LoadHandle, LoadOutput, LoadPlan};

/// What processes may take to end where no system was up.
const END_GRACE: Duration = Duration::from_secs(1);
/// What a guardian that ends may take to be heard to the end.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(1);

/// Processes and links that are up.
#[derive(Debug)]
pub(crate) struct RealSystem {
    pub(super) running: Arc<RunningSystem>,
    pub(super) scenario: Arc<Scenario>,
    pub(super) seed: u64,
    pub(super) shard: Option<Shard>,
    pub(super) cwd: Option<PathBuf>,
    pub(super) log_dir: PathBuf,
    pub(super) allowed_hosts: Vec<String>,
    pub(super) means: Means,
    /// Tells what the guardian complains about.
    pub(super) heard: Mutex<Option<JoinHandle<()>>>,
}

impl RealSystem {
    /// The load, with the scope of this run where requests carry one.
    fn load_in_scope(&self) -> squall_scenario::Load {
        let mut load = self.scenario.load.clone();
        let Some(scope) = self.running.variables().get(RUN_SCOPE) else {
            return load;
        };
        for request in load.routes_mut() {
            *request = request.clone().filled(RUN_SCOPE, &scope);
        }
        load
    }
}

impl System for RealSystem {
    type Guardian = GuardianClient;
    type Load = LoadHandle;
    type Member = Member;
    type Injection = Injection;

    fn guardian(&self) -> &GuardianClient {
        self.running.guardian()
    }

    fn instances(&self) -> BTreeMap<String, String> {
        self.running
            .instances()
            .iter()
            .map(|instance| (instance.name.clone(), instance.process.name.clone()))
            .collect()
    }

    fn watch(&self, hub: &EventHub, tasks: &TaskTracker, stop: &CancellationToken) {
        watch_breakers(&self.running, hub, tasks, stop);
        watch_links(&self.running, hub, tasks, stop);
        tasks.spawn(watch_wants(
            Arc::clone(&self.running),
            hub.clone(),
            stop.clone(),
        ));
        tasks.spawn(watch_resources(
            Arc::clone(&self.running),
            hub.clone(),
            stop.clone(),
        ));
        tasks.spawn(watch_wall_clock(hub.clone(), stop.clone()));
        let setup = ProbeSetup {
            allowed_hosts: self.allowed_hosts.clone(),
            cwd: self.cwd.clone(),
            dir: self.log_dir.clone(),
        };
        watch_probes(&self.running, hub, &setup, tasks, stop);
    }

    async fn start_load(&self) -> Result<LoadHandle, String> {
        let load = self.load_in_scope();
        let connecting = &load.connecting;
        let target = self.running.load_target(connecting, &self.allowed_hosts);
        let destination = target.await?;
        self.running.probe_target(&destination).await?;
        let plan = LoadPlan {
            seed: self.seed,
            destination,
            shard: self.shard,
            // A steady state has to be seen on some load.
            lead: !load.warm_up.is_zero() || self.scenario.steady_state.is_some(),
            load,
        };
        let load = LoadHandle::start(plan).map_err(|error| error.to_string())?;
        tracing::info!("the load's thread started");
        Ok(load)
    }

    fn choose(&self, spec: &FaultSpec, number: u32) -> Result<Vec<Member>, String> {
        match spec.inject.monkey() {
            Some(monkey) => {
                self.means
                    .monkeys
                    .choose(&self.running, spec, (monkey, number), self.seed)
            }
            None => Ok(injection::choose(&self.running, spec, number, self.seed)),
        }
    }

    async fn inject(
        &self,
        spec: &FaultSpec,
        number: u32,
        members: &[Member],
        cut_short: &CancellationToken,
    ) -> Result<Injection, NotInjected<Injection>> {
        Injection::inject(&self.means, &self.running, spec, number, members, cut_short).await
    }

    async fn stop(&self) -> Result<(), String> {
        let stopped = self.running.stop().await.map(|_ended| ());
        tracing::info!("the system was ended");
        let heard = self.heard.lock().ok().and_then(|mut heard| heard.take());
        if let Some(heard) = heard {
            // Its last words. One that lives on has been told of already.
            let _ = tokio::time::timeout(LAST_WORDS_WITHIN, heard).await;
        }
        stopped
    }
}

impl seam::Member for Member {
    fn name(&self) -> &str {
        self.name()
    }
}

impl Guardian for GuardianClient {
    async fn gone(&self) {
        self.gone().await;
    }

    async fn hurry(&self) {
        self.hurry().await;
    }

    async fn end(&self) -> Result<(), String> {
        match self.shutdown(END_GRACE).await {
            Ok(report) if report.left.is_empty() => Ok(()),
            Ok(report) => Err(format!("these processes are left: {:?}", report.left)),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Load for LoadHandle {
    fn commands(&self) -> &mpsc::Sender<LoadCommand> {
        &self.commands
    }

    async fn next(&mut self) -> Option<LoadOutput> {
        self.outputs.recv().await
    }

    fn gauges(&self) -> watch::Receiver<Gauges> {
        self.gauges.clone()
    }

    async fn join(self) {
        match self.join().await {
            Ok(()) => tracing::info!("the load's thread ended"),
            Err(why) => tracing::error!("the load's thread died: {why}"),
        }
    }
}
