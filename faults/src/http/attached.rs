//! A fault attached to links: whom it hits, how many at once, and what it did.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use squall_scenario::Share;
use squall_scenario::inject::{GrpcAnswer, Http, HttpDone, Message};
use squall_scenario::seed::nth;

use super::head::Head;
use super::observed::Observed;
use super::scope::{ScopeKey, Standing};
use super::seam::HttpFault;
use crate::chance;
use crate::decisions::Teller;
use crate::proxy::counters::{add, get};

/// A fault on HTTP as the connections of its links see it; one for all of them.
#[derive(Debug)]
pub(crate) struct HttpAttached {
    pub(crate) id: Arc<str>,
    pub(crate) http: Http,
    /// Its name in the scenario, and the key by which scopes are signed.
    scopes: Option<(String, ScopeKey)>,
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
    forged: AtomicU64,
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
    /// `scopes` are its name in the scenario and the key by which scopes are
    /// signed; without them no request is in the scope of one that asks for it.
    pub(crate) fn new(id: &str, http: Http, scopes: Option<(String, ScopeKey)>) -> Arc<Self> {
        Arc::new(Self {
            id: id.into(),
            http,
            scopes,
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
            forged: get(&totals.forged),
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

    /// Counts a connection over HTTP/2: for faults on calls it is theirs.
    pub(super) fn count_http_2(&self) {
        match self.is_on_calls() {
            true => self.count_connection(),
            false => self.count_not_http(),
        }
    }

    /// Whether it is about calls over HTTP/2.
    pub(crate) const fn is_on_calls(&self) -> bool {
        self.http.action.on_calls().is_some()
    }

    /// Whether the `request`th of a connection suffers, and how. The same seed
    /// decides the same for it, whatever else there was; only the cap depends on
    /// what happens at the same time.
    pub(super) fn choose(
        self: &Arc<Self>,
        head: &Head,
        key: (u64, u64, u64),
        teller: &Teller,
    ) -> Option<Chosen> {
        if self.is_on_calls() {
            return None;
        }
        let headers = head.headers.iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value.as_slice()));
        let asked = (head.method(), head.target());
        let (seed, magnitude) = self.is_hit(asked, headers, key, teller)?;
        let (place, seed) = self.take(seed)?;
        let action = &self.http.action;
        let decides = match magnitude == Share::WHOLE {
            true => super::build(self.http.message, action, seed),
            false => super::build(self.http.message, &action.lowered(magnitude), seed),
        };
        Some(Chosen {
            place: Arc::new(place),
            decides: decides?,
            acted: false,
        })
    }

    /// The status with which the `call`th of a connection over HTTP/2 ends, if it
    /// is hit, and its place; what was said there holds here. One that would be hit
    /// where there is no `room` for another is counted as over the cap.
    pub(super) fn choose_call<'h>(
        self: &Arc<Self>,
        asked: (&str, &str),
        headers: impl Iterator<Item = (&'h str, &'h [u8])> + Clone,
        key: (u64, u64, u64),
        (teller, room): (&Teller, bool),
    ) -> Option<(GrpcAnswer, Place)> {
        let answer = self.http.action.on_calls()?;
        let (seed, _) = self.is_hit(asked, headers, key, teller)?;
        if !room {
            add(&self.totals.over_the_cap, 1);
            return None;
        }
        let (place, _) = self.take(seed)?;
        Some((answer.clone(), place))
    }

    /// Counts that something was done to a message.
    pub(super) fn count_acted(&self) {
        add(&self.totals.acted, 1);
    }

    /// Whether a request is to suffer: its seed, and with which part of its magnitude.
    fn is_hit<'h>(
        self: &Arc<Self>,
        (method, target): (&str, &str),
        headers: impl Iterator<Item = (&'h str, &'h [u8])> + Clone,
        (seed, connection, request): (u64, u64, u64),
        teller: &Teller,
    ) -> Option<(u64, Share)> {
        let totals = &self.totals;
        add(&totals.requests, 1);
        if !self.http.when.fits(method, target, headers.clone()) {
            return None;
        }
        let (share, magnitude) = self.lowered(headers)?;
        add(&totals.matched, 1);
        let seed = nth(chance::flow_seed(seed, &self.id, connection, true), request);
        let share = match share.get() < self.http.share.get() {
            true => share,
            false => self.http.share,
        };
        let hit = chance::unit(seed, 0) < share.get();
        teller.tell(&self.id, share, (connection, Some(request)), hit);
        (hit && magnitude.get() > 0.0).then_some((seed, magnitude))
    }

    /// A place for one that is to suffer, if there is one, and the seed of what it
    /// suffers.
    fn take(self: &Arc<Self>, seed: u64) -> Option<(Place, u64)> {
        let place = self.take_place()?;
        add(&self.totals.hit, 1);
        Some((place, nth(seed, 1)))
    }

    /// Of which share of such requests it may have one with these headers, and
    /// with which part of its magnitude, as far as that request says; `None` where
    /// it may not at all.
    fn lowered<'h>(
        &self,
        headers: impl Iterator<Item = (&'h str, &'h [u8])>,
    ) -> Option<(Share, Share)> {
        if !self.http.scoped {
            return Some((Share::WHOLE, Share::WHOLE));
        }
        let (fault, key) = self.scopes.as_ref()?;
        match key.standing(fault, headers) {
            Standing::Within { share, magnitude } => Some((share, magnitude)),
            Standing::Outside => None,
            Standing::Invalid => {
                add(&self.totals.forged, 1);
                None
            }
        }
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
            self.place.0.count_acted();
        }
        add(&totals.bytes, bytes as u64);
    }
}

impl Place {
    pub(super) fn id(&self) -> &Arc<str> {
        &self.0.id
    }

    /// The fault whose place it is.
    pub(super) fn fault(&self) -> Arc<HttpAttached> {
        Arc::clone(&self.0)
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

#[cfg(test)]
mod tests {
    use squall_scenario::inject::{GrpcStatus, HttpAction, Matching, SCOPE_HEADER};

    use super::super::head::Read;
    use super::super::scope::Scope;
    use super::super::seam::{HttpEvent, HttpFate};
    use super::*;

    const LATE: Duration = Duration::from_millis(100);
    const NONE: [Duration; 0] = [];

    fn key() -> ScopeKey {
        ScopeKey::of([7; 32])
    }

    fn delay(scoped: bool, share: f64) -> Arc<HttpAttached> {
        let http = Http {
            when: Matching::default(),
            share: Share::new(share).unwrap(),
            at_most: None,
            scoped,
            message: Message::Request,
            action: HttpAction::Delay {
                by: LATE,
                jitter: Duration::ZERO,
            },
        };
        HttpAttached::new("late#0", http, Some(("late".to_owned(), key())))
    }

    fn scope(share: Option<f64>, magnitude: Option<f64>) -> String {
        let of = |share: Option<f64>| share.and_then(Share::new);
        key().sign(&Scope {
            faults: vec!["late".to_owned()],
            share: of(share),
            magnitude: of(magnitude),
        })
    }

    /// By how much each of a thousand requests is late that carry this scope.
    fn delays(fault: &Arc<HttpAttached>, scope: Option<&str>) -> Vec<Duration> {
        let header = scope.map(|scope| format!("{SCOPE_HEADER}: {scope}\r\n"));
        let text = format!("GET / HTTP/1.1\r\n{}\r\n", header.unwrap_or_default());
        let Read::Whole(head) = Head::request(text.as_bytes()) else {
            panic!("{text}");
        };
        let now = std::time::Instant::now();
        let late = |request| {
            let mut chosen = fault.choose(&head, (3, 0, request), &Teller::default())?;
            match chosen.decides.on(HttpEvent::RequestHead(&head), now) {
                HttpFate::Hold { until, .. } => Some(until - now),
                other => panic!("{other:?}"),
            }
        };
        (0..1000).filter_map(late).collect()
    }

    #[test]
    fn a_call_that_there_is_no_room_for_is_counted() {
        let answer = GrpcAnswer {
            status: GrpcStatus::Unavailable,
            message: String::new(),
        };
        let http = Http {
            when: Matching::default(),
            share: Share::WHOLE,
            at_most: None,
            scoped: false,
            message: Message::Answer,
            action: HttpAction::Grpc(answer),
        };
        let fault = HttpAttached::new("closed#0", http, None);
        let call = |nth, room| {
            let told = (&Teller::default(), room);
            let headers = std::iter::empty();
            fault.choose_call(("POST", "/a.B/c"), headers, (3, 0, nth), told)
        };
        assert!(call(0, true).is_some() && call(1, false).is_none());
        let done = fault.done();
        assert_eq!([done.requests, done.matched, done.hit], [2, 2, 1]);
        assert_eq!(
            [done.over_the_cap, done.acted],
            [1, 0],
            "nothing was said yet"
        );
    }

    #[test]
    fn a_scoped_fault_hits_only_what_carries_a_scope() {
        assert_eq!(delays(&delay(true, 1.0), None), NONE);
        assert_eq!(delays(&delay(false, 1.0), None), [LATE; 1000]);
        let fault = delay(true, 1.0);
        assert_eq!(delays(&fault, Some(&scope(None, None))), [LATE; 1000]);
        assert_eq!((fault.done().matched, fault.done().forged), (1000, 0));
    }

    #[test]
    fn a_scope_that_nobody_signed_is_counted_and_ignored() {
        let forged = ScopeKey::of([8; 32]).sign(&Scope::default());
        let fault = delay(true, 1.0);
        assert_eq!(delays(&fault, Some(&forged)), NONE);
        assert_eq!((fault.done().matched, fault.done().forged), (0, 1000));
        // Where none is asked for, none is read.
        let fault = delay(false, 1.0);
        assert_eq!(delays(&fault, Some(&forged)), [LATE; 1000]);
        assert_eq!(fault.done().forged, 0);
    }

    #[test]
    fn a_scope_lowers_a_fault_and_never_raises_it() {
        let half = delays(&delay(true, 0.5), Some(&scope(None, None))).len();
        assert!((400..600).contains(&half), "{half}");
        let raised = delays(&delay(true, 0.5), Some(&scope(Some(1.0), Some(1.0))));
        assert_eq!(raised, vec![LATE; half]);
        let lower = delays(&delay(true, 0.5), Some(&scope(Some(0.1), None))).len();
        assert!((50..150).contains(&lower), "{lower}");
        let shorter = delays(&delay(true, 0.5), Some(&scope(None, Some(0.25))));
        assert_eq!(shorter, vec![LATE / 4; half]);
        for none in [scope(Some(0.0), None), scope(None, Some(0.0))] {
            assert_eq!(delays(&delay(true, 1.0), Some(&none)), NONE);
        }
    }

    #[test]
    fn a_scope_of_another_fault_is_no_scope() {
        let other = key().sign(&Scope {
            faults: vec!["late too".to_owned()],
            ..Scope::default()
        });
        let fault = delay(true, 1.0);
        assert_eq!(delays(&fault, Some(&other)), NONE);
        assert_eq!((fault.done().matched, fault.done().forged), (0, 0));
    }
}
