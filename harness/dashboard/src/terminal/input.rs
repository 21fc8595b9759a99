//! Keys and the mouse, read on a thread of their own.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{
    self, Event, KeyEventKind, MouseButton, MouseEvent, MouseEventKind,
};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use super::{LEAVE_WITHIN, PAUSE};
use crate::pointer::Pointer;
use crate::update::Message;

/// How long the keyboard is waited for before looking whether to stop.
const KEYS_WAIT: Duration = Duration::from_millis(50);
/// How long crossterm looks for itself; less than this and it does not look.
const LOOK: Duration = Duration::from_millis(1);
/// Keys that may wait; nobody types faster.
const KEYS_MAX: usize = 256;

/// What was read.
pub(super) enum Input {
    /// A person did something.
    Message(Message),
    /// The keyboard is gone.
    Gone,
}

/// The thread that reads; it ends when this is dropped.
pub(super) struct Keyboard {
    stop: Arc<AtomicBool>,
    reader: JoinHandle<()>,
}

impl Keyboard {
    pub(super) fn start() -> io::Result<(Self, Receiver<Input>)> {
        let stop = Arc::new(AtomicBool::new(false));
        let (sender, inputs) = sync_channel(KEYS_MAX);
        let stopped = Arc::clone(&stop);
        let reader = std::thread::Builder::new()
            .name("squall-keys".to_owned())
            .spawn(move || read(&sender, &stopped))?;
        Ok((Self { stop, reader }, inputs))
    }
}

impl Drop for Keyboard {
    /// Not to be left reading keys that are meant for the shell; and not to be
    /// waited for when the terminal hung up while it read.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let deadline = Instant::now() + LEAVE_WITHIN;
        while !self.reader.is_finished() && Instant::now() < deadline {
            std::thread::park_timeout(PAUSE);
        }
    }
}

fn read(to: &SyncSender<Input>, stop: &AtomicBool) {
    while !stop.load(Ordering::SeqCst) {
        let ready = ready().and_then(|()| event::poll(LOOK));
        let read = match ready {
            Ok(false) => continue,
            Ok(true) => event::read(),
            Err(error) => Err(error),
        };
        let input = match read {
            Ok(event) => match message(event) {
                Some(message) => Input::Message(message),
                None => continue,
            },
            Err(_) => Input::Gone,
        };
        let gone = matches!(input, Input::Gone);
        // Full only when the screen is held up; a key pressed then is lost.
        let _ = to.try_send(input);
        if gone {
            return;
        }
    }
}

fn message(event: Event) -> Option<Message> {
    Some(match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => Message::Key(key),
        Event::Resize(columns, rows) => Message::Resize(columns, rows),
        Event::Mouse(mouse) => Message::Pointer(pointer(mouse)?),
        _ => return None,
    })
}

const fn pointer(mouse: MouseEvent) -> Option<Pointer> {
    Some(match mouse.kind {
        MouseEventKind::ScrollUp => Pointer::WheelUp,
        MouseEventKind::ScrollDown => Pointer::WheelDown,
        MouseEventKind::Down(MouseButton::Left) => Pointer::Click {
            column: mouse.column,
            row: mouse.row,
        },
        _ => return None,
    })
}

/// Waits until there may be keys, for [`KEYS_WAIT`] at most. Crossterm must not
/// be asked about a terminal that has hung up: it reads the end of it for ever.
fn ready() -> io::Result<()> {
    let input = io::stdin();
    let mut fds = [PollFd::new(&input, PollFlags::IN)];
    let wait = Timespec::try_from(KEYS_WAIT).map_err(io::Error::other)?;
    match rustix::event::poll(&mut fds, Some(&wait)) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    if fds.iter().any(|fd| fd.revents().intersects(gone)) {
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    Ok(())
}
