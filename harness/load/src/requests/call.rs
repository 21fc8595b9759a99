//! A call of gRPC as a request: what its head says besides, and its message, which is
//! made of JSON.

use std::time::Duration;

use squall_scenario::Messages;

use super::slotted::{Drawn, Slotted, write_number};

/// The most digits that a timeout has (gRPC over HTTP/2, "TimeoutValue").
const TIMEOUT_DIGITS_MAX: u128 = 99_999_999;

/// A call whose message is made anew each time.
#[derive(Debug)]
pub(super) struct DrawnCall {
    /// A head up to its last field, the length of the body.
    pub(super) head: Slotted,
    /// The message as JSON.
    pub(super) json: Slotted,
    pub(super) messages: Messages,
}

impl DrawnCall {
    /// Appends the call of an arrival; without a message where none can be made of
    /// what was drawn.
    pub(super) fn write(&self, drawn: Drawn<'_>, into: &mut Vec<u8>) {
        let mut json = Vec::new();
        self.json.write(drawn, &mut json);
        let mut frame = Vec::new();
        // What was taken may be anything; who sends it sees that nothing is there.
        let _ = self
            .messages
            .write(&String::from_utf8_lossy(&json), &mut frame);
        self.head.write(drawn, into);
        write_number(frame.len() as u64, into);
        into.extend_from_slice(b"\r\n\r\n");
        into.extend_from_slice(&frame);
    }
}

/// What every call says of itself, as fields of its head. Its server may give up when
/// its client does.
pub(super) fn fields(timeout: Duration) -> String {
    let (value, unit) = match timeout.as_millis() {
        ms @ 0..=TIMEOUT_DIGITS_MAX => (ms.max(1), 'm'),
        ms => ((ms / 1_000).min(TIMEOUT_DIGITS_MAX), 'S'),
    };
    format!(
        "te: trailers\r\ncontent-type: application/grpc\r\ngrpc-timeout: {value}{unit}\r\n\
         grpc-accept-encoding: identity\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_have_eight_digits_at_most() {
        let timeout = |timeout| {
            let fields = fields(timeout);
            let field = fields
                .lines()
                .find_map(|it| it.strip_prefix("grpc-timeout: "));
            field.unwrap().to_owned()
        };
        assert_eq!(timeout(Duration::from_millis(1_500)), "1500m");
        assert_eq!(timeout(Duration::from_micros(10)), "1m");
        assert_eq!(timeout(Duration::from_secs(99_999)), "99999000m");
        assert_eq!(timeout(Duration::from_secs(100_000)), "100000S");
        assert_eq!(timeout(Duration::MAX), "99999999S");
    }
}
