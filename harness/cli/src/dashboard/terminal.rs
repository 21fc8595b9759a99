//! The terminal: entered, drawn to and always given back.
//!
//! Two threads stand between the run and the terminal. One keeps the model and
//! renders frames into memory; the other writes finished frames. While a write
//! is under way no further frame is rendered, so a terminal that stalls costs
//! frames and nothing else.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::crossterm::{cursor, execute, queue};
use ratatui::layout::Rect;
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use crate::keys::KeyMap;
use crate::model::Model;
use crate::theme::{Depth, THEMES, Theme, ThemeName};
use crate::update::{Command, Message, update};
use crate::view::view;

/// From one frame to the next.
const FRAME: Duration = Duration::from_millis(100);
/// How long the keyboard is waited for before looking whether to stop.
const KEYS_WAIT: Duration = Duration::from_millis(50);
/// Keys that may wait; nobody types faster.
const KEYS_MAX: usize = 256;
/// How long the last bytes may take on a terminal that stalls.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);

/// Where events come from and commands go to.
pub trait Feed {
    /// Brings the model up to date; `elapsed` has passed since the last time.
    /// Messages are taken into account in their order.
    fn poll(&mut self, model: &mut Model, keys: &KeyMap, elapsed: Duration);

    /// Carries out a command.
    fn act(&mut self, model: &mut Model, command: Command);

    /// Whether there will be nothing more to show.
    fn over(&self) -> bool;
}

/// How the screen looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appearance {
    /// Colours of the terminal.
    pub depth: Depth,
    /// The theme to start with.
    pub theme: ThemeName,
    /// Whether only ASCII is drawn.
    pub ascii: bool,
}

impl Appearance {
    /// What the environment says: `NO_COLOR`, `COLORTERM`, `TERM`, the locale.
    pub fn of_environment(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let term = set("TERM").unwrap_or_default();
        let true_colour = set("COLORTERM").is_some_and(|v| v == "truecolor" || v == "24bit");
        let depth = if set("NO_COLOR").is_some() || term == "dumb" {
            Depth::None
        } else if true_colour {
            Depth::True
        } else if term.contains("256") || term.contains("kitty") || term.contains("alacritty") {
            Depth::Indexed
        } else {
            Depth::Sixteen
        };
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .iter()
            .find_map(|name| set(name));
        let utf8 = locale.is_none_or(|value| value.to_ascii_lowercase().contains("utf"));
        Self {
            depth,
            theme: ThemeName::Standard,
            // The console of Linux has a font of 256 glyphs, none of them dots.
            ascii: !utf8 || term == "linux",
        }
    }

    /// The theme after so many steps through all of them.
    #[must_use]
    pub fn theme(&self, steps: usize) -> Theme {
        let start = THEMES.iter().position(|theme| *theme == self.theme);
        let place = (start.unwrap_or(0) + steps) % THEMES.len();
        Theme::new(THEMES[place], self.depth, self.ascii)
    }
}

/// Whether a dashboard has the terminal; a panic gives it back first.
static HELD: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// Holds the terminal in raw mode on its alternate screen.
struct Held;

impl Held {
    fn enter() -> io::Result<Self> {
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                if HELD.swap(false, Ordering::SeqCst) {
                    let _ = disable_raw_mode();
                    let _ = leave(&mut io::stderr());
                }
                before(panic);
            }));
        });
        enable_raw_mode()?;
        HELD.store(true, Ordering::SeqCst);
        Ok(Self)
    }

    /// Whether it is still held: a panic elsewhere gives it back.
    fn is_held() -> bool {
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

fn leave(to: &mut impl Write) -> io::Result<()> {
    execute!(to, LeaveAlternateScreen, cursor::Show)
}

/// Bytes of a frame, gathered in memory.
#[derive(Debug, Clone, Default)]
struct Bytes(Arc<Mutex<Vec<u8>>>);

impl Bytes {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut gathered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        gathered.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Renders frames and has them written by a thread of its own.
pub struct Painter {
    terminal: Terminal<CrosstermBackend<Bytes>>,
    bytes: Bytes,
    frames: SyncSender<Vec<u8>>,
    busy: Arc<AtomicBool>,
    done: Receiver<()>,
    /// Frames that were left out because the terminal was busy.
    pub left_out: u64,
}

impl Painter {
    /// Draws on `output`; with `size`, of that size whatever the terminal says.
    ///
    /// # Errors
    /// The terminal does not tell its size.
    pub fn new(mut output: impl Write + Send + 'static, size: Option<Rect>) -> io::Result<Self> {
        let bytes = Bytes::default();
        let viewport = size.map_or(Viewport::Fullscreen, Viewport::Fixed);
        let backend = CrosstermBackend::new(bytes.clone());
        let terminal = Terminal::with_options(backend, TerminalOptions { viewport })?;
        let (frames, queue) = sync_channel::<Vec<u8>>(1);
        let (ended, done) = sync_channel(1);
        let busy = Arc::new(AtomicBool::new(false));
        let writing = Arc::clone(&busy);
        std::thread::Builder::new()
            .name("squall-writer".to_owned())
            .spawn(move || {
                for frame in queue {
                    // A terminal that is gone is noticed by the keyboard's thread.
                    let _ = output.write_all(&frame);
                    let _ = output.flush();
                    writing.store(false, Ordering::SeqCst);
                }
                let _ = ended.send(());
            })?;
        Ok(Self {
            terminal,
            bytes,
            frames,
            busy,
            done,
            left_out: 0,
        })
    }

    /// Renders a frame, unless the last one is still being written. Whether it
    /// was rendered.
    pub fn paint(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> bool {
        if self.busy.load(Ordering::SeqCst) {
            self.left_out += 1;
            return false;
        }
        if self.terminal.draw(draw).is_err() {
            return false;
        }
        self.send(self.bytes.take());
        true
    }

    /// Forgets what is on the screen, so that all of it is drawn anew.
    pub fn redraw(&mut self) {
        let _ = self.terminal.clear();
    }

    fn send(&self, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.busy.store(true, Ordering::SeqCst);
            // There is room: nothing is sent while a write is under way.
            let _ = self.frames.try_send(bytes);
        }
    }

    fn enter(&mut self) -> io::Result<()> {
        queue!(self.bytes, EnterAlternateScreen, cursor::Hide)?;
        self.send(self.bytes.take());
        Ok(())
    }

    /// Gives the screen back; waits a little for a terminal that stalls.
    fn leave(mut self) {
        let _ = queue!(self.bytes, LeaveAlternateScreen, cursor::Show);
        let last = self.bytes.take();
        let until = Instant::now() + LEAVE_WITHIN;
        let mut last = Some(last);
        while let Some(bytes) = last.take() {
            if let Err(std::sync::mpsc::TrySendError::Full(back)) = self.frames.try_send(bytes) {
                last = (Instant::now() < until).then_some(back);
                std::thread::park_timeout(KEYS_WAIT / 10);
            }
        }
        drop(self.frames);
        let _ = self.done.recv_timeout(LEAVE_WITHIN);
    }
}

enum Input {
    Key(event::KeyEvent),
    Resize(u16, u16),
    /// The keyboard is gone.
    Gone,
}

fn read_keys(to: &SyncSender<Input>, stop: &AtomicBool) {
    while !stop.load(Ordering::SeqCst) {
        let ready = keys_ready().and_then(|()| event::poll(Duration::ZERO));
        let read = match ready {
            Ok(false) => continue,
            Ok(true) => event::read(),
            Err(error) => Err(error),
        };
        let input = match read {
            Ok(Event::Key(key)) if key.kind != KeyEventKind::Release => Input::Key(key),
            Ok(Event::Resize(columns, rows)) => Input::Resize(columns, rows),
            Ok(_) => continue,
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

/// Waits until there may be keys, for [`KEYS_WAIT`] at most. Crossterm must not
/// be asked about a terminal that has hung up: it reads the end of it for ever.
fn keys_ready() -> io::Result<()> {
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

/// Shows a model until the feed is over or somebody leaves.
///
/// # Errors
/// The terminal cannot be put into raw mode or does not tell its size.
pub fn show(
    model: Model,
    keys: &KeyMap,
    appearance: Appearance,
    output: impl Write + Send + 'static,
    feed: &mut dyn Feed,
) -> io::Result<()> {
    let held = Held::enter()?;
    let mut painter = Painter::new(output, None)?;
    painter.enter()?;
    let stop = Arc::new(AtomicBool::new(false));
    let (sender, inputs) = sync_channel(KEYS_MAX);
    let stopped = Arc::clone(&stop);
    let reader: JoinHandle<()> = std::thread::Builder::new()
        .name("squall-keys".to_owned())
        .spawn(move || read_keys(&sender, &stopped))?;
    follow(model, keys, appearance, &mut painter, &inputs, feed);
    stop.store(true, Ordering::SeqCst);
    // It looks at `stop` every KEYS_WAIT. Not to be left reading keys that are
    // meant for the shell; and not to be waited for when the terminal hung up
    // while it read.
    let deadline = Instant::now() + LEAVE_WITHIN;
    while !reader.is_finished() && Instant::now() < deadline {
        std::thread::park_timeout(KEYS_WAIT / 10);
    }
    drop(reader);
    if Held::is_held() {
        painter.leave();
    }
    drop(held);
    Ok(())
}

fn follow(
    mut model: Model,
    keys: &KeyMap,
    appearance: Appearance,
    painter: &mut Painter,
    inputs: &Receiver<Input>,
    feed: &mut dyn Feed,
) {
    if let Ok((columns, rows)) = ratatui::crossterm::terminal::size() {
        update(&mut model, keys, Message::Resize(columns, rows));
    }
    let mut last = Instant::now();
    let mut due = last;
    while !feed.over() && Held::is_held() {
        let wait = due.saturating_duration_since(Instant::now());
        let mut waiting = match inputs.recv_timeout(wait) {
            Ok(input) => Some(input),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        while let Some(input) = waiting {
            let commands = match input {
                Input::Key(key) => update(&mut model, keys, Message::Key(key)),
                Input::Resize(columns, rows) => {
                    update(&mut model, keys, Message::Resize(columns, rows))
                }
                Input::Gone => return,
            };
            for command in commands {
                match command {
                    Command::Leave => return,
                    Command::Redraw => painter.redraw(),
                    command => feed.act(&mut model, command),
                }
            }
            waiting = inputs.try_recv().ok();
        }
        let now = Instant::now();
        feed.poll(&mut model, keys, now - last);
        last = now;
        model.settle();
        let theme = appearance.theme(model.screen.theme_steps);
        painter.paint(|frame| view(&model, frame, &theme, keys));
        due = now + FRAME;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::Sender;

    use super::*;

    fn environment(pairs: &'static [(&str, &str)]) -> Appearance {
        Appearance::of_environment(|name| {
            let found = pairs.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_decides_how_it_looks() {
        let plain = environment(&[("TERM", "xterm"), ("LANG", "C.UTF-8")]);
        assert_eq!((plain.depth, plain.ascii), (Depth::Sixteen, false));
        let none = environment(&[("TERM", "xterm-256color"), ("NO_COLOR", "1")]);
        assert_eq!(none.depth, Depth::None);
        let many = environment(&[("TERM", "xterm-256color"), ("LANG", "C")]);
        assert_eq!((many.depth, many.ascii), (Depth::Indexed, true));
        let all = environment(&[("TERM", "xterm"), ("COLORTERM", "truecolor")]);
        assert_eq!(all.depth, Depth::True);
        assert!(environment(&[("TERM", "linux")]).ascii);
    }

    /// A terminal that takes a write only when it is told to.
    struct Stalled {
        go_on: Receiver<()>,
        written: Sender<usize>,
    }

    impl Write for Stalled {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.go_on.recv();
            let _ = self.written.send(bytes.len());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_terminal_that_stalls_costs_frames_and_nothing_else() {
        let (go, go_on) = std::sync::mpsc::channel();
        let (written, told) = std::sync::mpsc::channel();
        let stalled = Stalled { go_on, written };
        let size = Rect::new(0, 0, 40, 10);
        let mut painter = Painter::new(stalled, Some(size)).unwrap();
        let draw =
            |text: &'static str| move |frame: &mut Frame<'_>| frame.render_widget(text, size);
        assert!(painter.paint(draw("first")));
        for _ in 0..1000 {
            assert!(!painter.paint(draw("never written")));
        }
        assert_eq!(painter.left_out, 1000);
        go.send(()).unwrap();
        told.recv().unwrap();
        // The writer marks itself free after the write it has just told of.
        while painter.busy.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        assert!(painter.paint(draw("second")));
        go.send(()).unwrap();
        told.recv().unwrap();
    }
}
