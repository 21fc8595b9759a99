//! What it means that an exchange over HTTP/2 ended without an answer.

use h2::Reason;
use squall_record::BadKind;

/// What is known of an exchange that ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    /// Whether the head of its answer came.
    pub(super) answered: bool,
    /// Whether it may be sent again where no answer came.
    pub(super) repeatable: bool,
    /// Whether its connection had brought an answer before it was sent.
    pub(super) kept: bool,
}

/// What becomes of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// The server has not looked at it, or nobody is to blame: it is sent again, if
    /// that has not been done before. Why, in words.
    Again(BadKind, String),
    /// The server has ended the connection in good order, as many do behind so many
    /// requests, and has not looked at it: another connection takes it. Why, in words.
    Elsewhere(String),
    /// It failed; in words.
    Failed(BadKind, String),
}

/// Judges an error that ended an exchange.
pub(super) fn judge(error: &h2::Error, progress: Progress) -> Judgement {
    let Progress {
        answered,
        repeatable,
        kept,
    } = progress;
    // RFC 9113 §8.7: these were not processed. A server that goes away ends those
    // streams so that are beyond the last it looked at; the others end with the
    // connection.
    let reason = error.reason();
    let refused =
        error.is_remote() && (reason == Some(Reason::REFUSED_STREAM) || error.is_go_away());
    let unlucky = repeatable && kept && error.is_io();
    let place = match answered {
        true => "within an answer",
        false => "before an answer",
    };
    let foreign = !error.is_io() && !error.is_remote();
    let kind = match foreign {
        true => BadKind::Malformed,
        false => BadKind::Broken,
    };
    let why = format!("{error} {place}");
    if refused && !answered && error.is_go_away() && reason == Some(Reason::NO_ERROR) {
        return Judgement::Elsewhere(why);
    }
    match !answered && (refused || unlucky) {
        true => Judgement::Again(kind, why),
        false => Judgement::Failed(kind, why),
    }
}
