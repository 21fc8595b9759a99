//! One proxy of the API: what is said of it, and the engine while it is enabled.

use std::net::SocketAddr;
use std::time::Duration;

use squall_scenario::inject::Direction;
use squall_scenario::seed::sub_seed;
use tokio_util::task::AbortOnDropHandle;

use super::address::{AddressError, listen_error, unlistenable};
use super::entry::Entry;
use super::error::ApiError;
use super::input::Wanted;
use super::json::push_text;
use super::metrics::{Carried, Link};
use crate::proxy::Port;
use crate::{ConnectionInfo, LateConfig, LinkLimit, Proxy, ProxyCounters};

/// A toxic with what the server keeps for it.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) entry: Entry,
    /// What it is called in the engine. Another one of the same name is another
    /// toxic, so it has another id.
    pub(super) id: String,
    /// Takes it away when its time is over.
    pub(super) expiry: Option<AbortOnDropHandle<()>>,
}

/// A proxy.
#[derive(Debug)]
pub(super) struct Proxied {
    name: String,
    /// As given until it listened, then where it does.
    pub(super) listen: String,
    pub(super) upstream: String,
    engine: Option<Proxy>,
    toxics: Vec<Held>,
    /// Toxics it ever had.
    added: u64,
}

/// What starting an engine takes from the server.
#[derive(Debug, Clone)]
pub(super) struct Means {
    pub(super) seed: u64,
    pub(super) limit: LinkLimit,
    /// Whether others than this machine may be listened for.
    pub(super) beyond_loopback: bool,
}

impl Proxied {
    pub(super) fn new(wanted: &Wanted) -> Self {
        Self {
            name: wanted.name.clone(),
            listen: wanted.listen.clone(),
            upstream: wanted.upstream.clone(),
            engine: None,
            toxics: Vec::new(),
            added: 0,
        }
    }

    pub(super) const fn is_enabled(&self) -> bool {
        self.engine.is_some()
    }

    /// What can be changed of it, as it is.
    pub(super) fn as_wanted(&self) -> Wanted {
        Wanted {
            name: self.name.clone(),
            listen: self.listen.clone(),
            upstream: self.upstream.clone(),
            enabled: self.is_enabled(),
            toxics: Vec::new(),
        }
    }

    /// Whether it would listen or dial elsewhere.
    pub(super) fn differs(
        &self,
        wanted: &Wanted,
        address: Result<SocketAddr, AddressError>,
    ) -> Result<bool, ApiError> {
        let address = address.map_err(ApiError::internal)?;
        Ok(self.listen != address.to_string() || self.upstream != wanted.upstream)
    }

    /// Listens, with the toxics it has; where it has to listen at the `port` of
    /// who stopped before it, callers meanwhile wait and are not refused.
    pub(super) fn start(
        &mut self,
        means: &Means,
        address: Result<SocketAddr, AddressError>,
        port: Option<Port>,
    ) -> Result<(), ApiError> {
        let address = address.map_err(|error| ApiError::internal(unlistenable(&error)))?;
        if !address.ip().is_loopback() && !means.beyond_loopback {
            return Err(ApiError::forbidden(format_args!(
                "listen tcp {address}: not on loopback; start the server with a token to listen there"
            )));
        }
        let config = LateConfig {
            name: self.name.clone(),
            listen: address,
            upstream: self.upstream.clone(),
            seed: sub_seed(means.seed, &self.name),
            limit: means.limit.clone(),
        };
        let engine = match port.filter(|port| port.address() == address) {
            Some(port) => Proxy::take_over(port, config),
            None => Proxy::start_late(config),
        };
        let engine = engine.map_err(|error| ApiError::internal(listen_error(address, &error)))?;
        self.listen = engine.address().to_string();
        for held in &self.toxics {
            attach(&engine, held)?;
        }
        self.engine = Some(engine);
        Ok(())
    }

    /// Ends every connection, and stops listening when the port that it gives is
    /// dropped; what went through is added to the `carried` of all, where somebody
    /// counts.
    pub(super) async fn stop(&mut self, carried: &mut Option<Carried>) -> Option<Port> {
        let engine = self.engine.take()?;
        let port = engine.hand_over().await;
        if let Some(carried) = carried {
            carried.add(self.link(), &engine.counters());
        }
        port
    }

    /// Its toxics: those upstream first, each direction in order of addition.
    pub(super) fn toxics(&self) -> impl Iterator<Item = &Held> {
        let of = |direction| {
            let toxics = self.toxics.iter();
            toxics.filter(move |held| held.entry.direction() == direction)
        };
        of(Direction::To).chain(of(Direction::From))
    }

    pub(super) fn toxic(&self, name: &str) -> Option<&Held> {
        self.toxics.iter().find(|held| held.entry.name == name)
    }

    /// Adds a toxic at the end of its direction's chain; its id.
    pub(super) fn add(&mut self, entry: Entry) -> Result<String, ApiError> {
        self.added += 1;
        let held = Held {
            id: format!("{}#{}", entry.name, self.added),
            entry,
            expiry: None,
        };
        if let Some(engine) = &self.engine {
            attach(engine, &held)?;
        }
        let id = held.id.clone();
        self.toxics.push(held);
        Ok(id)
    }

    /// Makes a toxic what `entry` says, on live connections as well.
    pub(super) fn change(&mut self, entry: Entry) -> Result<String, ApiError> {
        let mut toxics = self.toxics.iter_mut();
        let found = toxics.find(|held| held.entry.name == entry.name);
        let held = found.ok_or_else(ApiError::toxic_not_found)?;
        held.entry = entry;
        if let Some(engine) = &self.engine
            && let Some(inject) = held.entry.inject()
        {
            let share = held.entry.share();
            let updated = engine.update(&held.id, &inject, share);
            updated.map_err(ApiError::internal)?;
        }
        Ok(held.id.clone())
    }

    /// Lets a toxic go when its time is over.
    pub(super) fn expire(&mut self, id: &str, expiry: Option<AbortOnDropHandle<()>>) {
        if let Some(held) = self.toxics.iter_mut().find(|held| held.id == id) {
            held.expiry = expiry;
        }
    }

    /// Takes the toxics away that are `unwanted`; whether there was one.
    pub(super) fn remove(&mut self, unwanted: impl Fn(&Held) -> bool) -> bool {
        let before = self.toxics.len();
        let engine = &self.engine;
        self.toxics.retain(|held| {
            let goes = unwanted(held);
            if goes && let Some(engine) = engine {
                engine.detach(&held.id);
            }
            !goes
        });
        self.toxics.len() < before
    }

    /// The engine, to wait for what it has been told.
    pub(super) fn followed(&self) -> Followed {
        Followed(self.engine.clone())
    }

    /// What it did since it was enabled; toxics have the names they have here.
    pub(super) fn counters(&self) -> Option<ProxyCounters> {
        let mut counters = self.engine.as_ref()?.counters();
        for toxic in &mut counters.toxics {
            self.rename(&mut toxic.id);
        }
        Some(counters)
    }

    /// Its live connections; none while it is disabled.
    pub(super) fn connections(&self) -> Vec<ConnectionInfo> {
        let live = self.engine.as_ref().map(Proxy::connections);
        let mut live = live.unwrap_or_default();
        for toxic in live.iter_mut().flat_map(|one| &mut one.toxics) {
            self.rename(toxic);
        }
        live
    }

    /// Resets one of them; whether there was one with this id.
    pub(super) fn kill(&self, id: u64) -> bool {
        self.engine.as_ref().is_some_and(|engine| engine.kill(id))
    }

    /// What a toxic is called here, from what it is called in the engine.
    fn rename(&self, id: &mut String) {
        if let Some(held) = self.toxics.iter().find(|held| held.id == *id) {
            id.clone_from(&held.entry.name);
        }
    }

    /// Adds what it did since it was enabled.
    pub(super) fn add_to(&self, carried: &mut Carried) {
        if let Some(engine) = &self.engine {
            carried.add(self.link(), &engine.counters());
        }
    }

    fn link(&self) -> Link {
        Link {
            proxy: self.name.clone(),
            listener: self.listen.clone(),
            upstream: self.upstream.clone(),
        }
    }

    /// It as JSON.
    pub(super) fn json(&self) -> String {
        let mut out = "{\"name\":".to_owned();
        push_text(&mut out, &self.name);
        out += ",\"listen\":";
        push_text(&mut out, &self.listen);
        out += ",\"upstream\":";
        push_text(&mut out, &self.upstream);
        out += &format!(",\"enabled\":{},\"toxics\":", self.is_enabled());
        out += &self.toxics_json();
        out.push('}');
        out
    }

    /// Its toxics as JSON.
    pub(super) fn toxics_json(&self) -> String {
        let toxics: Vec<_> = self.toxics().map(|held| held.entry.json()).collect();
        format!("[{}]", toxics.join(","))
    }
}

fn attach(engine: &Proxy, held: &Held) -> Result<(), ApiError> {
    let Some(inject) = held.entry.inject() else {
        return Ok(());
    };
    let attached = engine.attach(&held.id, &inject, held.entry.share());
    attached.map_err(ApiError::internal)
}

/// Connections follow within moments, whatever their peers do; on a machine
/// that is short of time somewhat later.
const FOLLOW_WITHIN: Duration = Duration::from_secs(5);

/// An engine that was told something.
pub(super) struct Followed(Option<Proxy>);

impl Followed {
    /// Waits until every live connection has followed.
    pub(super) async fn wait(self) {
        if let Some(engine) = self.0 {
            let switched = engine.switched(FOLLOW_WITHIN).await;
            if switched.waiting > 0 {
                let (link, waiting) = (engine.name(), switched.waiting);
                tracing::warn!(link, waiting, "connections do not follow their toxics");
            }
        }
    }
}
