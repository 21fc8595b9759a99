//! How this machine looks up names: resolv.conf(5) and hosts(5).

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

const RESOLV_CONF: &str = "/etc/resolv.conf";
const HOSTS: &str = "/etc/hosts";
/// Where servers listen.
const PORT: u16 = 53;
/// Bounds of the C library, and what it does where nothing is said.
const SERVERS_MAX: usize = 3;
const SEARCH_MAX: usize = 6;
const DOTS_MAX: usize = 15;
const WITHIN_MAX: Duration = Duration::from_secs(30);
const WITHIN: Duration = Duration::from_secs(5);
const ATTEMPTS_MAX: u32 = 5;
const ATTEMPTS: u32 = 2;

/// Who is asked, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lookup {
    /// One after the other, until one answers.
    pub(super) servers: Vec<SocketAddr>,
    /// What may stand behind a name.
    search: Vec<String>,
    /// A name with so many dots is asked for as it is first.
    dots: usize,
    /// How long an answer is waited for.
    pub(super) within: Duration,
    /// How often all servers are asked.
    pub(super) attempts: u32,
}

impl Lookup {
    /// One server, which is asked for names as they are.
    pub(crate) fn at(server: SocketAddr) -> Self {
        Self {
            servers: vec![server],
            search: Vec::new(),
            dots: 0,
            within: WITHIN,
            attempts: ATTEMPTS,
        }
    }

    /// As this machine is configured now.
    pub(crate) fn of_this_machine() -> Self {
        // Where there is none, a server on this machine is asked.
        Self::parse(&fs::read_to_string(RESOLV_CONF).unwrap_or_default())
    }

    pub(super) fn parse(text: &str) -> Self {
        let mut lookup = Self {
            servers: Vec::new(),
            dots: 1,
            ..Self::at(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)))
        };
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("nameserver") => {
                    let ip = words.next().and_then(|word| word.parse::<IpAddr>().ok());
                    lookup
                        .servers
                        .extend(ip.map(|ip| SocketAddr::new(ip, PORT)));
                }
                // The last one holds.
                Some("search") => lookup.search = words.map(str::to_owned).collect(),
                Some("domain") => lookup.search = words.take(1).map(str::to_owned).collect(),
                Some("options") => words.for_each(|option| lookup.option(option)),
                Some(_) | None => {}
            }
        }
        lookup.servers.truncate(SERVERS_MAX);
        lookup.search.truncate(SEARCH_MAX);
        // `search .` puts nothing behind a name.
        lookup.search.retain(|behind| behind != ".");
        if lookup.servers.is_empty() {
            lookup.servers.push((Ipv4Addr::LOCALHOST, PORT).into());
        }
        lookup
    }

    fn option(&mut self, option: &str) {
        let Some((name, Ok(number))) = option
            .split_once(':')
            .map(|(name, number)| (name, number.parse::<u32>()))
        else {
            return;
        };
        match name {
            "ndots" => self.dots = (number as usize).min(DOTS_MAX),
            "timeout" => self.within = Duration::from_secs(number.max(1).into()).min(WITHIN_MAX),
            "attempts" => self.attempts = number.clamp(1, ATTEMPTS_MAX),
            _ => {}
        }
    }

    /// What is asked for, one after the other, until there is such a name.
    pub(super) fn candidates(&self, name: &str) -> Vec<String> {
        if name.ends_with('.') {
            return vec![name.to_owned()];
        }
        let behind = self.search.iter().map(|behind| format!("{name}.{behind}"));
        let mut all: Vec<_> = behind.collect();
        match name.matches('.').count() >= self.dots {
            true => all.insert(0, name.to_owned()),
            false => all.push(name.to_owned()),
        }
        all
    }
}

/// Whether hosts(5) says where a name leads: then no server is asked.
pub(crate) fn is_in_hosts(name: &str) -> bool {
    fs::read_to_string(HOSTS).is_ok_and(|text| hosts_know(&text, name))
}

fn hosts_know(text: &str, name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    text.lines().any(|line| {
        let said = line.split('#').next().unwrap_or_default();
        let mut names = said.split_ascii_whitespace().skip(1);
        names.any(|known| known.eq_ignore_ascii_case(name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_machine_is_believed_as_the_c_library_believes_it() {
        let lookup = Lookup::parse(
            "# by hand\nnameserver 10.0.0.1\nnameserver ::1 \nnameserver no\nnameserver 10.0.0.2\n\
             nameserver 10.0.0.3\ndomain old.test\nsearch a.test b.test\n\
             options ndots:5 timeout:2 attempts:9 rotate timeout:x\n",
        );
        let servers = ["10.0.0.1:53", "[::1]:53", "10.0.0.2:53"].map(server);
        assert_eq!(lookup.servers, servers);
        assert_eq!(lookup.search, ["a.test", "b.test"]);
        let told = (lookup.dots, lookup.within, lookup.attempts);
        assert_eq!(told, (5, Duration::from_secs(2), 5));
        let nothing = Lookup::parse("");
        assert_eq!(nothing.servers, [server("127.0.0.1:53")]);
        assert_eq!((nothing.dots, nothing.within), (1, WITHIN));
    }

    #[test]
    fn a_name_is_asked_for_as_it_is_or_with_what_may_stand_behind_it() {
        let of = |text: &str, name| Lookup::parse(text).candidates(name);
        let text = "search a.test b.test";
        assert_eq!(of(text, "shop"), ["shop.a.test", "shop.b.test", "shop"]);
        let dotted = ["x.shop", "x.shop.a.test", "x.shop.b.test"];
        assert_eq!(of(text, "x.shop"), dotted);
        assert_eq!(of(text, "shop."), ["shop."]);
        assert_eq!(of("search .", "shop"), ["shop"]);
        let own = Lookup::at(server("127.0.0.1:53"));
        assert_eq!(own.candidates("shop"), ["shop"]);
    }

    #[test]
    fn hosts_are_known_by_all_their_names_but_those_in_remarks() {
        let text = "127.0.0.1 localhost Shop.test # old.test\n# 127.0.0.1 gone.test\n::1 six\n";
        for name in ["localhost", "shop.test", "shop.test.", "SIX"] {
            assert!(hosts_know(text, name), "{name}");
        }
        for name in ["old.test", "gone.test", "127.0.0.1", "test"] {
            assert!(!hosts_know(text, name), "{name}");
        }
    }
}
