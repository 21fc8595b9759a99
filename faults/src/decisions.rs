//! The decisions by chance of a run, a line each: which connections and which
//! requests a share hit, and which it spared.
//!
//! A thread of its own writes them, so that a disk that stalls holds up nobody.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use serde::{Deserialize, Serialize};
use squall_scenario::Share;

/// Decisions that are written, and may wait; more are not.
const DECISIONS_MAX: u64 = 100_000;
/// Bytes that are written at once.
const PIECE_BYTES: usize = 64 << 10;
/// The last line where there were more.
const MORE: &[u8] = b"{\"more\":true}\n";

/// A decision by chance. The same seed decides the same about the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Decision {
    /// The link.
    pub link: String,
    /// The fault with its repetition: `slow payments#0`.
    pub fault: String,
    /// Which connection of the link, from 0.
    pub connection: u64,
    /// Which request on it, from 0; absent where the connection is decided about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<u64>,
    /// Whether the fault hits it.
    pub hit: bool,
}

/// Where decisions are written; a cheap handle that can be cloned. The log ends
/// with the last one.
#[derive(Debug, Clone)]
pub struct Decisions {
    waiting: Sender<Decision>,
    taken: Arc<AtomicU64>,
}

impl Decisions {
    /// Writes to `file` from now on, the first 100 000: a JSON object a line, each
    /// soon after it was taken. What cannot be written is a warning in the log of
    /// squall, and stops nothing else.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(file: impl Write + Send + 'static) -> io::Result<Self> {
        let (waiting, decided) = channel();
        std::thread::Builder::new()
            .name("squall-decided".to_owned())
            .spawn(move || {
                if let Err(error) = write_all(file, &decided) {
                    tracing::warn!(%error, "decisions are not written any more");
                }
            })?;
        Ok(Self {
            waiting,
            taken: Arc::default(),
        })
    }

    fn add(&self, decision: Decision) {
        // The one beyond says that there are more.
        if self.taken.fetch_add(1, Ordering::Relaxed) <= DECISIONS_MAX {
            // Nobody waits for them where they could not be written.
            let _ = self.waiting.send(decision);
        }
    }
}

fn write_all(mut file: impl Write, decided: &Receiver<Decision>) -> io::Result<()> {
    let (mut written, mut piece) = (0, Vec::new());
    while let Ok(first) = decided.recv() {
        let mut next = Some(first);
        while let Some(decision) = next {
            if written == DECISIONS_MAX {
                piece.extend_from_slice(MORE);
                file.write_all(&piece)?;
                return file.flush();
            }
            written += 1;
            serde_json::to_writer(&mut piece, &decision)?;
            piece.push(b'\n');
            next = match piece.len() < PIECE_BYTES {
                true => decided.try_recv().ok(),
                false => None,
            };
        }
        file.write_all(&piece)?;
        file.flush()?;
        piece.clear();
    }
    Ok(())
}

/// Who tells of the decisions on a link, if anybody does.
#[derive(Debug, Clone, Default)]
pub(crate) struct Teller(Option<(Arc<str>, Decisions)>);

impl Teller {
    pub(crate) fn of(link: &str, decisions: &Decisions) -> Self {
        Self(Some((link.into(), decisions.clone())))
    }

    /// Tells whether a fault with a share hits a connection, or a request on it.
    /// Without chance nothing is decided.
    pub(crate) fn tell(&self, fault: &str, share: Share, at: (u64, Option<u64>), hit: bool) {
        let Some((link, decisions)) = self.0.as_ref().filter(|_| share != Share::WHOLE) else {
            return;
        };
        let (connection, request) = at;
        decisions.add(Decision {
            link: link.to_string(),
            fault: fault.to_owned(),
            connection,
            request,
            hit,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_written_and_the_last_line_says_that_there_were_more() {
        let (mut reader, writer) = io::pipe().unwrap();
        let teller = Teller::of("link", &Decisions::start(writer).unwrap());
        let half = Share::new(0.5).unwrap();
        for nth in 0..DECISIONS_MAX + 100 {
            teller.tell("whole", Share::WHOLE, (nth, None), true);
            teller.tell("half", half, (nth, None), nth % 2 == 0);
        }
        drop(teller);
        let mut text = String::new();
        io::Read::read_to_string(&mut reader, &mut text).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len() as u64, DECISIONS_MAX + 1);
        let first = r#"{"link":"link","fault":"half","connection":0,"hit":true}"#;
        assert_eq!(
            (lines[0], *lines.last().unwrap()),
            (first, r#"{"more":true}"#)
        );
    }
}
