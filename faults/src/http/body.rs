//! Where a body ends: by its length, in chunks, or with the connection.

use bytes::Bytes;

/// Bytes that the lines between chunks may have altogether.
const LINES_BYTES_MAX: usize = 64 * 1024;

/// A head that can be read in two ways, or says what nobody can follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unclear;

/// What is left of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes.
    Length(u64),
    /// Chunks, each behind its size.
    Chunked {
        at: Place,
        /// Bytes of lines so far.
        lines: usize,
    },
    /// Everything up to the end of the stream.
    UntilClose,
}

/// Where in a chunked body the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In a size, of which so many digits were read.
    Size { size: u64, digits: u8 },
    /// In what may follow a size.
    Extension { size: u64 },
    /// At the line feed behind a size.
    SizeEnd { size: u64 },
    /// In a chunk of which so many bytes are left.
    Data { left: u64 },
    /// At the carriage return behind a chunk.
    DataReturn,
    /// At the line feed behind a chunk.
    DataEnd,
    /// At the start of a line behind the last chunk.
    TrailerStart,
    /// In such a line.
    Trailer,
    /// At the line feed of such a line.
    TrailerEnd,
    /// At the very last line feed.
    LastEnd,
    /// Behind it.
    Done,
}

/// A piece of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Bytes of the body itself.
    Content(Bytes),
    /// Sizes of chunks and what else stands between them.
    Frame(Bytes),
}

impl Body {
    pub(super) const fn of_length(length: u64) -> Self {
        Self::Length(length)
    }

    pub(super) const fn chunked() -> Self {
        Self::Chunked {
            at: Place::Size { size: 0, digits: 0 },
            lines: 0,
        }
    }

    pub(super) const fn until_close() -> Self {
        Self::UntilClose
    }

    /// Whether nothing of it is left.
    pub(super) const fn is_done(&self) -> bool {
        matches!(
            self,
            Self::Length(0)
                | Self::Chunked {
                    at: Place::Done,
                    ..
                }
        )
    }

    /// Takes the next piece off the front of `bytes`, which are not empty, while
    /// the body is not done.
    ///
    /// # Errors
    /// The bytes are none of a chunked body; none was taken.
    pub(super) fn next(&mut self, bytes: &mut Bytes) -> Result<Piece, Unclear> {
        match self {
            Self::UntilClose => Ok(Piece::Content(bytes.split_to(bytes.len()))),
            Self::Length(left) => Ok(Piece::Content(take(left, bytes))),
            Self::Chunked { at, lines } => {
                if let Place::Data { left } = at {
                    let content = take(left, bytes);
                    if *left == 0 {
                        *at = Place::DataReturn;
                    }
                    return Ok(Piece::Content(content));
                }
                frame(at, lines, bytes).map(Piece::Frame)
            }
        }
    }
}

fn take(left: &mut u64, bytes: &mut Bytes) -> Bytes {
    let length = usize::try_from(*left)
        .unwrap_or(usize::MAX)
        .min(bytes.len());
    *left -= length as u64;
    bytes.split_to(length)
}

/// Takes what stands between chunks, up to the next one, the end of the body or
/// of the bytes.
fn frame(at: &mut Place, lines: &mut usize, bytes: &mut Bytes) -> Result<Bytes, Unclear> {
    let (mut place, mut length) = (*at, 0);
    for byte in bytes.iter() {
        if matches!(place, Place::Data { .. } | Place::Done) {
            break;
        }
        place = place.behind(*byte).ok_or(Unclear)?;
        length += 1;
    }
    let all = *lines + length;
    if all > LINES_BYTES_MAX {
        return Err(Unclear);
    }
    *lines = match place {
        Place::Data { .. } => 0,
        _ => all,
    };
    *at = place;
    Ok(bytes.split_to(length))
}

impl Place {
    /// The place behind a byte; `None` where it cannot stand.
    fn behind(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Size { size, digits: 1.. }, b'\r') => Self::SizeEnd { size },
            (Self::Size { size, digits: 1.. }, b';' | b' ' | b'\t') => Self::Extension { size },
            (Self::Size { size, digits }, _) => {
                let digit = (byte as char).to_digit(16)?;
                if digits >= 15 {
                    return None;
                }
                Self::Size {
                    size: size * 16 + u64::from(digit),
                    digits: digits + 1,
                }
            }
            (Self::Extension { size }, b'\r') => Self::SizeEnd { size },
            (Self::Extension { .. }, b'\n') => return None,
            (Self::Extension { size }, _) => Self::Extension { size },
            (Self::SizeEnd { size: 0 }, b'\n') => Self::TrailerStart,
            (Self::SizeEnd { size }, b'\n') => Self::Data { left: size },
            (Self::DataReturn, b'\r') => Self::DataEnd,
            (Self::DataEnd, b'\n') => Self::Size { size: 0, digits: 0 },
            (Self::TrailerStart, b'\r') => Self::LastEnd,
            (Self::TrailerStart | Self::Trailer, b'\n') => return None,
            (Self::Trailer, b'\r') => Self::TrailerEnd,
            (Self::TrailerStart | Self::Trailer, _) => Self::Trailer,
            (Self::TrailerEnd, b'\n') => Self::TrailerStart,
            (Self::LastEnd, b'\n') => Self::Done,
            (
                Self::SizeEnd { .. }
                | Self::Data { .. }
                | Self::DataReturn
                | Self::DataEnd
                | Self::TrailerEnd
                | Self::LastEnd
                | Self::Done,
                _,
            ) => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Content and whether the body was done, fed `step` bytes at a time.
    fn read(mut body: Body, text: &str, step: usize) -> Result<(String, usize, bool), Unclear> {
        let (mut content, mut taken) = (Vec::new(), 0);
        for chunk in text.as_bytes().chunks(step) {
            let mut bytes = Bytes::copy_from_slice(chunk);
            while !bytes.is_empty() && !body.is_done() {
                let piece = body.next(&mut bytes)?;
                match piece {
                    Piece::Content(more) => {
                        taken += more.len();
                        content.extend_from_slice(&more);
                    }
                    Piece::Frame(more) => taken += more.len(),
                }
            }
        }
        Ok((String::from_utf8(content).unwrap(), taken, body.is_done()))
    }

    #[test]
    fn bodies_end_where_they_say() {
        let chunked = "5\r\nhello\r\n00A;x=\"y\"\r\n0123456789\r\n0\r\nTrailer: a\r\n\r\nmore";
        for step in 1..chunked.len() {
            let read = read(Body::chunked(), chunked, step).unwrap();
            assert_eq!(
                read,
                ("hello0123456789".to_owned(), chunked.len() - 4, true)
            );
        }
        let read_length = read(Body::of_length(3), "abcdef", 2).unwrap();
        assert_eq!(read_length, ("abc".to_owned(), 3, true));
        let to_the_end = read(Body::until_close(), "abc", 2).unwrap();
        assert_eq!(to_the_end, ("abc".to_owned(), 3, false));
    }

    #[test]
    fn what_is_no_chunk_is_no_chunk() {
        for text in [
            "\r\n",
            "x\r\n",
            "5\n",
            "5 x\n",
            "1\r\nab",
            "1\r\na\n",
            "1\rx",
            "0\r\na\nb",
            "0\r\n\n",
            "1111111111111111\r\n",
            "-1\r\n",
        ] {
            for step in [1, text.len()] {
                assert!(read(Body::chunked(), text, step).is_err(), "{text:?}");
            }
        }
        let long = format!("0\r\nx: {}", "a".repeat(LINES_BYTES_MAX));
        assert!(read(Body::chunked(), &long, 1000).is_err());
    }
}
