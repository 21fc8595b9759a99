//! A run of this very process: its events and gauges go into the model, what
//! keys ask for goes to the engine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use squall_dashboard::keys::KeyMap;
use squall_dashboard::model::Model;
use squall_dashboard::terminal::Feed;
use squall_dashboard::update::{Command, Message, update};
use squall_harness::clock::RunClock;
use squall_harness::experiment::{Control, RunView};
use squall_judge::Verdict;
use squall_load::Gauges;
use squall_record::{HandAction, HandSide, Stamped, StopReason};
use tokio::sync::broadcast::{self, error::TryRecvError};
use tokio::sync::watch;

/// Passes a request on to the engine; whether it was taken.
pub type Ask = Box<dyn Fn(Control) -> bool + Send>;

/// How far the run is that a screen shows.
#[derive(Debug, Clone, Default)]
pub enum Stage {
    /// It is under way, or being judged.
    #[default]
    UnderWay,
    /// It was judged, everything was put back, and the screen stays until
    /// somebody leaves it.
    Judged(Arc<Verdict>),
    /// There is nothing more to show.
    Over,
}

/// Follows a run of this process.
pub struct LiveFeed {
    clock: RunClock,
    events: broadcast::Receiver<Arc<Stamped>>,
    gauges: watch::Receiver<Gauges>,
    ask: Ask,
    stage: watch::Receiver<Stage>,
}

impl LiveFeed {
    /// Follows the run from now on until `stage` is [`Stage::Over`], or nobody
    /// can say so any more.
    #[must_use]
    pub fn new(view: &RunView, ask: Ask, stage: watch::Receiver<Stage>) -> Self {
        Self {
            clock: view.hub.clock().clone(),
            events: view.hub.subscribe(),
            gauges: view.gauges.clone(),
            ask,
            stage,
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
        if self.stage.has_changed().is_ok_and(|changed| changed)
            && let Stage::Judged(verdict) = self.stage.borrow_and_update().clone()
        {
            update(model, keys, Message::Judged(verdict));
        }
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
        self.stage.has_changed().is_err() || matches!(*self.stage.borrow(), Stage::Over)
    }
}

/// What a command asks of the engine; `None` for those that are not for it.
#[must_use]
pub fn request(command: Command) -> Option<Control> {
    let by_hand = |action| Control::ByHand(action, HandSide::Own);
    Some(match command {
        Command::Interrupt => Control::Stop(StopReason::Interrupt),
        Command::Finish => by_hand(HandAction::Finish),
        Command::StopFault(fault) => by_hand(HandAction::StopFault { fault }),
        Command::RecoverAll => by_hand(HandAction::StopAllFaults),
        Command::Mark(text) => by_hand(HandAction::Mark { text }),
        Command::Leave
        | Command::Play(_)
        | Command::Redraw
        | Command::Copy
        | Command::Mouse(_)
        | Command::OpenReport(_) => return None,
    })
}
