//! Writing the log: a bounded queue and a thread of its own, so that a disk that
//! stalls or is full holds up nobody.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use squall_scenario::{Secrets, visible};
use tokio::sync::oneshot;

/// Entries that may wait for the disk; more are counted.
const ENTRIES_MAX: usize = 4096;
/// Longest entry that is written, in characters.
const ENTRY_MAX: usize = 8192;
/// Bytes after which a log is long enough.
const FILE_BYTES_MAX: usize = 64 << 20;
/// How long the last entries may take to be written.
const END_WITHIN: Duration = Duration::from_secs(2);

/// Takes entries, and never waits. The log ends when it is dropped.
#[derive(Debug)]
pub struct Writer {
    entries: SyncSender<String>,
    left_out: Arc<AtomicU64>,
}

/// The end of a log.
#[derive(Debug)]
pub struct End(oneshot::Receiver<Option<String>>);

impl Writer {
    /// Starts to write to `file`.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(file: impl Write + Send + 'static, secrets: Secrets) -> io::Result<(Self, End)> {
        let (entries, waiting) = sync_channel(ENTRIES_MAX);
        let left_out = Arc::new(AtomicU64::new(0));
        let (end, ended) = oneshot::channel();
        let log = Log {
            file,
            secrets,
            left_out: Arc::clone(&left_out),
            bytes: 0,
            failure: None,
        };
        std::thread::Builder::new()
            .name("squall-log".to_owned())
            .spawn(move || {
                // Nobody may wait any more.
                let _ = end.send(log.write_all(&waiting));
            })?;
        Ok((Self { entries, left_out }, End(ended)))
    }

    /// Adds an entry, or counts it where there is no room.
    pub fn entry(&self, text: String) {
        if let Err(TrySendError::Full(_)) = self.entries.try_send(text) {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl End {
    /// Waits until all is written; why it is not, where it is not.
    pub async fn wait(self) -> Option<String> {
        match tokio::time::timeout(END_WITHIN, self.0).await {
            Ok(Ok(failure)) => failure,
            Ok(Err(_)) => Some("the thread that writes it died".to_owned()),
            Err(_) => Some("the disk takes nothing".to_owned()),
        }
    }
}

/// The thread's side.
struct Log<W> {
    file: W,
    secrets: Secrets,
    left_out: Arc<AtomicU64>,
    bytes: usize,
    /// After the first failure nothing more is written.
    failure: Option<String>,
}

impl<W: Write> Log<W> {
    fn write_all(mut self, waiting: &Receiver<String>) -> Option<String> {
        while let Ok(entry) = waiting.recv() {
            self.tell_left_out();
            self.line(&self.secrets.redact(&entry));
        }
        self.tell_left_out();
        self.failure
    }

    fn tell_left_out(&mut self) {
        let left_out = self.left_out.swap(0, Ordering::Relaxed);
        if left_out > 0 {
            self.line(&format!(
                "({left_out} entries are left out: the disk was behind)"
            ));
        }
    }

    /// One entry is one line that no terminal obeys.
    fn line(&mut self, entry: &str) {
        if self.failure.is_some() {
            return;
        }
        let mut line: String = visible(entry.trim_end(), &['\t'])
            .chars()
            .take(ENTRY_MAX)
            .collect();
        line.push('\n');
        self.bytes += line.len();
        if self.bytes > FILE_BYTES_MAX {
            self.failure = Some(format!("it is longer than {} MiB", FILE_BYTES_MAX >> 20));
        } else if let Err(error) = self.file.write_all(line.as_bytes()) {
            self.failure = Some(error.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Sender, channel};

    use squall_scenario_file::{ParseOptions, Source, parse_scenario};

    use super::*;

    /// A file that a test can read.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Shared {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What a scenario with the token `s3cret-value` keeps.
    fn secrets() -> Secrets {
        let environment = |name: &str| (name == "TOKEN").then(|| "s3cret-value".to_owned());
        let source = Source::new(
            "x.yaml",
            "version: 1\nname: x\ntarget: http://127.0.0.1:1\nload:\n  shape: [ { hold: { rate: 1/s, \
             for: 1s } } ]\n  requests:\n    - name: a\n      send: GET /?key=${TOKEN}\n",
        );
        let checked = parse_scenario(&source, &ParseOptions::new(&environment));
        assert!(checked.value.is_some(), "{}", checked.render(false));
        checked.secrets
    }

    #[tokio::test]
    async fn an_entry_is_one_harmless_line_without_secrets() {
        let file = Shared::default();
        let (writer, end) = Writer::start(file.clone(), secrets()).unwrap();
        writer.entry("GET /?key=s3cret-value\n2026 INFO forged\u{1b}[2J\n".to_owned());
        drop(writer);
        assert_eq!(end.wait().await, None);
        let wanted = "GET /?key=${TOKEN}\\u{a}2026 INFO forged\\u{1b}[2J\n";
        assert_eq!(file.text(), wanted);
    }

    /// A disk that takes nothing until it is told to.
    struct Stalled(Receiver<()>, Shared);

    impl Write for Stalled {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Freed for good when the test lets go.
            let _ = self.0.recv();
            self.1.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_disk_that_stalls_holds_up_nobody_and_what_is_missing_is_told() {
        let file = Shared::default();
        let (free, stalled): (Sender<()>, _) = channel();
        let disk = Stalled(stalled, file.clone());
        let (writer, end) = Writer::start(disk, Secrets::default()).unwrap();
        for number in 0..ENTRIES_MAX + 10 {
            writer.entry(number.to_string());
        }
        drop((free, writer));
        assert_eq!(end.wait().await, None);
        let text = file.text();
        let left_out = text.lines().find(|line| line.starts_with('(')).unwrap();
        assert!(left_out.contains("entries are left out"), "{left_out}");
        // One may have been on its way to the disk.
        assert!((ENTRIES_MAX..=ENTRIES_MAX + 2).contains(&text.lines().count()));
    }

    /// A disk that is full.
    struct Full;

    impl Write for Full {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_full_disk_is_told_at_the_end_and_stops_nobody() {
        let (writer, end) = Writer::start(Full, Secrets::default()).unwrap();
        for _ in 0..3 * ENTRIES_MAX {
            writer.entry("more".to_owned());
        }
        drop(writer);
        let why = end.wait().await.unwrap();
        assert!(why.contains("no storage space"), "{why}");
    }
}
