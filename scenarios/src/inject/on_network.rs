//! What is done to the network: to names, and to packets below TCP.

use serde::{Deserialize, Serialize};

use super::dns::{self, Dns};
use super::kind::Kind;
use super::loss::{self, Loss};
use super::packets::Packets;
use super::partition::{self, Partition};
use super::rate::{self, Rate};
use super::reject::{self, Reject};
use super::{About, Inject};

/// What is done to the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnNetwork {
    /// See [`Dns`].
    Dns(Dns),
    /// See [`Partition`].
    Partition(Partition),
    /// See [`Loss`].
    Loss(Loss),
    /// See [`Reject`].
    Reject(Reject),
    /// See [`Rate`].
    Rate(Rate),
}

impl OnNetwork {
    /// Every kind, in the order they are listed.
    pub const KINDS: &[&About] = &[
        &dns::ABOUT,
        &partition::ABOUT,
        &loss::ABOUT,
        &reject::ABOUT,
        &rate::ABOUT,
    ];

    /// What there is to know about it.
    #[must_use]
    pub const fn about(&self) -> &'static About {
        match self {
            Self::Dns(_) => &dns::ABOUT,
            Self::Partition(_) => &partition::ABOUT,
            Self::Loss(_) => &loss::ABOUT,
            Self::Reject(_) => &reject::ABOUT,
            Self::Rate(_) => &rate::ABOUT,
        }
    }

    /// What is done to packets; `None` where it is done to names.
    #[must_use]
    pub const fn packets(&self) -> Option<Packets> {
        match self {
            Self::Dns(_) => None,
            Self::Partition(partition) => Some(partition.packets()),
            Self::Loss(loss) => Some(loss.packets()),
            Self::Reject(reject) => Some(reject.packets()),
            Self::Rate(rate) => Some(rate.packets()),
        }
    }

    pub(super) fn kind(&self) -> &dyn Kind {
        match self {
            Self::Dns(dns) => dns,
            Self::Partition(partition) => partition,
            Self::Loss(loss) => loss,
            Self::Reject(reject) => reject,
            Self::Rate(rate) => rate,
        }
    }
}

impl From<Dns> for Inject {
    fn from(dns: Dns) -> Self {
        Self::Network(OnNetwork::Dns(dns))
    }
}

impl From<Partition> for Inject {
    fn from(partition: Partition) -> Self {
        Self::Network(OnNetwork::Partition(partition))
    }
}

impl From<Loss> for Inject {
    fn from(loss: Loss) -> Self {
        Self::Network(OnNetwork::Loss(loss))
    }
}

impl From<Reject> for Inject {
    fn from(reject: Reject) -> Self {
        Self::Network(OnNetwork::Reject(reject))
    }
}

impl From<Rate> for Inject {
    fn from(rate: Rate) -> Self {
        Self::Network(OnNetwork::Rate(rate))
    }
}
