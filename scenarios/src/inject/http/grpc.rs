//! `grpc`: calls end with a status in the target's place.

use serde::{Deserialize, Serialize};

use crate::inject::kind::Group;
use crate::inject::{Given, Mistake, Parameter, ParameterKind};

/// What the message of a status may have.
const MESSAGE_BYTES_MAX: usize = 1024;

/// How a call ends that its target never sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrpcAnswer {
    /// The status.
    pub status: GrpcStatus,
    /// What it says besides; empty for nothing.
    pub message: String,
}

macro_rules! statuses {
    ($($status:ident = $code:literal, $word:literal, $about:literal;)+) => {
        /// A status of gRPC that is an error.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum GrpcStatus {
            $(#[doc = $about] $status = $code,)+
        }

        impl GrpcStatus {
            /// Every one, by its code.
            pub const ALL: [Self; 16] = [$(Self::$status),+];

            /// Its word in a file.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$status => $word,)+
                }
            }
        }

        const WORDS: &[(&str, &str)] = &[$(($word, $about)),+];
    };
}

statuses! {
    Cancelled = 1, "cancelled", "The caller gave up.";
    Unknown = 2, "unknown", "Nobody knows why.";
    InvalidArgument = 3, "invalid_argument", "What was asked makes no sense.";
    DeadlineExceeded = 4, "deadline_exceeded", "It took too long.";
    NotFound = 5, "not_found", "There is no such thing.";
    AlreadyExists = 6, "already_exists", "It is there already.";
    PermissionDenied = 7, "permission_denied", "The caller may not.";
    ResourceExhausted = 8, "resource_exhausted", "A quota is used up.";
    FailedPrecondition = 9, "failed_precondition", "The system is not in the state for it.";
    Aborted = 10, "aborted", "It met something else.";
    OutOfRange = 11, "out_of_range", "Beyond what there is.";
    Unimplemented = 12, "unimplemented", "There is no such method.";
    Internal = 13, "internal", "Something is broken.";
    Unavailable = 14, "unavailable", "Not now; try again.";
    DataLoss = 15, "data_loss", "Data are lost.";
    Unauthenticated = 16, "unauthenticated", "Nobody knows the caller.";
}

pub(super) static GRPC: Group = Group {
    name: "grpc",
    noun: "`grpc`",
    about: "Calls of gRPC over HTTP/2 end with a status in the target's place, which never sees them.",
    reads: "grpc: { status: unavailable, message: closed }",
    short: Some("status"),
    parameters: &[
        Parameter::needed(
            "status",
            ParameterKind::Words(WORDS),
            "The status.",
            &["code"],
        ),
        Parameter::optional(
            "message",
            ParameterKind::Content,
            "What the status says besides; nothing when absent.",
            &["text", "details"],
        ),
    ],
};

impl GrpcStatus {
    /// Its number.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Its name, as gRPC has it.
    #[must_use]
    pub fn name(self) -> String {
        self.word().to_ascii_uppercase()
    }
}

impl GrpcAnswer {
    pub(super) fn of(given: &Given) -> Option<Self> {
        let word = given.word("status")?;
        let mut all = GrpcStatus::ALL.into_iter();
        Some(Self {
            status: all.find(|status| status.word() == word)?,
            message: given.text("message").unwrap_or_default().to_owned(),
        })
    }

    pub(super) fn mistake(&self) -> Option<Mistake> {
        let length = self.message.len();
        (length > MESSAGE_BYTES_MAX).then(|| {
            Mistake::out_of_range(
                "grpc.message",
                "nobody sends such a long message with a status",
                format!("{length} bytes"),
                "write at most 1024 bytes",
            )
        })
    }

    /// What was done to so many calls, in words.
    pub(super) fn effect(&self, calls: u64) -> String {
        let many = if calls == 1 { "" } else { "s" };
        format!("{calls} call{many} answered with {}", self.status.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_numbered_as_grpc_has_them() {
        let codes: Vec<u8> = GrpcStatus::ALL.into_iter().map(GrpcStatus::code).collect();
        assert_eq!(codes, (1..=16).collect::<Vec<u8>>());
        assert_eq!(GrpcStatus::DeadlineExceeded.name(), "DEADLINE_EXCEEDED");
    }
}
