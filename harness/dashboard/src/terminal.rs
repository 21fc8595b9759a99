//! The terminal: entered, drawn to and always given back.
//!
//! Two threads stand between the run and the terminal. One keeps the model and
//! renders frames into memory; the other writes finished frames. While a write
//! is under way no further frame is rendered, so a terminal that stalls costs
//! frames and nothing else.

mod appearance;
mod held;
mod input;
mod painter;

use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::browser::Browser;
use crate::keys::KeyMap;
use crate::model::Model;
use crate::panels::{Scene, selected};
use crate::pointer::Targets;
use crate::update::{Command, Message, update};
use crate::view::view;
pub use appearance::Appearance;
use held::{Held, MOUSE_OFF, MOUSE_ON, WhileHeld};
use input::{Input, Keyboard};
pub use painter::Painter;

/// From one frame to the next.
const FRAME: Duration = Duration::from_millis(100);
/// From one look at what cannot be waited for to the next.
const PAUSE: Duration = Duration::from_millis(5);
/// How long the last bytes may take on a terminal that stalls.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);
/// Longest text that is copied, in characters.
const COPIED_MAX: usize = 4096;

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
    let mut painter = Painter::new(WhileHeld(output), None)?;
    painter.enter()?;
    let (keyboard, inputs) = Keyboard::start()?;
    let mut stage = Stage {
        model,
        keys,
        appearance,
        browser: Browser::default(),
    };
    stage.follow(&mut painter, &inputs, feed);
    drop(keyboard);
    if Held::is_held() {
        painter.leave();
    }
    drop(held);
    Ok(())
}

/// What is shown, and how.
struct Stage<'s> {
    model: Model,
    keys: &'s KeyMap,
    appearance: Appearance,
    browser: Browser,
}

impl Stage<'_> {
    fn follow(&mut self, painter: &mut Painter, inputs: &Receiver<Input>, feed: &mut dyn Feed) {
        if let Ok((columns, rows)) = ratatui::crossterm::terminal::size() {
            self.hear(Message::Resize(columns, rows));
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
                let Input::Message(message) = input else {
                    return;
                };
                for command in self.hear(message) {
                    if command == Command::Leave {
                        return;
                    }
                    self.carry_out(command, painter, feed);
                }
                waiting = inputs.try_recv().ok();
            }
            let now = Instant::now();
            feed.poll(&mut self.model, self.keys, now - last);
            last = now;
            self.paint(painter);
            due = now + FRAME;
        }
    }

    fn hear(&mut self, message: Message) -> Vec<Command> {
        update(&mut self.model, self.keys, message)
    }

    fn carry_out(&mut self, command: Command, painter: &mut Painter, feed: &mut dyn Feed) {
        match command {
            Command::Redraw => painter.redraw(),
            Command::Mouse(true) => painter.tell(MOUSE_ON),
            Command::Mouse(false) => painter.tell(MOUSE_OFF),
            Command::Copy => {
                let words = match self.selected() {
                    Some(text) => {
                        painter.tell(&clipboard(&text));
                        format!("copied: {text}")
                    }
                    None => "nothing is selected here".to_owned(),
                };
                self.hear(Message::Notice(words));
            }
            Command::OpenReport(page) => {
                let words = self.browser.open(&page, |name| std::env::var_os(name));
                self.hear(Message::Notice(words));
            }
            command => feed.act(&mut self.model, command),
        }
    }

    /// The selected row in words.
    fn selected(&self) -> Option<String> {
        let theme = self.appearance.theme(self.model.screen.theme_steps);
        let targets = RefCell::new(Targets::default());
        let text = selected(&Scene::new(&self.model, &theme, self.keys, &targets))?;
        Some(text.chars().take(COPIED_MAX).collect())
    }

    fn paint(&mut self, painter: &mut Painter) {
        if let Some(words) = self.browser.told() {
            self.hear(Message::Notice(words));
        }
        self.model.settle();
        let theme = self.appearance.theme(self.model.screen.theme_steps);
        let mut targets = None;
        painter.paint(|frame| targets = Some(view(&self.model, frame, &theme, self.keys)));
        if let Some(targets) = targets {
            self.model.screen.targets = targets;
        }
    }
}

/// What has a terminal put `text` into its clipboard: OSC 52.
fn clipboard(text: &str) -> Vec<u8> {
    format!("\x1b]52;c;{}\x07", STANDARD.encode(text)).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_copied_is_told_to_the_terminal_in_base64() {
        assert_eq!(clipboard("p99 361ms"), b"\x1b]52;c;cDk5IDM2MW1z\x07");
    }
}
