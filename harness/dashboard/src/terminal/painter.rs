//! Frames: rendered into memory by one thread, written by another. While a
//! write is under way no further frame is rendered, so a terminal that stalls
//! costs frames and nothing else.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::terminal::EnterAlternateScreen;
use ratatui::crossterm::{cursor, queue};
use ratatui::layout::Rect;
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};

use super::held::leave;
use super::{LEAVE_WITHIN, PAUSE};

/// Bytes that may wait to be told with the next frame.
const TOLD_BYTES_MAX: usize = 64 << 10;

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
    /// What the terminal is told with the next frame.
    told: Vec<u8>,
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
            told: Vec::new(),
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
        let mut bytes = std::mem::take(&mut self.told);
        bytes.append(&mut self.bytes.take());
        self.send(bytes);
        true
    }

    /// Tells the terminal something that is no part of the picture, with the
    /// next frame. More than [`TOLD_BYTES_MAX`] at once is not told.
    pub fn tell(&mut self, bytes: &[u8]) {
        if self.told.len() + bytes.len() <= TOLD_BYTES_MAX {
            self.told.extend_from_slice(bytes);
        }
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

    /// Takes the screen.
    ///
    /// # Errors
    /// Never: it is written to memory first.
    pub(super) fn enter(&mut self) -> io::Result<()> {
        queue!(self.bytes, EnterAlternateScreen, cursor::Hide)?;
        self.send(self.bytes.take());
        Ok(())
    }

    /// Gives the screen back; waits a little for a terminal that stalls.
    pub(super) fn leave(mut self) {
        // Memory takes everything.
        let _ = leave(&mut self.bytes);
        let last = self.bytes.take();
        let until = Instant::now() + LEAVE_WITHIN;
        let mut last = Some(last);
        while let Some(bytes) = last.take() {
            if let Err(TrySendError::Full(back)) = self.frames.try_send(bytes) {
                last = (Instant::now() < until).then_some(back);
                std::thread::park_timeout(PAUSE);
            }
        }
        drop(self.frames);
        let _ = self.done.recv_timeout(LEAVE_WITHIN);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::Sender;

    use super::*;

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
