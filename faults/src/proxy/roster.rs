//! Which toxics a proxy has right now, as its connections see it.

use std::sync::Arc;

use squall_scenario::{OnBytes, Share};

use super::counters::ToxicTotals;
use crate::decisions::Teller;
use crate::doors::{Admits, door};
use crate::http::HttpAttached;

/// A toxic attached to a proxy.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) id: Arc<str>,
    pub(crate) inject: OnBytes,
    /// The share of connections it hits.
    pub(crate) share: Share,
    /// What it has done, over all its changes.
    pub(crate) totals: Arc<ToxicTotals>,
}

impl Attached {
    pub(crate) fn new(id: &str, inject: &OnBytes, share: Share) -> Self {
        Self {
            id: id.into(),
            inject: inject.clone(),
            share,
            totals: Arc::default(),
        }
    }

    /// The same one with other parameters.
    pub(crate) fn changed(&self, inject: &OnBytes, share: Share) -> Self {
        Self {
            id: Arc::clone(&self.id),
            inject: inject.clone(),
            share,
            totals: Arc::clone(&self.totals),
        }
    }

    /// Whether the link does not listen because of it.
    pub(crate) fn refuses(&self) -> bool {
        door(&self.inject).is_some_and(Admits::refuses)
    }

    /// Whether both are one toxic, changed or not; not one that was attached
    /// under the same id later.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.totals, &other.totals)
    }
}

/// The toxics of a proxy in chain order. Every change has a new version, and
/// connections say which version they have taken over.
#[derive(Debug, Clone, Default)]
pub(crate) struct Roster {
    pub(crate) version: u64,
    pub(crate) toxics: Vec<Arc<Attached>>,
    /// The faults on its HTTP, in the order they were attached.
    pub(crate) http: Vec<Arc<HttpAttached>>,
    /// Who tells of decisions by chance.
    pub(crate) teller: Teller,
    /// The proxy is shut down.
    pub(crate) stopped: bool,
}

/// What a roster lists, each under an id of its own among its kind.
pub(crate) trait Listed: Sized {
    fn id(&self) -> &str;
    fn list(roster: &mut Roster) -> &mut Vec<Arc<Self>>;
}

impl Listed for Attached {
    fn id(&self) -> &str {
        &self.id
    }

    fn list(roster: &mut Roster) -> &mut Vec<Arc<Self>> {
        &mut roster.toxics
    }
}

impl Listed for HttpAttached {
    fn id(&self) -> &str {
        &self.id
    }

    fn list(roster: &mut Roster) -> &mut Vec<Arc<Self>> {
        &mut roster.http
    }
}

/// Why a roster does not take one more.
pub(crate) enum Refused {
    /// The id is taken.
    Duplicate,
    /// The proxy is shut down.
    Stopped,
}

impl Roster {
    /// Lists one more, behind the others of its kind.
    pub(crate) fn add<T: Listed>(&mut self, one: &Arc<T>) -> Result<(), Refused> {
        if self.stopped {
            return Err(Refused::Stopped);
        }
        let list = T::list(self);
        if list.iter().any(|known| known.id() == one.id()) {
            return Err(Refused::Duplicate);
        }
        list.push(Arc::clone(one));
        self.version += 1;
        Ok(())
    }

    /// Takes one off. Whether it was listed.
    pub(crate) fn take_off<T: Listed>(&mut self, id: &str) -> bool {
        let list = T::list(self);
        let before = list.len();
        list.retain(|one| one.id() != id);
        let found = list.len() < before;
        self.version += u64::from(found);
        found
    }

    /// The toxics because of which the link does not listen.
    pub(crate) fn refusing(&self) -> impl Iterator<Item = &Arc<Attached>> {
        self.toxics.iter().filter(|toxic| toxic.refuses())
    }

    /// Whether the link may not listen.
    pub(crate) fn refuses(&self) -> bool {
        self.refusing().next().is_some()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use squall_scenario::inject::{Http, HttpAction, Matching, Message, Refuse, Stall};

    use super::*;
    use crate::proxy::counters;

    const IDS: [&str; 4] = ["slow", "cut", "shut", "lost"];

    #[derive(Debug, Clone)]
    enum Step {
        AddToxic(usize, bool),
        AddHttp(usize),
        TakeToxic(usize),
        TakeHttp(usize),
        Stop,
    }

    fn step() -> impl Strategy<Value = Step> {
        let id = || 0..IDS.len();
        prop_oneof![
            8 => (id(), any::<bool>()).prop_map(|(id, refuses)| Step::AddToxic(id, refuses)),
            4 => id().prop_map(Step::AddHttp),
            4 => id().prop_map(Step::TakeToxic),
            2 => id().prop_map(Step::TakeHttp),
            1 => Just(Step::Stop),
        ]
    }

    fn http(id: &str) -> Arc<HttpAttached> {
        let fault = Http {
            when: Matching::default(),
            share: Share::WHOLE,
            at_most: None,
            scoped: false,
            message: Message::Request,
            action: HttpAction::Delay {
                by: std::time::Duration::ZERO,
                jitter: std::time::Duration::ZERO,
            },
        };
        HttpAttached::new(id, fault, None)
    }

    proptest! {
        /// A change has a version of its own, and what is no change has none.
        #[test]
        fn a_roster_is_two_lists_of_which_every_change_is_seen(
            steps in prop::collection::vec(step(), 0..40),
        ) {
            let mut roster = Roster::default();
            let (mut toxics, mut faults): (Vec<(usize, bool)>, Vec<usize>) = Default::default();
            for step in steps {
                let before = roster.version;
                let changed = match step {
                    Step::AddToxic(id, refuses) => {
                        let inject = match refuses {
                            true => OnBytes::Refuse(Refuse {}),
                            false => OnBytes::Stall(Stall {}),
                        };
                        let toxic = Arc::new(Attached::new(IDS[id], &inject, Share::WHOLE));
                        let added = roster.add(&toxic);
                        let known = toxics.iter().any(|own| own.0 == id);
                        let fits = match (&added, roster.stopped) {
                            (Err(Refused::Stopped), stopped) => stopped,
                            (Err(Refused::Duplicate), stopped) => !stopped && known,
                            (Ok(()), stopped) => !stopped && !known,
                        };
                        prop_assert!(fits);
                        if added.is_ok() {
                            toxics.push((id, refuses));
                        }
                        added.is_ok()
                    }
                    Step::AddHttp(id) => {
                        let added = roster.add(&http(IDS[id])).is_ok();
                        prop_assert_eq!(added, !roster.stopped && !faults.contains(&id));
                        if added {
                            faults.push(id);
                        }
                        added
                    }
                    Step::TakeToxic(id) => {
                        let found = roster.take_off::<Attached>(IDS[id]);
                        prop_assert_eq!(found, toxics.iter().any(|own| own.0 == id));
                        toxics.retain(|own| own.0 != id);
                        found
                    }
                    Step::TakeHttp(id) => {
                        let found = roster.take_off::<HttpAttached>(IDS[id]);
                        prop_assert_eq!(found, faults.contains(&id));
                        faults.retain(|own| *own != id);
                        found
                    }
                    Step::Stop => {
                        roster.stopped = true;
                        false
                    }
                };
                prop_assert_eq!(roster.version, before + u64::from(changed));
                let listed: Vec<_> = roster.toxics.iter().map(|it| it.id()).collect();
                let wanted: Vec<_> = toxics.iter().map(|own| IDS[own.0]).collect();
                prop_assert_eq!(listed, wanted);
                let listed: Vec<_> = roster.http.iter().map(|it| it.id()).collect();
                let wanted: Vec<_> = faults.iter().map(|own| IDS[*own]).collect();
                prop_assert_eq!(listed, wanted);
                prop_assert_eq!(roster.refuses(), toxics.iter().any(|own| own.1));
            }
        }
    }

    /// What it did goes on with it; one that has its id later did nothing yet.
    #[test]
    fn a_toxic_that_is_changed_stays_itself() {
        let slow = Attached::new("slow", &OnBytes::Stall(Stall {}), Share::WHOLE);
        let changed = slow.changed(&OnBytes::Refuse(Refuse {}), Share::WHOLE);
        counters::add(&changed.totals.hit, 3);
        assert_eq!(counters::get(&slow.totals.hit), 3);
        assert!(slow.is(&changed) && changed.refuses() && !slow.refuses());
        let another = Attached::new("slow", &OnBytes::Stall(Stall {}), Share::WHOLE);
        assert!(!slow.is(&another));
    }
}
