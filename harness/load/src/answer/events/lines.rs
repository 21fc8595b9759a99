//! Reads a stream of server-sent events (WHATWG HTML, §9.2.6) as it comes, only as far
//! as to know where each ends: nothing is held of them.

/// Most bytes of one event, or of one comment. Nothing is held of it; it bounds what a
/// server that speaks another protocol can make of its first bytes.
const EVENT_BYTES_MAX: u64 = 64 << 20;
/// The mark that may stand at the beginning of the stream.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// As much of a line as says which field it is, behind a mark.
const FRONT_BYTES: usize = BYTE_ORDER_MARK.len() + b"data:".len();

/// Where one event ends and the next begins.
#[derive(Debug, Default)]
pub(super) struct EventLines {
    /// The first bytes of the line, and how many came of it in all.
    front: [u8; FRONT_BYTES],
    line: u64,
    /// Bytes of the lines before it, of the same event.
    before: u64,
    /// Whether the event has data by now: one without is none.
    has_data: bool,
    /// Whether the last line ended with a carriage return: a line feed belongs to it.
    behind_return: bool,
    /// Whether a line has ended.
    begun: bool,
}

/// One event has no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Endless;

impl EventLines {
    /// Takes from the front of `data` until an event ends; how many bytes that were, and
    /// whether one did.
    pub(super) fn take(&mut self, data: &[u8]) -> Result<(usize, bool), Endless> {
        let mut at = 0;
        loop {
            let rest = &data[at..];
            if rest.is_empty() {
                return Ok((at, false));
            }
            if std::mem::take(&mut self.behind_return) && rest[0] == b'\n' {
                at += 1;
                continue;
            }
            let end = memchr::memchr2(b'\r', b'\n', rest);
            self.add(&rest[..end.unwrap_or(rest.len())])?;
            let Some(end) = end else {
                return Ok((data.len(), false));
            };
            self.behind_return = rest[end] == b'\r';
            at += end + 1;
            if self.line_ended() {
                return Ok((at, true));
            }
        }
    }

    /// More of the line came.
    fn add(&mut self, part: &[u8]) -> Result<(), Endless> {
        let known = FRONT_BYTES.min(self.line as usize);
        let fresh = part.len().min(FRONT_BYTES - known);
        self.front[known..known + fresh].copy_from_slice(&part[..fresh]);
        self.line += part.len() as u64;
        match self.before + self.line > EVENT_BYTES_MAX {
            true => Err(Endless),
            false => Ok(()),
        }
    }

    /// Whether that ends an event.
    fn line_ended(&mut self) -> bool {
        let length = std::mem::take(&mut self.line);
        let front = &self.front[..FRONT_BYTES.min(length as usize)];
        let first = !std::mem::replace(&mut self.begun, true);
        let marked = front.strip_prefix(BYTE_ORDER_MARK).filter(|_| first);
        let front = marked.unwrap_or(front);
        match front {
            [] => {
                self.before = 0;
                std::mem::take(&mut self.has_data)
            }
            [b':', ..] => false,
            _ => {
                self.before += length + 1;
                let whole = marked.map_or(length, |_| length - BYTE_ORDER_MARK.len() as u64);
                self.has_data |= front.starts_with(b"data:") || front == b"data" && whole == 4;
                false
            }
        }
    }
}

/// How large an event may be, for people.
pub(super) const fn most() -> u64 {
    EVENT_BYTES_MAX >> 20
}
