//! Live counters of a proxy and its toxics.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use squall_scenario::inject::BytesDone;
use tokio::sync::watch;

use super::want::{WantTotals, Wants};

/// What a proxy has done so far. A snapshot; counts only grow, `open` aside.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ProxyCounters {
    /// Connections accepted from clients.
    pub accepted: u64,
    /// Connections carried right now, dialling ones included.
    pub open: u64,
    /// Connections whose upstream could not be reached; the client got a reset.
    pub dial_failed: u64,
    /// Connections that had to wait to be accepted, because the link carried as
    /// many as it may.
    pub over_limit: u64,
    /// Times that the kernel would not hand over a connection: no descriptor
    /// was left.
    pub accept_failed: u64,
    /// How often it could not listen, accept or reach its upstream for want of
    /// something that is squall's own, by what that was. Its callers were reset,
    /// refused or had to wait, whatever the upstream did.
    pub wants: Wants,
    /// Times that it stopped listening, because its upstream was down.
    pub closed: u64,
    /// Connections ended with a reset by a toxic.
    pub reset: u64,
    /// Bytes read from the callers, for the target (upstream).
    pub read_to: u64,
    /// Bytes read from the target, for the callers (downstream).
    pub read_from: u64,
    /// Bytes written to the target, from the callers (upstream).
    pub bytes_to: u64,
    /// Bytes written to the callers, from the target (downstream).
    pub bytes_from: u64,
    /// Bytes of these two that were spliced: moved from socket to socket without
    /// being copied, as nothing was attached that had to see them.
    pub spliced_bytes: u64,
    /// Bytes held by toxics right now.
    pub held_bytes: u64,
    /// One entry per attached toxic, in chain order.
    pub toxics: Vec<ToxicCounters>,
}

/// What a toxic has done on one proxy since it was attached.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ToxicCounters {
    /// Its id on the proxy.
    pub id: String,
    /// Live connections it sits on now.
    pub live_connections: u64,
    /// What it has done.
    #[serde(flatten)]
    pub done: BytesDone,
}

/// The running totals behind [`ToxicCounters`], shared by all links.
#[derive(Debug, Default)]
pub(crate) struct ToxicTotals {
    /// Live connections it sits on.
    pub(crate) live: AtomicU64,
    pub(crate) met: AtomicU64,
    pub(crate) hit: AtomicU64,
    pub(crate) flows: AtomicU64,
    pub(crate) chunks: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) ends: AtomicU64,
    pub(crate) swallowed_bytes: AtomicU64,
    pub(crate) closed: AtomicU64,
    pub(crate) reset: AtomicU64,
    pub(crate) kept: AtomicU64,
    pub(crate) refusing: AtomicU64,
    /// Connections that take up room behind its door.
    pub(crate) inside: watch::Sender<u64>,
}

/// The running totals behind [`ProxyCounters`].
#[derive(Debug, Default)]
pub(crate) struct ProxyTotals {
    pub(crate) accepted: AtomicU64,
    pub(crate) open: AtomicU64,
    pub(crate) dial_failed: AtomicU64,
    pub(crate) over_limit: AtomicU64,
    pub(crate) accept_failed: AtomicU64,
    pub(crate) wants: WantTotals,
    pub(crate) closed: AtomicU64,
    pub(crate) reset: AtomicU64,
    pub(crate) read_to: AtomicU64,
    pub(crate) read_from: AtomicU64,
    pub(crate) bytes_to: AtomicU64,
    pub(crate) bytes_from: AtomicU64,
    pub(crate) spliced_bytes: AtomicU64,
    pub(crate) held_bytes: AtomicU64,
}

/// Adds to a counter that is only ever read for display and proof of effect.
pub(crate) fn add(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

pub(crate) fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl ProxyTotals {
    pub(crate) fn snapshot(&self, toxics: Vec<ToxicCounters>) -> ProxyCounters {
        ProxyCounters {
            accepted: get(&self.accepted),
            open: get(&self.open),
            dial_failed: get(&self.dial_failed),
            over_limit: get(&self.over_limit),
            accept_failed: get(&self.accept_failed),
            wants: self.wants.snapshot(),
            closed: get(&self.closed),
            reset: get(&self.reset),
            read_to: get(&self.read_to),
            read_from: get(&self.read_from),
            bytes_to: get(&self.bytes_to),
            bytes_from: get(&self.bytes_from),
            spliced_bytes: get(&self.spliced_bytes),
            held_bytes: get(&self.held_bytes),
            toxics,
        }
    }
}

impl ToxicTotals {
    pub(crate) fn snapshot(&self, id: &str) -> ToxicCounters {
        ToxicCounters {
            id: id.to_owned(),
            live_connections: get(&self.live),
            done: self.done(),
        }
    }

    pub(crate) fn done(&self) -> BytesDone {
        BytesDone {
            met: get(&self.met),
            hit: get(&self.hit),
            flows: get(&self.flows),
            chunks: get(&self.chunks),
            bytes: get(&self.bytes),
            ends: get(&self.ends),
            swallowed_bytes: get(&self.swallowed_bytes),
            closed: get(&self.closed),
            reset: get(&self.reset),
            kept: get(&self.kept),
            refusing: get(&self.refusing),
        }
    }
}
