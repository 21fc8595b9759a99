//! A fault on the bytes of several links as one thing.

use std::sync::Arc;
use std::time::Duration;

use squall_scenario::{OnBytes, format_duration};

use super::{Evidence, EvidenceLevel, FaultContext, Removal, ToxicFault};
use crate::proxy::roster::Attached;
use crate::{FaultError, Proxy, ToxicCounters};

/// A toxic attached to every link of a fault.
#[derive(Debug)]
pub(super) struct ActiveToxics {
    inject: OnBytes,
    links: Vec<(Proxy, Arc<Attached>)>,
}

impl ActiveToxics {
    /// Attaches to all links or to none.
    pub(super) fn inject(fault: &ToxicFault, context: &FaultContext) -> Result<Self, FaultError> {
        if fault.proxies.is_empty() {
            return Err(FaultError::NoLinks);
        }
        let id = format!("{}#{}", context.fault, context.injection);
        let mut active = Self {
            inject: fault.inject.clone(),
            links: Vec::new(),
        };
        for proxy in &fault.proxies {
            match proxy.attach_counted(&id, &fault.inject) {
                Ok(attached) => active.links.push((proxy.clone(), attached)),
                Err(error) => {
                    active.signal_removal();
                    return Err(error.into());
                }
            }
        }
        Ok(active)
    }

    pub(super) async fn verify(&self, within: Duration) -> Result<Evidence, FaultError> {
        let live = self.followed(within).await?;
        let done = self.totals();
        let names = self.names();
        let (level, text) = if done.flows == 0 {
            let text = format!("attached to {live} live connections of {names}, no traffic yet");
            (EvidenceLevel::Attached, text)
        } else {
            let effect = effect(&self.inject, &done);
            (EvidenceLevel::Effective, format!("{effect} on {names}"))
        };
        Ok(Evidence {
            level,
            text,
            counters: numbers(live, &done),
        })
    }

    pub(super) async fn remove(&self, within: Duration) -> Result<Removal, FaultError> {
        self.signal_removal();
        let live = self.followed(within).await?;
        let done = self.totals();
        Ok(Removal {
            text: format!(
                "taken off {live} live connections of {}; {}",
                self.names(),
                effect(&self.inject, &done)
            ),
            counters: numbers(live, &done),
        })
    }

    pub(super) fn signal_removal(&self) {
        for (proxy, attached) in &self.links {
            proxy.detach(&attached.id);
        }
    }

    /// Waits for every live connection; returns how many there are.
    async fn followed(&self, within: Duration) -> Result<usize, FaultError> {
        let mut live = 0;
        for (proxy, _) in &self.links {
            let switched = proxy.switched(within).await;
            if switched.waiting > 0 {
                return Err(FaultError::NotSwitched {
                    link: proxy.name().to_owned(),
                    waiting: switched.waiting,
                    live: switched.live,
                    within_ms: within.as_millis() as u64,
                });
            }
            live += switched.live;
        }
        Ok(live)
    }

    /// What the toxic did on all links together.
    fn totals(&self) -> ToxicCounters {
        let each = self.links.iter().map(|(_, attached)| attached);
        each.fold(ToxicCounters::default(), |sum, attached| {
            let one = attached.totals.snapshot(&attached.id, 0);
            ToxicCounters {
                id: one.id,
                live_connections: 0,
                flows: sum.flows + one.flows,
                chunks: sum.chunks + one.chunks,
                bytes: sum.bytes + one.bytes,
                swallowed_bytes: sum.swallowed_bytes + one.swallowed_bytes,
                closed: sum.closed + one.closed,
                reset: sum.reset + one.reset,
            }
        })
    }

    fn names(&self) -> String {
        let proxies: Vec<_> = self.links.iter().map(|(proxy, _)| proxy.clone()).collect();
        link_names(&proxies)
    }
}

/// `link a`, or `links a, b`.
pub(super) fn link_names(proxies: &[Proxy]) -> String {
    let names: Vec<_> = proxies.iter().map(Proxy::name).collect();
    let word = if names.len() == 1 { "link" } else { "links" };
    format!("{word} {}", names.join(", "))
}

/// What a toxic did, in words.
fn effect(inject: &OnBytes, done: &ToxicCounters) -> String {
    let ToxicCounters {
        flows,
        chunks,
        bytes,
        swallowed_bytes,
        reset,
        ..
    } = done;
    match inject {
        OnBytes::Delay(delay) => format!(
            "{chunks} chunks ({bytes} bytes) of {flows} flows delayed by {}",
            format_duration(delay.by)
        ),
        OnBytes::Cut(_) => format!("{swallowed_bytes} bytes of {flows} flows swallowed"),
        OnBytes::Reset(_) => format!("{reset} connections reset"),
        OnBytes::Bandwidth(bandwidth) => format!(
            "{bytes} bytes of {flows} flows limited to {}/s each",
            bandwidth.rate
        ),
    }
}

fn numbers(live: usize, done: &ToxicCounters) -> Vec<(String, u64)> {
    [
        ("live_connections", live as u64),
        ("flows", done.flows),
        ("chunks", done.chunks),
        ("bytes", done.bytes),
        ("swallowed_bytes", done.swallowed_bytes),
        ("closed", done.closed),
        ("reset", done.reset),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}
