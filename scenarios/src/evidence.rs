//! What was seen of a fault: data, which become words here and nowhere else.

mod calls;
mod handshakes;
mod links;
mod messages;
mod names;
mod packets;
mod resource;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use calls::CallsSeen;
pub use handshakes::TlsSeen;
pub use links::LinksSeen;
pub use messages::MessagesSeen;
pub use names::NamesSeen;
pub use packets::PacketsSeen;
pub use resource::{Measured, ResourceSeen};

use crate::inject::Signal;

/// What was seen of a fault: of its effect, or of its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// How much is proved.
    pub level: EvidenceLevel,
    /// What was seen, in order.
    pub seen: Vec<Sighting>,
}

/// How much is proved about an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvidenceLevel {
    /// It was asked for; that it is in force was not seen, or not any more.
    Requested,
    /// It is in force, but nothing has met it yet (no traffic since injection).
    Acted,
    /// Something was hit, and that was seen.
    Felt,
}

/// One thing that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sighting {
    /// A fault on bytes is on its links.
    OnLinks(LinksSeen),
    /// A fault on bytes was taken off its links.
    OffLinks(LinksSeen),
    /// A fault on HTTP is on its links.
    OnMessages(MessagesSeen),
    /// A fault on HTTP was taken off its links.
    OffMessages(MessagesSeen),
    /// A process ended by a signal.
    Ended {
        /// Who.
        process: ProcessSeen,
        /// The signal it was sent.
        signal: Signal,
        /// From the signal to the moment its end was seen, in microseconds.
        after_us: u64,
    },
    /// A process was sent a signal, which nothing undoes.
    Signalled {
        /// Who.
        process: ProcessSeen,
        /// The signal it was sent.
        signal: Signal,
    },
    /// A process is stopped.
    Stopped(ProcessSeen),
    /// A process that was stopped runs again.
    Continued(ProcessSeen),
    /// A process that was stopped stays so, for another fault wants it.
    StaysStopped(ProcessSeen),
    /// A process ended while it was stopped.
    EndedWhileStopped(ProcessSeen),
    /// A process is kept short of something.
    Short(ResourceSeen),
    /// A process has again what it was kept short of.
    PutBack(ResourceSeen),
    /// A process is still kept short, for another fault wants it.
    StaysShort(ResourceSeen),
    /// A process is kept short by another fault, which leaves it less than this one.
    Outdone(ResourceSeen),
    /// Whoever listens where callers connect is stopped.
    ListenerStopped {
        /// Where.
        address: String,
        /// Who listens there.
        pids: Vec<u32>,
    },
    /// Nobody listens where callers connect.
    NobodyListens {
        /// Where.
        address: String,
    },
    /// An instance was started again.
    StartedAgain {
        /// The instance.
        instance: String,
    },
    /// An instance that was ended serves again, and that it is itself was seen.
    ServesAgain {
        /// The instance.
        instance: String,
        /// Its process.
        pid: u32,
    },
    /// An instance that was ended was ready again; who serves was not seen.
    ReadyAgain {
        /// The instance.
        instance: String,
        /// Its process.
        pid: u32,
        /// What speaks against its being the one that serves, in words.
        but: Option<String>,
    },
    /// An instance did not end when it was told to.
    NeverEnded {
        /// The instance.
        instance: String,
    },
    /// Nobody waits for an instance to serve again: the run ends.
    NotAwaited {
        /// The instance.
        instance: String,
    },
    /// A fault on names is in the resolver.
    OnNames(NamesSeen),
    /// A fault on names was taken out of the resolver, which gives the right
    /// addresses again: squall asked.
    OffNames(NamesSeen),
    /// A fault on TLS is on its links.
    OnTls(TlsSeen),
    /// A fault on TLS was taken off its links.
    OffTls(TlsSeen),
    /// A fault on packets is in the kernel.
    OnPackets(PacketsSeen),
    /// A fault on packets was taken out of the kernel.
    OffPackets(PacketsSeen),
    /// A fault inside processes is set.
    OnCalls(CallsSeen),
    /// A fault inside processes was taken away.
    OffCalls(CallsSeen),
    /// The fault was not in force any more when it was looked at.
    Lost {
        /// How that showed, in words.
        why: String,
    },
}

/// A process that a fault was aimed at, with everything it started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessSeen {
    /// Its name, for instance `catalog-0`.
    pub name: String,
    /// Its process id.
    pub pid: u32,
    /// How many processes were seen, itself included.
    pub processes: u64,
}

impl Evidence {
    /// That a fault was not in force any more.
    #[must_use]
    pub fn lost(why: String) -> Self {
        Self {
            level: EvidenceLevel::Requested,
            seen: vec![Sighting::Lost { why }],
        }
    }

    /// What parts of one fault showed, as one: no more is proved than of the
    /// part of which least is.
    #[must_use]
    pub fn of_all(parts: impl IntoIterator<Item = Self>) -> Self {
        let parts: Vec<Self> = parts.into_iter().collect();
        let level = parts.iter().map(|part| part.level).min();
        Self {
            level: level.unwrap_or(EvidenceLevel::Requested),
            seen: parts.into_iter().flat_map(|part| part.seen).collect(),
        }
    }

    /// Hands over every text that came from outside.
    pub fn each_text(&mut self, change: impl Fn(&mut String)) {
        for sighting in &mut self.seen {
            sighting.each_text(&change);
        }
    }
}

impl Sighting {
    fn each_text(&mut self, change: &impl Fn(&mut String)) {
        match self {
            Self::OnLinks(seen) | Self::OffLinks(seen) => seen.links.iter_mut().for_each(change),
            Self::OnNames(seen) | Self::OffNames(seen) => seen.names.iter_mut().for_each(change),
            Self::OnTls(seen) | Self::OffTls(seen) => seen.links.iter_mut().for_each(change),
            Self::OnCalls(seen) | Self::OffCalls(seen) => {
                seen.processes.iter_mut().for_each(change);
            }
            Self::OnMessages(seen) | Self::OffMessages(seen) => {
                seen.links.iter_mut().for_each(change);
            }
            Self::OnPackets(seen) | Self::OffPackets(seen) => {
                seen.targets.iter_mut().for_each(change);
            }
            Self::Ended { process, .. }
            | Self::Signalled { process, .. }
            | Self::Stopped(process)
            | Self::Continued(process)
            | Self::StaysStopped(process)
            | Self::EndedWhileStopped(process) => change(&mut process.name),
            Self::Short(seen)
            | Self::PutBack(seen)
            | Self::StaysShort(seen)
            | Self::Outdone(seen) => {
                change(&mut seen.process.name);
            }
            Self::ListenerStopped { address, .. } | Self::NobodyListens { address } => {
                change(address);
            }
            Self::ReadyAgain { instance, but, .. } => {
                change(instance);
                but.iter_mut().for_each(change);
            }
            Self::StartedAgain { instance }
            | Self::ServesAgain { instance, .. }
            | Self::NeverEnded { instance }
            | Self::NotAwaited { instance } => change(instance),
            Self::Lost { why } => change(why),
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, sighting) in self.seen.iter().enumerate() {
            let between = if at == 0 { "" } else { "; " };
            write!(f, "{between}{sighting}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Sighting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OnLinks(seen) => seen.on(f),
            Self::OffLinks(seen) => seen.off(f),
            Self::OnMessages(seen) => seen.on(f),
            Self::OffMessages(seen) => seen.off(f),
            Self::Ended {
                process, signal, ..
            } => write!(f, "{process} ended on {}", signal.name()),
            Self::Signalled { process, signal } => write!(
                f,
                "nothing to undo: {} was sent to {process}; starting it again is up to its restart policy",
                signal.name()
            ),
            Self::Stopped(process) => {
                let are = if process.processes == 1 { "is" } else { "are" };
                write!(f, "{process} {are} stopped, state T")
            }
            Self::Continued(process) => write!(f, "{process} runs again"),
            Self::StaysStopped(ProcessSeen { name, pid, .. }) => {
                write!(f, "{name} (pid {pid}) stays stopped by another pause")
            }
            Self::EndedWhileStopped(ProcessSeen { name, pid, .. }) => {
                write!(f, "{name} (pid {pid}) ended while it was paused")
            }
            Self::Short(seen) => seen.in_force(f),
            Self::PutBack(seen) => seen.put_back(f),
            Self::StaysShort(seen) => seen.stays_short(f),
            Self::Outdone(seen) => seen.outdone(f),
            Self::ListenerStopped { address, pids } => {
                let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
                let pids = pids.join(", ");
                write!(f, "so is what listens on {address} (pid {pids})")
            }
            Self::NobodyListens { address } => write!(f, "nobody listens on {address}"),
            Self::StartedAgain { instance } => write!(f, "{instance} was started again"),
            Self::ServesAgain { instance, pid } => {
                write!(f, "{instance} serves again as pid {pid}")
            }
            Self::ReadyAgain { instance, pid, but } => {
                write!(f, "{instance} was ready again as pid {pid}")?;
                but.iter().try_for_each(|why| write!(f, ", but {why}"))
            }
            Self::NeverEnded { instance } => write!(f, "{instance} never ended"),
            Self::NotAwaited { instance } => write!(
                f,
                "{instance} is not waited for: the run ends, and it would with it"
            ),
            Self::OnNames(seen) => seen.on(f),
            Self::OffNames(seen) => seen.off(f),
            Self::OnPackets(seen) => seen.on(f),
            Self::OffPackets(seen) => seen.off(f),
            Self::OnTls(seen) => seen.on(f),
            Self::OffTls(seen) => seen.off(f),
            Self::OnCalls(seen) => seen.on(f),
            Self::OffCalls(seen) => seen.off(f),
            Self::Lost { why } => f.write_str(why),
        }
    }
}

impl fmt::Display for ProcessSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            pid,
            processes,
        } = self;
        let word = if *processes == 1 {
            "process"
        } else {
            "processes"
        };
        write!(f, "{name} (pid {pid}, {processes} {word})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inject::{BytesDone, Cut, Direction, OnBytes};

    fn process(processes: u64) -> ProcessSeen {
        ProcessSeen {
            name: "catalog-0".to_owned(),
            pid: 7,
            processes,
        }
    }

    #[test]
    fn what_happened_to_processes_is_said_as_it_always_was() {
        let evidence = Evidence {
            level: EvidenceLevel::Felt,
            seen: vec![
                Sighting::Stopped(process(1)),
                Sighting::Stopped(process(2)),
                Sighting::ListenerStopped {
                    address: "127.0.0.1:80".to_owned(),
                    pids: vec![7, 8],
                },
                Sighting::Ended {
                    process: process(2),
                    signal: Signal::Term,
                    after_us: 9,
                },
                Sighting::ReadyAgain {
                    instance: "catalog-0".to_owned(),
                    pid: 9,
                    but: Some("pid 5 listens".to_owned()),
                },
            ],
        };
        assert_eq!(
            evidence.to_string(),
            "catalog-0 (pid 7, 1 process) is stopped, state T; \
             catalog-0 (pid 7, 2 processes) are stopped, state T; \
             so is what listens on 127.0.0.1:80 (pid 7, 8); \
             catalog-0 (pid 7, 2 processes) ended on SIGTERM; \
             catalog-0 was ready again as pid 9, but pid 5 listens"
        );
    }

    #[test]
    fn the_whole_is_proved_as_far_as_its_weakest_part() {
        let part = |level| Evidence {
            level,
            seen: vec![Sighting::Continued(process(1))],
        };
        let both = Evidence::of_all([part(EvidenceLevel::Felt), part(EvidenceLevel::Acted)]);
        assert_eq!(both.level, EvidenceLevel::Acted);
        assert_eq!(both.seen.len(), 2);
        let nothing = Evidence::of_all([]);
        assert_eq!(nothing.level, EvidenceLevel::Requested);
    }

    #[test]
    fn evidence_is_read_back_as_it_was_written() {
        let links = LinksSeen {
            fault: OnBytes::Cut(Cut {
                direction: Direction::To,
            }),
            share: None,
            links: vec!["payments".to_owned()],
            live_connections: 3,
            done: BytesDone::default(),
        };
        let seen = vec![
            Sighting::OffLinks(links),
            Sighting::Lost {
                why: "gone".to_owned(),
            },
        ];
        let level = EvidenceLevel::Acted;
        let evidence = Evidence { level, seen };
        let written = serde_json::to_string(&evidence).unwrap();
        assert!(
            written.starts_with(r#"{"level":"acted","seen":[{"off-links":{"fault":{"Cut":"#),
            "{written}"
        );
        let read: Evidence = serde_json::from_str(&written).unwrap();
        assert_eq!(read, evidence);
    }

    #[test]
    fn every_text_from_outside_is_handed_over() {
        let mut evidence = Evidence::lost("token=s3cret".to_owned());
        evidence.seen.push(Sighting::ReadyAgain {
            instance: "a-0".to_owned(),
            pid: 1,
            but: Some("s3cret listens".to_owned()),
        });
        evidence.each_text(|text| *text = text.replace("s3cret", "***"));
        assert_eq!(
            evidence.to_string(),
            "token=***; a-0 was ready again as pid 1, but *** listens"
        );
    }
}
