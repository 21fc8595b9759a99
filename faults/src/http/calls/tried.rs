//! One call of gRPC as a caller makes it, and what comes back of it, to measure faults.

use bytes::Bytes;

use super::answered::GRPC;
use super::frames::{END_HEADERS, END_STREAM, Frame, Frames, HEADERS, PREFACE, Part, SETTINGS};
use super::hpack::{Block, Decoder, Field, Sizes, written};

const STREAM: u32 = 1;

/// What either side of a connection says first: that it asks for nothing special.
pub(crate) fn settings() -> Vec<u8> {
    let mut bytes = Vec::new();
    frame(SETTINGS, 0, 0).put(&mut bytes, &[]);
    bytes
}

/// All that a caller says who makes one call without a message.
pub(crate) fn call_of_grpc() -> Vec<u8> {
    let field = |name: &str, value: &str| Field {
        name: name.into(),
        value: value.into(),
        never_indexed: false,
    };
    let fields = vec![
        field(":method", "POST"),
        field(":scheme", "http"),
        field(":path", "/measured.Measured/Call"),
        field(":authority", "measured"),
        field("te", "trailers"),
        field("content-type", GRPC),
    ];
    let sizes = Sizes::default();
    let mut bytes = PREFACE.to_vec();
    bytes.extend(settings());
    let head = frame(HEADERS, END_HEADERS | END_STREAM, STREAM);
    head.put(&mut bytes, &written(&Block { sizes, fields }));
    bytes
}

/// What a caller has heard so far.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// How often the other side has said how it speaks.
    pub(crate) settings: usize,
    /// The status with which the call ended.
    pub(crate) status: Option<u8>,
}

/// What has been heard in these bytes.
pub(crate) fn heard(came: &[u8]) -> Heard {
    let (mut frames, mut left) = (Frames::default(), Bytes::copy_from_slice(came));
    let (mut heard, mut of_call, mut block) = (Heard::default(), false, Vec::new());
    while !left.is_empty() {
        match frames.next(&mut left) {
            Part::Head(_, Some(frame)) => {
                of_call = frame.kind == HEADERS && frame.stream == STREAM;
                heard.settings += usize::from(frame.kind == SETTINGS);
            }
            Part::Head(_, None) => {}
            Part::Payload(piece, last) if of_call => {
                block.extend_from_slice(&piece);
                if last {
                    heard.status = status_of(&block);
                }
            }
            Part::Payload(..) => {}
        }
    }
    heard
}

fn status_of(block: &[u8]) -> Option<u8> {
    let block = Decoder::default().read(block).ok()?;
    let mut fields = block.fields.iter();
    let status = fields.find(|field| field.name == b"grpc-status")?;
    std::str::from_utf8(&status.value).ok()?.parse().ok()
}

const fn frame(kind: u8, flags: u8, stream: u32) -> Frame {
    Frame {
        length: 0,
        kind,
        flags,
        stream,
        reserved: false,
    }
}

#[cfg(test)]
mod tests {
    use squall_scenario::inject::{GrpcAnswer, GrpcStatus};

    use super::super::answered::status;
    use super::*;

    #[test]
    fn a_status_is_read_as_it_is_given_whole_and_behind_what_else_is_said() {
        let answer = GrpcAnswer {
            status: GrpcStatus::Unavailable,
            message: "closed".to_owned(),
        };
        let came = [settings(), status(STREAM, &answer, b"application/grpc")].concat();
        let all = heard(&came);
        assert_eq!((all.settings, all.status), (1, Some(14)));
        for end in 0..came.len() {
            assert_eq!(heard(&came[..end]).status, None);
        }
        let of_another = [status(3, &answer, b"application/grpc"), settings()].concat();
        let all = heard(&of_another);
        assert_eq!((all.settings, all.status), (1, None));
    }
}
