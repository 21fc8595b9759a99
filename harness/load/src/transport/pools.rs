//! Where connections lead by now, and which are kept: to there, and to where names led
//! before.

use std::cell::{Cell, Ref, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use tokio::sync::watch;

use super::connector::{Endpoint, Leads};

/// Connections to one endpoint that wait for their next request.
#[derive(Debug)]
pub(super) struct Pool<T> {
    pub(super) endpoint: Endpoint,
    /// The longest unused is in front.
    idle: RefCell<VecDeque<Rc<T>>>,
    /// Whether new connections go there.
    is_current: Cell<bool>,
}

impl<T> Pool<T> {
    fn new(endpoint: Endpoint) -> Rc<Self> {
        Rc::new(Self {
            endpoint,
            idle: RefCell::default(),
            is_current: Cell::new(true),
        })
    }

    pub(super) const fn is_current(&self) -> bool {
        self.is_current.get()
    }

    /// Last in, first out keeps few connections warm and lets others age.
    pub(super) fn take(&self) -> Option<Rc<T>> {
        self.idle.borrow_mut().pop_back()
    }

    pub(super) fn put(&self, connection: &Rc<T>) {
        self.idle.borrow_mut().push_back(Rc::clone(connection));
    }

    /// Forgets an idle connection.
    pub(super) fn forget(&self, connection: &T) {
        let mut idle = self.idle.borrow_mut();
        idle.retain(|known| !std::ptr::eq(known.as_ref(), connection));
    }

    /// The longest unused, if `fits`.
    fn take_oldest(&self, fits: impl FnOnce(&T) -> bool) -> Option<Rc<T>> {
        let mut idle = self.idle.borrow_mut();
        let fits = idle.front().is_some_and(|connection| fits(connection));
        fits.then(|| idle.pop_front()).flatten()
    }
}

/// All endpoints of a target.
#[derive(Debug)]
pub(super) struct Pools<T> {
    /// New connections go there, in turn.
    current: RefCell<Vec<Rc<Pool<T>>>>,
    /// There, only those go on that are made already.
    former: RefCell<Vec<Rc<Pool<T>>>>,
    /// Where the target's names lead, if that may change.
    leads: RefCell<Option<watch::Receiver<Vec<Leads>>>>,
    /// Why there are no endpoints, where names lead nowhere.
    nowhere: RefCell<Option<String>>,
}

impl<T> Pools<T> {
    /// Endpoints that are those for good, or until `leads` says otherwise.
    pub(super) fn new(endpoints: &[Endpoint], leads: Option<watch::Receiver<Vec<Leads>>>) -> Self {
        let current = endpoints.iter().cloned().map(Pool::new).collect();
        Self {
            current: RefCell::new(current),
            former: RefCell::default(),
            leads: RefCell::new(leads),
            nowhere: RefCell::default(),
        }
    }

    /// Goes where the target's names lead by now, if that is elsewhere.
    pub(super) fn follow(&self) {
        let mut leads = self.leads.borrow_mut();
        let changed = |leads: &watch::Receiver<_>| leads.has_changed().unwrap_or(false);
        let Some(leads) = leads.as_mut().filter(|leads| changed(leads)) else {
            return;
        };
        let (mut endpoints, mut nowhere) = (Vec::new(), Vec::new());
        for place in leads.borrow_and_update().iter() {
            match place {
                Leads::To(to) => endpoints.extend(to.iter().cloned()),
                Leads::Nowhere(why) => nowhere.push(why.clone()),
            }
        }
        let mut before = self.current.take();
        before.append(&mut self.former.borrow_mut());
        let known = |endpoint| {
            let at = before.iter().position(|pool| pool.endpoint == endpoint);
            let pool = at.map(|at| before.swap_remove(at));
            pool.unwrap_or_else(|| Pool::new(endpoint))
        };
        let current: Vec<_> = endpoints.into_iter().map(known).collect();
        current.iter().for_each(|pool| pool.is_current.set(true));
        before.iter().for_each(|pool| pool.is_current.set(false));
        *self.nowhere.borrow_mut() = (!nowhere.is_empty()).then(|| nowhere.join("; "));
        *self.current.borrow_mut() = current;
        *self.former.borrow_mut() = before;
        self.forget_former();
    }

    /// Forgets endpoints of before to which no connection leads.
    fn forget_former(&self) {
        let mut former = self.former.borrow_mut();
        former.retain(|pool| Rc::strong_count(pool) > 1 || !pool.idle.borrow().is_empty());
    }

    /// Where new connections go.
    pub(super) fn current(&self) -> Ref<'_, [Rc<Pool<T>>]> {
        Ref::map(self.current.borrow(), Vec::as_slice)
    }

    /// Where the connection of this turn goes.
    pub(super) fn at(&self, turn: u64) -> Option<Rc<Pool<T>>> {
        let current = self.current.borrow();
        let at = turn.checked_rem(current.len() as u64)?;
        current.get(at as usize).cloned()
    }

    /// Why a new connection leads nowhere, in words, where names say so.
    pub(super) fn nowhere(&self) -> Option<String> {
        self.nowhere.borrow().clone()
    }

    /// A connection that is kept to the endpoint of this turn, else to one of before.
    pub(super) fn take(&self, turn: u64) -> Option<Rc<T>> {
        let current = self.current.borrow();
        let own = turn.checked_rem(current.len() as u64);
        let own = own.and_then(|at| current.get(at as usize)?.take());
        own.or_else(|| self.former.borrow().iter().find_map(|pool| pool.take()))
    }

    /// A connection that is kept, those to endpoints of before first.
    pub(super) fn take_any(&self) -> Option<Rc<T>> {
        let (former, current) = (self.former.borrow(), self.current.borrow());
        let mut all = former.iter().chain(current.iter());
        all.find_map(|pool| pool.take_oldest(|_| true))
    }

    /// How many connections are kept.
    pub(super) fn idle(&self) -> usize {
        let (former, current) = (self.former.borrow(), self.current.borrow());
        let all = former.iter().chain(current.iter());
        all.map(|pool| pool.idle.borrow().len()).sum()
    }

    /// Takes out connections that are `old`, the oldest first, so many to each endpoint
    /// at most.
    pub(super) fn take_old(&self, old: impl Fn(&T) -> bool, most: usize) -> Vec<Rc<T>> {
        self.forget_former();
        let (former, current) = (self.former.borrow(), self.current.borrow());
        let all = former.iter().chain(current.iter());
        let oldest = |pool: &Rc<Pool<T>>| {
            let pool = Rc::clone(pool);
            let old = &old;
            std::iter::from_fn(move || pool.take_oldest(old)).take(most)
        };
        all.flat_map(oldest).collect()
    }
}

/// Connections know their pool, and a pool those that wait in it.
impl<T> Drop for Pools<T> {
    fn drop(&mut self) {
        let (former, current) = (self.former.get_mut(), self.current.get_mut());
        for pool in former.iter().chain(current.iter()) {
            pool.idle.borrow_mut().clear();
        }
    }
}
