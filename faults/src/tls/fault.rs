//! A fault on the handshakes of links, as a guard.

use std::sync::OnceLock;

use squall_scenario::inject::{Tls, TlsDone};
use squall_scenario::{Evidence, EvidenceLevel, Sighting, TlsSeen};

use super::terminal::Terminal;
use crate::{FaultContext, FaultError, Proxy};

/// A fault on the TLS of every link given.
#[derive(Debug, Clone)]
pub struct TlsFault {
    /// The links; each speaks TLS with its callers.
    pub proxies: Vec<Proxy>,
    /// What is wrong with their handshakes.
    pub inject: Tls,
}

/// A fault that is on its links. It is in squall's memory alone and ends with
/// it, so there is nothing to journal.
#[derive(Debug)]
pub(crate) struct ActiveTls {
    inject: Tls,
    id: String,
    links: Vec<(String, Terminal)>,
    /// What it had done when it was taken off.
    done: OnceLock<TlsDone>,
}

impl ActiveTls {
    /// Puts it on all links or on none.
    pub(crate) fn inject(fault: &TlsFault, context: &FaultContext) -> Result<Self, FaultError> {
        let mut active = Self {
            inject: fault.inject,
            id: format!("{}#{}", context.fault, context.injection),
            links: Vec::new(),
            done: OnceLock::new(),
        };
        if fault.proxies.is_empty() {
            return Err(FaultError::NoLinks);
        }
        for proxy in &fault.proxies {
            let attached = proxy
                .tls()
                .filter(|terminal| terminal.attach(&active.id, fault.inject.shows));
            let Some(terminal) = attached else {
                active.signal_removal();
                return Err(FaultError::NoTls {
                    link: proxy.name().to_owned(),
                });
            };
            active
                .links
                .push((proxy.name().to_owned(), terminal.clone()));
        }
        Ok(active)
    }

    /// A handshake looks for its fault when it begins: what is attached is in
    /// force.
    pub(crate) fn verify(&self) -> Evidence {
        let each = self.links.iter();
        let done = each.filter_map(|(_, terminal)| terminal.done(&self.id));
        self.evidence(sum(done), Sighting::OnTls)
    }

    pub(crate) fn remove(&self) -> Evidence {
        self.signal_removal();
        let done = self.done.get().copied().unwrap_or_default();
        self.evidence(done, Sighting::OffTls)
    }

    pub(crate) fn signal_removal(&self) {
        let each = self.links.iter();
        let done: Vec<TlsDone> = each
            .filter_map(|(_, terminal)| terminal.detach(&self.id))
            .collect();
        // Only the first time there is something to take off.
        if !done.is_empty() {
            self.done.get_or_init(|| sum(done));
        }
    }

    fn evidence(&self, done: TlsDone, sighting: impl Fn(TlsSeen) -> Sighting) -> Evidence {
        let level = match done.met {
            0 => EvidenceLevel::Acted,
            _ => EvidenceLevel::Felt,
        };
        let links = self.links.iter().map(|(name, _)| name.clone());
        let seen = TlsSeen {
            fault: self.inject,
            links: links.collect(),
            done,
        };
        Evidence {
            level,
            seen: vec![sighting(seen)],
        }
    }
}

fn sum(done: impl IntoIterator<Item = TlsDone>) -> TlsDone {
    done.into_iter().fold(TlsDone::default(), TlsDone::and)
}
