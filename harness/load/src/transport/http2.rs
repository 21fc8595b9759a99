//! Exchanges over HTTP/2: which connection carries which, many at a time.

use std::rc::Rc;
use std::time::Instant;

use self::carry::carry;
pub(super) use self::stem::Stem;
use super::line::Line;
use super::pools::Pool;
use super::under_way::Key;
use super::{Place, Sender, Transport, settle, turn_of};

mod call;
mod carry;
mod judge;
mod request;
mod stamped;
mod stem;

/// Puts an exchange on a connection that has room for it, else on a new one; or lets
/// it wait until there may be one.
pub(super) fn place<S: Sender>(sender: &Rc<S>, key: Key) {
    let transport = sender.transport();
    let Some((turn, _)) = turn_of(transport, key) else {
        return;
    };
    let pool = transport.pools.at(turn);
    if let Some(stem) = transport.stem_with_room(pool.as_ref()) {
        return seat(sender, key, stem);
    }
    if transport.open.get() < transport.connections_max {
        let Some(pool) = pool else {
            let nowhere = transport.nowhere();
            return nowhere
                .into_iter()
                .for_each(|why| settle(sender, key, Err(why)));
        };
        let stem = Stem::new(pool, transport.connector.per_request);
        transport.open.set(transport.open.get() + 1);
        if !transport.connector.per_request {
            transport.stems.borrow_mut().push(Rc::clone(&stem));
        }
        stem::open(sender, &stem);
        return seat(sender, key, stem);
    }
    match transport.stem_to_anywhere() {
        Some(stem) => seat(sender, key, stem),
        None => transport.waiting.borrow_mut().push_back(key),
    }
}

/// Puts an exchange on a connection, which may be yet to be made.
fn seat<S: Sender>(sender: &Rc<S>, key: Key, stem: Rc<Stem>) {
    stem.take_on();
    let task = carry(Rc::clone(sender), Rc::clone(&stem), key);
    let task = tokio::task::spawn_local(task).abort_handle();
    let transport = sender.transport();
    if let Some(entry) = transport.under_way.borrow_mut().get_mut(key) {
        entry.place = Place::Stream(stem, task);
    }
}

impl<E> Transport<E> {
    /// Ends that a connection carries an exchange.
    pub(super) fn let_go(&self, stem: &Stem) {
        if stem.let_go() {
            self.leave_stem(stem);
        }
    }

    /// Takes an exchange from the connection that carries it: it goes to another.
    fn unseat(&self, key: Key) {
        let mut under_way = self.under_way.borrow_mut();
        let entry = under_way.get_mut(key);
        let place = entry.map(|entry| std::mem::replace(&mut entry.place, Place::Waiting));
        drop(under_way);
        if let Some(Place::Stream(stem, _)) = place {
            self.let_go(&stem);
        }
    }

    /// A connection that takes another exchange: to there, else to where names led
    /// before.
    fn stem_with_room(&self, wanted: Option<&Rc<Pool<Line>>>) -> Option<Rc<Stem>> {
        let stems = self.stems.borrow();
        let is_it = |pool: &Rc<_>| wanted.is_some_and(|wanted| Rc::ptr_eq(wanted, pool));
        let mut own = stems.iter().filter(|stem| is_it(&stem.pool()));
        let mut former = stems.iter().filter(|stem| !stem.pool().is_current());
        let found = own.find(|stem| stem.has_room());
        found
            .or_else(|| former.find(|stem| stem.has_room()))
            .cloned()
    }

    /// Any connection that takes another exchange.
    fn stem_to_anywhere(&self) -> Option<Rc<Stem>> {
        let stems = self.stems.borrow();
        stems.iter().find(|stem| stem.has_room()).cloned()
    }

    /// Whether another exchange need not wait.
    pub(super) fn has_room_on_stems(&self) -> bool {
        self.stems.borrow().iter().any(|stem| stem.has_room())
    }

    /// Lets go of connections that have carried nothing since `unused`.
    pub(super) fn sweep_stems(&self, is_old: impl Fn(Instant) -> bool) {
        let stems = self.stems.borrow().clone();
        let idle = stems
            .iter()
            .filter(|stem| stem.is_idle() && is_old(stem.idle_since()));
        for stem in idle {
            stem.end();
            self.leave_stem(stem);
        }
    }

    /// A connection does not count as open any more.
    fn leave_stem(&self, stem: &Stem) {
        if stem.leave() {
            self.open.set(self.open.get() - 1);
        }
        let mut stems = self.stems.borrow_mut();
        stems.retain(|known| !std::ptr::eq(known.as_ref(), stem));
    }
}
