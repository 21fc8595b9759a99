//! A fault on the bytes of several links as one thing.

use std::sync::Arc;
use std::time::Duration;

use squall_scenario::inject::BytesDone;
use squall_scenario::{Evidence, EvidenceLevel, LinksSeen, OnBytes, Share, Sighting};

use super::switched::all_switched;
use super::{FaultContext, ToxicFault};
use crate::proxy::roster::Attached;
use crate::{FaultError, Proxy};

/// A toxic attached to every link of a fault.
#[derive(Debug)]
pub(super) struct ActiveToxics {
    inject: OnBytes,
    share: Share,
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
            share: fault.share,
            links: Vec::new(),
        };
        for proxy in &fault.proxies {
            match proxy.attach_counted(&id, &fault.inject, fault.share) {
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
        for (proxy, _) in self.refusing() {
            if !proxy.refuses(within).await {
                let link = proxy.name().to_owned();
                return Err(FaultError::StillListens { link });
            }
        }
        let seen = self.seen(within).await?;
        let level = level(&seen);
        let seen = vec![Sighting::OnLinks(seen)];
        Ok(Evidence { level, seen })
    }

    pub(super) async fn remove(&self, within: Duration) -> Result<Evidence, FaultError> {
        self.signal_removal();
        for (proxy, _) in self.refusing() {
            if !proxy.listens_again(within).await {
                let link = proxy.name().to_owned();
                return Err(FaultError::NotListening { link });
            }
        }
        let seen = self.seen(within).await?;
        let level = level(&seen);
        let seen = vec![Sighting::OffLinks(seen)];
        Ok(Evidence { level, seen })
    }

    /// Links that do not listen because of it, or did not.
    fn refusing(&self) -> impl Iterator<Item = &(Proxy, Arc<Attached>)> {
        self.links.iter().filter(|(_, attached)| attached.refuses())
    }

    async fn seen(&self, within: Duration) -> Result<LinksSeen, FaultError> {
        let proxies = self.links.iter().map(|(proxy, _)| proxy);
        let live_connections = all_switched(proxies, within).await? as u64;
        let names = self.links.iter().map(|(proxy, _)| proxy.name().to_owned());
        let each = self
            .links
            .iter()
            .map(|(_, attached)| attached.totals.done());
        Ok(LinksSeen {
            fault: self.inject.clone(),
            share: (self.share != Share::WHOLE).then_some(self.share),
            links: names.collect(),
            live_connections,
            done: each.fold(BytesDone::default(), BytesDone::and),
        })
    }

    pub(super) fn signal_removal(&self) {
        for (proxy, attached) in &self.links {
            proxy.detach(&attached.id);
        }
    }
}

/// One that did nothing to any flow was met by no traffic.
fn level(seen: &LinksSeen) -> EvidenceLevel {
    match seen.fault.was_met(&seen.done) {
        false => EvidenceLevel::Acted,
        true => EvidenceLevel::Felt,
    }
}
