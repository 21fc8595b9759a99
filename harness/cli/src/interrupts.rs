//! Signals that ask squall to stop, over all attempts of one command.

use std::sync::{Arc, Mutex, PoisonError};

use squall_harness::experiment::Control;
use squall_record::StopReason;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use crate::output;

/// What a further signal does: less patience, and never less undoing.
const STILL_STOPPING: &str = "squall is stopping already: open requests are given up now; \
     faults are removed and processes ended, which is never skipped";

/// Where a signal goes: to the run under way, and into memory for the time
/// between two runs, when nobody else would hear it.
#[derive(Debug, Default, Clone)]
pub struct Interrupts {
    /// The first signal so far.
    first: watch::Sender<Option<StopReason>>,
    /// The run under way.
    run: Arc<Mutex<Option<mpsc::Sender<Control>>>>,
}

impl Interrupts {
    /// Listens for SIGINT, SIGTERM and SIGHUP for the rest of the process.
    /// Must be called inside a runtime.
    pub fn listen() -> Self {
        let interrupts = Self::default();
        let heard = interrupts.clone();
        tokio::spawn(async move { heard.hear().await });
        interrupts
    }

    /// The first signal so far.
    pub fn first(&self) -> Option<StopReason> {
        *self.first.borrow()
    }

    /// Returns once there was a signal, be it before this was called.
    pub async fn heard(&self) {
        // The sender is this very value.
        let _ = self.first.subscribe().wait_for(Option::is_some).await;
    }

    /// Passes signals on to a run from now on; `None` when there is none.
    pub fn pass_to(&self, run: Option<mpsc::Sender<Control>>) {
        *self.lock() = run;
    }

    /// Takes a request to stop as if it had come as a signal: in raw mode
    /// the terminal sends Ctrl-C as a key. Returns whether squall was stopping
    /// already.
    pub fn raise(&self, reason: StopReason) -> bool {
        let first = self.first.send_if_modified(|first| {
            let is_first = first.is_none();
            first.get_or_insert(reason);
            is_first
        });
        if let Some(run) = self.lock().as_ref() {
            // A run that has heard so many needs no further one.
            let _ = run.try_send(Control::Stop(reason));
        }
        !first
    }

    /// Passes what a person asked for at a screen on to the run; whether the
    /// run took it.
    pub fn ask(&self, run: &mpsc::Sender<Control>, request: Control) -> bool {
        match request {
            Control::Stop(reason @ (StopReason::Interrupt | StopReason::Terminate)) => {
                self.raise(reason);
                true
            }
            request => run.try_send(request).is_ok(),
        }
    }

    async fn hear(&self) {
        let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
            signal(SignalKind::hangup()),
        ) else {
            return;
        };
        loop {
            let reason = tokio::select! {
                _ = interrupt.recv() => StopReason::Interrupt,
                _ = terminate.recv() => StopReason::Terminate,
                _ = hangup.recv() => StopReason::Terminate,
            };
            if self.raise(reason) {
                output::progress(STILL_STOPPING);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<mpsc::Sender<Control>>> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends with SIGTERM or SIGINT, for commands that serve and have nothing else to
/// end.
pub async fn terminated() {
    let (Ok(mut term), Ok(mut int)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_further_signal_finds_squall_stopping() {
        let interrupts = Interrupts::default();
        assert!(!interrupts.raise(StopReason::Interrupt));
        assert!(interrupts.raise(StopReason::Terminate));
        assert_eq!(interrupts.first(), Some(StopReason::Interrupt));
    }
}
