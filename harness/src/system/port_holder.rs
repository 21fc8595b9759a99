//! Who listens on an address: whose answers callers get.
//!
//! A probe that is answered says that somebody serves; only the owner of the
//! listening socket says who.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use procfs::process::Process;
use squall_faults::listeners::{ListeningSocket, listening_sockets, open_sockets};
use squall_faults::{Member, Origin, Processes};

/// Looks at most until two of them agree.
const LOOKS_MAX: usize = 4;
/// Longest command line that is quoted, in characters.
const COMMAND_MAX: usize = 80;

/// What one look at an address and at an instance showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Listens {
    /// Nobody: a connection is refused.
    Nobody,
    /// The instance, and only it, by these processes.
    Own(Vec<Member>),
    /// Somebody else, alone or beside the instance; in words.
    Stranger(String),
    /// It cannot be seen who; why, in words.
    Unseen(String),
}

/// [`listens`] on a thread that may block.
pub(crate) async fn look(address: SocketAddr, origin: &Origin) -> Listens {
    let origin = origin.clone();
    let looked = tokio::task::spawn_blocking(move || listens(address, &origin)).await;
    looked.unwrap_or_else(|error| Listens::Unseen(error.to_string()))
}

/// Looks at who would accept a connection to `address`. Blocks: it reads the
/// descriptors of all processes.
fn listens(address: SocketAddr, origin: &Origin) -> Listens {
    settled(|| look_once(address, origin))
}

/// What a look finds twice. Sockets, processes and descriptors are read one after
/// the other, and who ends or forks in between is a stranger to one look only.
fn settled(mut look: impl FnMut() -> Listens) -> Listens {
    let mut seen = look();
    for _ in 1..LOOKS_MAX {
        if matches!(seen, Listens::Nobody | Listens::Own(_)) {
            break;
        }
        let before = std::mem::replace(&mut seen, look());
        if before == seen {
            break;
        }
    }
    seen
}

fn look_once(address: SocketAddr, origin: &Origin) -> Listens {
    let sockets = sockets(address, &listening_sockets());
    if sockets.is_empty() {
        return Listens::Nobody;
    }
    let processes = match Processes::look() {
        Ok(processes) => processes,
        Err(error) => return Listens::Unseen(error.to_string()),
    };
    let members = processes.members(origin);
    decide(address, &gather(&sockets, &members))
}

/// The process that listens on `address`, as far as this user may see it:
/// `python3 -m http.server (pid 4711)`.
pub(super) fn holder(address: SocketAddr) -> Option<String> {
    let sockets = sockets(address, &listening_sockets());
    let seen = gather(&sockets, &[]);
    seen.into_iter().flat_map(|seen| seen.others).next()
}

/// Who has a listening socket open.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Holders {
    members: Vec<Member>,
    /// Processes of nobody's or of another instance, in words.
    others: Vec<String>,
    /// A member whose descriptors may not be looked at.
    hidden: Option<u32>,
    /// The user whom the socket belongs to.
    uid: u32,
}

fn gather(sockets: &[ListeningSocket], members: &[Member]) -> Vec<Holders> {
    let mut seen: Vec<Holders> = sockets
        .iter()
        .map(|socket| Holders {
            uid: socket.uid,
            ..Holders::default()
        })
        .collect();
    for process in procfs::process::all_processes()
        .into_iter()
        .flatten()
        .flatten()
    {
        let pid = process.pid.cast_unsigned();
        let member = members.iter().find(|member| member.identity.pid == pid);
        let Some(open) = open_sockets(&process) else {
            if member.is_some() {
                seen.iter_mut().for_each(|seen| seen.hidden = Some(pid));
            }
            continue;
        };
        for (holders, socket) in seen.iter_mut().zip(sockets) {
            match member {
                _ if !open.contains(&socket.inode) => {}
                Some(member) => holders.members.push(*member),
                None => holders.others.push(describe(&process)),
            }
        }
    }
    seen
}

/// Whoever shares the address gets some of the connections: a stranger is named
/// even where the instance listens as well.
fn decide(address: SocketAddr, seen: &[Holders]) -> Listens {
    let others: Vec<&str> = seen
        .iter()
        .flat_map(|seen| seen.others.iter().map(String::as_str))
        .collect();
    if !others.is_empty() {
        return Listens::Stranger(format!("{} listens on {address}", others.join(" and ")));
    }
    let unclaimed = seen.iter().find(|seen| seen.members.is_empty());
    match unclaimed {
        None => {
            let mut own: Vec<Member> = Vec::new();
            for member in seen.iter().flat_map(|seen| &seen.members) {
                if !own.contains(member) {
                    own.push(*member);
                }
            }
            Listens::Own(own)
        }
        // All that the instance has open was seen: it is not among that.
        Some(Holders {
            hidden: None, uid, ..
        }) => Listens::Stranger(format!(
            "a process of user {uid} that cannot be seen from here listens on {address}"
        )),
        Some(Holders {
            hidden: Some(pid), ..
        }) => Listens::Unseen(format!(
            "who listens on {address} cannot be seen: no permission to look at what process \
             {pid} has open"
        )),
    }
}

/// `python3 web.py 8080 (pid 4711)`; the name of the program where the command
/// line may not be read or is empty. It came from elsewhere: control characters
/// are escaped.
fn describe(process: &Process) -> String {
    let command = process.cmdline().unwrap_or_default().join(" ");
    let command = if command.trim().is_empty() {
        process
            .stat()
            .map_or_else(|_| "?".to_owned(), |stat| stat.comm)
    } else {
        command
    };
    let mut text: String = command
        .chars()
        .flat_map(|character| {
            let escaped = character.is_control().then(|| character.escape_default());
            let plain = (!character.is_control()).then_some(character);
            escaped.into_iter().flatten().chain(plain)
        })
        .take(COMMAND_MAX)
        .collect();
    if command.chars().count() > COMMAND_MAX {
        text.push('\u{2026}');
    }
    format!("{text} (pid {})", process.pid)
}

/// The sockets that get the connections to `address`. The kernel gives them to
/// those bound to that very address, then to those bound to all of its family,
/// then to those bound to `::` that take both families; several of one kind
/// share.
fn sockets(address: SocketAddr, listening: &[ListeningSocket]) -> Vec<ListeningSocket> {
    let wanted = plain(address.ip());
    let kinds: [&dyn Fn(IpAddr) -> bool; 3] = [
        &|at| plain(at) == wanted,
        &|at| plain(at).is_unspecified() && plain(at).is_ipv4() == wanted.is_ipv4(),
        &|at| at == IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    ];
    let of_kind = |kind: &dyn Fn(IpAddr) -> bool| -> Vec<ListeningSocket> {
        let on_port = |socket: &&ListeningSocket| socket.at.port() == address.port();
        let found = listening.iter().filter(on_port);
        found
            .filter(|socket| kind(socket.at.ip()))
            .copied()
            .collect()
    };
    let mut found = kinds.into_iter().map(of_kind);
    found.find(|found| !found.is_empty()).unwrap_or_default()
}

/// An IPv4 address that is written as one of IPv6 is the IPv4 address.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6
            .to_ipv4_mapped()
            .map_or(address, |v4: Ipv4Addr| v4.into()),
        IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::process::{Command, Stdio};

    use squall_faults::ProcessIdentity;

    use super::*;

    fn own() -> Origin {
        Origin {
            root: ProcessIdentity::own().unwrap(),
            mark: String::new(),
        }
    }

    /// Another process, which holds nothing.
    fn nobody() -> (std::process::Child, Origin) {
        let child = Command::new("sleep")
            .arg("1000")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let root = ProcessIdentity::of(child.id()).unwrap();
        let mark = String::new();
        (child, Origin { root, mark })
    }

    #[test]
    fn a_listener_is_found_by_its_address() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let named = format!("(pid {})", std::process::id());
        assert!(holder(address).unwrap().ends_with(&named));
        assert!(matches!(listens(address, &own()), Listens::Own(by) if by.len() == 1));
        drop(listener);
        assert_eq!(holder(address), None);
        assert_eq!(listens(address, &own()), Listens::Nobody);
    }

    #[test]
    fn a_stranger_is_named_wherever_it_listens() {
        let (mut other, origin) = nobody();
        let mut wrong = Vec::new();
        for at in ["127.0.0.1:0", "0.0.0.0:0", "[::]:0", "[::ffff:127.0.0.1]:0"] {
            let Ok(listener) = TcpListener::bind(at) else {
                continue;
            };
            let port = listener.local_addr().unwrap().port();
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            let named = format!("(pid {}) listens on {address}", std::process::id());
            match listens(address, &origin) {
                Listens::Stranger(text) if text.ends_with(&named) => {}
                other => wrong.push((at, other)),
            }
            if !matches!(listens(address, &own()), Listens::Own(_)) {
                wrong.push((at, Listens::Nobody));
            }
        }
        other.kill().unwrap();
        other.wait().unwrap();
        assert_eq!(wrong, []);
    }

    #[test]
    fn a_stranger_is_seen_twice() {
        let stranger = |who: &str| Listens::Stranger(who.to_owned());
        let settle = |looks: Vec<Listens>| {
            let mut looks = looks.into_iter();
            let seen = settled(|| looks.next().unwrap());
            (seen, looks.count())
        };
        let own = || Listens::Own(Vec::new());
        assert_eq!(settle(vec![own(), stranger("a")]), (own(), 1));
        let ended = vec![stranger("a"), Listens::Nobody];
        assert_eq!(settle(ended), (Listens::Nobody, 0));
        let twice = vec![stranger("a"), stranger("a"), own()];
        assert_eq!(settle(twice), (stranger("a"), 1));
        let forks = vec![stranger("a"), stranger("b"), own()];
        assert_eq!(settle(forks), (own(), 0));
    }

    fn socket(at: &str, inode: u64) -> ListeningSocket {
        let at = at.parse().unwrap();
        ListeningSocket { at, inode, uid: 7 }
    }

    #[test]
    fn the_most_exact_listeners_get_the_connections() {
        let asked = "127.0.0.1:80".parse().unwrap();
        let all = [
            socket("[::]:80", 1),
            socket("0.0.0.0:80", 2),
            socket("127.0.0.1:80", 3),
            socket("[::ffff:127.0.0.1]:80", 4),
            socket("127.0.0.2:80", 5),
            socket("[::1]:80", 6),
            socket("127.0.0.1:81", 7),
        ];
        assert_eq!(sockets(asked, &all), all[2..4]);
        assert_eq!(sockets(asked, &all[..2]), all[1..2]);
        assert_eq!(sockets(asked, &all[..1]), all[..1]);
        assert_eq!(sockets(asked, &all[4..]), []);
    }

    #[test]
    fn what_cannot_be_seen_is_not_claimed() {
        let address = "127.0.0.1:80".parse().unwrap();
        let member = Member {
            identity: ProcessIdentity {
                pid: 9,
                start_time: 1,
            },
            state: 'S',
        };
        let decided = |members: &[Member], others: &[&str], hidden| {
            let own = Holders {
                members: vec![member],
                ..Holders::default()
            };
            let shared = Holders {
                members: members.to_vec(),
                others: others.iter().map(|other| (*other).to_owned()).collect(),
                hidden,
                uid: 7,
            };
            match decide(address, &[own, shared]) {
                Listens::Nobody => "nobody".to_owned(),
                Listens::Own(by) => format!("own, {}", by.len()),
                Listens::Stranger(text) => format!("stranger: {text}"),
                Listens::Unseen(text) => format!("unseen: {text}"),
            }
        };
        assert_eq!(decided(&[member], &[], None), "own, 1");
        let shared = "stranger: nc (pid 4) listens on 127.0.0.1:80";
        assert_eq!(decided(&[member], &["nc (pid 4)"], None), shared);
        assert_eq!(decided(&[], &["nc (pid 4)"], Some(9)), shared);
        let hidden = "stranger: a process of user 7 that cannot be seen from here listens on \
                      127.0.0.1:80";
        assert_eq!(decided(&[], &[], None), hidden);
        let unseen = "unseen: who listens on 127.0.0.1:80 cannot be seen: no permission to look \
                      at what process 9 has open";
        assert_eq!(decided(&[], &[], Some(9)), unseen);
    }
}
