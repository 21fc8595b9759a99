//! A fault on the HTTP of several links as one thing.

use std::sync::Arc;
use std::time::Duration;

use squall_scenario::{Evidence, EvidenceLevel, MessagesSeen, OnHttp, Sighting};

use super::switched::all_switched;
use super::{FaultContext, MessageFault};
use crate::http::HttpAttached;
use crate::{FaultError, Proxy};

/// A fault attached to the HTTP of every link.
#[derive(Debug)]
pub(super) struct ActiveMessages {
    inject: OnHttp,
    attached: Arc<HttpAttached>,
    proxies: Vec<Proxy>,
}

impl ActiveMessages {
    /// Attaches to all links or to none.
    pub(super) fn inject(fault: &MessageFault, context: &FaultContext) -> Result<Self, FaultError> {
        if fault.proxies.is_empty() {
            return Err(FaultError::NoLinks);
        }
        let id = format!("{}#{}", context.fault, context.injection);
        let OnHttp::Http(http) = &fault.inject;
        let scopes = fault.scopes.clone();
        let scopes = scopes.map(|key| (context.fault.clone(), key));
        let mut active = Self {
            inject: fault.inject.clone(),
            attached: HttpAttached::new(&id, http.clone(), scopes),
            proxies: Vec::new(),
        };
        for proxy in &fault.proxies {
            if let Err(error) = proxy.attach_http(&active.attached) {
                active.signal_removal();
                return Err(error.into());
            }
            active.proxies.push(proxy.clone());
        }
        Ok(active)
    }

    pub(super) async fn verify(&self, within: Duration) -> Result<Evidence, FaultError> {
        let (level, seen) = self.seen(within).await?;
        let seen = vec![Sighting::OnMessages(seen)];
        Ok(Evidence { level, seen })
    }

    pub(super) async fn remove(&self, within: Duration) -> Result<Evidence, FaultError> {
        self.signal_removal();
        let (level, seen) = self.seen(within).await?;
        let seen = vec![Sighting::OffMessages(seen)];
        Ok(Evidence { level, seen })
    }

    pub(super) fn signal_removal(&self) {
        for proxy in &self.proxies {
            proxy.detach_http(&self.attached.id);
        }
    }

    /// One that did nothing to any message was met by no request.
    async fn seen(&self, within: Duration) -> Result<(EvidenceLevel, MessagesSeen), FaultError> {
        let live_connections = all_switched(self.proxies.iter(), within).await? as u64;
        let names = self.proxies.iter().map(|proxy| proxy.name().to_owned());
        let seen = MessagesSeen {
            fault: self.inject.clone(),
            links: names.collect(),
            live_connections,
            done: self.attached.done(),
        };
        let level = match seen.done.acted {
            0 => EvidenceLevel::Acted,
            _ => EvidenceLevel::Felt,
        };
        Ok((level, seen))
    }
}
