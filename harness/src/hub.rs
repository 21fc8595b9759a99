//! The event hub: every event goes to the record first, then to its readers.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use squall_record::{Manifest, RecordError, RecordWriter, RunEvent, Sample, Stamped};
use tokio::sync::mpsc::error::{SendTimeoutError, TrySendError};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use squall_scenario::Secrets;

use crate::clock::{RunClock, now};
use crate::{own_log, redact};

/// Events that may wait for the disk; tests fill the queue.
const QUEUE_MAX: usize = if cfg!(test) { 512 } else { 65_536 };
/// For room in the queue.
const ROOM_WITHIN: Duration = Duration::from_secs(1);
/// For the disk to take what is queued at the end.
const CLOSED_WITHIN: Duration = Duration::from_secs(30);
/// Events a slow reader may lag behind before it misses some. One that does not
/// read at all keeps so many in memory: some 20 KiB each for an interval.
const READERS_LAG_MAX: usize = 2_048;

/// The record could not be closed.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// A write failed.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// There is none.
    #[error("there is no record")]
    Missing,
    /// The thread that writes it died.
    #[error("the thread that writes the record died")]
    Died,
    /// Events are missing in it, or it could not be closed.
    #[error("the disk has stalled")]
    Stalled,
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
        let (hub, queue, writing) = Self::with(writer, clock, secrets);
        // A thread of its own: a disk that stalls must not hold up the engine.
        tokio::task::spawn_blocking(move || writing.take_all(queue));
        hub
    }

    fn with(
        writer: Option<RecordWriter>,
        clock: RunClock,
        secrets: Secrets,
    ) -> (Self, mpsc::Receiver<Message>, Writing) {
        let (queue, receiver) = mpsc::channel(QUEUE_MAX);
        let (readers, _) = broadcast::channel(READERS_LAG_MAX);
        let record_lost = CancellationToken::new();
        let writing = Writing {
            writer,
            failure: None,
            readers: readers.clone(),
            record_lost: record_lost.clone(),
        };
        let hub = Self {
            clock,
            secrets: Arc::new(secrets),
            queue,
            readers,
            record_lost,
        };
        (hub, receiver, writing)
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
        self.put(Message::Event(stamped)).await;
    }

    /// Emits an event that happened now, without waiting: where a wait could
    /// be given up in its middle. Lost, and the record with it, only when the
    /// disk has stalled for longer than the queue is long.
    pub fn emit_at_once(&self, mut event: RunEvent) {
        redact::event(&mut event, &self.secrets);
        let stamped = Stamped {
            at_us: self.clock.stamp(now()),
            event,
        };
        self.put_at_once(Message::Event(stamped));
    }

    /// What finds no room for long is lost, and with it the record: nobody waits
    /// for that disk again.
    async fn put(&self, message: Message) {
        if self.record_lost.is_cancelled() {
            return self.put_at_once(message);
        }
        // The queue is closed only when the record is.
        let put = self.queue.send_timeout(message, ROOM_WITHIN).await;
        if let Err(SendTimeoutError::Timeout(_)) = put {
            self.record_lost.cancel();
        }
    }

    fn put_at_once(&self, message: Message) {
        if let Err(TrySendError::Full(_)) = self.queue.try_send(message) {
            self.record_lost.cancel();
        }
    }

    /// Adds arrivals kept as evidence to the record.
    pub async fn samples(&self, mut samples: Vec<Sample>) {
        for sample in &mut samples {
            redact::sample(sample, &self.secrets);
        }
        self.put(Message::Samples(samples)).await;
    }

    /// Waits until everything is on disk and gives the record back, for its
    /// verdict.
    ///
    /// # Errors
    /// The first write that failed, or a disk that does not answer: the record is
    /// not complete.
    pub async fn close(&self) -> Result<RecordWriter, HubError> {
        let (answer, closed) = oneshot::channel();
        let closing = async {
            let told = self.queue.send(Message::Close(answer)).await;
            told.map_err(|_| HubError::Died)?;
            closed.await.map_err(|_| HubError::Died)?
        };
        let closed = timeout(CLOSED_WITHIN, closing).await;
        closed.unwrap_or(Err(HubError::Stalled))
    }
}

/// The end of the queue at the disk.
struct Writing {
    writer: Option<RecordWriter>,
    /// The first failure; it ends the record.
    failure: Option<RecordError>,
    readers: broadcast::Sender<Arc<Stamped>>,
    record_lost: CancellationToken,
}

impl Writing {
    /// Takes everything, until it is told to close the record.
    fn take_all(mut self, mut queue: mpsc::Receiver<Message>) {
        // However this ends before that, nothing more is recorded.
        let died = self.record_lost.clone().drop_guard();
        while let Some(message) = queue.blocking_recv() {
            if !self.take(message) {
                died.disarm();
                return;
            }
        }
    }

    /// Whether more may come.
    fn take(&mut self, message: Message) -> bool {
        match message {
            Message::Event(stamped) => {
                self.write(|record| record.event(&stamped));
                own_log::tell(&stamped);
                // No reader is fine, and readers are served whatever the disk says.
                let _ = self.readers.send(Arc::new(stamped));
            }
            Message::Samples(samples) => {
                for sample in &samples {
                    self.write(|record| record.sample(sample));
                }
            }
            Message::Close(answer) => {
                let outcome = match (self.writer.take(), self.failure.take()) {
                    (_, Some(error)) => Err(HubError::Record(error)),
                    // An event that found no room is missing in it.
                    (Some(_), None) if self.record_lost.is_cancelled() => Err(HubError::Stalled),
                    (Some(writer), None) => Ok(writer),
                    (None, None) => Err(HubError::Missing),
                };
                let _ = answer.send(outcome);
                return false;
            }
        }
        true
    }

    fn write(&mut self, action: impl FnOnce(&mut RecordWriter) -> Result<(), RecordError>) {
        if let Some(Err(error)) = self.writer.as_mut().map(action) {
            self.fail(error);
        }
    }

    fn fail(&mut self, error: RecordError) {
        tracing::error!(%error, "the record cannot be written any more");
        self.failure.get_or_insert(error);
        self.writer = None;
        self.record_lost.cancel();
    }
}

/// What a disk does in a test.
#[cfg(test)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    /// It takes what it is given.
    Writes,
    /// It takes nothing more.
    Full,
    /// It does not come back to whoever writes to it.
    Stalls,
}

#[cfg(test)]
impl EventHub {
    /// A hub with a record that a task writes: paused time waits for tasks, and
    /// not for threads.
    pub(crate) fn on_disk(
        mut disk: tokio::sync::watch::Receiver<Disk>,
        dir: PathBuf,
        manifest: &Manifest,
        clock: RunClock,
    ) -> Result<Self, RecordError> {
        let writer = RecordWriter::create(&dir, manifest)?;
        let (hub, mut queue, mut writing) = Self::with(Some(writer), clock, Secrets::default());
        tokio::spawn(async move {
            while let Some(message) = queue.recv().await {
                let comes_back = disk.wait_for(|disk| *disk != Disk::Stalls);
                let Ok(state) = comes_back.await.map(|disk| *disk) else {
                    return;
                };
                if state == Disk::Full {
                    writing.fail(RecordError::Io {
                        path: dir.clone(),
                        source: std::io::ErrorKind::StorageFull.into(),
                    });
                }
                if !writing.take(message) {
                    return;
                }
            }
        });
        Ok(hub)
    }
}

#[cfg(test)]
mod tests {
    use squall_record::StopReason;
    use tokio::time::Instant;

    use super::*;

    fn hub() -> (EventHub, mpsc::Receiver<Message>, Writing) {
        let clock = RunClock::start(Duration::from_secs(1));
        EventHub::with(None, clock, Secrets::default())
    }

    #[tokio::test]
    async fn a_writer_that_dies_is_a_record_lost() {
        let (hub, queue, writing) = hub();
        let lost = writing.record_lost.clone();
        let (empty, nobody) = mpsc::channel(1);
        drop((queue, empty));
        // Ends without being told to, as one that panics does.
        let writer = tokio::task::spawn_blocking(move || writing.take_all(nobody));
        writer.await.unwrap();
        assert!(lost.is_cancelled());
        assert!(matches!(hub.close().await, Err(HubError::Died)));
    }

    #[tokio::test]
    async fn a_record_that_is_closed_is_not_lost() {
        let (hub, queue, writing) = hub();
        let lost = writing.record_lost.clone();
        let writer = tokio::task::spawn_blocking(move || writing.take_all(queue));
        assert!(matches!(hub.close().await, Err(HubError::Missing)));
        writer.await.unwrap();
        assert!(!lost.is_cancelled());
    }

    const fn event() -> RunEvent {
        RunEvent::Interrupted {
            reason: StopReason::Finish,
        }
    }

    /// The first event without room waits a little; the record is lost with it,
    /// and nobody waits any more.
    #[tokio::test(start_paused = true)]
    async fn a_disk_that_stalls_holds_nobody_up() {
        let (hub, _queue, _writing) = hub();
        let start = Instant::now();
        for _ in 0..QUEUE_MAX {
            hub.emit(event()).await;
        }
        assert!(!hub.record_lost.is_cancelled());
        assert_eq!(start.elapsed(), Duration::ZERO);
        let telling = async {
            for _ in 0..10 {
                hub.emit(event()).await;
            }
        };
        let hangs_after = Duration::from_secs(3600);
        timeout(hangs_after, telling).await.unwrap();
        assert!(hub.record_lost.is_cancelled());
        assert_eq!(start.elapsed(), ROOM_WITHIN);
        let closed = timeout(hangs_after, hub.close()).await.unwrap();
        assert!(matches!(closed, Err(HubError::Stalled)));
        assert_eq!(start.elapsed(), ROOM_WITHIN + CLOSED_WITHIN);
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_that_nobody_waits_for_is_lost_with_the_record() {
        let (hub, _queue, _writing) = hub();
        for _ in 0..QUEUE_MAX {
            hub.emit_at_once(event());
        }
        assert!(!hub.record_lost.is_cancelled());
        hub.emit_at_once(event());
        assert!(hub.record_lost.is_cancelled());
    }
}
