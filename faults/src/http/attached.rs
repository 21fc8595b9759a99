//! A fault attached to links: whom it hits, how many at once, and what it did.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use squall_scenario::inject::{Http, HttpDone, Message};
use squall_scenario::seed::nth;

use super::head::Head;
use super::observed::Observed;
use super::seam::HttpFault;
use crate::chance;
use crate::proxy::counters::{add, get};

/// A fault on HTTP as the connections of its links see it; one for all of them.
#[derive(Debug)]
pub(crate) struct HttpAttached {
    pub(crate) id: Arc<str>,
    pub(crate) http: Http,
    totals: Totals,
}

#[derive(Debug, Default)]
struct Totals {
    connections: AtomicU64,
    not_http: AtomicU64,
    requests: AtomicU64,
    matched: AtomicU64,
    hit: AtomicU64,
    over_the_cap: AtomicU64,
    acted: AtomicU64,
    bytes: AtomicU64,
    /// Exchanges that suffer right now.
    active: AtomicU64,
    delays: Observed,
}

/// A fault at work on one exchange.
pub(super) struct Chosen {
    pub(super) place: Arc<Place>,
    pub(super) decides: Box<dyn HttpFault>,
    acted: bool,
}

/// A place among those that may suffer at once; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<HttpAttached>);

impl HttpAttached {
    pub(crate) fn new(id: &str, http: Http) -> Arc<Self> {
        Arc::new(Self {
            id: id.into(),
            http,
            totals: Totals::default(),
        })
    }

    pub(crate) fn done(&self) -> HttpDone {
        let totals = &self.totals;
        HttpDone {
            connections: get(&totals.connections),
            not_http: get(&totals.not_http),
            requests: get(&totals.requests),
            matched: get(&totals.matched),
            hit: get(&totals.hit),
            over_the_cap: get(&totals.over_the_cap),
            acted: get(&totals.acted),
            bytes: get(&totals.bytes),
            delay_p50_us: totals.delays.p50_us(),
        }
    }

    pub(super) fn count_connection(&self) {
        add(&self.totals.connections, 1);
    }

    pub(super) fn count_not_http(&self) {
        add(&self.totals.not_http, 1);
    }

    /// Whether the `request`th of a connection suffers, and how. The same seed
    /// decides the same for it, whatever else there was; only the cap depends on
    /// what happens at the same time.
    pub(super) fn choose(
        self: &Arc<Self>,
        head: &Head,
        (seed, connection, request): (u64, u64, u64),
    ) -> Option<Chosen> {
        let totals = &self.totals;
        add(&totals.requests, 1);
        let headers = head.headers.iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value.as_slice()));
        if !self.http.when.fits(head.method(), head.target(), headers) {
            return None;
        }
        add(&totals.matched, 1);
        let seed = nth(chance::flow_seed(seed, &self.id, connection, true), request);
        if chance::unit(seed, 0) >= self.http.share.get() {
            return None;
        }
        let place = self.take_place()?;
        add(&totals.hit, 1);
        Some(Chosen {
            place: Arc::new(place),
            decides: super::build(&self.http, nth(seed, 1)),
            acted: false,
        })
    }

    fn take_place(self: &Arc<Self>) -> Option<Place> {
        let most = self.http.at_most.map_or(u64::MAX, u64::from);
        let one_more = |active: u64| (active < most).then_some(active + 1);
        let active = &self.totals.active;
        match active.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more) {
            Ok(_) => Some(Place(Arc::clone(self))),
            Err(_) => {
                add(&self.totals.over_the_cap, 1);
                None
            }
        }
    }
}

impl Chosen {
    pub(super) fn message(&self) -> Message {
        self.place.0.http.message
    }

    pub(super) fn id(&self) -> &Arc<str> {
        self.place.id()
    }

    /// Counts that something was done, to so many bytes of a body.
    pub(super) fn count(&mut self, bytes: usize) {
        let totals = &self.place.0.totals;
        if !self.acted {
            self.acted = true;
            add(&totals.acted, 1);
        }
        add(&totals.bytes, bytes as u64);
    }
}

impl Place {
    pub(super) fn id(&self) -> &Arc<str> {
        &self.0.id
    }

    /// Records how long a message was really held.
    pub(super) fn observe(&self, delay: Duration) {
        self.0.totals.delays.add(delay);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.totals.active.fetch_sub(1, Ordering::Relaxed);
    }
}
