//! The netlink socket of nftables: changes in one transaction, and what is there
//! (`linux/netfilter/nfnetlink.h`, `nf_tables.h`).

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_send_buffer_size, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, getsockname, netlink, recv,
    send, socket_with,
};

use super::attributes::Attributes;

/// How long the kernel may take to answer; it does at once.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// What changes at once may need; the kernel gives less where its own limit is
/// lower. One rule is 600 to 800 bytes.
const CHANGES_BYTES: usize = 1024 * 1024;
/// The most of one answer.
const ANSWER_BYTES: usize = 64 * 1024;
/// Header of a netlink message, in bytes.
const HEADER_BYTES: usize = 16;
/// Header of nfnetlink behind it.
const FAMILY_BYTES: usize = 4;

/// Message kinds of netlink itself.
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// Flags of messages.
const REQUEST: u16 = 0x1;
const ACKNOWLEDGE: u16 = 0x4;
const DUMP: u16 = 0x300;
const EXCLUSIVE: u16 = 0x200;
const CREATE: u16 = 0x400;
const APPEND: u16 = 0x800;

const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
/// What was listed changed meanwhile.
const INTERRUPTED: u16 = 0x10;
/// How often something is listed anew that others change all the time.
const LISTED_AT_MOST: usize = 100;
/// The most answers that nobody read.
const UNREAD_AT_MOST: usize = 10_000;
/// The part of nfnetlink that is nftables.
const NFTABLES: u16 = 10;
/// Rules for IPv4 and IPv6.
const INET: u8 = 1;

/// What is asked of nftables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    NewTable = 0,
    GetTable = 1,
    DeleteTable = 2,
    NewChain = 3,
    NewRule = 6,
    GetRule = 7,
}

/// A socket that owns the tables which were made on it.
#[derive(Debug)]
pub(super) struct Socket {
    fd: OwnedFd,
    port: u32,
    sequence: u32,
}

impl Socket {
    /// Opens one. Anybody may; only who administers the network may ask on it.
    pub(super) fn open() -> io::Result<Self> {
        let fd = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            Some(netlink::NETFILTER),
        )?;
        bind(&fd, &netlink::SocketAddrNetlink::new(0, 0))?;
        set_socket_timeout(&fd, Timeout::Recv, Some(ANSWER_WITHIN))?;
        set_socket_send_buffer_size(&fd, CHANGES_BYTES)?;
        let address = netlink::SocketAddrNetlink::try_from(getsockname(&fd)?)?;
        let (port, sequence) = (address.pid(), 1);
        Ok(Self { fd, port, sequence })
    }

    /// The kernel's number for it: nobody else in this network has the same at the
    /// same time, whatever their processes are called.
    pub(super) const fn port(&self) -> u32 {
        self.port
    }

    /// Makes all these changes or none.
    pub(super) fn change(&mut self, changes: &[(Ask, Attributes)]) -> io::Result<()> {
        // The number of the subsystem stands where others have a resource.
        let mut batch = self.message(BATCH_BEGIN, REQUEST, 0, NFTABLES, &Attributes::new());
        let begin = self.sequence;
        let mut last = begin;
        for (at, (ask, attributes)) in changes.iter().enumerate() {
            let flags = match ask {
                Ask::NewTable | Ask::NewChain => CREATE | EXCLUSIVE,
                Ask::NewRule => CREATE | APPEND,
                Ask::DeleteTable | Ask::GetTable | Ask::GetRule => 0,
            };
            // An answer to each would not fit into what the socket holds. What
            // fails is answered anyway, before the last.
            let answered = match at + 1 == changes.len() {
                true => ACKNOWLEDGE,
                false => 0,
            };
            let kind = (NFTABLES << 8) | *ask as u16;
            batch.extend(self.message(kind, REQUEST | answered | flags, INET, 0, attributes));
            last = self.sequence;
        }
        batch.extend(self.message(BATCH_END, REQUEST, 0, NFTABLES, &Attributes::new()));
        send(&self.fd, &batch, SendFlags::empty())?;
        let (mut failed, mut answered) = (None, false);
        while !answered {
            for (header, body) in messages(&self.receive()?) {
                // What is left of an earlier exchange is of no interest.
                if header.kind != ERROR || header.sequence < begin {
                    continue;
                }
                failed = failed.or_else(|| refusal(body));
                // What befalls the whole batch has the number of its beginning,
                // and is all that is said.
                answered |= header.sequence == begin || header.sequence == last;
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Everything of a kind that `attributes` select: the attributes of each, as
    /// they were all at the same time.
    pub(super) fn list(&mut self, ask: Ask, attributes: &Attributes) -> io::Result<Vec<Vec<u8>>> {
        for _ in 0..LISTED_AT_MOST {
            if let Some(all) = self.listed(ask, attributes)? {
                return Ok(all);
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }

    /// Nothing where somebody changed rules in between: some may be missing then.
    fn listed(&mut self, ask: Ask, attributes: &Attributes) -> io::Result<Option<Vec<Vec<u8>>>> {
        let kind = (NFTABLES << 8) | ask as u16;
        let message = self.message(kind, REQUEST | DUMP, INET, 0, attributes);
        let own = self.sequence;
        send(&self.fd, &message, SendFlags::empty())?;
        let (mut all, mut whole) = (Vec::new(), true);
        loop {
            for (header, body) in messages(&self.receive()?) {
                if header.sequence != own {
                    continue;
                }
                whole &= header.flags & INTERRUPTED == 0;
                match header.kind {
                    // It says how the listing ended: cut short is not whole.
                    DONE => return Ok((whole && ended_well(body)).then_some(all)),
                    ERROR => return refusal(body).map_or(Ok(whole.then_some(all)), Err),
                    _ => all.push(body.get(FAMILY_BYTES..).unwrap_or(&[]).to_vec()),
                }
            }
        }
    }

    /// Whether the one thing that `attributes` name is there.
    pub(super) fn is_there(&mut self, ask: Ask, attributes: &Attributes) -> io::Result<bool> {
        let kind = (NFTABLES << 8) | ask as u16;
        let message = self.message(kind, REQUEST | ACKNOWLEDGE, INET, 0, attributes);
        let own = self.sequence;
        send(&self.fd, &message, SendFlags::empty())?;
        loop {
            for (header, body) in messages(&self.receive()?) {
                if header.sequence != own || header.kind != ERROR {
                    continue;
                }
                return match refusal(body) {
                    None => Ok(true),
                    Some(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
                    Some(error) => Err(error),
                };
            }
        }
    }

    fn message(
        &mut self,
        kind: u16,
        flags: u16,
        family: u8,
        resource: u16,
        attributes: &Attributes,
    ) -> Vec<u8> {
        self.sequence += 1;
        let attributes = attributes.as_bytes();
        let length = (HEADER_BYTES + FAMILY_BYTES + attributes.len()) as u32;
        let mut message = Vec::with_capacity(length as usize);
        message.extend(length.to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend(flags.to_ne_bytes());
        message.extend(self.sequence.to_ne_bytes());
        message.extend(0_u32.to_ne_bytes());
        message.extend([family, 0]);
        message.extend(resource.to_be_bytes());
        message.extend(attributes);
        message
    }

    /// Throws away what is left of earlier exchanges, so that there is room for the
    /// answers to the next.
    pub(super) fn forget(&self) -> io::Result<()> {
        for _ in 0..UNREAD_AT_MOST {
            if recv(&self.fd, &mut [0_u8; 1], RecvFlags::DONTWAIT) == Err(Errno::AGAIN) {
                return Ok(());
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }

    /// Leaves no room for the answer to the next question.
    #[cfg(test)]
    pub(super) fn deafen(&mut self) -> io::Result<()> {
        rustix::net::sockopt::set_socket_recv_buffer_size(&self.fd, 1)?;
        for _ in 0..64 {
            let none = Attributes::new().text(1, "none");
            let kind = (NFTABLES << 8) | Ask::GetTable as u16;
            let message = self.message(kind, REQUEST | ACKNOWLEDGE, INET, 0, &none);
            send(&self.fd, &message, SendFlags::empty())?;
        }
        Ok(())
    }

    fn receive(&self) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; ANSWER_BYTES];
        let (length, _) = recv(&self.fd, &mut buffer, RecvFlags::empty())?;
        buffer.truncate(length);
        Ok(buffer)
    }
}

/// Whether the end of a listing says that all of it was told: a number that is no
/// error (`netlink_dump_done` of the kernel).
fn ended_well(body: &[u8]) -> bool {
    body.first_chunk()
        .is_none_or(|code| i32::from_ne_bytes(*code) >= 0)
}

/// What is said of a message before it.
#[derive(Debug, Clone, Copy)]
struct Header {
    kind: u16,
    flags: u16,
    sequence: u32,
}

/// The messages that came at once.
fn messages(mut bytes: &[u8]) -> Vec<(Header, &[u8])> {
    let mut all = Vec::new();
    while let Some((header, _)) = bytes.split_at_checked(HEADER_BYTES) {
        let number = |at: usize| {
            u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let length = number(0) as usize;
        let Some(body) = bytes.get(HEADER_BYTES..length) else {
            break;
        };
        let kind = u16::from_ne_bytes([header[4], header[5]]);
        let flags = u16::from_ne_bytes([header[6], header[7]]);
        let sequence = number(8);
        let header = Header {
            kind,
            flags,
            sequence,
        };
        all.push((header, body));
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    all
}

/// What an error message says; nothing where it says that all is well.
fn refusal(body: &[u8]) -> Option<io::Error> {
    let code = body.get(..4).and_then(|code| code.try_into().ok());
    match code.map(i32::from_ne_bytes) {
        Some(0) => None,
        Some(code) => Some(Errno::from_raw_os_error(-code).into()),
        None => Some(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_listing_that_was_cut_short_did_not_end_well() {
        assert!(ended_well(&[]) && ended_well(&0_i32.to_ne_bytes()));
        assert!(!ended_well(&(-4_i32).to_ne_bytes()), "EINTR");
    }

    #[test]
    fn answers_are_read_one_by_one() {
        let mut bytes = Vec::new();
        for (sequence, code) in [(7_u32, 0_i32), (8, -2)] {
            bytes.extend(20_u32.to_ne_bytes());
            bytes.extend(ERROR.to_ne_bytes());
            bytes.extend(0_u16.to_ne_bytes());
            bytes.extend(sequence.to_ne_bytes());
            bytes.extend(0_u32.to_ne_bytes());
            bytes.extend(code.to_ne_bytes());
        }
        let read = messages(&bytes);
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].0.sequence, read[1].0.sequence), (7, 8));
        assert!(refusal(read[0].1).is_none());
        let refused = refusal(read[1].1).unwrap();
        assert_eq!(refused.kind(), io::ErrorKind::NotFound);
    }

    proptest! {
        #[test]
        fn nothing_that_comes_makes_it_fall_over(bytes in prop::collection::vec(any::<u8>(), 0..96)) {
            for (_, body) in messages(&bytes) {
                let _ = refusal(body);
            }
        }
    }
}
