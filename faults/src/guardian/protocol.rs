//! What squall and its guardian say to each other: one JSON value per line.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::network::Met;
use crate::{Filter, Member, ProcessIdentity};

/// A process to start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpawnRequest {
    /// Its name, for instance `catalog-0`. May be used again once the process
    /// that had it has ended.
    pub key: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Added to the environment squall was started with.
    pub env: BTreeMap<String, String>,
    /// Where it runs; squall's own folder by default.
    pub cwd: Option<PathBuf>,
    /// Standard output and error are appended to this file.
    pub log_path: PathBuf,
    /// How many bytes of them are kept, half from the beginning and half from
    /// the end.
    pub keep_bytes: u64,
    /// Files that it, and whatever it starts, finds in place of others.
    pub laid_over: Vec<LaidOver>,
}

/// A file that is found in place of another, in a mount namespace of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaidOver {
    /// The file that is found.
    pub file: PathBuf,
    /// Where; something has to be there.
    pub over: PathBuf,
}

/// What is missing of the output of processes when a run has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The file that holds the rest.
    pub log: PathBuf,
    /// How much is missing of it.
    pub bytes: u64,
}

/// A process that was started, as the leader of its own process group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spawned {
    /// Its name.
    pub key: String,
    /// Who it is.
    pub identity: ProcessIdentity,
    /// What marks everything that it starts, see [`INSTANCE_MARK`](crate::INSTANCE_MARK).
    pub mark: String,
}

/// A started process ended, and with it whatever it had started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exited {
    /// Its name.
    pub key: String,
    /// Who it was.
    pub identity: ProcessIdentity,
    /// How it ended.
    pub status: ExitStatus,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitStatus {
    /// It returned this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

/// A signal for a process group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupSignal {
    /// SIGKILL.
    Kill,
    /// SIGTERM.
    Term,
    /// SIGINT.
    Int,
    /// SIGSTOP.
    Stop,
    /// SIGCONT.
    Cont,
}

/// What [`crate::guardian::GuardianClient::shutdown`] found and did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ShutdownReport {
    /// Processes that ended on SIGTERM within the grace.
    pub ended: u32,
    /// Processes that had to be killed.
    pub killed: u32,
    /// Processes that are still there: must be empty.
    pub left: Vec<u32>,
    /// What is missing of their output.
    pub left_out: Vec<LeftOut>,
}

/// The most bytes of one request.
const REQUEST_BYTES_MAX: usize = 1024 * 1024;

/// A request and its number.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    pub(crate) id: u64,
    pub(crate) ask: Ask,
}

/// What squall sent and the guardian has not yet obeyed.
#[derive(Debug, Default)]
pub struct Inbox(Vec<u8>);

/// Whoever speaks like this is not squall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotSquall;

impl Inbox {
    /// Takes in what came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The next request, if all of it is here.
    ///
    /// # Errors
    /// It is none, or longer than requests are.
    pub fn take_next(&mut self) -> Result<Option<Request>, NotSquall> {
        let end = self.0.iter().position(|byte| *byte == b'\n');
        if end.unwrap_or(self.0.len()) > REQUEST_BYTES_MAX {
            return Err(NotSquall);
        }
        let Some(end) = end else {
            return Ok(None);
        };
        let line: Vec<u8> = self.0.drain(..=end).collect();
        serde_json::from_slice(&line)
            .map(Some)
            .map_err(|_| NotSquall)
    }

    /// Whether something waits to be obeyed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What squall may ask for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ask {
    Spawn(SpawnRequest),
    Signal {
        key: String,
        signal: GroupSignal,
    },
    /// Signals everything that the process and what it started are made of, or
    /// only looks at it. Whom the guardian has stopped it holds by pidfd, so
    /// that continuing them needs nothing else.
    Reach {
        root: ProcessIdentity,
        signal: Option<GroupSignal>,
    },
    Terminate {
        key: String,
        grace_ms: u64,
    },
    /// About rules for packets.
    Packets(AskPackets),
    /// Whatever is being ended, or will be, gets no more time than squall's own
    /// patience allows. Not answered.
    Hurry,
    /// Take this value out of the output of everything that is started from now
    /// on, and write `${name}` instead.
    KeepSecret {
        name: String,
        value: String,
    },
    /// Answered when everything that processes have written so far is in its
    /// file.
    DrainOutput,
    /// `graces_ms` are those of single keys; `grace_ms` is that of all others.
    /// Whatever is asked meanwhile means [`Ask::Hurry`], as does the end of
    /// squall.
    Shutdown {
        grace_ms: u64,
        graces_ms: Vec<(String, u64)>,
    },
}

/// What may be asked about rules for packets.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AskPackets {
    /// Puts rules in force, which end with the guardian.
    Filter { id: String, filter: Filter },
    /// Reads rules back.
    Look { id: String },
    /// Takes rules away. Those that are gone already are fine.
    Remove { id: String },
}

/// What the guardian says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Notice {
    /// First of all: it guards.
    Ready(ProcessIdentity),
    /// The answer to a request.
    Answer { id: u64, answer: Answer },
    /// A started process ended.
    Exited(Exited),
}

/// How a request went.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Spawned(Spawned),
    Done,
    /// What lives of an instance; nothing once all of it has ended.
    Members(Vec<Member>),
    Report(ShutdownReport),
    /// What rules for packets have met.
    Met(Met),
    Refused(String),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ask() -> impl Strategy<Value = Ask> {
        let text = || "[a-z\\n\"\\\\é]{0,20}";
        let identity = || {
            (1..9_u32, 0..9_u64).prop_map(|(pid, start_time)| ProcessIdentity { pid, start_time })
        };
        let signal = || prop_oneof![Just(GroupSignal::Stop), Just(GroupSignal::Cont)];
        let spawn = (
            (text(), prop::collection::vec(text(), 0..3)),
            prop::collection::btree_map(text(), text(), 0..3),
            (prop::option::of(text()), text(), any::<u64>()),
            prop::collection::vec((text(), text()), 0..3),
        );
        prop_oneof![
            spawn.prop_map(|((key, argv), env, (cwd, log, keep_bytes), over)| {
                let laid_over = over.into_iter().map(|(file, over)| LaidOver {
                    file: file.into(),
                    over: over.into(),
                });
                Ask::Spawn(SpawnRequest {
                    key,
                    argv,
                    env,
                    cwd: cwd.map(PathBuf::from),
                    log_path: log.into(),
                    keep_bytes,
                    laid_over: laid_over.collect(),
                })
            }),
            (text(), signal()).prop_map(|(key, signal)| Ask::Signal { key, signal }),
            (identity(), prop::option::of(signal()))
                .prop_map(|(root, signal)| Ask::Reach { root, signal }),
            (text(), any::<u64>()).prop_map(|(key, grace_ms)| Ask::Terminate { key, grace_ms }),
            text().prop_map(|id| Ask::Packets(AskPackets::Look { id })),
            Just(Ask::Hurry),
            (text(), text()).prop_map(|(name, value)| Ask::KeepSecret { name, value }),
            Just(Ask::DrainOutput),
            (
                any::<u64>(),
                prop::collection::vec((text(), any::<u64>()), 0..3)
            )
                .prop_map(|(grace_ms, graces_ms)| Ask::Shutdown {
                    grace_ms,
                    graces_ms,
                }),
        ]
    }

    /// Each on a line, numbered.
    fn lines(asks: &[Ask]) -> Vec<String> {
        let line = |(id, ask): (u64, &Ask)| {
            let ask = ask.clone();
            serde_json::to_string(&Request { id, ask }).unwrap()
        };
        (0..).zip(asks).map(line).collect()
    }

    /// What was taken out of an inbox, as lines, and whether it was squall who
    /// spoke. The bytes come in pieces of these lengths, again and again.
    fn taken(bytes: &[u8], pieces: &[usize], inbox: &mut Inbox) -> (Vec<String>, bool) {
        let (mut left, mut all) = (bytes, Vec::new());
        for length in pieces.iter().cycle() {
            if left.is_empty() {
                break;
            }
            let (piece, later) = left.split_at(left.len().min(*length));
            left = later;
            inbox.push(piece);
            loop {
                match inbox.take_next() {
                    Ok(Some(request)) => all.push(serde_json::to_string(&request).unwrap()),
                    Ok(None) => break,
                    Err(NotSquall) => return (all, false),
                }
            }
        }
        (all, true)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn requests_are_taken_whole_in_order_and_once(
            asks in prop::collection::vec(ask(), 0..6),
            pieces in prop::collection::vec(1..200_usize, 1..6),
            cut: prop::sample::Index,
        ) {
            let lines = lines(&asks);
            let bytes = lines.iter().flat_map(|line| [line, "\n"]).collect::<String>();
            let mut inbox = Inbox::default();
            prop_assert_eq!(taken(bytes.as_bytes(), &pieces, &mut inbox), (lines.clone(), true));
            prop_assert!(inbox.is_empty());

            // What is cut is waited for, and is no other request.
            let cut = cut.index(bytes.len() + 1);
            let (begun, rest) = bytes.as_bytes().split_at(cut);
            let whole = begun.iter().filter(|byte| **byte == b'\n').count();
            let mut inbox = Inbox::default();
            prop_assert_eq!(taken(begun, &pieces, &mut inbox), (lines[..whole].to_vec(), true));
            prop_assert_eq!(inbox.is_empty(), begun.last().is_none_or(|last| *last == b'\n'));
            prop_assert_eq!(taken(rest, &pieces, &mut inbox), (lines[whole..].to_vec(), true));
        }

        #[test]
        fn whoever_speaks_otherwise_is_not_obeyed(
            asks in prop::collection::vec(ask(), 0..4),
            pieces in prop::collection::vec(1..200_usize, 1..6),
            nonsense in prop::collection::vec(any::<u8>().prop_filter("in the line", |byte| *byte != b'\n'), 0..50),
        ) {
            let lines = lines(&asks);
            prop_assume!(serde_json::from_slice::<Request>(&nonsense).is_err());
            let mut bytes = lines.iter().flat_map(|line| [line, "\n"]).collect::<String>().into_bytes();
            bytes.extend(nonsense);
            bytes.push(b'\n');
            bytes.extend_from_slice(b"{\"id\":9,\"ask\":\"hurry\"}\n");
            prop_assert_eq!(taken(&bytes, &pieces, &mut Inbox::default()), (lines, false));
        }
    }

    #[test]
    fn the_bound_of_a_request_is_the_same_in_whatever_pieces_it_comes() {
        let long = |bytes: usize| {
            let ask = |value| Ask::KeepSecret {
                name: String::new(),
                value,
            };
            let frame = lines(&[ask(String::new())])[0].len();
            let line = &lines(&[ask("x".repeat(bytes - frame))])[0];
            format!("{line}\n")
        };
        for (bytes, fits) in [(REQUEST_BYTES_MAX, true), (REQUEST_BYTES_MAX + 1, false)] {
            let line = long(bytes);
            for pieces in [&[2 * REQUEST_BYTES_MAX], &[64 << 10], &[(64 << 10) + 1]] {
                let (all, squall) = taken(line.as_bytes(), pieces, &mut Inbox::default());
                assert_eq!((all.len(), squall), (usize::from(fits), fits), "{pieces:?}");
            }
        }
    }
}
