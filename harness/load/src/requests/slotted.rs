//! Bytes with slots: what a request is written from.

use std::time::Instant;

use http::{HeaderValue, header};
use squall_scenario::base64::{encode_tail, encoded_length};
use squall_scenario::{BodyPiece, Request, RequestText, Slot};

use super::draw::{Draw, UUID_BYTES};
use crate::journey::{Cache, Carried};

/// The field that says who asks.
pub(super) const ASKER: &str = "authorization";

/// Bytes, and between them what an arrival draws.
#[derive(Debug, Default)]
pub(super) struct Slotted {
    pieces: Vec<Piece>,
}

#[derive(Debug)]
enum Piece {
    Text(Vec<u8>),
    /// A number, which is written alike in every place.
    Number {
        draw: usize,
    },
    /// A UUID, which is written alike in every place.
    Uuid {
        draw: usize,
    },
    /// One of a list, each written for this place.
    Picked {
        draw: usize,
        written: Vec<Box<[u8]>>,
    },
    /// What an earlier step of its journey took, written for this place.
    Taken {
        index: usize,
        name: String,
        slot: Slot,
    },
    /// The cookies of its user, in a field of their own.
    Cookies,
    /// Under which conditions its client's cache wants an answer, in fields of their own.
    Conditions,
    /// What is sent in base64.
    Encoded(Slotted),
}

/// Where values come from.
#[derive(Clone, Copy)]
pub(super) struct Sources<'a> {
    pub(super) draws: &'a [Draw],
    /// Names of what the journey takes that the request is a step of, if it is one.
    pub(super) taken: Option<&'a [String]>,
    /// Whether something is taken from the body of its answer.
    pub(super) takes_body: bool,
    /// Whether it stands for segments of a title.
    pub(super) plays: bool,
    /// What keys and masks of its socket are drawn from, if it opens one.
    pub(super) masks: u64,
    /// Whether its client has a cache.
    pub(super) caches: bool,
}

/// Whose request it is.
#[derive(Clone, Copy)]
pub(super) struct Drawn<'a> {
    pub(super) draws: &'a [Draw],
    pub(super) number: u64,
    /// What its user has from earlier steps; `None` shows names instead.
    pub(super) carried: Option<&'a Carried>,
    /// Whether it goes over TLS.
    pub(super) secure: bool,
}

impl Slotted {
    /// The body of a request.
    pub(super) fn body(request: &Request, sources: Sources<'_>) -> Self {
        let mut body = Self::default();
        for piece in request.body_pieces() {
            match piece {
                BodyPiece::Bytes(bytes) => body.bytes(&bytes),
                BodyPiece::Text(text) => body.text(&text, sources),
            }
        }
        body
    }

    /// The field `host`, where the request has none of its own, and whether the
    /// connection ends with it.
    pub(super) fn host(&mut self, request: &Request, (host, per_request): (&HeaderValue, bool)) {
        let mut names = request.headers.iter().map(|(name, _)| name.as_str());
        if !names.any(|name| name.eq_ignore_ascii_case(header::HOST.as_str())) {
            self.bytes(b"host: ");
            self.bytes(host.as_bytes());
            self.bytes(b"\r\n");
        }
        if per_request {
            self.bytes(b"connection: close\r\n");
        }
    }

    /// The fields of a request whose names are wanted.
    pub(super) fn fields(
        &mut self,
        request: &Request,
        wanted: impl Fn(&str) -> bool,
        sources: Sources<'_>,
    ) {
        for (name, value) in &request.headers {
            let name = name.to_ascii_lowercase();
            if wanted(&name) {
                self.field(&name, &RequestText::header(value), sources);
            }
        }
    }

    /// Who asks, where that is no field.
    pub(super) fn asker(&mut self, request: &Request, sources: Sources<'_>) {
        if let Some(auth) = request.auth_text() {
            self.field(ASKER, &auth, sources);
        }
    }

    /// The user's cookies, where the request has no field of them.
    pub(super) fn cookies(&mut self, request: &Request, sources: Sources<'_>) {
        let mut names = request.headers.iter().map(|(name, _)| name.as_str());
        if sources.taken.is_some()
            && !names.any(|name| name.eq_ignore_ascii_case(header::COOKIE.as_str()))
        {
            self.pieces.push(Piece::Cookies);
        }
    }

    /// The conditions of its client's cache, where that has one.
    pub(super) fn conditions(&mut self, sources: Sources<'_>) {
        if sources.caches {
            self.pieces.push(Piece::Conditions);
        }
    }

    pub(super) fn field(&mut self, name: &str, value: &RequestText, sources: Sources<'_>) {
        self.bytes(name.as_bytes());
        self.bytes(b": ");
        self.text(value, sources);
        self.bytes(b"\r\n");
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        match self.pieces.last_mut() {
            Some(Piece::Text(text)) => text.extend_from_slice(bytes),
            _ => self.pieces.push(Piece::Text(bytes.to_vec())),
        }
    }

    pub(super) fn text(&mut self, text: &RequestText, sources: Sources<'_>) {
        let plain = text.base64_from();
        self.append(text.pieces().take(plain), sources);
        let mut encoded = Self::default();
        encoded.append(text.pieces().skip(plain), sources);
        if let Some(fixed) = encoded.fixed() {
            let mut fixed = fixed.to_vec();
            encode_tail(&mut fixed, 0);
            self.bytes(&fixed);
        } else {
            self.pieces.push(Piece::Encoded(encoded));
        }
    }

    fn append<'t>(
        &mut self,
        pieces: impl Iterator<Item = Result<&'t str, (&'t str, Slot)>>,
        sources: Sources<'_>,
    ) {
        for piece in pieces {
            let (name, slot) = match piece {
                Ok(literal) => {
                    self.bytes(literal.as_bytes());
                    continue;
                }
                Err(value) => value,
            };
            // Every value has a source, or the request was refused before.
            let draws = sources.draws;
            let Some(draw) = draws.iter().position(|draw| draw.name() == name) else {
                let mut taken = sources.taken.unwrap_or_default().iter();
                let index = taken.position(|taken| taken == name);
                self.pieces.extend(index.map(|index| Piece::Taken {
                    index,
                    name: name.to_owned(),
                    slot,
                }));
                continue;
            };
            let piece = match draws[draw].choices() {
                None if draws[draw].is_uuid() => Piece::Uuid { draw },
                None => Piece::Number { draw },
                Some(choices) => {
                    let write = |value: &String| {
                        let mut written = String::new();
                        // None is refused here: all values were written before.
                        let _ = slot.write(value, &mut written);
                        written.into_bytes().into_boxed_slice()
                    };
                    let written = choices.iter().map(write).collect();
                    Piece::Picked { draw, written }
                }
            };
            self.pieces.push(piece);
        }
    }

    /// All of it, where nothing is drawn.
    pub(super) fn fixed(&self) -> Option<&[u8]> {
        match self.pieces.as_slice() {
            [] => Some(&[]),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    pub(super) fn take_fixed(&mut self) -> Vec<u8> {
        let text = self.fixed().unwrap_or_default().to_vec();
        self.pieces.clear();
        text
    }

    pub(super) fn write(&self, drawn: Drawn<'_>, into: &mut Vec<u8>) {
        self.write_behind(drawn, into.len(), into);
    }

    /// The same in a message whose first line begins at `start`.
    pub(super) fn write_behind(&self, drawn: Drawn<'_>, start: usize, into: &mut Vec<u8>) {
        let (draws, number) = (drawn.draws, drawn.number);
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => into.extend_from_slice(text),
                Piece::Taken { index, name, slot } => {
                    into.extend_from_slice(taken(drawn, *index, name, *slot).as_bytes());
                }
                Piece::Cookies => write_cookies(drawn, start, into),
                Piece::Conditions => {
                    let cache = drawn.carried.and_then(|it| it.cache.as_deref());
                    into.extend_from_slice(cache.map_or(&[], Cache::conditions));
                }
                Piece::Number { draw } => write_number(draws[*draw].number(number), into),
                Piece::Uuid { draw } => into.extend_from_slice(&draws[*draw].uuid(number)),
                Piece::Picked { draw, written } => {
                    into.extend_from_slice(picked(written, draws[*draw].number(number)));
                }
                Piece::Encoded(slotted) => {
                    let start = into.len();
                    slotted.write(drawn, into);
                    encode_tail(into, start);
                }
            }
        }
    }

    pub(super) fn length(&self, drawn: Drawn<'_>) -> u64 {
        let (draws, number) = (drawn.draws, drawn.number);
        let length = |piece: &Piece| match piece {
            Piece::Text(text) => text.len() as u64,
            Piece::Taken { index, name, slot } => taken(drawn, *index, name, *slot).len() as u64,
            // They stand in the head, whose length nobody asks for.
            Piece::Cookies | Piece::Conditions => 0,
            Piece::Number { draw } => {
                u64::from(draws[*draw].number(number).checked_ilog10().unwrap_or(0)) + 1
            }
            Piece::Uuid { .. } => UUID_BYTES as u64,
            Piece::Picked { draw, written } => {
                picked(written, draws[*draw].number(number)).len() as u64
            }
            Piece::Encoded(slotted) => encoded_length(slotted.length(drawn)),
        };
        self.pieces.iter().map(length).sum()
    }
}

/// A value that was taken, as it is written here; its name where it is only shown.
fn taken(drawn: Drawn<'_>, index: usize, name: &str, slot: Slot) -> String {
    let Some(carried) = drawn.carried else {
        return format!("${name}");
    };
    let mut written = String::new();
    // None is refused here: what does not fit was not taken.
    let _ = slot.write(carried.value(index).unwrap_or_default(), &mut written);
    written
}

/// The user's cookies for the request whose head begins at `start`.
fn write_cookies(drawn: Drawn<'_>, start: usize, into: &mut Vec<u8>) {
    let Some(carried) = drawn.carried else {
        return;
    };
    let mut words = into[start..].split(|byte| *byte == b' ').skip(1);
    let target = words.next().unwrap_or_default().to_vec();
    let now = Instant::now();
    carried.jar.write(&target, drawn.secure, now, into);
}

fn picked(written: &[Box<[u8]>], index: u64) -> &[u8] {
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    written.get(index).map_or(&[], |bytes| bytes)
}

/// Appends a number in decimal digits.
pub(super) fn write_number(mut value: u64, into: &mut Vec<u8>) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    into.extend_from_slice(&digits[at..]);
}
