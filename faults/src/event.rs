//! What faults tell the outside while they come and go.

use std::fmt;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::{Evidence, Removal};

/// One step in the life of an injected fault. `fault` is the name in the
/// scenario, `injection` counts its repetitions from 0.
#[derive(Debug, Clone, PartialEq)]
pub enum FaultEvent {
    /// The undo is on disk; nothing has been done yet. Only for faults that
    /// outlive the process of squall.
    Journaled {
        /// The fault.
        fault: String,
        /// Which repetition.
        injection: u32,
    },
    /// The effect was asked for and the kernel or the proxy accepted it.
    Injected {
        /// The fault.
        fault: String,
        /// Which repetition.
        injection: u32,
        /// What was hit, in words: links or a process.
        target: String,
    },
    /// Somebody asked for proof of the effect and this is the answer.
    Verified {
        /// The fault.
        fault: String,
        /// Which repetition.
        injection: u32,
        /// The proof.
        evidence: Evidence,
    },
    /// Removal begins; the window of the fault ends here.
    Removing {
        /// The fault.
        fault: String,
        /// Which repetition.
        injection: u32,
    },
    /// The effect is undone and that was checked.
    Removed {
        /// The fault.
        fault: String,
        /// Which repetition.
        injection: u32,
        /// The proof.
        removal: Removal,
    },
    /// The effect may still be there.
    RemovalFailed {
        /// The fault.
        fault: String,
        /// Which repetition.
        injection: u32,
        /// Why, in words.
        reason: String,
    },
    /// The guard was dropped without `remove`; the undo was signalled but not
    /// verified.
    Abandoned {
        /// The fault.
        fault: String,
        /// Which repetition.
        injection: u32,
    },
}

/// Where [`FaultEvent`]s go. Emitting never blocks and never fails.
#[derive(Clone)]
pub struct EventSink(Arc<dyn Fn(FaultEvent) + Send + Sync>);

impl EventSink {
    /// A sink that calls `observer` for each event, on the thread the event
    /// happens on, before the next step of the fault.
    pub fn observer(observer: impl Fn(FaultEvent) + Send + Sync + 'static) -> Self {
        Self(Arc::new(observer))
    }

    /// A sink that sends into a channel of at most `capacity` events. When the
    /// reader lags that far behind, further events are left out and a warning
    /// is logged: a fault must never wait for its reader.
    #[must_use]
    pub fn channel(capacity: usize) -> (Self, mpsc::Receiver<FaultEvent>) {
        let (sender, receiver) = mpsc::channel(capacity.max(1));
        let sink = Self::observer(move |event| {
            if let Err(mpsc::error::TrySendError::Full(event)) = sender.try_send(event) {
                tracing::warn!(?event, "fault event left out: its reader is too slow");
            }
        });
        (sink, receiver)
    }

    /// A sink that forgets everything.
    #[must_use]
    pub fn discard() -> Self {
        Self::observer(drop)
    }

    pub(crate) fn emit(&self, event: FaultEvent) {
        (self.0)(event);
    }
}

impl fmt::Debug for EventSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventSink")
    }
}
