//! The terminal, held: in raw mode on its alternate screen, and given back
//! however the dashboard ends.

use std::io::{self, IsTerminal, Write};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ratatui::crossterm::terminal::{LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use ratatui::crossterm::{cursor, execute};
use rustix::event::{PollFd, PollFlags, Timespec};

use super::PAUSE;

/// Clicks and the wheel are told, in coordinates of any size; moves are not.
pub(super) const MOUSE_ON: &[u8] = b"\x1b[?1000h\x1b[?1006h";
/// The mouse is the terminal's again.
pub(super) const MOUSE_OFF: &[u8] = b"\x1b[?1006l\x1b[?1000l";

/// Whether a dashboard has the terminal; a panic gives it back first.
static HELD: AtomicBool = AtomicBool::new(false);
/// Whether a frame is being written.
static WRITING: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// How long a panic waits for a frame that is being written.
const WRITTEN_WITHIN: Duration = Duration::from_millis(200);

/// Holds the terminal until it is dropped, or somebody panics.
pub(super) struct Held;

impl Held {
    pub(super) fn enter() -> io::Result<Self> {
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                give_back();
                before(panic);
            }));
        });
        enable_raw_mode()?;
        HELD.store(true, Ordering::SeqCst);
        Ok(Self)
    }

    /// Whether it is still held: a panic elsewhere gives it back.
    pub(super) fn is_held() -> bool {
        HELD.load(Ordering::SeqCst)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if HELD.swap(false, Ordering::SeqCst) {
            // Nothing more can be done where this fails.
            let _ = disable_raw_mode();
        }
    }
}

/// Gives the terminal back from within a panic, so that its message is read.
fn give_back() {
    if !HELD.swap(false, Ordering::SeqCst) {
        return;
    }
    // From now on no frame is written; one that is under way must not end up on
    // the screen that is given back. A terminal that stalls is not waited for.
    let deadline = Instant::now() + WRITTEN_WITHIN;
    while WRITING.load(Ordering::SeqCst) && Instant::now() < deadline {
        std::thread::park_timeout(PAUSE);
    }
    let _ = disable_raw_mode();
    let mut last = Vec::new();
    // Memory takes everything.
    let _ = leave(&mut last);
    // One of them is the terminal, and where both are it is the same.
    let terminal = match rustix::stdio::stderr() {
        stderr if stderr.is_terminal() => stderr,
        _ => rustix::stdio::stdout(),
    };
    // One that takes nothing would hold up the panic for ever.
    let mut fds = [PollFd::from_borrowed_fd(terminal, PollFlags::OUT)];
    if rustix::event::poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0) {
        let _ = rustix::io::write(terminal, &last);
    }
}

/// Gives the screen, the cursor and the mouse back.
pub(super) fn leave(to: &mut impl Write) -> io::Result<()> {
    to.write_all(MOUSE_OFF)?;
    execute!(to, LeaveAlternateScreen, cursor::Show)
}

/// Writes as long as the terminal is held; what comes later is for nobody.
pub(super) struct WhileHeld<W>(pub(super) W);

impl<W: Write> Write for WhileHeld<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Said before the look at `HELD`, as a panic takes `HELD` before it
        // looks here: one of the two sees the other.
        WRITING.store(true, Ordering::SeqCst);
        let written = if Held::is_held() {
            self.0.write(bytes)
        } else {
            Ok(bytes.len())
        };
        WRITING.store(false, Ordering::SeqCst);
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        if Held::is_held() {
            self.0.flush()
        } else {
            Ok(())
        }
    }
}
