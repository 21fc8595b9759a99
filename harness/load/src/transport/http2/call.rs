//! Reads the answer to a call of gRPC out of what HTTP/2 brings: messages behind their
//! prefixes, and the status in the trailers. A pure function of what comes, however it
//! is cut.

use http::HeaderMap;
use squall_scenario::{GRPC_OK, MESSAGE_PREFIX_BYTES, Series, grpc_status_name};

use crate::answer::{Keeper, Moment, Tally};
use crate::heard::Heard;
use crate::requests::Answers;

/// Longest message that is read. Nothing is held of it; it bounds what a server that
/// speaks another protocol can make of its first bytes.
const MESSAGE_BYTES_MAX: u32 = 64 << 20;
/// Most characters of what a status says besides.
const SAID_CHARACTERS_MAX: usize = 200;

/// What came of a call so far.
#[derive(Debug)]
pub(super) struct CallAnswer {
    answers: Answers,
    /// Of whole messages.
    tally: Tally,
    /// What came of a prefix.
    prefix: Vec<u8>,
    /// How much of a message is to come.
    left: u32,
    messages: u64,
    /// Of all messages, without their prefixes.
    bytes: u64,
    /// By HTTP, and what kind of answer it says that it is.
    status: u16,
    is_grpc: bool,
    /// The status that the head or the trailers say, and where it may be believed.
    said: Option<Result<Status, String>>,
    /// Whether the head was all that came.
    at_once: bool,
    /// What cannot be, in words: nothing more is read then.
    wrong: Option<String>,
}

/// How a call ended, by its server's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Status {
    /// The code of gRPC.
    pub(super) code: u16,
    /// Its name, and what is said besides, where it did not go well.
    pub(super) told: Option<String>,
    /// Whether its server ended it before it began to answer; what it had done by then is
    /// not known.
    pub(super) unbegun: bool,
}

impl CallAnswer {
    /// Nothing has come yet of what was sent then.
    pub(super) fn new(answers: Answers, sent: Moment) -> Self {
        Self {
            answers,
            tally: Tally::new(sent),
            prefix: Vec::new(),
            left: 0,
            messages: 0,
            bytes: 0,
            status: 0,
            is_grpc: false,
            said: None,
            at_once: false,
            wrong: None,
        }
    }

    /// The head came; `ended` where nothing follows it.
    pub(super) fn head(&mut self, status: u16, fields: &HeaderMap, ended: bool) {
        self.status = status;
        let kind = fields.get(http::header::CONTENT_TYPE);
        let kind = kind.map_or(&b""[..], |kind| kind.as_bytes());
        // `application/grpc`, alone or with the format of its messages.
        self.is_grpc = kind
            .strip_prefix(b"application/grpc")
            .is_some_and(|rest| matches!(rest, [] | [b'+' | b';', ..]));
        if ended {
            self.said = status_in(fields);
            self.at_once = true;
        }
        let compressed = fields.get("grpc-encoding");
        let compressed = compressed.filter(|by| by.as_bytes() != b"identity");
        if let Some(by) = compressed {
            let by = String::from_utf8_lossy(by.as_bytes());
            self.wrong = Some(format!("the answer is compressed ({by:?}), unasked"));
        }
    }

    /// Takes a part of the body, which came at `now`; whether more may come. Of a
    /// stream, what is kept are messages with their prefixes.
    pub(super) fn data(
        &mut self,
        mut data: &[u8],
        now: Moment,
        mut keeper: Option<&mut Keeper>,
    ) -> bool {
        if self.status != 200 || !self.is_grpc {
            return true;
        }
        while !data.is_empty() && self.wrong.is_none() {
            if self.left == 0 {
                let wanted = MESSAGE_PREFIX_BYTES - self.prefix.len();
                let (part, rest) = data.split_at(wanted.min(data.len()));
                self.prefix.extend_from_slice(part);
                data = rest;
                if let (Some(keeper), Answers::Many) = (&mut keeper, self.answers) {
                    keeper.take_between(part);
                }
                self.begin(now);
                continue;
            }
            let length = data.len().min(self.left as usize);
            let (part, rest) = data.split_at(length);
            if let Some(keeper) = &mut keeper {
                keeper.take(part);
            }
            self.left -= length as u32;
            self.bytes += length as u64;
            data = rest;
            if self.left == 0 {
                self.tally.came(now);
            }
        }
        self.wrong.is_none()
    }

    /// Begins a message, where its whole prefix came.
    fn begin(&mut self, now: Moment) {
        let &[compressed, a, b, c, d] = self.prefix.as_slice() else {
            return;
        };
        self.prefix.clear();
        let length = u32::from_be_bytes([a, b, c, d]);
        self.messages += 1;
        self.wrong = if compressed != 0 {
            Some("a message is compressed, unasked".to_owned())
        } else if length > MESSAGE_BYTES_MAX {
            let most = MESSAGE_BYTES_MAX >> 20;
            Some(format!(
                "a message of {length} bytes is announced, and {most} MiB is the most squall reads"
            ))
        } else if self.messages > 1 && self.answers == Answers::One {
            Some("a second message came, and the method answers with one".to_owned())
        } else {
            None
        };
        self.left = length;
        if length == 0 {
            self.tally.came(now);
        }
    }

    /// The trailers came.
    pub(super) fn trailers(&mut self, fields: &HeaderMap) {
        self.said = status_in(fields);
    }

    /// The messages that came.
    pub(super) const fn series(&self) -> Series {
        self.tally.series()
    }

    /// When they came, of a stream of which no more will.
    pub(super) fn heard(&mut self) -> Option<Heard> {
        let many = self.answers == Answers::Many;
        many.then(|| self.tally.heard())
    }

    /// How many bytes of messages came.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How the call ended, when all has come.
    ///
    /// # Errors
    /// What came is no answer to it; in words.
    pub(super) fn end(self) -> Result<Status, String> {
        if let Some(wrong) = self.wrong {
            return Err(wrong);
        }
        let said = self.said.filter(|_| self.is_grpc);
        let status = match (self.status, said) {
            (200, None) if self.is_grpc => {
                return Err("the answer ended without a `grpc-status`".to_owned());
            }
            (200, None) => return Err("the answer is none of gRPC, by its content-type".to_owned()),
            (200, Some(said)) => said?,
            // Nothing goes well behind another status of HTTP.
            (http, said) => match said.transpose()? {
                Some(status) if status.code != GRPC_OK => status,
                Some(_) | None => return Ok(of_http(http)),
            },
        };
        if status.code != GRPC_OK {
            // Whoever breaks off a message says why.
            let unbegun = self.at_once;
            return Ok(Status { unbegun, ..status });
        }
        if self.left > 0 || !self.prefix.is_empty() {
            return Err("the answer ended within a message".to_owned());
        }
        let one = self.answers == Answers::One;
        if one && self.messages == 0 {
            return Err("the status is OK, and no message came".to_owned());
        }
        Ok(status)
    }
}

/// The status that fields say, where they say one.
fn status_in(fields: &HeaderMap) -> Option<Result<Status, String>> {
    let code = fields.get("grpc-status")?.as_bytes();
    let digits = std::str::from_utf8(code).ok();
    let digits = digits.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let Some(code) = digits.and_then(|text| text.parse().ok()) else {
        let shown = String::from_utf8_lossy(&code[..code.len().min(40)]);
        return Some(Err(format!("`grpc-status` is {shown:?}, which is no code")));
    };
    let message = fields.get("grpc-message").map(|it| decoded(it.as_bytes()));
    let told = (code != GRPC_OK).then(|| told(code, message.as_deref()));
    Some(Ok(Status {
        code,
        told,
        unbegun: false,
    }))
}

/// A status in words.
fn told(code: u16, message: Option<&str>) -> String {
    let name = grpc_status_name(code);
    match message.filter(|message| !message.is_empty()) {
        Some(message) => {
            let mut shown: String = message.chars().take(SAID_CHARACTERS_MAX).collect();
            if shown.len() < message.len() {
                shown.push('…');
            }
            format!("{name}: {shown}")
        }
        None => name,
    }
}

/// What it means that only HTTP said how it went (gRPC, "HTTP to gRPC Status Code
/// Mapping").
fn of_http(status: u16) -> Status {
    let code = match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => 2,
    };
    let told = format!("{}: HTTP status {status}", grpc_status_name(code));
    Status {
        code,
        told: Some(told),
        unbegun: matches!(status, 429 | 503),
    }
}

/// A text in which some bytes are percent-encoded (gRPC over HTTP/2,
/// "Percent-Encoded"). What is not encoded well stands for itself.
fn decoded(text: &[u8]) -> String {
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let pair = digit(text.get(at + 1)).zip(digit(text.get(at + 2)));
        match (byte, pair) {
            (b'%', Some((high, low))) => {
                bytes.push((high << 4 | low) as u8);
                at += 3;
            }
            _ => {
                bytes.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::answer::Looks;

    fn fields(lines: &[(&'static str, &str)]) -> HeaderMap {
        let each = lines.iter();
        each.map(|(name, value)| {
            let value = HeaderValue::from_str(value).unwrap();
            (HeaderName::from_static(name), value)
        })
        .collect()
    }

    fn framed(message: &[u8]) -> Vec<u8> {
        let mut frame = vec![0];
        frame.extend((message.len() as u32).to_be_bytes());
        frame.extend(message);
        frame
    }

    const GRPC: (&str, &str) = ("content-type", "application/grpc+proto");

    fn now() -> Moment {
        Moment {
            at: Instant::now(),
            stalled: Duration::ZERO,
        }
    }

    fn nothing() -> CallAnswer {
        CallAnswer::new(Answers::One, now())
    }

    fn answer(body: &[u8], trailers: &[(&'static str, &str)]) -> Result<Status, String> {
        let mut answer = nothing();
        answer.head(200, &fields(&[GRPC]), false);
        answer.data(body, now(), None);
        answer.trailers(&fields(trailers));
        answer.end()
    }

    fn ok() -> Status {
        Status {
            code: 0,
            told: None,
            unbegun: false,
        }
    }

    #[test]
    fn statuses_come_with_names_and_words() {
        assert_eq!(answer(&framed(b"x"), &[("grpc-status", "0")]), Ok(ok()));
        let said = [
            ("grpc-status", "5"),
            ("grpc-message", "no %22caf%C3%A9%22 100%"),
        ];
        let status = answer(b"", &said).unwrap();
        assert_eq!(status.code, 5);
        assert_eq!(status.told.as_deref(), Some("NOT_FOUND: no \"café\" 100%"));
        let status = answer(b"", &[("grpc-status", "17")]).unwrap();
        assert_eq!(status.told.as_deref(), Some("status 17"));
        assert!(answer(b"", &[("grpc-status", "-1")]).is_err());
        assert!(answer(b"", &[("grpc-status", "")]).is_err());
    }

    #[test]
    fn what_is_no_answer_says_why() {
        let fine: &[(&str, &str)] = &[("grpc-status", "0")];
        let compressed = [&[1, 0, 0, 0, 1][..], b"x"].concat();
        for (body, trailers, says) in [
            (framed(b"x"), &[][..], "without a `grpc-status`"),
            (vec![], fine, "no message came"),
            (framed(b"xyz")[..7].to_vec(), fine, "within a message"),
            (framed(b"xyz")[..3].to_vec(), fine, "within a message"),
            (
                [framed(b"x"), framed(b"y")].concat(),
                fine,
                "a second message",
            ),
            (compressed, fine, "compressed"),
            (b"<html>It works".to_vec(), fine, "compressed"),
            (vec![0, 0xff, 0, 0, 0], fine, "64 MiB is the most"),
        ] {
            let said = answer(&body, trailers).unwrap_err();
            assert!(said.contains(says), "{said:?} of {body:?}");
        }
    }

    #[test]
    fn a_status_in_the_head_counts_where_nothing_follows() {
        let head = fields(&[GRPC, ("grpc-status", "12")]);
        let mut answer = nothing();
        answer.head(200, &head, true);
        let status = answer.end().unwrap();
        assert_eq!((status.code, status.unbegun), (12, true));
        let mut answer = nothing();
        answer.head(200, &head, false);
        assert!(answer.end().is_err());
    }

    /// A status that is good is believed of gRPC alone.
    #[test]
    fn what_is_none_of_grpc_is_no_good_whatever_its_trailers_say() {
        for (http, kind, is) in [
            (404, "text/html", Ok(12)),
            (503, "application/grpc", Ok(14)),
            (200, "text/plain", Err("content-type")),
        ] {
            for (answers, at_once) in [
                (Answers::One, true),
                (Answers::Many, true),
                (Answers::Many, false),
            ] {
                let last = ("grpc-status", "0");
                let mut answer = CallAnswer::new(answers, now());
                answer.head(http, &fields(&[("content-type", kind), last]), at_once);
                if !at_once {
                    answer.data(b"<html>", now(), None);
                    answer.trailers(&fields(&[last]));
                }
                match (answer.end(), is) {
                    (Ok(status), Ok(code)) => assert_eq!(status.code, code),
                    (Err(why), Err(says)) => assert!(why.contains(says), "{why}"),
                    (end, is) => panic!("{end:?} is not {is:?}"),
                }
            }
        }
        let mut away = nothing();
        away.head(503, &fields(&[GRPC]), false);
        away.trailers(&fields(&[("grpc-status", "8")]));
        assert_eq!(away.end().unwrap().code, 8, "what is bad is");
    }

    /// A server that breaks off says why.
    #[test]
    fn a_status_counts_behind_a_message_that_is_cut() {
        for cut in [3, 7] {
            let status = answer(&framed(b"xyz")[..cut], &[("grpc-status", "14")]).unwrap();
            assert_eq!((status.code, status.unbegun), (14, false));
        }
    }

    #[test]
    fn who_answers_by_http_alone_is_understood() {
        let ended = |status, kind| {
            let mut answer = nothing();
            answer.head(status, &fields(&[("content-type", kind)]), false);
            answer.data(b"<html>", now(), None);
            answer.end()
        };
        assert_eq!(ended(503, "text/html").unwrap().code, 14);
        assert_eq!(ended(404, "text/html").unwrap().code, 12);
        assert!(
            ended(200, "text/html")
                .unwrap_err()
                .contains("content-type")
        );
        assert!(ended(200, "application/grpcweb").is_err());
        let mut packed = nothing();
        packed.head(200, &fields(&[GRPC, ("grpc-encoding", "gzip")]), false);
        assert!(!packed.data(&framed(b"x"), now(), None));
        assert!(packed.end().unwrap_err().contains("gzip"));
    }

    #[test]
    fn a_stream_is_timed_by_its_whole_messages() {
        let sent = now();
        let at = |ms| Moment {
            at: sent.at + Duration::from_millis(ms),
            stalled: Duration::ZERO,
        };
        let mut answer = CallAnswer::new(Answers::Many, sent);
        answer.head(200, &fields(&[GRPC]), false);
        let looks = Looks {
            body: true,
            digest: true,
        };
        let mut keeper = Keeper::new(looks);
        let body = [framed(b"ab"), framed(b""), framed(b"c")].concat();
        // The first in two parts, the second with the end of it, the third later.
        for (part, ms) in [(0..6, 10), (6..12, 30), (12..18, 100)] {
            assert!(answer.data(&body[part], at(ms), Some(&mut keeper)));
        }
        let series = answer.series();
        assert_eq!(series.count, 3);
        assert_eq!(series.first, Some(Duration::from_millis(30)));
        assert_eq!(series.longest_gap, Duration::from_millis(70));
        answer.trailers(&fields(&[("grpc-status", "0")]));
        assert_eq!(answer.end(), Ok(ok()));
        let kept = keeper.kept();
        assert_eq!(kept.body, body);
        let digest: [u8; 32] = Sha256::digest(b"abc").into();
        assert_eq!(kept.sha256, Some(digest), "of the messages alone");
        let mut none = CallAnswer::new(Answers::Many, sent);
        none.head(200, &fields(&[GRPC, ("grpc-status", "0")]), true);
        assert_eq!(none.end(), Ok(ok()), "a stream may have no message");
    }

    /// What squall itself stood still is none of the target's time, and a shorter gap in
    /// which it did not is longer.
    #[test]
    fn a_stall_is_no_gap() {
        let sent = now();
        let at = |ms, stalled| Moment {
            at: sent.at + Duration::from_millis(ms),
            stalled: Duration::from_millis(stalled),
        };
        let mut answer = CallAnswer::new(Answers::Many, sent);
        answer.head(200, &fields(&[GRPC]), false);
        for now in [at(5_000, 4_900), at(5_150, 4_900), at(9_000, 8_700)] {
            assert!(answer.data(&framed(b"a"), now, None));
        }
        let series = answer.series();
        assert_eq!(series.first, Some(Duration::from_millis(100)));
        assert_eq!(series.longest_gap, Duration::from_millis(150));
    }

    proptest! {
        /// However it is cut, it is the same message.
        #[test]
        fn cuts_change_nothing(
            message in prop::collection::vec(any::<u8>(), 0..40),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let body = framed(&message);
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len())).collect();
            cuts.extend([0, body.len()]);
            cuts.sort_unstable();
            let mut answer = nothing();
            answer.head(200, &fields(&[GRPC]), false);
            let looks = Looks { body: true, digest: false };
            let mut keeper = Keeper::new(looks);
            for cut in cuts.windows(2) {
                prop_assert!(answer.data(&body[cut[0]..cut[1]], now(), Some(&mut keeper)));
            }
            answer.trailers(&fields(&[("grpc-status", "0")]));
            prop_assert_eq!(answer.end(), Ok(ok()));
            prop_assert_eq!(keeper.kept().body, message);
        }

        /// Whatever comes, it ends in words.
        #[test]
        fn anything_may_come(body in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = answer(&body, &[("grpc-status", "0")]);
            let _ = decoded(&body);
        }
    }
}
