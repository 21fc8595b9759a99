//! The endpoints.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{Mutex, MutexGuard};
use tokio_util::task::AbortOnDropHandle;

use super::address::Addresses;
use super::answer::Answer;
use super::entry::Entry;
use super::error::ApiError;
use super::input::Wanted;
use super::json::push_text;
use super::metrics::Carried;
use super::proxied::{Means, Proxied};
use super::route::{Route, Routed, route};
use crate::LinkLimit;

/// The version that is answered: clients choose by it what they dare to ask for.
const VERSION: &str = "2.12.0";

/// How a server is set up.
#[derive(Debug, Clone, Default)]
pub struct ToxiproxyConfig {
    /// Seed of everything random.
    pub seed: u64,
    /// Whether `/metrics` is answered.
    pub metrics: bool,
    /// Whether proxies may listen on other addresses than those of loopback.
    pub beyond_loopback: bool,
    /// How many connections each proxy may carry.
    pub limit: LinkLimit,
}

/// What a request says.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// `GET`, `POST`, …
    pub method: &'a str,
    /// The path with its query, as sent.
    pub target: &'a str,
    /// `User-Agent`.
    pub user_agent: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
}

/// A list of proxies that could not be created.
#[derive(Debug, Error)]
#[error("{why}")]
pub struct NotPopulated {
    why: String,
}

/// A server without its sockets; a cheap handle that can be cloned. Its proxies
/// end with the last handle.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use squall_faults::toxiproxy::{Request, Toxiproxy, ToxiproxyConfig};
///
/// let server = Toxiproxy::new(ToxiproxyConfig::default());
/// let answer = server.answer(Request {
///     method: "POST",
///     target: "/proxies",
///     user_agent: None,
///     body: br#"{"name": "redis", "upstream": "127.0.0.1:6379", "enabled": false}"#,
/// });
/// assert_eq!(answer.await.status, 201);
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct Toxiproxy(Arc<Server>);

#[derive(Debug)]
struct Server {
    means: Means,
    metrics: bool,
    /// Never held while anybody outside is waited for.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    proxies: BTreeMap<String, Proxied>,
    /// What went through proxies that do not listen any more, where metrics are on.
    carried: Option<Carried>,
}

impl State {
    fn get(&mut self, name: &str) -> Result<&mut Proxied, ApiError> {
        let found = self.proxies.get_mut(name);
        found.ok_or_else(ApiError::proxy_not_found)
    }
}

type Answered = Result<Answer, ApiError>;

impl Toxiproxy {
    /// A server without proxies. They need a tokio runtime.
    #[must_use]
    pub fn new(config: ToxiproxyConfig) -> Self {
        Self(Arc::new(Server {
            means: Means {
                seed: config.seed,
                limit: config.limit,
                beyond_loopback: config.beyond_loopback,
            },
            metrics: config.metrics,
            state: Mutex::new(State {
                carried: config.metrics.then(Carried::default),
                ..State::default()
            }),
        }))
    }

    /// Answers a request. Waits for nobody outside but for names that have to be
    /// looked up, with a deadline, and holds up nobody else meanwhile.
    pub async fn answer(&self, request: Request<'_>) -> Answer {
        let route = match route(request.method, request.target) {
            Routed::To(Route::Metrics) if !self.0.metrics => return Answer::unknown_path(),
            Routed::To(route) => route,
            Routed::Moved(location) => return Answer::moved(location),
            Routed::UnknownPath => return Answer::unknown_path(),
            Routed::WrongMethod => return Answer::wrong_method(),
            Routed::BadPath => return Answer::bad_request(),
        };
        // Pages of the web are no clients of this.
        if request
            .user_agent
            .is_some_and(|agent| agent.starts_with("Mozilla/"))
        {
            return Answer::browser();
        }
        let answered = self.carry_out(route, request.body).await;
        answered.unwrap_or_else(|error| Answer::error(&error))
    }

    async fn carry_out(&self, route: Route, body: &[u8]) -> Answered {
        match route {
            Route::Version => Ok(Answer::version(VERSION)),
            Route::Metrics => Ok(Answer::metrics(self.exposition().await)),
            Route::Reset => self.reset().await,
            Route::Populate => Ok(self.populate(body).await),
            Route::Index => Ok(self.index().await),
            Route::Create => self.create(body).await,
            Route::Show(name) => self.show(&name).await,
            Route::Update(name) => self.update(&name, body).await,
            Route::Delete(name) => self.delete(&name).await,
            Route::Toxics(name) => self.toxics(&name).await,
            Route::AddToxic(name) => self.add_toxic(&name, body).await,
            Route::ShowToxic(name, toxic) => self.show_toxic(&name, &toxic).await,
            Route::UpdateToxic(name, toxic) => self.update_toxic(&name, &toxic, body).await,
            Route::RemoveToxic(name, toxic) => self.remove_toxic(&name, &toxic).await,
            Route::Counters => self.counters().await,
            Route::Connections(name) => self.connections(&name).await,
            Route::Kill(name, id) => self.kill(&name, &id).await,
        }
    }

    /// Creates the proxies of a file, as `/populate` does.
    ///
    /// # Errors
    /// The first thing that is wrong; what came before it is there.
    pub async fn populate_from(&self, file: &[u8]) -> Result<usize, NotPopulated> {
        match self.populated(file).await {
            (done, None) => Ok(done.len()),
            (_, Some(error)) => Err(NotPopulated { why: error.message }),
        }
    }

    /// Ends every connection and stops listening.
    pub async fn shutdown(&self) {
        let mut state = self.0.state.lock().await;
        let State { proxies, carried } = &mut *state;
        for proxy in proxies.values_mut() {
            proxy.stop(carried).await;
        }
    }

    /// Locks, with the addresses known that are `needed`. They are looked up
    /// while nothing is locked.
    async fn lock_knowing(
        &self,
        needed: impl Fn(&State) -> Vec<String>,
    ) -> (MutexGuard<'_, State>, Addresses) {
        let mut addresses = Addresses::default();
        loop {
            let state = self.0.state.lock().await;
            let mut needed = needed(&state);
            needed.retain(|address| !addresses.knows(address));
            if needed.is_empty() {
                return (state, addresses);
            }
            drop(state);
            for address in needed {
                addresses.look_up(address).await;
            }
        }
    }

    async fn index(&self) -> Answer {
        let state = self.0.state.lock().await;
        let mut body = "{".to_owned();
        for (name, proxy) in &state.proxies {
            if body.len() > 1 {
                body.push(',');
            }
            push_text(&mut body, name);
            body.push(':');
            body += &proxy.json();
        }
        body.push('}');
        Answer::json(200, body)
    }

    async fn create(&self, body: &[u8]) -> Answered {
        let wanted = Wanted::created(body)?;
        let listen = || vec![wanted.listen.clone()];
        let (mut state, addresses) = self
            .lock_knowing(|_| wanted.enabled.then(listen).unwrap_or_default())
            .await;
        if state.proxies.contains_key(&wanted.name) {
            return Err(ApiError::proxy_exists());
        }
        let mut proxy = Proxied::new(&wanted);
        if wanted.enabled {
            proxy.start(&self.0.means, addresses.get(&wanted.listen), None)?;
        }
        let answer = Answer::json(201, proxy.json());
        state.proxies.insert(wanted.name, proxy);
        Ok(answer)
    }

    async fn show(&self, name: &str) -> Answered {
        let mut state = self.0.state.lock().await;
        Ok(Answer::json(200, state.get(name)?.json()))
    }

    async fn update(&self, name: &str, body: &[u8]) -> Answered {
        let wanted = |state: &State| {
            let found = state.proxies.get(name);
            let found = found.ok_or_else(ApiError::proxy_not_found);
            found.and_then(|proxy| proxy.as_wanted().changed(body))
        };
        let (mut state, addresses) = self
            .lock_knowing(|state| wanted(state).map_or_else(|_| Vec::new(), |w| vec![w.listen]))
            .await;
        let wanted = wanted(&state)?;
        let address = addresses.get(&wanted.listen);
        let State { proxies, carried } = &mut *state;
        let proxy = proxies
            .get_mut(name)
            .ok_or_else(ApiError::proxy_not_found)?;
        let mut port = None;
        if proxy.differs(&wanted, address.clone())? {
            port = proxy.stop(carried).await;
            proxy.listen.clone_from(&wanted.listen);
            proxy.upstream.clone_from(&wanted.upstream);
        }
        match (proxy.is_enabled(), wanted.enabled) {
            (false, true) => proxy.start(&self.0.means, address, port)?,
            (true, false) => drop(proxy.stop(carried).await),
            (true, true) | (false, false) => {}
        }
        Ok(Answer::json(200, proxy.json()))
    }

    async fn delete(&self, name: &str) -> Answered {
        let mut state = self.0.state.lock().await;
        let State { proxies, carried } = &mut *state;
        let mut proxy = proxies.remove(name).ok_or_else(ApiError::proxy_not_found)?;
        proxy.stop(carried).await;
        Ok(Answer::no_content())
    }

    async fn populate(&self, body: &[u8]) -> Answer {
        let (done, error) = self.populated(body).await;
        Answer::populated(&done, error.as_ref())
    }

    /// What was created or left as it was, and why it ended early.
    async fn populated(&self, body: &[u8]) -> (Vec<String>, Option<ApiError>) {
        let list = match Wanted::list(body) {
            Ok(list) => list,
            Err(error) => return (Vec::new(), Some(error)),
        };
        let needed = |state: &State| {
            let compared =
                |wanted: &&Wanted| wanted.enabled || state.proxies.contains_key(&wanted.name);
            let compared = list.iter().filter(compared);
            compared.map(|wanted| wanted.listen.clone()).collect()
        };
        let (mut state, addresses) = self.lock_knowing(needed).await;
        let mut done = Vec::with_capacity(list.len());
        for wanted in &list {
            if let Err(error) = self.put(&mut state, wanted, &addresses).await {
                return (done, Some(error));
            }
            done.extend(state.proxies.get(&wanted.name).map(Proxied::json));
        }
        (done, None)
    }

    /// Creates a proxy unless it is there as it is wanted.
    async fn put(
        &self,
        state: &mut State,
        wanted: &Wanted,
        addresses: &Addresses,
    ) -> Result<(), ApiError> {
        let State { proxies, carried } = state;
        let mut port = None;
        if let Some(proxy) = proxies.get_mut(&wanted.name) {
            if !proxy.differs(wanted, addresses.get(&wanted.listen))? {
                return Ok(());
            }
            port = proxy.stop(carried).await;
        }
        let mut proxy = Proxied::new(wanted);
        if wanted.enabled {
            proxy.start(&self.0.means, addresses.get(&wanted.listen), port)?;
        }
        for entry in &wanted.toxics {
            let id = proxy.add(entry.clone())?;
            proxy.expire(&id, self.expiry(&wanted.name, &id, entry));
        }
        proxies.insert(wanted.name.clone(), proxy);
        Ok(())
    }

    async fn reset(&self) -> Answered {
        let stopped = |state: &State| {
            let stopped = state.proxies.values().filter(|proxy| !proxy.is_enabled());
            stopped.map(|proxy| proxy.listen.clone()).collect()
        };
        let (mut state, addresses) = self.lock_knowing(stopped).await;
        let mut told = Vec::with_capacity(state.proxies.len());
        for proxy in state.proxies.values_mut() {
            if !proxy.is_enabled() {
                let address = addresses.get(&proxy.listen);
                proxy.start(&self.0.means, address, None)?;
            }
            proxy.remove(|_| true);
            told.push(proxy.followed());
        }
        drop(state);
        for told in told {
            told.wait().await;
        }
        Ok(Answer::no_content())
    }

    async fn toxics(&self, name: &str) -> Answered {
        let mut state = self.0.state.lock().await;
        Ok(Answer::json(200, state.get(name)?.toxics_json()))
    }

    async fn add_toxic(&self, name: &str, body: &[u8]) -> Answered {
        let mut state = self.0.state.lock().await;
        let proxy = state.get(name)?;
        let entry = Entry::from_body(body, |name| proxy.toxic(name).is_some())?;
        let answer = Answer::json(200, entry.json());
        let id = proxy.add(entry.clone())?;
        proxy.expire(&id, self.expiry(name, &id, &entry));
        let told = proxy.followed();
        drop(state);
        told.wait().await;
        Ok(answer)
    }

    async fn show_toxic(&self, name: &str, toxic: &str) -> Answered {
        let mut state = self.0.state.lock().await;
        let held = state.get(name)?.toxic(toxic);
        let held = held.ok_or_else(ApiError::toxic_not_found)?;
        Ok(Answer::json(200, held.entry.json()))
    }

    async fn update_toxic(&self, name: &str, toxic: &str, body: &[u8]) -> Answered {
        let mut state = self.0.state.lock().await;
        let proxy = state.get(name)?;
        let held = proxy.toxic(toxic).ok_or_else(ApiError::toxic_not_found)?;
        let (entry, other_time) = held.entry.changed(body)?;
        let answer = Answer::json(200, entry.json());
        let id = proxy.change(entry.clone())?;
        if other_time {
            proxy.expire(&id, self.expiry(name, &id, &entry));
        }
        let told = proxy.followed();
        drop(state);
        told.wait().await;
        Ok(answer)
    }

    async fn remove_toxic(&self, name: &str, toxic: &str) -> Answered {
        let mut state = self.0.state.lock().await;
        let proxy = state.get(name)?;
        if !proxy.remove(|held| held.entry.name == toxic) {
            return Err(ApiError::toxic_not_found());
        }
        let told = proxy.followed();
        drop(state);
        told.wait().await;
        Ok(Answer::no_content())
    }

    /// Takes a toxic away when its time is over, unless it went before or was
    /// given other time.
    fn expiry(&self, proxy: &str, id: &str, entry: &Entry) -> Option<AbortOnDropHandle<()>> {
        let after = Duration::from_millis(entry.ttl_ms?);
        let server = Arc::downgrade(&self.0);
        let (proxy, id) = (proxy.to_owned(), id.to_owned());
        let task = tokio::spawn(async move {
            tokio::time::sleep(after).await;
            remove(&server, &proxy, &id).await;
        });
        Some(AbortOnDropHandle::new(task))
    }

    async fn exposition(&self) -> String {
        let state = self.0.state.lock().await;
        let mut carried = state.carried.clone().unwrap_or_default();
        for proxy in state.proxies.values() {
            proxy.add_to(&mut carried);
        }
        carried.exposition()
    }

    async fn counters(&self) -> Answered {
        let state = self.0.state.lock().await;
        let proxies = state.proxies.iter();
        let seen: BTreeMap<&str, _> = proxies
            .map(|(name, proxy)| (name.as_str(), proxy.counters()))
            .collect();
        let body = serde_json::to_string(&seen).map_err(ApiError::internal)?;
        Ok(Answer::json(200, body))
    }
}

impl Toxiproxy {
    /// As many as the proxy may carry, at most.
    async fn connections(&self, name: &str) -> Answered {
        let mut state = self.0.state.lock().await;
        let live = state.get(name)?.connections();
        drop(state);
        let body = serde_json::to_string(&live).map_err(ApiError::internal)?;
        Ok(Answer::json(200, body))
    }

    async fn kill(&self, name: &str, id: &str) -> Answered {
        let mut state = self.0.state.lock().await;
        let proxy = state.get(name)?;
        let killed = id.parse().is_ok_and(|id| proxy.kill(id));
        let done = killed.then(Answer::no_content);
        done.ok_or_else(ApiError::connection_not_found)
    }
}

async fn remove(server: &Weak<Server>, proxy: &str, id: &str) {
    let Some(server) = server.upgrade() else {
        return;
    };
    let mut state = server.state.lock().await;
    if let Ok(proxy) = state.get(proxy) {
        proxy.remove(|held| held.id == id);
    }
}
