//! Counts and histograms of the arrivals scheduled in a stretch of time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    BadKind, CacheUse, Drops, IntervalParts, IntervalUsers, RouteMessages, Sightings, Times,
};

/// All arrivals scheduled in `[start_us, end_us)`, settled. Intervals are cut
/// at every second and at every fault edge.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// Start in microseconds since time zero; negative before it.
    pub start_us: i64,
    /// End in microseconds since time zero.
    pub end_us: i64,
    /// One entry per route of the scenario, in its order.
    pub routes: Vec<RouteInterval>,
    /// Lag of the generator (dispatched - scheduled) over all routes, in
    /// microseconds. Written to `intervals.times`, not to the event stream.
    #[serde(skip)]
    pub lag: Option<Times>,
    /// Wait (written - dispatched) over all routes, in microseconds.
    #[serde(skip)]
    pub wait: Option<Times>,
    /// Connecting, TLS and first bytes over all routes.
    #[serde(skip)]
    pub parts: IntervalParts,
    /// Who asked and who was hurt, where the load says what a user is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<IntervalUsers>,
}

/// One route's part of an interval.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct RouteInterval {
    /// The route: a request's name.
    pub route: String,
    /// What became of its arrivals.
    pub counts: Counts,
    /// When the failures among them were met. Empty in records of versions that do
    /// not say.
    #[serde(default, skip_serializing_if = "Sightings::is_empty")]
    pub seen: Sightings,
    /// What its streams brought, where it has any.
    #[serde(default, skip_serializing_if = "RouteMessages::is_empty")]
    pub messages: RouteMessages,
    /// Response times (done - scheduled) of good answers in microseconds.
    #[serde(skip)]
    pub response: Option<Times>,
    /// The same answers without the generator's lag (done - dispatched).
    #[serde(skip)]
    pub unlagged: Option<Times>,
}

/// What became of arrivals. Always
/// `scheduled = good + bad() + dropped + unfinished`. Counts of zero behind the first
/// two are left out of records and reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Arrivals of the schedule.
    pub scheduled: u64,
    /// Completed, expected status, checks hold, inside `within`.
    pub good: u64,
    /// The connection could not be made.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub connect: u64,
    /// No answer within the client's patience.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub timeout: u64,
    /// Answered well, but later than `within`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub late: u64,
    /// Answered with a status that is not expected.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub status: u64,
    /// The connection broke. In records of squall 0.1 also: what came was not
    /// HTTP.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub broken: u64,
    /// What came was no HTTP answer, or larger than squall reads.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub malformed: u64,
    /// Answered with the right status, and not as `expect` says.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub check: u64,
    /// The target's name had no address.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dns: u64,
    /// The connection was made, and could not be encrypted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tls: u64,
    /// Never sent.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped: u64,
    /// Of `dropped`: why.
    #[serde(default, skip_serializing_if = "Drops::is_empty")]
    pub drops: Drops,
    /// Not settled when the run was cut short.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unfinished: u64,
    /// Of `late`: those that would have been good without the generator's lag.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub late_by_lag: u64,
    /// Of the others that were sent and are not good: those that a fault's beginning or end
    /// came before, only because the generator was late to send them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub displaced: u64,
    /// Of `good`: answers a fallback made, as far as the system says so.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub fallback: u64,
    /// Bytes of answers' bodies.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bytes: u64,
    /// Sent a second time, on a new connection, because the reused one had
    /// been closed; whatever became of them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub resent: u64,
    /// Attempts that clients made behind the first ones, whatever became of them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retries: u64,
    /// What clients' caches did. Its hits sent nothing, and are not among the others.
    #[serde(default, skip_serializing_if = "CacheUse::is_empty")]
    pub cache: CacheUse,
}

/// So that what is rare takes no room in a record.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Counts {
    /// Arrivals that were sent and are not good.
    #[must_use]
    pub const fn bad(&self) -> u64 {
        self.connect
            .saturating_add(self.timeout)
            .saturating_add(self.late)
            .saturating_add(self.status)
            .saturating_add(self.broken)
            .saturating_add(self.malformed)
            .saturating_add(self.check)
            .saturating_add(self.dns)
            .saturating_add(self.tls)
    }

    /// Arrivals that are settled: all but the unfinished.
    #[must_use]
    pub const fn settled(&self) -> u64 {
        self.scheduled.saturating_sub(self.unfinished)
    }

    /// Failures of any kind among the settled: bad or dropped.
    #[must_use]
    pub const fn failed(&self) -> u64 {
        self.bad().saturating_add(self.dropped)
    }

    /// Failures that are the generator's doing: its lag, and what it had no
    /// descriptor, port or memory for. A gate that fails only because of them
    /// is inconclusive.
    #[must_use]
    pub fn excused(&self) -> u64 {
        let late = self.late_by_lag.min(self.late);
        let sent = late.saturating_add(self.displaced).min(self.bad());
        sent.saturating_add(self.drops.excused().min(self.dropped))
    }

    /// Failures that nothing but the system explains.
    #[must_use]
    pub fn failed_unexcused(&self) -> u64 {
        self.failed().saturating_sub(self.excused())
    }

    /// The number of failures of one kind.
    #[must_use]
    pub const fn of(&self, kind: BadKind) -> u64 {
        match kind {
            BadKind::Connect => self.connect,
            BadKind::Timeout => self.timeout,
            BadKind::Late => self.late,
            BadKind::Status => self.status,
            BadKind::Broken => self.broken,
            BadKind::Malformed => self.malformed,
            BadKind::Check => self.check,
            BadKind::Dns => self.dns,
            BadKind::Tls => self.tls,
        }
    }

    /// Whether nothing was lost: scheduled = good + bad + dropped + unfinished.
    #[must_use]
    pub const fn is_conserved(&self) -> bool {
        let settled = self.good.saturating_add(self.failed());
        self.scheduled == settled.saturating_add(self.unfinished)
    }

    /// Adds `other` to these counts. Sums saturate, as counts in a damaged
    /// record can be anything.
    pub const fn add(&mut self, other: &Self) {
        self.scheduled = self.scheduled.saturating_add(other.scheduled);
        self.good = self.good.saturating_add(other.good);
        self.connect = self.connect.saturating_add(other.connect);
        self.timeout = self.timeout.saturating_add(other.timeout);
        self.late = self.late.saturating_add(other.late);
        self.status = self.status.saturating_add(other.status);
        self.broken = self.broken.saturating_add(other.broken);
        self.malformed = self.malformed.saturating_add(other.malformed);
        self.check = self.check.saturating_add(other.check);
        self.dns = self.dns.saturating_add(other.dns);
        self.tls = self.tls.saturating_add(other.tls);
        self.dropped = self.dropped.saturating_add(other.dropped);
        self.drops.add(&other.drops);
        self.unfinished = self.unfinished.saturating_add(other.unfinished);
        self.late_by_lag = self.late_by_lag.saturating_add(other.late_by_lag);
        self.displaced = self.displaced.saturating_add(other.displaced);
        self.fallback = self.fallback.saturating_add(other.fallback);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.resent = self.resent.saturating_add(other.resent);
        self.retries = self.retries.saturating_add(other.retries);
        self.cache.add(&other.cache);
    }
}
