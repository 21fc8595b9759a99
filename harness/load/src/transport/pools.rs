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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// What may happen to connections, which are numbers that grow.
    #[derive(Debug, Clone)]
    enum Step {
        /// One is made on this turn.
        Open(u64),
        /// The nth of those in use waits for its next request.
        Rest(usize),
        /// One is wanted on this turn.
        Take(u64),
        /// Any is wanted.
        TakeAny,
        /// Those below a number are old, so many at most to each endpoint.
        TakeOld(u32, usize),
        /// Names lead to these ports, or nowhere.
        Lead(Vec<u16>),
    }

    fn step() -> impl Strategy<Value = Step> {
        let ports = prop::sample::subsequence(vec![1_u16, 2, 3, 4], 0..4).prop_shuffle();
        prop_oneof![
            4 => any::<u64>().prop_map(Step::Open),
            4 => any::<usize>().prop_map(Step::Rest),
            2 => any::<u64>().prop_map(Step::Take),
            1 => Just(Step::TakeAny),
            1 => (0..60_u32, 0..4_usize).prop_map(|(old, most)| Step::TakeOld(old, most)),
            2 => ports.prop_map(Step::Lead),
        ]
    }

    fn to(port: u16) -> Endpoint {
        Endpoint::Ip(([127, 0, 0, 1], port).into())
    }

    /// The same in the plainest way: who waits at each port, the longest unused in front.
    #[derive(Default)]
    struct Model {
        current: Vec<u16>,
        idle: BTreeMap<u16, VecDeque<u32>>,
    }

    impl Model {
        fn own(&self, turn: u64) -> Option<u16> {
            let at = turn.checked_rem(self.current.len() as u64)?;
            Some(self.current[at as usize])
        }

        /// Takes out whoever was given; at which port it waited, and whether in front or last.
        fn takes(&mut self, given: u32) -> (u16, bool, bool) {
            let mut all = self.idle.iter_mut();
            let (port, idle) = all.find(|(_, idle)| idle.contains(&given)).unwrap();
            let (first, last) = (idle.front() == Some(&given), idle.back() == Some(&given));
            idle.retain(|own| *own != given);
            (*port, first, last)
        }

        fn waits_at_former(&self) -> bool {
            let mut all = self.idle.iter();
            all.any(|(port, idle)| !self.current.contains(port) && !idle.is_empty())
        }

        fn count(&self) -> usize {
            self.idle.values().map(VecDeque::len).sum()
        }
    }

    proptest! {
        #[test]
        fn connections_wait_where_they_lead_and_are_used_while_names_move(
            steps in prop::collection::vec(step(), 0..120),
        ) {
            let (leads, hears) = watch::channel(vec![]);
            let pools: Pools<u32> = Pools::new(&[to(1), to(2)], Some(hears));
            let mut model = Model { current: vec![1, 2], ..Model::default() };
            let mut in_use: Vec<(Rc<u32>, u16, Rc<Pool<u32>>)> = Vec::new();
            let mut made = 0;
            for step in steps {
                match step {
                    Step::Open(turn) => {
                        let pool = pools.at(turn);
                        let own = model.own(turn);
                        prop_assert_eq!(pool.as_ref().map(|it| it.endpoint.clone()), own.map(to));
                        if let (Some(pool), Some(port)) = (pool, own) {
                            in_use.push((Rc::new(made), port, pool));
                            made += 1;
                        }
                    }
                    Step::Rest(nth) if !in_use.is_empty() => {
                        let (connection, port, pool) = in_use.swap_remove(nth % in_use.len());
                        pool.put(&connection);
                        model.idle.entry(port).or_default().push_back(*connection);
                    }
                    Step::Rest(_) => {}
                    Step::Take(turn) => {
                        let own = model.own(turn);
                        let waits = |port| model.idle.get(&port).is_some_and(|it| !it.is_empty());
                        let at_own = own.is_some_and(waits);
                        let former = model.waits_at_former();
                        let given = pools.take(turn);
                        prop_assert_eq!(given.is_some(), at_own || former);
                        if let Some(given) = given {
                            let (port, _, last) = model.takes(*given);
                            prop_assert!(last, "the last that came is warm");
                            prop_assert_eq!(Some(port) == own, at_own);
                            prop_assert!(at_own || !model.current.contains(&port));
                        }
                    }
                    Step::TakeAny => {
                        let former = model.waits_at_former();
                        let given = pools.take_any();
                        prop_assert_eq!(given.is_some(), model.count() > 0);
                        if let Some(given) = given {
                            let (port, first, _) = model.takes(*given);
                            prop_assert!(first, "the longest unused");
                            prop_assert_eq!(!model.current.contains(&port), former);
                        }
                    }
                    Step::TakeOld(old, most) => {
                        let mut given = pools.take_old(|own| *own < old, most);
                        let mut wanted: Vec<u32> = Vec::new();
                        for idle in model.idle.values_mut() {
                            let fit = idle.iter().take_while(|own| **own < old).take(most).count();
                            wanted.extend(idle.drain(..fit));
                        }
                        given.sort();
                        wanted.sort_unstable();
                        prop_assert_eq!(given.iter().map(|it| **it).collect::<Vec<_>>(), wanted);
                    }
                    Step::Lead(ports) => {
                        leads.send_replace(vec![match ports.is_empty() {
                            true => Leads::Nowhere("no such name".to_owned()),
                            false => Leads::To(ports.iter().copied().map(to).collect()),
                        }]);
                        pools.follow();
                        let why = ports.is_empty().then(|| "no such name".to_owned());
                        prop_assert_eq!(pools.nowhere(), why);
                        model.current = ports;
                        for (_, port, pool) in &in_use {
                            prop_assert_eq!(pool.is_current(), model.current.contains(port));
                        }
                    }
                }
                prop_assert_eq!(pools.idle(), model.count());
                let ports: Vec<_> = model.current.iter().copied().map(to).collect();
                let current = pools.current();
                prop_assert!(current.iter().map(|pool| &pool.endpoint).eq(&ports));
            }
        }
    }
}
