//! One instance of a process: where it listens, where it stands, what a fault
//! wants of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use squall_faults::guardian::LaidOver;
use squall_faults::{Origin, ProcessIdentity, Proxy};
use squall_scenario::Process;
use tokio::sync::watch;

use super::port_holder::{self, Listens};
use super::ports::PortLease;

/// Where an instance stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstanceState {
    /// Not running.
    Down,
    /// Running, not known to serve.
    Starting(Origin),
    /// Running, and its ready probe succeeded.
    Ready(Origin),
    /// It never became ready, or stays down against the plan; in words.
    Failed(String),
}

/// What a fault wants of an instance when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// No fault is involved: the restart policy decides.
    Policy,
    /// A fault ends it; the restart policy brings it back.
    EndThenPolicy,
    /// A fault ends it and holds it down.
    Down,
    /// The fault is over: it comes back at once.
    Back,
}

/// An instance and everything needed to start it again at the same address.
#[derive(Debug)]
pub struct Instance {
    /// Its process.
    pub process: Process,
    /// Its name, for instance `catalog-0`.
    pub name: String,
    /// Its inbound link, if it has one.
    pub proxy: Option<Proxy>,
    /// Named links that lead to it.
    pub(super) named_links: Vec<Proxy>,
    pub(super) lease: PortLease,
    pub(super) argv: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
    /// Files that its processes find in place of others.
    pub(super) laid_over: Vec<LaidOver>,
    pub(crate) log_path: PathBuf,
    /// Where its fault layer, if it has one, lets faults be switched.
    pub(crate) faults_socket: PathBuf,
    pub(super) state: watch::Sender<InstanceState>,
    /// What a fault wants.
    pub(super) wanted: watch::Sender<Wanted>,
    /// Whether it has served before.
    pub(super) served: AtomicBool,
    /// The last process that ended, and how; in words.
    pub(super) last_end: watch::Sender<Option<(ProcessIdentity, String)>>,
}

impl Instance {
    pub(super) fn new(
        process: Process,
        name: String,
        proxy: Option<Proxy>,
        lease: PortLease,
        log_path: PathBuf,
        faults_socket: PathBuf,
    ) -> Self {
        Self {
            process,
            name,
            proxy,
            named_links: Vec::new(),
            lease,
            argv: Vec::new(),
            env: BTreeMap::new(),
            laid_over: Vec::new(),
            log_path,
            faults_socket,
            state: watch::channel(InstanceState::Down).0,
            wanted: watch::channel(Wanted::Policy).0,
            served: AtomicBool::new(false),
            last_end: watch::channel(None).0,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.lease.address()
    }

    /// Where its callers connect: its inbound link, or itself.
    #[must_use]
    pub fn callers_address(&self) -> SocketAddr {
        self.proxy
            .as_ref()
            .map_or_else(|| self.address(), Proxy::address)
    }

    /// Every link that listens while it does.
    pub(super) fn links(&self) -> impl Iterator<Item = &Proxy> {
        self.proxy.iter().chain(&self.named_links)
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> InstanceState {
        self.state.borrow().clone()
    }

    /// Who it is, if it runs.
    #[must_use]
    pub fn identity(&self) -> Option<ProcessIdentity> {
        self.origin().map(|origin| origin.root)
    }

    /// What it is made of, if it runs.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        match &*self.state.borrow() {
            InstanceState::Starting(origin) | InstanceState::Ready(origin) => Some(origin.clone()),
            InstanceState::Down | InstanceState::Failed(_) => None,
        }
    }

    /// Who would accept a connection to it, if it is made of `origin`.
    pub(crate) async fn listens(&self, origin: &Origin) -> Listens {
        port_holder::look(self.address(), origin).await
    }

    /// How a process of it ended, waiting at most `within` to be told; in words.
    pub(crate) async fn end_of(&self, who: ProcessIdentity, within: Duration) -> Option<String> {
        let mut last = self.last_end.subscribe();
        let is_it = |last: &Option<(ProcessIdentity, String)>| {
            last.as_ref().is_some_and(|(ended, _)| *ended == who)
        };
        let told = tokio::time::timeout(within, last.wait_for(is_it)).await;
        let (_, how) = told.ok()?.ok()?.clone()?;
        Some(how)
    }

    /// Tells the supervisor that a fault is about to end the process; with
    /// `hold` it also stays down until [`Instance::release`].
    pub fn expect_end(&self, hold: bool) {
        self.wanted.send_replace(if hold {
            Wanted::Down
        } else {
            Wanted::EndThenPolicy
        });
    }

    /// The process lives after all: its next end would be a surprise.
    pub fn expect_no_end(&self) {
        self.wanted.send_replace(Wanted::Policy);
    }

    /// Lets the supervisor start the process again, whatever its restart
    /// policy says.
    pub fn release(&self) {
        self.wanted.send_if_modified(|wanted| {
            let held = *wanted == Wanted::Down;
            if held {
                *wanted = Wanted::Back;
            }
            held
        });
    }

    /// Nobody can start it again, so nobody need wait for it.
    pub(super) fn lost_its_guardian(&self) {
        let why = "its guardian is gone".to_owned();
        self.state.send_replace(InstanceState::Failed(why));
    }

    pub(crate) fn end_is_expected(&self) -> bool {
        *self.wanted.borrow() != Wanted::Policy
    }

    /// Waits until the instance serves, as another process than `not` if that
    /// is given: a process that was just killed may not be known to be gone.
    ///
    /// # Errors
    /// It failed for good, or the deadline passed; in words.
    pub async fn wait_until_ready(
        &self,
        not: Option<ProcessIdentity>,
        within: Duration,
    ) -> Result<Origin, String> {
        let mut states = self.state.subscribe();
        let ready = async {
            loop {
                match &*states.borrow_and_update() {
                    InstanceState::Ready(origin) if Some(origin.root) != not => {
                        return Ok(origin.clone());
                    }
                    InstanceState::Failed(why) => return Err(why.clone()),
                    InstanceState::Down | InstanceState::Starting(_) | InstanceState::Ready(_) => {}
                }
                if states.changed().await.is_err() {
                    return Err("its supervisor has ended".to_owned());
                }
            }
        };
        match tokio::time::timeout(within, ready).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Err(format!("it was not ready within {within:?}")),
        }
    }
}
