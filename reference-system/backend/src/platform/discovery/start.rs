//! When an instance that is starting has seen enough to be ready: ready means that its first
//! request succeeds.
//!
//! Everyone registers only when ready, so seeing one instance of each service that is called says
//! that its own needs are met as well, and so on down to the store.
//!
//! This is asked once. An instance that is ready stays ready, whatever it loses later: its breakers
//! and fallbacks deal with that better than being taken out would.

use std::time::{Duration, Instant};

use super::directory::Listing;
use crate::dependencies::Need;

/// How long a start waits for what its first request can do without, and for what was there and
/// is gone: starting in the middle of an outage, it serves what it can.
/// It is well below the ten seconds a supervisor usually gives a start.
const PATIENCE: Duration = Duration::from_secs(5);

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Be ready, without these.
    Start(Vec<&'static str>),
    /// Look again later; these are missing.
    Wait(Vec<&'static str>),
}

/// What an instance still waits for.
#[derive(Debug)]
pub(super) struct Start {
    needs: Vec<Need>,
    first_look: Option<Instant>,
}

impl Start {
    /// A start that waits for these.
    pub(super) fn new(needs: Vec<Need>) -> Self {
        Self {
            needs,
            first_look: None,
        }
    }

    /// Judges what discovery says at `now`. Patience begins with the first answer.
    pub(super) fn look(&mut self, listing: &Listing, now: Instant) -> Verdict {
        let begun = *self.first_look.get_or_insert(now);
        let missing: Vec<Need> = self
            .needs
            .iter()
            .filter(|need| listing.instances(need.service.name()).is_empty())
            .copied()
            .collect();
        let names = missing.iter().map(|need| need.service.name()).collect();
        // The backend itself is still starting; whoever started it has a deadline for that.
        let is_early = |need: &Need| need.vital && !listing.has_seen(need.service.name());
        let is_patient = now.saturating_duration_since(begun) < PATIENCE;
        if missing.is_empty() || !(is_patient || missing.iter().any(is_early)) {
            Verdict::Start(names)
        } else {
            Verdict::Wait(names)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dependencies::needs;
    use crate::platform::discovery::directory::{Instance, zone_of};
    use crate::service::ServiceKind;

    /// One instance of each of these, and no longer any of those.
    fn listing(there: &[ServiceKind], gone: &[ServiceKind]) -> Listing {
        let instance = Instance {
            name: "x-0".to_owned(),
            address: "127.0.0.1:1".parse().unwrap(),
            zone: zone_of("x-0"),
            load: 0,
        };
        let there = there
            .iter()
            .map(|kind| (kind.name().to_owned(), vec![instance.clone()]));
        let gone = gone.iter().map(|kind| (kind.name().to_owned(), vec![]));
        Listing {
            services: there.chain(gone).collect(),
        }
    }

    /// What a gateway does at once and after its patience.
    fn gateway(there: &[ServiceKind], gone: &[ServiceKind]) -> (Verdict, Verdict) {
        let mut start = Start::new(needs(ServiceKind::Gateway));
        let now = Instant::now();
        let listing = listing(there, gone);
        (
            start.look(&listing, now),
            start.look(&listing, now + PATIENCE),
        )
    }

    use ServiceKind::{Cache, Catalog, Edge, Playback, Recommendations, Store, User};
    const ALL: [ServiceKind; 7] = [Cache, Catalog, Edge, Playback, Recommendations, Store, User];

    fn without(kind: ServiceKind) -> Vec<ServiceKind> {
        ALL.into_iter().filter(|other| *other != kind).collect()
    }

    #[test]
    fn everything_there_is_a_start_at_once() {
        let start = Verdict::Start(vec![]);
        assert_eq!(gateway(&ALL, &[]), (start.clone(), start));
    }

    #[test]
    fn what_the_first_request_cannot_do_without_is_waited_for_however_long_it_takes() {
        for vital in [Catalog, Edge, Playback, Store, User] {
            let wait = Verdict::Wait(vec![vital.name()]);
            assert_eq!(gateway(&without(vital), &[]), (wait.clone(), wait));
        }
    }

    #[test]
    fn what_has_a_stand_in_is_waited_for_for_a_while() {
        for optional in [Cache, Recommendations] {
            let names = vec![optional.name()];
            assert_eq!(
                gateway(&without(optional), &[]),
                (Verdict::Wait(names.clone()), Verdict::Start(names))
            );
        }
    }

    #[test]
    fn an_outage_keeps_nobody_from_starting() {
        for gone in ALL {
            let names = vec![gone.name()];
            assert_eq!(
                gateway(&without(gone), &[gone]),
                (Verdict::Wait(names.clone()), Verdict::Start(names))
            );
        }
    }

    #[test]
    fn patience_begins_when_discovery_first_answers() {
        let mut start = Start::new(needs(ServiceKind::Gateway));
        let (there, answered) = (listing(&without(Cache), &[]), Instant::now());
        let almost = answered + PATIENCE - Duration::from_millis(1);
        start.look(&there, answered);
        assert_eq!(start.look(&there, almost), Verdict::Wait(vec!["cache"]));
    }

    #[test]
    fn playback_waits_for_the_edges_its_manifests_name() {
        let mut start = Start::new(needs(Playback));
        let there = listing(&[Catalog, Store], &[]);
        let now = Instant::now();
        assert_eq!(start.look(&there, now), Verdict::Wait(vec!["edge"]));
    }
}
