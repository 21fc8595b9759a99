//! Asks the servers of DNS for the addresses of a name: over UDP, and over TCP what
//! does not fit.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher as _;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use squall_faults::lookup::{Family, Said, question, read};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout, timeout_at};

use super::machine::Lookup;

/// The longest answer over UDP that is asked for without extensions is 512 bytes; some
/// servers say more.
const ANSWER_BYTES_MAX: usize = 4096;
/// Nobody is asked for longer, however many servers and names are to be tried.
const LOOKUP_MAX: Duration = Duration::from_secs(30);
/// How long one family is waited for when the other is known.
const OTHER_FAMILY_MAX: Duration = Duration::from_secs(1);

/// Where a name leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// At least one.
    pub(crate) addresses: Vec<IpAddr>,
    /// How long they may be kept.
    pub(crate) ttl: Duration,
    /// Of these nobody could say whether there are any: a question or an answer was lost,
    /// or the servers failed.
    pub(crate) missing: Option<Family>,
}

/// Why a name leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lost {
    /// There is none of that name.
    NoSuchName,
    /// The name is there, and has no address.
    NoAddress,
    /// Nobody could say; in words.
    Unknown(String),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchName => f.write_str("there is no such name (NXDOMAIN)"),
            Self::NoAddress => f.write_str("the name has no address"),
            Self::Unknown(why) => f.write_str(why),
        }
    }
}

impl Lookup {
    /// Where a name leads by now. `first` is the server to begin with, and becomes the one
    /// to begin with next: a server that is silent is paid for once.
    ///
    /// # Errors
    /// Nowhere, or nobody says.
    pub(crate) async fn look_up(&self, name: &str, first: &AtomicUsize) -> Result<Found, Lost> {
        self.look_up_by(name, first, &ask_one).await
    }

    async fn look_up_by<A, F>(&self, name: &str, first: &AtomicUsize, by: &A) -> Result<Found, Lost>
    where
        A: Fn(SocketAddr, Vec<u8>, Family) -> F,
        F: Future<Output = io::Result<Said>>,
    {
        let until = Instant::now() + LOOKUP_MAX;
        let mut lost = Lost::NoSuchName;
        for candidate in &self.candidates(name) {
            let ask = |family| self.ask((candidate, family), until, first, by);
            match both_families(ask(Family::V4), ask(Family::V6)).await {
                Ok(found) => return Ok(found),
                // What is not known weighs more than what is not there.
                Err(Lost::NoSuchName) => {}
                Err(Lost::NoAddress) if matches!(lost, Lost::Unknown(_)) => {}
                Err(other) => lost = other,
            }
        }
        Err(lost)
    }

    /// Asks one server after the other, until one can say.
    async fn ask<A, F>(
        &self,
        (name, family): (&str, Family),
        until: Instant,
        first: &AtomicUsize,
        by: &A,
    ) -> Result<Found, Lost>
    where
        A: Fn(SocketAddr, Vec<u8>, Family) -> F,
        F: Future<Output = io::Result<Said>>,
    {
        let mut why = format!("{name:?} cannot be asked for");
        let count = self.servers.len();
        let begin = first.load(Ordering::Relaxed);
        for number in (begin..).take(count * self.attempts as usize) {
            let number = number % count;
            let server = self.servers[number];
            let Some(question) = question(fresh_id(), name, family) else {
                return Err(Lost::Unknown(why));
            };
            let now = Instant::now();
            if now >= until {
                return Err(Lost::Unknown(format!("no answer in {LOOKUP_MAX:?}")));
            }
            let asked = by(server, question, family);
            let asked = timeout_at(until.min(now + self.within), asked).await;
            if let Ok(Ok(Said::Addresses(..) | Said::NoSuchName)) = asked {
                first.store(number, Ordering::Relaxed);
            }
            why = match asked {
                Ok(Ok(Said::Addresses(addresses, _))) if addresses.is_empty() => {
                    return Err(Lost::NoAddress);
                }
                Ok(Ok(Said::Addresses(addresses, ttl))) => {
                    return Ok(Found {
                        addresses,
                        ttl,
                        missing: None,
                    });
                }
                Ok(Ok(Said::NoSuchName)) => return Err(Lost::NoSuchName),
                Ok(Ok(Said::Failed(code))) => {
                    format!("the resolver {server} answers {}", failed(code))
                }
                Ok(Ok(Said::Cut)) => format!("the answer of the resolver {server} is cut"),
                Ok(Err(error)) => format!("the resolver {server}: {error}"),
                Err(_elapsed) => {
                    // Unless the other family has gone on already.
                    let next = (number + 1) % count;
                    let relaxed = Ordering::Relaxed;
                    let _moved = first.compare_exchange(number, next, relaxed, relaxed);
                    format!("the resolver {server} does not answer in {:?}", self.within)
                }
            };
        }
        Err(Lost::Unknown(why))
    }
}

impl Found {
    /// When this is what is known of the other family.
    fn without(mut self, family: Family, lost: &Lost) -> Self {
        self.missing = matches!(lost, Lost::Unknown(_)).then_some(family);
        self
    }
}

/// What both families say together.
async fn both_families<F>(v4: F, v6: F) -> Result<Found, Lost>
where
    F: Future<Output = Result<Found, Lost>>,
{
    let (mut v4, mut v6) = (pin!(v4), pin!(v6));
    // What is known is not lost to a silence about the other family.
    let both = tokio::select! {
        v4 = &mut v4 => {
            let v6 = match v4 {
                Ok(_) => other_family(v6).await,
                // It is true of the whole name.
                Err(Lost::NoSuchName) => match other_family(v6).await {
                    Err(Lost::Unknown(_)) => Err(Lost::NoSuchName),
                    v6 => v6,
                },
                Err(_) => v6.await,
            };
            (v4, v6)
        }
        v6 = &mut v6 => {
            let v4 = match v6 {
                Ok(_) => other_family(v4).await,
                // Some servers say so of names that have addresses of IPv4 only.
                Err(_) => v4.await,
            };
            (v4, v6)
        }
    };
    match both {
        (Ok(mut found), Ok(more)) => {
            found.addresses.extend(more.addresses);
            found.ttl = found.ttl.min(more.ttl);
            Ok(found)
        }
        (Ok(found), Err(lost)) => Ok(found.without(Family::V6, &lost)),
        (Err(lost), Ok(found)) => Ok(found.without(Family::V4, &lost)),
        (Err(Lost::Unknown(why)), Err(_)) | (Err(_), Err(Lost::Unknown(why))) => {
            Err(Lost::Unknown(why))
        }
        (Err(Lost::NoSuchName), Err(Lost::NoSuchName)) => Err(Lost::NoSuchName),
        (Err(_), Err(_)) => Err(Lost::NoAddress),
    }
}

/// What the other family says, if it says so soon.
async fn other_family(other: impl Future<Output = Result<Found, Lost>>) -> Result<Found, Lost> {
    let said = timeout(OTHER_FAMILY_MAX, other).await;
    said.unwrap_or_else(|_| {
        let why = format!("no answer in {OTHER_FAMILY_MAX:?}");
        Err(Lost::Unknown(why))
    })
}

/// What tells an answer from a forged one, together with the port.
fn fresh_id() -> u16 {
    // The keys of every hash map of std are drawn anew.
    RandomState::new().hash_one(0) as u16
}

fn failed(code: u8) -> String {
    match code {
        1 => "FORMERR".to_owned(),
        2 => "SERVFAIL".to_owned(),
        4 => "NOTIMP".to_owned(),
        5 => "REFUSED".to_owned(),
        code => format!("with the code {code}"),
    }
}

async fn ask_one(server: SocketAddr, question: Vec<u8>, family: Family) -> io::Result<Said> {
    let question = question.as_slice();
    let own: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((own, 0)).await?;
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut buffer = [0; ANSWER_BYTES_MAX];
    loop {
        let length = socket.recv(&mut buffer).await?;
        match read(&buffer[..length], question, family) {
            Some(Said::Cut) => return ask_over_tcp(server, question, family).await,
            Some(said) => return Ok(said),
            // It is no answer to this.
            None => {}
        }
    }
}

/// Asks for all of it, behind its length (RFC 7766 §8).
async fn ask_over_tcp(server: SocketAddr, question: &[u8], family: Family) -> io::Result<Said> {
    let mut stream = TcpStream::connect(server).await?;
    let length = (question.len() as u16).to_be_bytes();
    stream.write_all(&[&length, question].concat()).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    let said = read(&answer, question, family);
    said.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it answers something else"))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const HEADER_BYTES: usize = 12;

    /// What a server says to a question.
    type Says = fn(&[u8]) -> Option<Vec<u8>>;

    /// A resolver of the test's own, over UDP and, where it says so, over TCP.
    async fn server(udp: Says, tcp: Says) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let socket = UdpSocket::bind(address).await.unwrap();
        tokio::spawn(async move {
            let mut question = [0; 512];
            loop {
                let (length, from) = socket.recv_from(&mut question).await.unwrap();
                if let Some(answer) = udp(&question[..length]) {
                    socket.send_to(&answer, from).await.unwrap();
                }
            }
        });
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut question = vec![0; usize::from(stream.read_u16().await.unwrap())];
                stream.read_exact(&mut question).await.unwrap();
                if let Some(answer) = tcp(&question) {
                    stream.write_u16(answer.len() as u16).await.unwrap();
                    stream.write_all(&answer).await.unwrap();
                }
            }
        });
        address
    }

    fn nothing(_: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn code(question: &[u8], flags: [u8; 2]) -> Vec<u8> {
        let mut answer = question.to_vec();
        answer[2..4].copy_from_slice(&flags);
        answer
    }

    /// 127.0.0.7 for 30 s, or ::7 for 20 s.
    fn both(question: &[u8]) -> Vec<u8> {
        let mut answer = code(question, [0x81, 0x80]);
        answer[7] = 1;
        match question[question.len() - 3] {
            1 => answer.extend(b"\xc0\x0c\0\x01\0\x01\0\0\0\x1e\0\x04\x7f\0\0\x07"),
            _ => {
                answer.extend(b"\xc0\x0c\0\x1c\0\x01\0\0\0\x14\0\x10");
                answer.extend([0; 15]);
                answer.push(7);
            }
        }
        answer
    }

    fn named(question: &[u8], name: &str) -> bool {
        question[HEADER_BYTES + 1..].starts_with(name.as_bytes())
    }

    async fn look_up(servers: Vec<SocketAddr>, name: &str) -> Result<Found, Lost> {
        let mut lookup = Lookup::at(servers[0]);
        lookup.servers = servers;
        lookup.look_up(name, &AtomicUsize::new(0)).await
    }

    #[tokio::test]
    async fn all_addresses_of_a_name_are_found_and_why_there_is_none() {
        let address = server(
            |question| match () {
                () if named(question, "both") => Some(both(question)),
                () if named(question, "none") => Some(code(question, [0x81, 0x83])),
                () if named(question, "empty") => Some(code(question, [0x81, 0x80])),
                () => Some(code(question, [0x81, 0x82])),
            },
            nothing,
        )
        .await;
        let found = look_up(vec![address], "both.test").await.unwrap();
        let addresses: Vec<IpAddr> = vec![[127, 0, 0, 7].into(), "::7".parse().unwrap()];
        assert_eq!(found.addresses, addresses);
        assert_eq!(found.ttl, Duration::from_secs(20));
        let lost = |name: &'static str| async move {
            look_up(vec![address], name).await.unwrap_err().to_string()
        };
        assert_eq!(lost("none.test").await, "there is no such name (NXDOMAIN)");
        assert_eq!(lost("empty.test").await, "the name has no address");
        let broken = format!("the resolver {address} answers SERVFAIL");
        assert_eq!(lost("broken.test").await, broken);
        assert!(lost("a..test").await.contains("cannot be asked for"));
    }

    /// IPv6 has no such name where IPv4 has one, or the server does not know of it.
    #[tokio::test]
    async fn one_family_is_enough() {
        let half = server(
            |question| {
                let v4 = question[question.len() - 3] == 1;
                Some(match v4 {
                    true => both(question),
                    false => code(question, [0x81, 0x84]),
                })
            },
            nothing,
        );
        let found = look_up(vec![half.await], "half.test").await.unwrap();
        assert_eq!(found.addresses, [IpAddr::from([127, 0, 0, 7])]);
        assert_eq!(found.ttl, Duration::from_secs(30));
        assert_eq!(found.missing, Some(Family::V6), "it does not say");
    }

    #[tokio::test(start_paused = true)]
    async fn a_family_is_missing_only_where_nobody_says_that_there_is_none() {
        let lookup = Lookup::parse("nameserver 10.0.0.1");
        let no_address = Said::Addresses(vec![], Duration::ZERO);
        for other in [Family::V4, Family::V6] {
            let missing = async |said: Option<(u64, Said)>| {
                let says = |_: u8, _: &[u8], family| match family == other {
                    true => said.clone(),
                    false => Some((0, seven(family))),
                };
                let (found, _) = timed(&lookup, &AtomicUsize::new(0), says).await;
                found.unwrap().missing
            };
            assert_eq!(missing(None).await, Some(other));
            assert_eq!(missing(Some((0, Said::Failed(2)))).await, Some(other));
            assert_eq!(missing(Some((0, Said::NoSuchName))).await, None);
            assert_eq!(missing(Some((0, no_address.clone()))).await, None);
            assert_eq!(missing(Some((0, seven(other)))).await, None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn that_there_is_no_such_name_is_true_of_both_families() {
        let lookup = Lookup::parse("nameserver 10.0.0.1");
        for silent in [Family::V4, Family::V6] {
            let says = |_: u8, _: &[u8], family| match family == silent {
                true => None,
                false => Some((0, Said::NoSuchName)),
            };
            let (lost, _) = timed(&lookup, &AtomicUsize::new(0), says).await;
            // Some servers say so of names that have addresses of IPv4 only.
            let expected = silent == Family::V6;
            assert_eq!(lost == Err(Lost::NoSuchName), expected, "{lost:?}");
        }
    }

    #[tokio::test]
    async fn another_server_is_asked_where_one_cannot_say() {
        let broken = server(|question| Some(code(question, [0x81, 0x82])), nothing).await;
        // Nobody listens there.
        let closed = SocketAddr::from(([127, 0, 0, 1], 1));
        let good = server(|question| Some(both(question)), nothing).await;
        let found = look_up(vec![broken, closed, good], "both.test").await;
        assert_eq!(found.unwrap().addresses.len(), 2);
    }

    #[tokio::test]
    async fn what_does_not_fit_is_asked_for_over_tcp() {
        let long = server(
            |question| Some(code(question, [0x83, 0x80])),
            |question| Some(both(question)),
        );
        let found = look_up(vec![long.await], "long.test").await.unwrap();
        assert_eq!(found.addresses.len(), 2);
    }

    #[tokio::test]
    async fn what_is_no_answer_is_not_taken_for_one() {
        let forged = server(
            |question| {
                let mut answer = both(question);
                answer[0] ^= 1;
                Some(answer)
            },
            nothing,
        );
        let mut lookup = Lookup::at(forged.await);
        (lookup.within, lookup.attempts) = (Duration::from_millis(1), 1);
        let first = AtomicUsize::new(0);
        let lost = lookup.look_up("forged.test", &first).await.unwrap_err();
        assert!(lost.to_string().contains("does not answer"), "{lost}");
    }

    #[tokio::test]
    async fn what_may_stand_behind_a_name_is_tried() {
        let address = server(
            |question| match named(question, "shop\x04test") {
                true => Some(both(question)),
                false => Some(code(question, [0x81, 0x83])),
            },
            nothing,
        )
        .await;
        let mut lookup = Lookup::parse("search no.test test");
        lookup.servers = vec![address];
        let first = AtomicUsize::new(0);
        assert!(lookup.look_up("shop", &first).await.is_ok());
        let other = lookup.look_up("other", &first).await;
        assert_eq!(other, Err(Lost::NoSuchName));
    }

    /// 127.0.0.7 or ::7, as an answer of a server that needs no time.
    fn seven(family: Family) -> Said {
        let address = match family {
            Family::V4 => [127, 0, 0, 7].into(),
            Family::V6 => "::7".parse().unwrap(),
        };
        Said::Addresses(vec![address], Duration::from_secs(30))
    }

    /// Looks up `shop`, when the servers 10.0.0.1 and so on say such things after so many
    /// seconds, or nothing. Comes with the seconds it took.
    async fn timed(
        lookup: &Lookup,
        first: &AtomicUsize,
        says: impl Fn(u8, &[u8], Family) -> Option<(u64, Said)>,
    ) -> (Result<Found, Lost>, u64) {
        let begun = Instant::now();
        let by = |server: SocketAddr, question: Vec<u8>, family| {
            let IpAddr::V4(ip) = server.ip() else {
                panic!("{server}");
            };
            let said = says(ip.octets()[3], &question, family);
            async move {
                let Some((after, said)) = said else {
                    return std::future::pending().await;
                };
                tokio::time::sleep(Duration::from_secs(after)).await;
                Ok(said)
            }
        };
        let found = lookup.look_up_by("shop", first, &by).await;
        (found, begun.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_family_that_is_silent_takes_none_of_the_other_away() {
        let lookup = Lookup::parse("nameserver 10.0.0.1\nsearch no.test\noptions ndots:5");
        let none = |question: &[u8]| named(question, "shop\x02no");
        // A second for each name; IPv4 may be there where IPv6 says that no name is.
        for (silent, expected) in [(Family::V6, 1 + 3 + 1), (Family::V4, 10 + 3 + 1)] {
            let (found, took) =
                timed(
                    &lookup,
                    &AtomicUsize::new(0),
                    |_, question, family| match family == silent {
                        true => None,
                        false if none(question) => Some((0, Said::NoSuchName)),
                        false => Some((3, seven(family))),
                    },
                )
                .await;
            assert_eq!(found.unwrap().addresses.len(), 1);
            assert_eq!(took, expected);
        }
        // Who is no more than slow is heard.
        let slow =
            |_: u8, _: &[u8], family| Some((4 * u64::from(family == Family::V6), seven(family)));
        let (found, took) = timed(&lookup, &AtomicUsize::new(0), slow).await;
        assert_eq!((found.unwrap().addresses.len(), took), (1, 1));
        let only_v6 = |_: u8, _: &[u8], family| match family {
            Family::V4 => Some((0, Said::Addresses(vec![], Duration::ZERO))),
            Family::V6 => Some((4, seven(family))),
        };
        let (found, took) = timed(&lookup, &AtomicUsize::new(0), only_v6).await;
        assert_eq!((found.unwrap().addresses.len(), took), (1, 4));
    }

    /// As in a pod of Kubernetes.
    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_silent_is_paid_for_once() {
        let pod = "nameserver 10.0.0.1\nnameserver 10.0.0.2\nsearch a.test b.test c.test\n\
                   options ndots:5";
        let whole = |question: &[u8]| named(question, "shop\0");
        let says = |alive: u8| {
            move |server, question: &[u8], family| match server == alive {
                true if whole(question) => Some((0, seven(family))),
                true => Some((0, Said::NoSuchName)),
                false => None,
            }
        };
        let lookup = Lookup::parse(pod);
        let first = AtomicUsize::new(0);
        for (alive, expected) in [(2, 5), (2, 0), (1, 5), (1, 0)] {
            let (found, took) = timed(&lookup, &first, says(alive)).await;
            assert_eq!(found.unwrap().addresses.len(), 2);
            assert_eq!(took, expected, "{alive} answers");
        }
        // One that takes all of the time is not begun with again.
        let patient = Lookup::parse(&format!("{pod} timeout:30"));
        let (lost, took) = timed(&patient, &first, says(2)).await;
        assert_eq!(lost, Err(Lost::Unknown("no answer in 30s".to_owned())));
        assert_eq!(took, 30);
        let (found, took) = timed(&patient, &first, says(2)).await;
        assert_eq!((found.unwrap().addresses.len(), took), (2, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lookup_that_nobody_answers_ends() {
        let silent = |_: u8, _: &[u8], _| None;
        for (text, expected) in [
            ("nameserver 10.0.0.1", 10),
            ("nameserver 10.0.0.1\nnameserver 10.0.0.2", 20),
            ("nameserver 10.0.0.1\nsearch a.test b.test c.test", 30),
        ] {
            let lookup = Lookup::parse(text);
            let (lost, took) = timed(&lookup, &AtomicUsize::new(0), silent).await;
            assert!(matches!(lost, Err(Lost::Unknown(_))), "{lost:?}");
            assert_eq!(took, expected, "{text}");
        }
    }
}
