//! A fault on names as a guard.

use std::net::IpAddr;
use std::time::Duration;

use squall_scenario::inject::{Dns, DnsAnswer};
use squall_scenario::{Evidence, EvidenceLevel, NamesSeen, Sighting};

use super::lookup::Said;
use super::message::Code;
use super::names::Met;
use super::resolver::Resolver;
use crate::{FaultContext, FaultError};

/// A fault on names of the run's resolver.
#[derive(Debug, Clone)]
pub struct NamesFault {
    /// The resolver.
    pub resolver: Resolver,
    /// The names; at least one.
    pub names: Vec<String>,
    /// What is answered.
    pub inject: Dns,
}

/// A fault that is on its names. It is in squall's memory alone and ends with
/// it, so there is nothing to journal.
#[derive(Debug)]
pub(crate) struct ActiveNames {
    fault: NamesFault,
    id: String,
    /// What it had met when it was taken off.
    met: std::sync::OnceLock<Met>,
}

impl ActiveNames {
    /// Puts it on all names or on none.
    pub(crate) fn inject(fault: &NamesFault, context: &FaultContext) -> Result<Self, FaultError> {
        let active = Self {
            fault: fault.clone(),
            id: format!("{}#{}", context.fault, context.injection),
            met: std::sync::OnceLock::new(),
        };
        if fault.names.is_empty() {
            return Err(active.wrong("", "the fault has no name to act on"));
        }
        for name in &fault.names {
            let attached = fault
                .resolver
                .names()
                .attach(name, &active.id, fault.inject);
            if !attached {
                active.signal_removal();
                return Err(active.wrong(name, "the resolver does not know it"));
            }
        }
        Ok(active)
    }

    /// Asks the resolver, as a process would, whether it says what it should.
    pub(crate) async fn verify(&self, within: Duration) -> Result<Evidence, FaultError> {
        for name in &self.fault.names {
            if let Some(expected) = self.expected(name) {
                let judged = self.hears(name, &expected, within).await;
                // Another fault may have come while it was asked, and decides.
                if let Err(error) = judged
                    && self.expected(name).is_some()
                {
                    return Err(error);
                }
            }
        }
        let seen = self.seen(self.met());
        let level = level(&seen);
        let seen = vec![Sighting::OnNames(seen)];
        Ok(Evidence { level, seen })
    }

    /// Takes it off and asks until the right address comes back, unless another
    /// fault is on the name.
    pub(crate) async fn remove(&self, within: Duration) -> Result<Evidence, FaultError> {
        self.signal_removal();
        for name in &self.fault.names {
            let Some(address) = self.truth(name) else {
                continue;
            };
            let judged = self
                .hears(
                    name,
                    &Said::Addresses(vec![address], Duration::ZERO),
                    within,
                )
                .await;
            // As above.
            if let Err(error) = judged
                && self.truth(name).is_some()
            {
                return Err(error);
            }
        }
        let seen = self.seen(self.met.get().copied().unwrap_or_default());
        let level = level(&seen);
        let seen = vec![Sighting::OffNames(seen)];
        Ok(Evidence { level, seen })
    }

    pub(crate) fn signal_removal(&self) {
        let mut names = self.fault.resolver.names();
        let each = self.fault.names.iter();
        let met: Vec<Met> = each
            .filter_map(|name| names.detach(name, &self.id))
            .collect();
        // Only the first time there is something to take off.
        if !met.is_empty() {
            self.met.get_or_init(|| sum(met));
        }
    }

    /// What whoever asks is to hear at once; `None` where that is nothing, or
    /// where another fault decides.
    fn expected(&self, name: &str) -> Option<Said> {
        let decides = self.fault.resolver.names().decides(name, &self.id);
        match self.fault.inject.answer {
            _ if !decides => None,
            DnsAnswer::Nxdomain => Some(Said::NoSuchName),
            DnsAnswer::Servfail => Some(Said::Failed(Code::ServerFailure as u8)),
            DnsAnswer::Wrong => {
                let wrong = vec![self.fault.inject.wrong_address()];
                Some(Said::Addresses(wrong, Duration::ZERO))
            }
            DnsAnswer::Timeout | DnsAnswer::Slow => None,
        }
    }

    /// Where a name leads; `None` where a fault is on it.
    fn truth(&self, name: &str) -> Option<IpAddr> {
        let names = self.fault.resolver.names();
        names.address(name).filter(|_| names.is_whole(name))
    }

    /// Asks and compares.
    async fn hears(&self, name: &str, expected: &Said, within: Duration) -> Result<(), FaultError> {
        let asked = self.fault.resolver.ask(name, within).await;
        let heard =
            asked.map_err(|error| self.wrong(name, &format!("the resolver was asked: {error}")))?;
        match heard == *expected {
            true => Ok(()),
            false => Err(self.wrong(name, &format!("{heard:?} was answered"))),
        }
    }

    fn met(&self) -> Met {
        let names = self.fault.resolver.names();
        let each = self.fault.names.iter();
        sum(each.filter_map(|name| names.met(name, &self.id)))
    }

    fn seen(&self, met: Met) -> NamesSeen {
        NamesSeen {
            fault: self.fault.inject,
            names: self.fault.names.clone(),
            asked: met.asked,
            hit: met.hit,
        }
    }

    fn wrong(&self, name: &str, why: &str) -> FaultError {
        FaultError::Name {
            name: name.to_owned(),
            why: why.to_owned(),
        }
    }
}

fn sum(met: impl IntoIterator<Item = Met>) -> Met {
    met.into_iter().fold(Met::default(), |sum, met| Met {
        asked: sum.asked + met.asked,
        hit: sum.hit + met.hit,
    })
}

/// One that nobody asked about has done nothing yet.
const fn level(seen: &NamesSeen) -> EvidenceLevel {
    match seen.hit {
        0 => EvidenceLevel::Acted,
        _ => EvidenceLevel::Felt,
    }
}
