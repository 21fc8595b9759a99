//! An instance's side of discovery: find the dependencies, register, renew, keep the copy fresh.
//!
//! It tries for ever, so the order in which processes start does not matter, and the copy stays in
//! use when discovery is gone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use squall_resilience::{Command, Deadline};
use tokio::time::{sleep, timeout};

use super::directory::Instance;
use super::lease::RENEW_EVERY;
use super::place::Place;
use super::server::Apps;
use super::start::{Start, Verdict};
use crate::dependencies::needs;
use crate::platform::host::Host;
use crate::platform::remote::{Ask, CallError, RemoteError, Reply, http_client, send};
use crate::service::{ServeError, ServiceKind};

/// How often the registry is read while starting.
const STARTING_EVERY: Duration = Duration::from_millis(50);
/// The longest wait between two tries while discovery cannot be reached.
const BACKOFF_MAX: Duration = Duration::from_secs(1);
/// How long leaving may take.
const CANCEL_WAIT: Duration = Duration::from_millis(500);

/// An instance's connection to discovery.
pub(crate) struct Announcer {
    host: Arc<Host>,
    discovery: Place,
    command: Command,
    http: reqwest::Client,
}

impl Announcer {
    /// For this instance and this registry.
    ///
    /// # Errors
    /// The client cannot be set up.
    pub(crate) fn new(host: &Arc<Host>, discovery: Place) -> Result<Self, ServeError> {
        Ok(Self {
            command: host.command("discovery")?.0,
            http: http_client("discovery")?,
            host: Arc::clone(host),
            discovery,
        })
    }

    /// Until the host stops: becomes ready, keeps the lease and the copy. Then leaves the registry.
    pub(crate) async fn run(self) {
        let stop = self.host.stop.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.live() => {}
        }
        // A registry that does not answer will notice by itself.
        let _ = timeout(CANCEL_WAIT, self.call(self.ask(Method::DELETE, ""))).await;
    }

    async fn live(&self) {
        self.find_dependencies().await;
        let mut registered = false;
        loop {
            registered = self.keep_lease(registered).await;
            if registered {
                self.host.set_ready();
            } else {
                let registry = ServiceKind::Discovery.name();
                self.host.set_waiting_for(vec![registry]);
            }
            let fetched = self.fetch().await;
            let next = if registered && fetched {
                RENEW_EVERY
            } else {
                RENEW_EVERY / 4
            };
            sleep(next).await;
        }
    }

    /// Returns when everything that requests are answered with has been seen, or when waiting on
    /// would not help.
    async fn find_dependencies(&self) {
        let mut start = Start::new(needs(self.host.config.kind));
        let mut wait = STARTING_EVERY;
        loop {
            if self.fetch().await {
                match start.look(&self.host.directory.listing(), Instant::now()) {
                    Verdict::Start(without) => {
                        if !without.is_empty() {
                            tracing::warn!(?without, "starting without these services");
                        }
                        return;
                    }
                    Verdict::Wait(missing) => self.host.set_waiting_for(missing),
                }
                wait = STARTING_EVERY;
            } else {
                wait = (wait * 2).min(BACKOFF_MAX);
            }
            sleep(wait).await;
        }
    }

    /// Renews, or registers where there is nothing to renew; whether the lease is held.
    async fn keep_lease(&self, registered: bool) -> bool {
        let load = self.host.metrics.load();
        if registered {
            match self
                .call(self.ask(Method::PUT, &format!("/renew?load={load}")))
                .await
            {
                Ok(StatusCode::NOT_FOUND) => {}
                // Unreachable is not unregistered: the lease may well still run.
                _ => return true,
            }
        }
        let config = &self.host.config;
        let instance = Instance {
            name: config.instance.clone(),
            address: config.advertise,
            zone: self.host.zone.clone(),
            load,
        };
        let ask = self.ask(Method::PUT, "").with_body(&instance);
        self.call(ask).await.is_ok_and(|status| status.is_success())
    }

    async fn fetch(&self) -> bool {
        let read = |(status, reply): (StatusCode, Reply)| {
            status
                .is_success()
                .then(|| reply.json::<Apps>().ok())
                .flatten()
        };
        match self.exchange(&Ask::get("/apps")).await.map(read) {
            Ok(Some(apps)) => {
                self.host.directory.update(apps.listing);
                true
            }
            _ => {
                if !self.host.config.settings.registry_copy.is_enabled() {
                    self.host.directory.forget();
                }
                false
            }
        }
    }

    fn ask(&self, method: Method, suffix: &str) -> Ask {
        let config = &self.host.config;
        let path = format!("/apps/{}/{}{suffix}", config.kind, config.instance);
        Ask::get(path).with_method(method)
    }

    async fn call(&self, ask: Ask) -> Result<StatusCode, CallError> {
        self.exchange(&ask).await.map(|(status, _)| status)
    }

    async fn exchange(&self, ask: &Ask) -> Result<(StatusCode, Reply), CallError> {
        let deadline = self.host.own_deadline(Instant::now());
        self.command
            .execute::<_, RemoteError, _, _>(deadline, |attempt| self.send(ask, attempt.deadline))
            .await
    }

    /// Asks at each address in turn until one can be reached.
    async fn send(
        &self,
        ask: &Ask,
        deadline: Deadline,
    ) -> Result<(StatusCode, Reply), RemoteError> {
        let nowhere = |reason: String| RemoteError::NoAddress {
            place: self.discovery.to_string(),
            reason,
        };
        let addresses = self.discovery.addresses().await;
        let mut outcome = Err(nowhere("none was given".to_owned()));
        for address in addresses.map_err(|error| nowhere(error.to_string()))? {
            outcome = send(&self.http, address, ask, Some(deadline)).await;
            if !matches!(outcome, Err(RemoteError::Broken { .. })) {
                break;
            }
        }
        outcome
    }
}
