//! The head of an answer: its status, and how the rest is to be read.

use httparse::{EMPTY_HEADER, Header, ParserConfig, Status};

use super::keeper::Keeper;
use super::stream::Stream;
use super::{FALLBACK_HEADER, FIELDS_MAX, Malformed};

/// Header fields that are read without memory of their own.
const FIELDS_USUAL: usize = 64;

/// What an answer says before its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// Value of [`FALLBACK_HEADER`], if there is one.
    pub fallback: Option<String>,
    /// Whether the connection may carry another request after the body.
    pub(super) keep_alive: bool,
    pub(super) framing: Framing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

/// Reads a head, and tells it to who looks at it.
///
/// # Errors
/// It is none, or larger than the limits, or speaks of another answer than the one that
/// is awaited.
pub(super) fn parse_head(
    data: &[u8],
    bodiless: bool,
    (keeper, stream): (Option<&mut Keeper>, Option<&mut Stream>),
) -> Result<Head, Malformed> {
    let mut usual = [EMPTY_HEADER; FIELDS_USUAL];
    let mut many: Vec<Header<'_>>;
    let mut fields: &mut [Header<'_>] = &mut usual;
    let mut parser = ParserConfig::default();
    parser
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .ignore_invalid_headers_in_responses(true);
    let lines = data.iter().filter(|byte| **byte == b'\n').count();
    if lines > FIELDS_USUAL {
        many = vec![EMPTY_HEADER; lines.min(FIELDS_MAX)];
        fields = &mut many;
    }
    let mut response = httparse::Response::new(fields);
    match parser.parse_response(&mut response, data) {
        Ok(Status::Complete(_)) => {}
        Ok(Status::Partial) => return Err(Malformed("the head of the answer has no end".into())),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(Malformed(format!(
                "the answer has more than {FIELDS_MAX} header fields, the most squall reads"
            )));
        }
        Err(error) => return Err(Malformed(format!("the head of the answer: {error}"))),
    }
    let status = response.code.unwrap_or(0);
    if status < 100 {
        return Err(Malformed(format!("the answer's status {status} is none")));
    }
    let fields = Fields::of(response.headers)?;
    if let Some(keeper) = keeper {
        keeper.head(response.headers);
    }
    if let Some(stream) = stream {
        stream.head(status, response.headers).map_err(Malformed)?;
    }
    let minor = response.version.unwrap_or(0);
    let framing = match (bodiless, status, fields.chunked, fields.length) {
        (true, ..) | (_, 100 | 102..=199 | 204 | 304, ..) => Framing::Length(0),
        (_, 101, ..) => Framing::UntilClose,
        (_, _, Some(true), _) => Framing::Chunked,
        (_, _, Some(false), _) | (_, _, None, None) => Framing::UntilClose,
        (_, _, None, Some(length)) => Framing::Length(length),
    };
    // Two framings at once are read as RFC 9112 says, and not trusted further.
    let doubtful = fields.chunked.is_some() && fields.length.is_some();
    Ok(Head {
        status,
        fallback: fields.fallback,
        keep_alive: !fields.close
            && !doubtful
            && (minor == 1 || fields.keep_alive)
            && framing != Framing::UntilClose,
        framing,
    })
}

/// The fields that say how an answer is to be read.
#[derive(Debug, Default)]
struct Fields {
    length: Option<u64>,
    /// Whether the last transfer coding is `chunked`, where there is one.
    chunked: Option<bool>,
    close: bool,
    keep_alive: bool,
    fallback: Option<String>,
}

impl Fields {
    fn of(fields: &[Header<'_>]) -> Result<Self, Malformed> {
        let mut found = Self::default();
        for field in fields {
            let is = |name: &str| field.name.eq_ignore_ascii_case(name);
            let mut tokens = field
                .value
                .split(|byte| *byte == b',')
                .map(<[u8]>::trim_ascii);
            if is("content-length") {
                for token in tokens {
                    let length = length(token)?;
                    if found.length.is_some_and(|known| known != length) {
                        return Err(Malformed(
                            "the answer has two different content-lengths".to_owned(),
                        ));
                    }
                    found.length = Some(length);
                }
            } else if is("transfer-encoding") {
                if let Some(last) = tokens.next_back() {
                    found.chunked = Some(last.eq_ignore_ascii_case(b"chunked"));
                }
            } else if is("connection") {
                for token in tokens {
                    found.close |= token.eq_ignore_ascii_case(b"close");
                    found.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
                }
            } else if is(FALLBACK_HEADER) {
                found.fallback = Some(String::from_utf8_lossy(field.value).into_owned());
            }
        }
        Ok(found)
    }
}

fn length(token: &[u8]) -> Result<u64, Malformed> {
    let text = std::str::from_utf8(token).ok();
    let digits = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|text| text.parse().ok()).ok_or_else(|| {
        let shown = String::from_utf8_lossy(&token[..token.len().min(40)]);
        Malformed(format!(
            "the answer's content-length {shown:?} is no number"
        ))
    })
}
