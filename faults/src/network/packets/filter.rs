//! What is done to packets, and the tables in which it is in force.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use squall_scenario::Direction;
use squall_scenario::inject::Packets;

use super::attributes::Attributes;
use super::counted::Met;
use super::netlink::{Ask, Socket};
use super::rules::{CHANCES, End, Rule, counters, of_table};

/// The chain in which packets meet their end: after they were sent. One that is
/// dropped where it is sent is known to TCP, which sends it again as if nothing
/// had been lost.
const ARRIVING: &str = "arriving";
/// The hook of this chain.
const LOCAL_IN: u32 = 1;
/// How often rules are looked for before they count as gone.
const LOOKS: u32 = 8;
/// Before rules of the machine's own, which have 0.
const PRIORITY: i32 = -150;
/// The table belongs to its socket.
const OWNER: u32 = 2;

const TABLE_NAME: u16 = 1;
const TABLE_FLAGS: u16 = 2;
const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_POLICY: u16 = 5;
const CHAIN_TYPE: u16 = 7;

/// Which packets suffer, and what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Where callers connect, by TCP. Somebody else may have the same port at
    /// another address of loopback.
    pub addresses: Vec<SocketAddr>,
    /// Packets towards these addresses, from them, or both.
    pub direction: Direction,
    /// How many of ten thousand.
    pub of_ten_thousand: u32,
    /// Whether they are answered with a reset.
    pub reset: bool,
    /// Only those beyond so many bytes per second, for each address and way.
    pub beyond: Option<u64>,
}

impl Filter {
    /// What `inject` asks for, at these addresses.
    #[must_use]
    pub fn of(inject: &Packets, addresses: Vec<SocketAddr>) -> Self {
        let share = inject.share.get() * f64::from(CHANCES);
        Self {
            addresses,
            direction: inject.direction,
            of_ten_thousand: share.round() as u32,
            reset: inject.reset,
            beyond: inject.beyond.map(|rate| rate.0),
        }
    }
}

/// The filters of a run, and the socket that owns them: they end with it.
#[derive(Debug, Default)]
pub(crate) struct Filters {
    socket: Option<Socket>,
    tables: HashMap<String, Table>,
    made: u32,
}

#[derive(Debug)]
struct Table {
    name: String,
    rules: usize,
}

impl Filters {
    /// Puts a filter in force.
    ///
    /// # Errors
    /// The kernel's answer, in words; nothing is in force then unless they say so.
    pub(crate) fn add(&mut self, id: &str, filter: &Filter) -> Result<(), String> {
        if self.tables.contains_key(id) {
            return Err(format!("{id} is in force already"));
        }
        self.made = self.made.wrapping_add(1);
        let made = self.made;
        let name = self.on_socket(|socket| Ok(format!("squall-{}-{made}", socket.port())));
        let name = name.map_err(|error| format!("nftables: {}", explained(&error)))?;
        let (changes, rules) = changes(&name, filter);
        // Known from now on: the kernel may do it and its answer not arrive.
        self.tables.insert(id.to_owned(), Table { name, rules });
        let Err(error) = self.on_socket(|socket| socket.change(&changes)) else {
            return Ok(());
        };
        let why = format!("nftables: {}", explained(&error));
        let left = self.on_socket(|socket| socket.forget());
        let left = left.map_err(|error| error.to_string());
        match left.and_then(|()| self.remove(id)) {
            Ok(_) => Err(why),
            Err(left) => Err(format!("{why}; it may be in force all the same: {left}")),
        }
    }

    /// Reads back what is in force, and its counters.
    ///
    /// # Errors
    /// It is not in force, or not any more; in words.
    pub(crate) fn look(&mut self, id: &str) -> Result<Met, String> {
        let table = self.tables.get(id);
        let Table { name, rules } = table.ok_or_else(|| format!("{id} is not in force"))?;
        let (name, rules) = (name.clone(), *rules);
        let mut own = Vec::new();
        // A kernel may leave rules out while somebody changes others, without a word:
        // what is really gone is gone the next time as well.
        for _ in 0..LOOKS {
            let all = self
                .on_socket(|socket| socket.list(Ask::GetRule, &of_table(&name)))
                .map_err(|error| format!("nftables: {}", explained(&error)))?;
            own = all
                .iter()
                .filter_map(|rule| counters(rule, &name))
                .collect();
            if own.len() == rules {
                break;
            }
        }
        if own.len() != rules {
            return Err(format!(
                "{} of the {rules} rules of table {name} are there",
                own.len()
            ));
        }
        let mut met = Met::default();
        for counted in own {
            met.seen += counted.seen;
            met.hit += counted.hit;
        }
        Ok(met)
    }

    /// Takes a filter away and looks that it is gone; what it had met.
    ///
    /// # Errors
    /// It may still be there; in words.
    pub(crate) fn remove(&mut self, id: &str) -> Result<Met, String> {
        // What it did is worth less than that it is gone.
        let met = self.look(id).unwrap_or_default();
        let Some(table) = self.tables.get(id) else {
            return Ok(met);
        };
        let name = table.name.clone();
        let named = Attributes::new().text(TABLE_NAME, &name);
        let there = self.on_socket(|socket| {
            match socket.change(&[(Ask::DeleteTable, named.clone())]) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
            socket.is_there(Ask::GetTable, &named)
        });
        match there {
            Ok(false) => {
                self.tables.remove(id);
                Ok(met)
            }
            Ok(true) => Err(format!("nftables: table {name} is still there")),
            Err(error) => Err(format!("nftables: {}", explained(&error))),
        }
    }

    /// Does something on the socket, which is opened for the first who wants it.
    fn on_socket<T>(&mut self, work: impl FnOnce(&mut Socket) -> io::Result<T>) -> io::Result<T> {
        let socket = match &mut self.socket {
            Some(socket) => socket,
            none => none.insert(Socket::open()?),
        };
        work(socket)
    }
}

/// What whoever sees the kernel's answer can do about it.
fn explained(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "{error}: only who administers the network may; run squall as root, or in a \
             user and network namespace of its own"
        ),
        _ => error.to_string(),
    }
}

/// The table of a filter in one transaction, and how many rules it has.
fn changes(table: &str, filter: &Filter) -> (Vec<(Ask, Attributes)>, usize) {
    let new = Attributes::new()
        .text(TABLE_NAME, table)
        .u32(TABLE_FLAGS, OWNER);
    let rules = rules(filter);
    let mut changes = vec![(Ask::NewTable, new), (Ask::NewChain, base_chain(table))];
    let own = rules.iter().map(|rule| rule.of(table, ARRIVING));
    changes.extend(own.map(|rule| (Ask::NewRule, rule)));
    (changes, rules.len())
}

fn base_chain(table: &str) -> Attributes {
    let hook = Attributes::new()
        .u32(1, LOCAL_IN)
        .u32(2, PRIORITY.cast_unsigned());
    Attributes::new()
        .text(CHAIN_TABLE, table)
        .text(CHAIN_NAME, ARRIVING)
        .nest(CHAIN_HOOK, &hook)
        // What no rule decides about passes.
        .u32(CHAIN_POLICY, 1)
        .text(CHAIN_TYPE, "filter")
}

/// One for each address and way.
fn rules(filter: &Filter) -> Vec<Rule> {
    let mut rules = Vec::new();
    for (to_target, end) in [(true, End::Destination), (false, End::Source)] {
        if !filter.direction.is(to_target) {
            continue;
        }
        rules.extend(filter.addresses.iter().map(|address| {
            let seen = Rule::new().over_loopback().at(end, *address).count();
            let some = match filter.of_ten_thousand {
                CHANCES.. => seen,
                share => seen.by_chance(share),
            };
            let hit = match filter.beyond {
                Some(rate) => some.beyond(rate),
                None => some,
            };
            match filter.reset {
                true => hit.count().reset(),
                false => hit.count().drop(),
            }
        }));
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_loopback(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    fn filter(direction: Direction) -> Filter {
        Filter {
            addresses: [80, 81].map(on_loopback).into(),
            direction,
            of_ten_thousand: CHANCES,
            reset: false,
            beyond: None,
        }
    }

    #[test]
    fn there_is_a_rule_for_every_address_and_direction() {
        let count = |direction| rules(&filter(direction)).len();
        assert_eq!(count(Direction::Both), 4);
        assert_eq!(count(Direction::To), 2);
        assert_eq!(count(Direction::From), 2);
    }

    #[test]
    fn who_may_not_is_told_what_it_takes() {
        let refused = std::thread::spawn(|| {
            let none = rustix::thread::CapabilitySet::empty();
            let none = rustix::thread::CapabilitySets {
                effective: none,
                permitted: none,
                inheritable: none,
            };
            // Those of this thread alone.
            rustix::thread::set_capabilities(None, none).unwrap();
            Filters::default().add("tried#0", &filter(Direction::Both))
        });
        let refused = refused.join().unwrap().unwrap_err();
        assert!(refused.contains("run squall as root"), "{refused}");
    }

    /// Whether this process may have rules.
    fn privileged() -> bool {
        let tried = Filters::default().add("tried#0", &filter(Direction::Both));
        if let Err(error) = &tried {
            // Past the capture of the test harness: nobody shall take it for a pass.
            let line = format!("skipped: needs nftables: {error}\n");
            io::Write::write_all(&mut io::stderr(), line.as_bytes()).unwrap();
        }
        tried.is_ok()
    }

    /// Each has rules of its own, and what one changes while another looks makes
    /// nothing seem to be missing.
    #[test]
    fn filters_of_many_sockets_leave_each_other_alone() {
        if !privileged() {
            return;
        }
        let many = Filter {
            addresses: (1..200).map(on_loopback).collect(),
            ..filter(Direction::Both)
        };
        let work = |_| {
            let many = many.clone();
            std::thread::spawn(move || {
                let mut filters = Filters::default();
                for _ in 0..5 {
                    filters.add("one#0", &many).unwrap();
                    filters.look("one#0").unwrap();
                    filters.remove("one#0").unwrap();
                    assert!(filters.look("one#0").is_err());
                }
            })
        };
        let all: Vec<_> = (0..4).map(work).collect();
        for one in all {
            one.join().unwrap();
        }
    }

    /// The kernel makes the table, and what it says of it is lost.
    #[test]
    fn what_the_kernel_did_without_a_word_is_undone() {
        if !privileged() {
            return;
        }
        let mut filters = Filters::default();
        filters.add("first#0", &filter(Direction::Both)).unwrap();
        filters.socket.as_mut().unwrap().deafen().unwrap();
        let second = filters.add("second#0", &filter(Direction::Both));
        let lost = second.unwrap_err();
        assert!(!lost.contains("all the same"), "{lost}");
        let port = filters.socket.as_ref().unwrap().port();
        let there = |made| {
            let name = format!("squall-{port}-{made}");
            let named = Attributes::new().text(TABLE_NAME, &name);
            Socket::open().unwrap().is_there(Ask::GetTable, &named)
        };
        assert!(there(1).unwrap());
        assert!(!there(2).unwrap());
        // It is as good as never asked for, and the other goes on.
        filters.add("second#0", &filter(Direction::Both)).unwrap();
        assert_eq!(filters.look("first#0"), Ok(Met::default()));
    }

    /// The least and the most that a scenario may ask for.
    #[test]
    fn the_kernel_takes_every_rate_and_share() {
        if !privileged() {
            return;
        }
        let mut filters = Filters::default();
        for (of_ten_thousand, beyond) in [
            (1, None),
            (CHANCES - 1, None),
            (CHANCES, Some(1)),
            (CHANCES, Some(16 << 30)),
        ] {
            let filter = Filter {
                of_ten_thousand,
                beyond,
                ..filter(Direction::Both)
            };
            filters.add("one#0", &filter).unwrap();
            assert_eq!(filters.look("one#0"), Ok(Met::default()));
            filters.remove("one#0").unwrap();
        }
    }

    #[test]
    fn a_filter_that_is_not_there_is_told_and_removed_for_good() {
        let mut filters = Filters::default();
        assert!(filters.look("gone#0").unwrap_err().contains("not in force"));
        assert_eq!(filters.remove("gone#0"), Ok(Met::default()));
    }
}
