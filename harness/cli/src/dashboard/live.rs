//! A run of this very process: its events and gauges go into the model, what
//! keys ask for goes to the engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use squall_harness::clock::RunClock;
use squall_harness::experiment::{Control, RunView};
use squall_harness::load::Gauges;
use squall_reports::{HandAction, Stamped, StopReason};
use tokio::sync::broadcast::{self, error::TryRecvError};
use tokio::sync::watch;

use crate::keys::KeyMap;
use crate::model::Model;
use crate::terminal::Feed;
use crate::update::{Command, Message, update};

/// Passes a request on to the engine; whether it was taken.
pub type Ask = Box<dyn Fn(Control) -> bool + Send>;

/// Follows a run of this process.
pub struct LiveFeed {
    clock: RunClock,
    events: broadcast::Receiver<Arc<Stamped>>,
    gauges: watch::Receiver<Gauges>,
    ask: Ask,
    over: Arc<AtomicBool>,
}

impl LiveFeed {
    /// Follows the run from now on until `over` is set.
    #[must_use]
    pub fn new(view: &RunView, ask: Ask, over: Arc<AtomicBool>) -> Self {
        Self {
            clock: view.hub.clock().clone(),
            events: view.hub.subscribe(),
            gauges: view.gauges.clone(),
            ask,
            over,
        }
    }

    fn hear(&mut self, model: &mut Model, keys: &KeyMap) {
        loop {
            let message = match self.events.try_recv() {
                Ok(stamped) => Message::Event(stamped),
                Err(TryRecvError::Lagged(missed)) => Message::Missed(missed),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            };
            update(model, keys, message);
        }
    }
}

impl Feed for LiveFeed {
    fn poll(&mut self, model: &mut Model, keys: &KeyMap, _elapsed: Duration) {
        self.hear(model, keys);
        let now_us = self.clock.stamp(Instant::now());
        if self.gauges.has_changed().is_ok_and(|changed| changed) {
            let gauges = *self.gauges.borrow_and_update();
            update(model, keys, Message::Gauges(now_us, gauges));
        }
        update(model, keys, Message::Tick(now_us));
    }

    fn act(&mut self, model: &mut Model, command: Command) {
        let Some(request) = request(command) else {
            return;
        };
        if !(self.ask)(request) {
            let words = "the run does not listen any more: it is ending".to_owned();
            model.screen.notice = Some(words);
        }
    }

    fn over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }
}

/// What a command asks of the engine; `None` for those that are not for it.
#[must_use]
pub fn request(command: Command) -> Option<Control> {
    Some(match command {
        Command::Finish => Control::Stop(StopReason::Finish),
        Command::Interrupt => Control::Stop(StopReason::Interrupt),
        Command::StopFault(fault) => Control::ByHand(HandAction::StopFault { fault }),
        Command::RecoverAll => Control::ByHand(HandAction::StopAllFaults),
        Command::Mark(text) => Control::ByHand(HandAction::Mark { text }),
        Command::Leave | Command::Play(_) | Command::Redraw => return None,
    })
}
