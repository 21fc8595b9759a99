//! Every remote call there is, as a table: what it may cost, what replaces it, what it is worth.
//!
//! A call site asks for its command by name and gets it only if it stands here, so a dependency
//! without a timeout, a retry class, a fallback and a criticality cannot be written.

mod lint;

pub use self::lint::{Flaw, lint};
use crate::service::ServiceKind;

/// Whether and how a failed call is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryClass {
    /// Once more on another instance when the instance could not be reached, broke off or said it
    /// was unable. Never after a timeout: the time is gone and the load would double.
    NextInstance,
    /// Never.
    Never,
}

/// What a failure of the dependency means for the caller's user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Criticality {
    /// The request fails.
    Fatal,
    /// The request succeeds with something less good.
    Degrades,
    /// Nobody notices.
    Background,
}

/// One row of the table: a command of a service.
#[derive(Debug, Clone, Copy)]
pub struct Dependency {
    /// Who calls.
    pub service: ServiceKind,
    /// The command key, which is the name of its breaker in the event stream.
    pub command: &'static str,
    /// Who is called; none for work inside the process that is guarded all the same.
    pub target: Option<ServiceKind>,
    /// How long a call may take, in milliseconds, retries included.
    pub timeout_ms: u64,
    /// Calls at a time.
    pub concurrency_max: usize,
    /// What happens after a failure.
    pub retry: RetryClass,
    /// After how many milliseconds without an answer another instance is asked as well, if ever.
    /// The first answer counts. Only where calls are retried, and within a budget of its own.
    pub hedge_after_ms: Option<u64>,
    /// What stands in when the call fails; none if nothing may.
    pub fallback: Option<&'static str>,
    /// Whether the very first request fails without it: nothing stands in, or only what earlier
    /// requests have left behind.
    pub vital_at_start: bool,
    /// What a failure means.
    pub criticality: Criticality,
    /// The command of the callers that leads here, if not all of theirs do.
    pub only_within: Option<&'static str>,
}

use Criticality::{Background, Degrades, Fatal};
use RetryClass::{Never, NextInstance};
use ServiceKind::{Cache, Catalog, Edge, Gateway, Origin, Playback, Recommendations, Store, User};

/// The budget of a whole user request at the gateway, in milliseconds.
///
/// The worst homepage, everything it calls at its limit: profile from cache and user service
/// 40 + 150,
/// recommendations 300, the cached rows instead 40, the popular list instead of those 40 + 120,
/// catalog 250: 940 ms, inside the budget. With only recommendations hanging it is
/// 300 ms plus a few milliseconds of everything else until the breaker opens, and those few
/// afterwards. Then one probe per 5 s and gateway still takes the 300 ms: at 90 requests/s per
/// gateway that is 1 in 450, below what a 99th percentile can see.
///
/// Concurrency: 90 requests/s that hang for 300 ms are 27 at once, so limits of 150 and more only
/// ever stop a flood.
pub const REQUEST_BUDGET_MS: u64 = 1_000;

/// The table.
const TABLE: &[Dependency] = &[
    row(Gateway, "recommendations", Some(Recommendations), 300, 150)
        .falls_back("the rows of the last visit, else the country's popular titles"),
    row(Gateway, "catalog", Some(Catalog), 250, 150)
        .falls_back_on_the_past("the cached copy of each title"),
    // A breaker of its own: an index that has yet to be filled must not cost a page its titles.
    row(Gateway, "search", Some(Catalog), 250, 150)
        .falls_back("what fits among the country's popular titles, as far as it is cached"),
    row(Gateway, "playback", Some(Playback), 400, 150),
    // Titles keep to an edge, so one that hangs takes most of a popular title's calls with it:
    // without a second edge its timeouts would open the breaker of the living one too.
    row(Gateway, "edge", Some(Edge), 800, 64).hedged_after(200),
    row(Gateway, "profiles", Some(User), 150, 150)
        .falls_back("what the session says, else one who may see what anyone may see"),
    // Apart from profiles: a crowd that signs in must not cost a page its viewer.
    row(Gateway, "accounts", Some(User), 850, 300),
    row(Gateway, "store", Some(Store), 120, 150)
        .falls_back_on_the_past("what anyone anywhere may see, from the cache"),
    row(Gateway, "evcache", Some(Cache), 40, 300).falls_back("a miss"),
    row(Recommendations, "store", Some(Store), 120, 150),
    row(Recommendations, "evcache", Some(Cache), 40, 300).falls_back("a miss"),
    row(Catalog, "store", Some(Store), 120, 150)
        .falls_back_on_the_past("the titles that were cached"),
    row(Catalog, "evcache", Some(Cache), 40, 300).falls_back("a miss"),
    row(Playback, "catalog", Some(Catalog), 250, 150),
    row(Playback, "drm", None, 50, 150).retries(Never),
    row(Playback, "store", Some(Store), 120, 150)
        .retries(Never)
        .falls_back("the bookmark or history row is lost; a title begins at its beginning"),
    row(User, "users-read", None, 100, 64).retries(Never),
    row(User, "users-write", None, 300, 64)
        .retries(Never)
        .within("accounts"),
    row(User, "passwords", None, 400, 2)
        .retries(Never)
        .within("accounts"),
    row(Edge, "origin", Some(Origin), 500, 64),
];

/// Services whose addresses stand in an answer of a service that never calls them itself.
const NAMED: &[(ServiceKind, ServiceKind)] = &[(Playback, Edge)];

/// The discovery row, the same for everyone: a background loop that tries again for ever.
const DISCOVERY_TIMEOUT_MS: u64 = 1_000;

/// Every remote call of every service.
pub fn dependencies() -> Vec<Dependency> {
    let discovery = ServiceKind::ALL
        .into_iter()
        .filter(|kind| *kind != ServiceKind::Discovery)
        .map(|service| Dependency {
            criticality: Background,
            fallback: Some("the local copy of the registry"),
            ..row(
                service,
                "discovery",
                Some(ServiceKind::Discovery),
                DISCOVERY_TIMEOUT_MS,
                4,
            )
            .retries(Never)
        });
    TABLE.iter().copied().chain(discovery).collect()
}

/// A service that another must have seen in discovery before it is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Need {
    /// Which.
    pub(crate) service: ServiceKind,
    /// Whether the first request fails without it.
    pub(crate) vital: bool,
}

/// What the requests of a service are answered with: everyone it calls and everyone it names, each
/// once.
pub(crate) fn needs(service: ServiceKind) -> Vec<Need> {
    let called = TABLE
        .iter()
        .filter(|row| row.service == service)
        .filter_map(|row| Some((row.target?, row.vital_at_start)));
    let named = NAMED
        .iter()
        .filter(|(who, _)| *who == service)
        .map(|(_, named)| (*named, true));
    let mut needs: Vec<Need> = Vec::new();
    for (service, vital) in called.chain(named) {
        match needs.iter_mut().find(|need| need.service == service) {
            Some(need) => need.vital |= vital,
            None => needs.push(Need { service, vital }),
        }
    }
    needs
}

/// The row of one command of a service, if there is one.
pub(crate) fn dependency(service: ServiceKind, command: &str) -> Option<Dependency> {
    dependencies()
        .into_iter()
        .find(|row| row.service == service && row.command == command)
}

const fn row(
    service: ServiceKind,
    command: &'static str,
    target: Option<ServiceKind>,
    timeout_ms: u64,
    concurrency_max: usize,
) -> Dependency {
    Dependency {
        service,
        command,
        target,
        timeout_ms,
        concurrency_max,
        retry: NextInstance,
        hedge_after_ms: None,
        fallback: None,
        vital_at_start: true,
        criticality: Fatal,
        only_within: None,
    }
}

impl Dependency {
    const fn falls_back(mut self, to: &'static str) -> Self {
        self.vital_at_start = false;
        self.falls_back_on_the_past(to)
    }

    /// As [`falls_back`](Self::falls_back), on something that only earlier requests put there.
    const fn falls_back_on_the_past(mut self, to: &'static str) -> Self {
        self.fallback = Some(to);
        self.criticality = Degrades;
        self
    }

    const fn hedged_after(mut self, ms: u64) -> Self {
        self.hedge_after_ms = Some(ms);
        self
    }

    const fn within(mut self, command: &'static str) -> Self {
        self.only_within = Some(command);
        self
    }

    const fn retries(mut self, class: RetryClass) -> Self {
        self.retry = class;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hanging_dependency_cannot_fill_a_bulkhead_by_itself() {
        // The load the reference scenarios offer one gateway, in requests per second.
        const RATE_PER_S: u64 = 150;
        for row in TABLE
            .iter()
            .filter(|row| row.service == Gateway && row.command != "edge")
        {
            let in_flight = RATE_PER_S * row.timeout_ms / 1_000;
            assert!((row.concurrency_max as u64) >= 2 * in_flight, "{row:?}");
        }
    }
}
