//! Where faults act.

/// Where a fault acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Surface {
    /// The bytes of a link.
    Bytes,
    /// The TLS that a link speaks with its callers.
    Tls,
    /// The HTTP of a link.
    Http,
    /// A process.
    Process,
    /// The network: names, and what lies below TCP.
    Network,
    /// What a process has: limits, processor, memory, disk.
    Resource,
    /// The code of a service that has squall's fault layer.
    InProcess,
}

impl Surface {
    /// What it is, for people who look a fault up.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Bytes => "bytes: a link, or the inbound link of a process",
            Self::Tls => "the TLS of a link that speaks it with its callers (`tls:`)",
            Self::Http => "requests and answers on a link, or on the inbound link of a process",
            Self::Process => "processes",
            Self::Network => {
                "the network: names that processes look up, packets to and from processes and links"
            }
            Self::Resource => "what processes have: limits, processor, memory, disk",
            Self::InProcess => "calls inside processes that have squall's fault layer",
        }
    }

    /// Whether traffic has to meet a fault before it has any effect; otherwise
    /// one that is seen in force is the effect itself.
    #[must_use]
    pub const fn waits_for_traffic(self) -> bool {
        match self {
            Self::Bytes | Self::Http | Self::Tls | Self::Network | Self::InProcess => true,
            Self::Process | Self::Resource => false,
        }
    }
}
