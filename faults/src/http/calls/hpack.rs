//! Header blocks of HTTP/2 (RFC 7541): read with all that they refer to, written
//! with nothing that they would.

use std::collections::VecDeque;

use super::huffman;

/// What a dynamic table may hold; whoever asks for more is not followed.
const TABLE_BYTES_MAX: usize = 1 << 20;
/// What the headers of one request may take.
const LIST_BYTES_MAX: usize = 256 << 10;
/// What an entry costs besides its bytes, by the standard.
const ENTRY_COST_BYTES: usize = 32;
/// What a table may hold before anybody has said so.
const TABLE_BYTES: usize = 4096;

#[rustfmt::skip]
const STATIC: [(&str, &str); 61] = [
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"),
    (":path", "/index.html"), (":scheme", "http"), (":scheme", "https"), (":status", "200"),
    (":status", "204"), (":status", "206"), (":status", "304"), (":status", "400"),
    (":status", "404"), (":status", "500"), ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""),
    ("accept", ""), ("access-control-allow-origin", ""), ("age", ""), ("allow", ""),
    ("authorization", ""), ("cache-control", ""), ("content-disposition", ""),
    ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
    ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""),
    ("date", ""), ("etag", ""), ("expect", ""), ("expires", ""), ("from", ""), ("host", ""),
    ("if-match", ""), ("if-modified-since", ""), ("if-none-match", ""), ("if-range", ""),
    ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""), ("location", ""),
    ("max-forwards", ""), ("proxy-authenticate", ""), ("proxy-authorization", ""), ("range", ""),
    ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""), ("set-cookie", ""),
    ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""),
    ("vary", ""), ("via", ""), ("www-authenticate", ""),
];

/// A header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: Vec<u8>,
    pub(super) value: Vec<u8>,
    /// Nobody on the way may put it into a table.
    pub(super) never_indexed: bool,
}

/// Sizes that a table was given one after the other. The least counts as well as
/// the last: what had no room in it is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sizes(Option<(usize, usize)>);

impl Sizes {
    fn push(&mut self, size: usize) {
        let least = self.0.map_or(size, |(least, _)| least.min(size));
        self.0 = Some((least, size));
    }

    /// Adds those that came later.
    pub(super) fn add(&mut self, later: Self) {
        let Self(later) = later;
        later
            .into_iter()
            .flat_map(<[usize; 2]>::from)
            .for_each(|size| self.push(size));
    }
}

/// What a header block says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Block {
    /// The sizes that it gives the table, before anything else.
    pub(super) sizes: Sizes,
    pub(super) fields: Vec<Field>,
}

/// A header block that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// Reads all header blocks of one direction, in order.
#[derive(Debug)]
pub(super) struct Decoder {
    /// The newest entry first.
    table: VecDeque<(Vec<u8>, Vec<u8>)>,
    size: usize,
    size_max: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            table: VecDeque::new(),
            size: 0,
            size_max: TABLE_BYTES,
        }
    }
}

impl Decoder {
    pub(super) fn read(&mut self, block: &[u8]) -> Result<Block, Malformed> {
        let mut rest = block;
        let mut read = Block::default();
        let mut bytes = 0;
        while let Some(first) = rest.first() {
            let (name, value) = match *first {
                0x80.. => self.entry(number(&mut rest, 7)?)?,
                0x20..0x40 => {
                    let size = number(&mut rest, 5)?;
                    if !read.fields.is_empty() || size > TABLE_BYTES_MAX {
                        return Err(Malformed);
                    }
                    read.sizes.push(size);
                    self.size_max = size;
                    self.shrink(size);
                    continue;
                }
                0x40..0x80 => {
                    let (name, value) = self.literal(&mut rest, 6)?;
                    self.insert(name.clone(), value.clone());
                    (name, value)
                }
                0..0x20 => self.literal(&mut rest, 4)?,
            };
            bytes += name.len() + value.len() + ENTRY_COST_BYTES;
            if bytes > LIST_BYTES_MAX {
                return Err(Malformed);
            }
            read.fields.push(Field {
                name,
                value,
                never_indexed: first & 0xf0 == 0x10,
            });
        }
        Ok(read)
    }

    fn entry(&self, index: usize) -> Result<(Vec<u8>, Vec<u8>), Malformed> {
        let at = index.checked_sub(1).ok_or(Malformed)?;
        if let Some((name, value)) = STATIC.get(at) {
            return Ok((name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        }
        let entry = self.table.get(at - STATIC.len());
        entry.cloned().ok_or(Malformed)
    }

    fn literal(&self, rest: &mut &[u8], prefix: u32) -> Result<(Vec<u8>, Vec<u8>), Malformed> {
        let name = match number(rest, prefix)? {
            0 => text(rest)?,
            index => self.entry(index)?.0,
        };
        Ok((name, text(rest)?))
    }

    fn insert(&mut self, name: Vec<u8>, value: Vec<u8>) {
        let size = name.len() + value.len() + ENTRY_COST_BYTES;
        self.shrink(self.size_max.saturating_sub(size));
        if size <= self.size_max {
            self.size += size;
            self.table.push_front((name, value));
        }
    }

    fn shrink(&mut self, to: usize) {
        while self.size > to {
            let Some((name, value)) = self.table.pop_back() else {
                return;
            };
            self.size -= name.len() + value.len() + ENTRY_COST_BYTES;
        }
    }
}

/// A number whose first byte has a prefix of so many bits.
fn number(rest: &mut &[u8], prefix: u32) -> Result<usize, Malformed> {
    let mask = (1_u8 << prefix) - 1;
    let (first, behind) = rest.split_first().ok_or(Malformed)?;
    *rest = behind;
    let mut number = u64::from(first & mask);
    if first & mask < mask {
        return Ok(number as usize);
    }
    for shift in [0, 7, 14, 21, 28] {
        let (byte, behind) = rest.split_first().ok_or(Malformed)?;
        *rest = behind;
        number += u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let number = u32::try_from(number).map_err(|_large| Malformed)?;
            return Ok(number as usize);
        }
    }
    Err(Malformed)
}

fn text(rest: &mut &[u8]) -> Result<Vec<u8>, Malformed> {
    let is_huffman = rest.first().ok_or(Malformed)? & 0x80 != 0;
    let length = number(rest, 7)?;
    let (text, behind) = rest.split_at_checked(length).ok_or(Malformed)?;
    *rest = behind;
    match is_huffman {
        true => huffman::decoded(text).ok_or(Malformed),
        false => Ok(text.to_vec()),
    }
}

/// A block that neither uses nor changes the table of whoever reads it, but for
/// the sizes that it gives it.
pub(super) fn written(block: &Block) -> Vec<u8> {
    let mut bytes = Vec::new();
    for size in block.sizes.0.into_iter().flat_map(<[usize; 2]>::from) {
        put_number(&mut bytes, 0x20, 5, size);
    }
    for field in &block.fields {
        bytes.push(match field.never_indexed {
            true => 0x10,
            false => 0,
        });
        for text in [&field.name, &field.value] {
            put_number(&mut bytes, 0, 7, text.len());
            bytes.extend_from_slice(text);
        }
    }
    bytes
}

fn put_number(bytes: &mut Vec<u8>, kind: u8, prefix: u32, number: usize) {
    let mask = (1_usize << prefix) - 1;
    if number < mask {
        return bytes.push(kind | number as u8);
    }
    bytes.push(kind | mask as u8);
    let mut left = number - mask;
    while left >= 0x80 {
        bytes.push(0x80 | (left & 0x7f) as u8);
        left >>= 7;
    }
    bytes.push(left as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(byte).collect()
    }

    fn said(block: &Block) -> Vec<String> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let fields = block.fields.iter();
        fields
            .map(|field| format!("{}={}", text(&field.name), text(&field.value)))
            .collect()
    }

    #[test]
    fn examples_of_the_standard_are_read_in_order() {
        // RFC 7541, C.4: three requests on one connection.
        let mut decoder = Decoder::default();
        let first = decoder
            .read(&bytes("828684418cf1e3c2e5f23a6ba0ab90f4ff"))
            .unwrap();
        let base = [
            ":method=GET",
            ":scheme=http",
            ":path=/",
            ":authority=www.example.com",
        ];
        assert_eq!(said(&first), base);
        let second = decoder.read(&bytes("828684be5886a8eb10649cbf")).unwrap();
        assert_eq!(said(&second)[4..], ["cache-control=no-cache"]);
        let third = decoder.read(&bytes("828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf"));
        let third = third.unwrap();
        assert_eq!(
            said(&third)[3..],
            [":authority=www.example.com", "custom-key=custom-value"]
        );
        assert_eq!((decoder.table.len(), decoder.size), (3, 164));
    }

    #[test]
    fn a_table_forgets_what_it_has_no_room_for() {
        let mut decoder = Decoder::default();
        let insert = |name: u8| [&[0x40, 1, name, 1, b'v'][..]].concat();
        decoder.read(&insert(b'a')).unwrap();
        decoder.read(&insert(b'b')).unwrap();
        // Room for one entry of 34 bytes, then for none.
        let one = decoder.read(&[0x3f, 34 - 31, 0xbe]).unwrap();
        assert_eq!(
            (one.sizes, said(&one)),
            (Sizes(Some((34, 34))), vec!["b=v".to_owned()])
        );
        assert_eq!(decoder.read(&[0xbf]), Err(Malformed));
        decoder.read(&[0x20]).unwrap();
        decoder.read(&insert(b'c')).unwrap();
        assert_eq!(decoder.read(&[0xbe]), Err(Malformed));
    }

    #[test]
    fn what_is_written_is_read_again_and_changes_no_table() {
        let field = |name: &str, value: &str, never_indexed| Field {
            name: name.as_bytes().to_vec(),
            value: value.as_bytes().to_vec(),
            never_indexed,
        };
        let block = Block {
            sizes: Sizes(Some((0, 4096))),
            fields: vec![
                field(":path", "/a", false),
                field("authorization", &"x".repeat(300), true),
                field("empty", "", false),
            ],
        };
        let mut decoder = Decoder::default();
        assert_eq!(decoder.read(&written(&block)), Ok(block));
        assert_eq!(decoder.table.len(), 0);
    }

    #[test]
    fn what_cannot_be_read_is_malformed() {
        for block in [
            &[0x80][..],
            &[0xff],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f],
            &[0xbe],
            &[0x40, 1, b'a'],
            &[0, 5, b'a'],
            &[0, 0x81, 0, 0],
            // A size behind a header, and one that is too large.
            &[0x82, 0x20],
            &[0x3f, 0xff, 0xff, 0x7f],
        ] {
            assert_eq!(Decoder::default().read(block), Err(Malformed), "{block:x?}");
        }
    }
}
