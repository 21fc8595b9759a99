//! Rules of nftables in the form of the kernel: expressions that load, compare
//! and decide (`linux/netfilter/nf_tables.h`; `nft --debug=netlink` writes them
//! for people).

use std::net::{IpAddr, SocketAddr};

use super::attributes::{Attributes, find, read, read_u64};
use super::counted::{Counted, Met};

/// The register that says what becomes of the packet.
const VERDICT: u32 = 0;
/// The register for everything else.
const REGISTER: u32 = 1;

/// Loopback, in every network namespace.
const LOOPBACK: u32 = 1;
const TCP: u8 = 6;
/// The most of a packet there: less, and a large one would never pass.
const LOOPBACK_PACKET_BYTES: u32 = 64 * 1024;

/// What is known of a packet beside its bytes.
const META_IIF: u32 = 4;
const META_NFPROTO: u32 = 15;
const META_L4PROTO: u32 = 16;
/// What came as IPv4, and as IPv6.
const IPV4: u8 = 2;
const IPV6: u8 = 10;

/// Headers of a packet.
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;

const EQUAL: u32 = 0;
const LESS: u32 = 2;

/// One of the two ends that a packet names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Where it came from.
    Source,
    /// Where it goes.
    Destination,
}

impl End {
    /// Where its port stands in the header of TCP.
    const fn port(self) -> u32 {
        match self {
            Self::Source => 0,
            Self::Destination => 2,
        }
    }

    /// Where its address stands in the header of IPv4.
    const fn v4(self) -> u32 {
        match self {
            Self::Source => 12,
            Self::Destination => 16,
        }
    }

    /// Where its address stands in the header of IPv6.
    const fn v6(self) -> u32 {
        match self {
            Self::Source => 8,
            Self::Destination => 24,
        }
    }
}

/// An element of a list.
const ELEMENT: u16 = 1;
const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;
const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_EXPRESSIONS: u16 = 4;
const COUNTER_BYTES: u16 = 1;
const COUNTER_PACKETS: u16 = 2;

/// What chance is measured in: one of ten thousand.
pub(super) const CHANCES: u32 = 10_000;

/// One rule: its expressions, in the order in which the kernel goes through them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Rule(Attributes);

impl Rule {
    /// Matches everything.
    pub(super) fn new() -> Self {
        Self::default()
    }

    fn with(self, name: &str, data: &Attributes) -> Self {
        let expression = Attributes::new()
            .text(EXPRESSION_NAME, name)
            .nest(EXPRESSION_DATA, data);
        Self(self.0.nest(ELEMENT, &expression))
    }

    fn load_meta(self, key: u32) -> Self {
        self.with("meta", &Attributes::new().u32(1, REGISTER).u32(2, key))
    }

    fn compare(self, how: u32, value: &[u8]) -> Self {
        let value = Attributes::new().bytes(1, value);
        let compare = Attributes::new().u32(1, REGISTER).u32(2, how);
        self.with("cmp", &compare.nest(3, &value))
    }

    /// Packets that came over loopback, where every process on this
    /// machine meets every other.
    pub(super) fn over_loopback(self) -> Self {
        self.load_meta(META_IIF)
            .compare(EQUAL, &LOOPBACK.to_ne_bytes())
    }

    /// Packets with these bytes there in that header.
    fn holding(self, header: u32, offset: u32, bytes: &[u8]) -> Self {
        let load = Attributes::new()
            .u32(1, REGISTER)
            .u32(2, header)
            .u32(3, offset)
            // None of what is compared is longer than an address.
            .u32(4, bytes.len() as u32);
        self.with("payload", &load).compare(EQUAL, bytes)
    }

    fn family(self, family: u8) -> Self {
        self.load_meta(META_NFPROTO).compare(EQUAL, &[family])
    }

    /// Packets of TCP that have this address and port at that end. All zeros are
    /// every address: those of IPv4, or, as a socket bound to `::` takes both, any.
    pub(super) fn at(self, end: End, address: SocketAddr) -> Self {
        let of_host = match address.ip().to_canonical() {
            IpAddr::V4(every) if every.is_unspecified() => self.family(IPV4),
            IpAddr::V4(one) => self
                .family(IPV4)
                .holding(NETWORK_HEADER, end.v4(), &one.octets()),
            IpAddr::V6(every) if every.is_unspecified() => self,
            IpAddr::V6(one) => self
                .family(IPV6)
                .holding(NETWORK_HEADER, end.v6(), &one.octets()),
        };
        let port = address.port().to_be_bytes();
        of_host
            .load_meta(META_L4PROTO)
            .compare(EQUAL, &[TCP])
            .holding(TRANSPORT_HEADER, end.port(), &port)
    }

    /// So many of ten thousand packets, by chance of the kernel's own.
    pub(super) fn by_chance(self, of_ten_thousand: u32) -> Self {
        let number = Attributes::new()
            .u32(1, REGISTER)
            .u32(2, CHANCES)
            // Random, as against one after the other.
            .u32(3, 1);
        // Numbers are compared in the order of the network.
        let order = Attributes::new()
            .u32(1, REGISTER)
            .u32(2, REGISTER)
            .u32(3, 1)
            .u32(4, 4)
            .u32(5, 4);
        self.with("numgen", &number)
            .with("byteorder", &order)
            .compare(LESS, &of_ten_thousand.to_be_bytes())
    }

    /// Those beyond so many bytes per second; what was not used is kept for a
    /// second, and one packet of loopback beside it.
    pub(super) fn beyond(self, bytes_per_second: u64) -> Self {
        let limit = Attributes::new()
            .u64(1, bytes_per_second)
            // For each second.
            .u64(2, 1)
            .u32(3, LOOPBACK_PACKET_BYTES)
            // Bytes, and what is over the limit.
            .u32(4, 1)
            .u32(5, 1);
        self.with("limit", &limit)
    }

    /// Counts what came so far.
    pub(super) fn count(self) -> Self {
        self.with(
            "counter",
            &Attributes::new()
                .u64(COUNTER_BYTES, 0)
                .u64(COUNTER_PACKETS, 0),
        )
    }

    /// Drops the packet.
    pub(super) fn drop(self) -> Self {
        let code = Attributes::new().u32(1, 0);
        let verdict = Attributes::new().nest(2, &code);
        let immediate = Attributes::new().u32(1, VERDICT).nest(2, &verdict);
        self.with("immediate", &immediate)
    }

    /// Drops the packet and answers it with a reset.
    pub(super) fn reset(self) -> Self {
        let reset = Attributes::new().u32(1, 1).bytes(2, &[0]);
        self.with("reject", &reset)
    }

    /// The rule as one of that chain.
    pub(super) fn of(&self, table: &str, chain: &str) -> Attributes {
        Attributes::new()
            .text(RULE_TABLE, table)
            .text(RULE_CHAIN, chain)
            .nest(RULE_EXPRESSIONS, &self.0)
    }
}

/// Which rules are meant: all of a table.
pub(super) fn of_table(table: &str) -> Attributes {
    Attributes::new().text(RULE_TABLE, table)
}

/// What the counters of a rule say: the first what it met, the last what it hit;
/// `None` where it is a rule of another table.
pub(super) fn counters(rule: &[u8], table: &str) -> Option<Met> {
    let of = find(rule, RULE_TABLE)?;
    if of.strip_suffix(b"\0").unwrap_or(of) != table.as_bytes() {
        return None;
    }
    let expressions = find(rule, RULE_EXPRESSIONS)?;
    let counters = read(expressions).filter_map(|(_, expression)| {
        let name = find(expression, EXPRESSION_NAME)?;
        let data = find(expression, EXPRESSION_DATA)?;
        (name == b"counter\0").then_some(data)
    });
    let mut read = counters.map(|data| Counted {
        packets: find(data, COUNTER_PACKETS).and_then(read_u64).unwrap_or(0),
        bytes: find(data, COUNTER_BYTES).and_then(read_u64).unwrap_or(0),
    });
    let seen = read.next()?;
    let hit = read.last()?;
    Some(Met { seen, hit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_in_their_order_and_of_their_table_alone() {
        let counted = |packets, bytes| {
            Attributes::new()
                .u64(COUNTER_BYTES, bytes)
                .u64(COUNTER_PACKETS, packets)
        };
        let rule = Rule::new()
            .at(End::Destination, ([127, 0, 0, 1], 80).into())
            .with("counter", &counted(5, 500))
            .by_chance(1000)
            .with("counter", &counted(2, 200))
            .drop();
        let rule = rule.of("squall-1-0", "in");
        let found = counters(rule.as_bytes(), "squall-1-0").unwrap();
        let [seen, hit] = [(5, 500), (2, 200)].map(|(packets, bytes)| Counted { packets, bytes });
        assert_eq!(found, Met { seen, hit });
        assert_eq!(counters(rule.as_bytes(), "squall-1"), None);
        assert_eq!(counters(b"", "squall-1-0"), None);
    }
}
