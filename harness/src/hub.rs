//! The event hub: every event goes to the record first, then to its readers.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use squall_record::{Manifest, RecordError, RecordWriter, RunEvent, Sample, Stamped};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use squall_scenario::Secrets;

use crate::clock::{RunClock, now};
use crate::redact;

/// Events that may wait for the disk.
const QUEUE_MAX: usize = 65_536;
/// Events a slow reader may lag behind before it misses some. One that does not
/// read at all keeps so many in memory: some 20 KiB each for an interval.
const READERS_LAG_MAX: usize = 2_048;

/// The record could not be closed.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// A write failed.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// It was closed before.
    #[error("the record is closed already")]
    Closed,
}

enum Message {
    Event(Stamped),
    Samples(Vec<Sample>),
    Close(oneshot::Sender<Result<RecordWriter, HubError>>),
}

/// Emits events. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EventHub {
    clock: RunClock,
    secrets: Arc<Secrets>,
    queue: mpsc::Sender<Message>,
    readers: broadcast::Sender<Arc<Stamped>>,
    record_lost: CancellationToken,
}

impl EventHub {
    /// Creates the run directory's files and the thread that writes them.
    /// `secrets` are written back as their names in everything that is told.
    ///
    /// # Errors
    /// The files cannot be created.
    pub fn open(
        dir: PathBuf,
        manifest: &Manifest,
        clock: RunClock,
        secrets: Secrets,
    ) -> Result<Self, RecordError> {
        let writer = RecordWriter::create(&dir, manifest)?;
        Ok(Self::start(Some(writer), clock, secrets))
    }

    /// A hub that keeps no record: events go to readers only.
    #[must_use]
    pub fn without_record(clock: RunClock) -> Self {
        Self::start(None, clock, Secrets::default())
    }

    fn start(writer: Option<RecordWriter>, clock: RunClock, secrets: Secrets) -> Self {
        let (queue, receiver) = mpsc::channel(QUEUE_MAX);
        let (readers, _) = broadcast::channel(READERS_LAG_MAX);
        let copies = readers.clone();
        let record_lost = CancellationToken::new();
        let lost = record_lost.clone();
        // A thread of its own: a disk that stalls must not hold up the engine.
        tokio::task::spawn_blocking(move || write_all(writer, receiver, &copies, &lost));
        Self {
            clock,
            secrets: Arc::new(secrets),
            queue,
            readers,
            record_lost,
        }
    }

    /// The run's clock.
    #[must_use]
    pub const fn clock(&self) -> &RunClock {
        &self.clock
    }

    /// Returns when the record cannot be written any more: what happens from
    /// then on proves nothing.
    pub async fn record_lost(&self) {
        self.record_lost.cancelled().await;
    }

    /// A reader of every event from now on. One that lags misses events; the
    /// record does not.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Stamped>> {
        self.readers.subscribe()
    }

    /// A text without secrets. Everything that is emitted goes through it
    /// anyway; whoever cuts or escapes a text before has to ask.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.secrets.redact(text)
    }

    /// Emits an event that happened now.
    pub async fn emit(&self, event: RunEvent) {
        self.emit_at(now(), event).await;
    }

    /// Emits an event that happened at `at`.
    pub async fn emit_at(&self, at: Instant, mut event: RunEvent) {
        redact::event(&mut event, &self.secrets);
        let stamped = Stamped {
            at_us: self.clock.stamp(at),
            event,
        };
        // The writer ends only when it is told to close.
        let _ = self.queue.send(Message::Event(stamped)).await;
    }

    /// Emits an event that happened now, without waiting: where a wait could
    /// be given up in its middle. Lost only when the disk has stalled for
    /// longer than the queue is long.
    pub fn emit_at_once(&self, mut event: RunEvent) {
        redact::event(&mut event, &self.secrets);
        let stamped = Stamped {
            at_us: self.clock.stamp(now()),
            event,
        };
        let _ = self.queue.try_send(Message::Event(stamped));
    }

    /// Adds arrivals kept as evidence to the record.
    pub async fn samples(&self, mut samples: Vec<Sample>) {
        for sample in &mut samples {
            redact::sample(sample, &self.secrets);
        }
        let _ = self.queue.send(Message::Samples(samples)).await;
    }

    /// Waits until everything is on disk and gives the record back, for its
    /// verdict.
    ///
    /// # Errors
    /// The first write that failed: the record is not complete.
    pub async fn close(&self) -> Result<RecordWriter, HubError> {
        let (answer, closed) = oneshot::channel();
        self.queue
            .send(Message::Close(answer))
            .await
            .map_err(|_| HubError::Closed)?;
        closed.await.map_err(|_| HubError::Closed)?
    }
}

fn write_all(
    mut writer: Option<RecordWriter>,
    mut queue: mpsc::Receiver<Message>,
    readers: &broadcast::Sender<Arc<Stamped>>,
    record_lost: &CancellationToken,
) {
    // The first failure ends the record; readers are served all the same.
    let mut failure = None;
    let mut write = |writer: &mut Option<RecordWriter>, action: &dyn Fn(&mut RecordWriter) -> _| {
        if let Some(Err(error)) = writer.as_mut().map(action) {
            failure = Some(error);
            *writer = None;
            record_lost.cancel();
        }
    };
    while let Some(message) = queue.blocking_recv() {
        match message {
            Message::Event(stamped) => {
                write(&mut writer, &|record| record.event(&stamped));
                // No reader is fine.
                let _ = readers.send(Arc::new(stamped));
            }
            Message::Samples(samples) => {
                for sample in &samples {
                    write(&mut writer, &|record| record.sample(sample));
                }
            }
            Message::Close(answer) => {
                let outcome = match (writer, failure) {
                    (_, Some(error)) => Err(HubError::Record(error)),
                    (Some(writer), None) => Ok(writer),
                    (None, None) => Err(HubError::Closed),
                };
                let _ = answer.send(outcome);
                return;
            }
        }
    }
}
