//! Asks the servers of DNS for the addresses of a name: over UDP, and over TCP what
//! does not fit.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher as _;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::machine::Lookup;
use super::message::{Family, Said, question, read};

/// The longest answer over UDP that is asked for without extensions is 512 bytes; some
/// servers say more.
const ANSWER_BYTES_MAX: usize = 4096;

/// Where a name leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// At least one.
    pub(crate) addresses: Vec<IpAddr>,
    /// How long they may be kept.
    pub(crate) ttl: Duration,
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
    /// Where a name leads by now.
    ///
    /// # Errors
    /// Nowhere, or nobody says.
    pub(crate) async fn look_up(&self, name: &str) -> Result<Found, Lost> {
        let mut lost = Lost::NoSuchName;
        for candidate in self.candidates(name) {
            match self.both_families(&candidate).await {
                Ok(found) => return Ok(found),
                // What is not known weighs more than what is not there.
                Err(Lost::NoSuchName) => {}
                Err(Lost::NoAddress) if matches!(lost, Lost::Unknown(_)) => {}
                Err(other) => lost = other,
            }
        }
        Err(lost)
    }

    async fn both_families(&self, name: &str) -> Result<Found, Lost> {
        let (v4, v6) = tokio::join!(self.ask(name, Family::V4), self.ask(name, Family::V6));
        match (v4, v6) {
            (Ok(mut found), Ok(more)) => {
                found.addresses.extend(more.addresses);
                found.ttl = found.ttl.min(more.ttl);
                Ok(found)
            }
            (Ok(found), Err(_)) | (Err(_), Ok(found)) => Ok(found),
            (Err(Lost::Unknown(why)), Err(_)) | (Err(_), Err(Lost::Unknown(why))) => {
                Err(Lost::Unknown(why))
            }
            (Err(Lost::NoSuchName), Err(Lost::NoSuchName)) => Err(Lost::NoSuchName),
            (Err(_), Err(_)) => Err(Lost::NoAddress),
        }
    }

    /// Asks one server after the other, until one can say.
    async fn ask(&self, name: &str, family: Family) -> Result<Found, Lost> {
        let mut why = format!("{name:?} cannot be asked for");
        for _ in 0..self.attempts {
            for server in &self.servers {
                let Some(question) = question(fresh_id(), name, family) else {
                    return Err(Lost::Unknown(why));
                };
                let asked = timeout(self.within, ask_one(*server, &question, family)).await;
                why = match asked {
                    Ok(Ok(Said::Addresses(addresses, _))) if addresses.is_empty() => {
                        return Err(Lost::NoAddress);
                    }
                    Ok(Ok(Said::Addresses(addresses, ttl))) => {
                        return Ok(Found { addresses, ttl });
                    }
                    Ok(Ok(Said::NoSuchName)) => return Err(Lost::NoSuchName),
                    Ok(Ok(Said::Failed(code))) => {
                        format!("the resolver {server} answers {}", failed(code))
                    }
                    Ok(Ok(Said::Cut)) => format!("the answer of the resolver {server} is cut"),
                    Ok(Err(error)) => format!("the resolver {server}: {error}"),
                    Err(_elapsed) => {
                        format!("the resolver {server} does not answer in {:?}", self.within)
                    }
                };
            }
        }
        Err(Lost::Unknown(why))
    }
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

async fn ask_one(server: SocketAddr, question: &[u8], family: Family) -> io::Result<Said> {
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
        lookup.look_up(name).await
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
        let lost = lookup.look_up("forged.test").await.unwrap_err();
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
        assert!(lookup.look_up("shop").await.is_ok());
        assert_eq!(lookup.look_up("other").await, Err(Lost::NoSuchName));
    }
}
