//! What squall prints: one writer for standard output and one for standard
//! error, and no other way to print.
//!
//! Printing never panics and never decides what a run was: an error is kept and
//! told once, by [`failure`]. What a command was asked to print is its *result*,
//! on standard output; everything else is a *remark*, on standard error. While a
//! run may be under way ([`do_not_wait`]) each stream has a thread of its own, so
//! that a terminal that takes nothing holds up nobody: results wait in memory,
//! remarks beyond a bound are counted instead, and at the end [`finish`] waits
//! for as long as somebody reads.

mod stream;

use std::fmt::Display;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anstream::ColorChoice;
use serde::Serialize;
use signal_hook::consts::SIGXFSZ;
use squall_record::{json_line, terminal_block};
use stream::{Stream, To};
use tokio::signal::unix::{SignalKind, signal};

static OUT: Stream = Stream::new(To::Out);
static ERR: Stream = Stream::new(To::Err);

/// Makes printing and writing fail with an error where they would end the
/// process: a file beyond the limit of its size does not kill. For the whole
/// process, and before anything else.
pub fn prepare() {
    // A signal that cannot be caught leaves things as they are.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
}

/// From now on nobody who prints waits for a terminal.
pub fn do_not_wait() {
    OUT.start_thread();
    ERR.start_thread();
}

/// Prints a line of the result.
pub fn result(line: impl Display) {
    result_text(format_args!("{line}\n"));
}

/// Prints text of the result that has its line breaks.
pub fn result_text(text: impl Display) {
    OUT.print(shown(&text, colour_on_stdout()));
}

/// Prints a line of JSON of the result.
pub fn result_json(value: &impl Serialize) {
    // What is printed has text for keys, and so a form in JSON.
    result(json_line(value).unwrap_or_default());
}

/// Prints a document as it is: for programs, or written for terminals by one of
/// the formats.
pub fn result_document(bytes: &[u8]) {
    OUT.print(bytes.to_vec());
}

/// Returns when there is room for more of the result, so that one who has much
/// to tell can tell what is left out.
pub async fn room() {
    OUT.room().await;
}

/// Returns when nobody takes the result any more.
pub async fn abandoned() {
    OUT.abandoned().await;
}

/// Prints a line beside the result: what must be read.
pub fn remark(line: impl Display) {
    remark_text(format_args!("{line}\n"));
}

/// Prints text beside the result that has its line breaks.
pub fn remark_text(text: impl Display) {
    ERR.print(shown(&text, colour_on_stderr()));
}

/// Prints a line beside the result that may be left out, and counted, where the
/// terminal is behind.
pub fn progress(line: impl Display) {
    ERR.print_if_room(shown(&format_args!("{line}\n"), colour_on_stderr()));
}

/// Whether standard output takes colours.
pub fn colour_on_stdout() -> bool {
    anstream::AutoStream::choice(&io::stdout()) != ColorChoice::Never
}

/// Whether standard error takes colours.
pub fn colour_on_stderr() -> bool {
    anstream::AutoStream::choice(&io::stderr()) != ColorChoice::Never
}

/// The last look at everything that is printed: nothing in it acts on the
/// terminal but colours.
fn shown(text: &dyn Display, colour: bool) -> Vec<u8> {
    let safe = terminal_block(&text.to_string());
    match colour {
        true => safe.into_bytes(),
        false => anstream::adapter::strip_str(&safe).to_string().into_bytes(),
    }
}

/// Waits until everything was taken, or nobody takes anything any more, or
/// somebody asks squall to end.
pub async fn finish() {
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
        signal(SignalKind::hangup()),
    ) else {
        return taken().await;
    };
    tokio::select! {
        () = taken() => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}

async fn taken() {
    ERR.taken().await;
    OUT.taken().await;
}

/// Why the result did not get to whom it was for; `None` where it did, and where
/// the reader left before its end, as `head` does.
pub fn failure() -> Option<String> {
    OUT.failure()
}

/// A log on standard error, for what brings its own writer of lines.
#[derive(Debug, Clone, Copy)]
pub struct Log;

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        remark_text(String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Standard output or error for a screen, which takes care of the terminal
/// itself.
pub fn screen(on_stdout: bool) -> impl io::Write + Send + 'static {
    stream::Screen(if on_stdout { To::Out } else { To::Err })
}
