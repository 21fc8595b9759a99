//! One stream: written directly, or by a thread of its own.

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use tokio::sync::Notify;

/// Bytes that may wait before what can be left out is left out.
const WAITING_BYTES_MAX: usize = 256 << 10;
/// How long a terminal may take nothing before it is given up. A person who
/// stopped it sees what they stopped it for.
const TERMINAL_PATIENCE: Duration = Duration::from_secs(1);
/// The same for a program, which may be starting.
const PROGRAM_PATIENCE: Duration = Duration::from_secs(3);

/// Where a stream goes.
#[derive(Debug)]
pub(super) enum To {
    Out,
    Err,
    #[cfg(test)]
    Test(rustix::fd::OwnedFd),
}

impl To {
    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            // Open always: the standard library opens them where they were not.
            Self::Out => rustix::stdio::stdout(),
            Self::Err => rustix::stdio::stderr(),
            #[cfg(test)]
            Self::Test(fd) => rustix::fd::AsFd::as_fd(fd),
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Err => "standard error",
            _ => "standard output",
        }
    }

    /// Writes what it takes at once, and waits where it takes nothing. What
    /// others made of it, as setting it not to block, is no error.
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match rustix::io::write(self.fd(), bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => return Ok(written),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let mut fds = [PollFd::from_borrowed_fd(self.fd(), PollFlags::OUT)];
                    match rustix::event::poll(&mut fds, None) {
                        Ok(_) | Err(Errno::INTR) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// One of the standard streams.
#[derive(Debug)]
pub(super) struct Stream {
    to: To,
    state: Mutex<State>,
    /// There is something to write.
    work: Condvar,
    /// Something was taken.
    taken: Notify,
}

#[derive(Debug)]
struct State {
    has_thread: bool,
    /// What waits, whatever is being written included.
    waiting: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Lines that were left out and not told of yet.
    left_out: u64,
    /// The first error.
    error: Option<String>,
    /// The reader left.
    closed: bool,
    /// It takes nothing, and is not waited for any more.
    abandoned: bool,
}

impl Stream {
    pub(super) const fn new(to: To) -> Self {
        Self {
            to,
            state: Mutex::new(State {
                has_thread: false,
                waiting: VecDeque::new(),
                bytes: 0,
                left_out: 0,
                error: None,
                closed: false,
                abandoned: false,
            }),
            work: Condvar::new(),
            taken: Notify::const_new(),
        }
    }

    /// Has everything from now on written by a thread. Without one, where none
    /// can be started, whoever prints waits.
    pub(super) fn start_thread(&'static self) {
        let mut state = self.lock();
        if !state.has_thread {
            let thread = std::thread::Builder::new().name("squall-output".to_owned());
            state.has_thread = thread.spawn(|| self.write_all()).is_ok();
        }
    }

    /// Prints, whatever waits already.
    pub(super) fn print(&self, bytes: Vec<u8>) {
        let mut state = self.lock();
        self.tell_left_out(&mut state);
        self.put(state, bytes);
    }

    /// Prints a line unless too much waits already.
    pub(super) fn print_if_room(&self, line: Vec<u8>) {
        let mut state = self.lock();
        if state.bytes + line.len() > WAITING_BYTES_MAX {
            state.left_out += 1;
            return;
        }
        self.tell_left_out(&mut state);
        self.put(state, line);
    }

    fn tell_left_out(&self, state: &mut State) {
        if state.left_out > 0 {
            let lines = std::mem::take(&mut state.left_out);
            let name = self.to.name();
            let told = format!("      {lines} lines are not shown: {name} was not read\n");
            state.push(told.into_bytes());
            self.work.notify_one();
        }
    }

    fn put(&self, mut state: MutexGuard<'_, State>, bytes: Vec<u8>) {
        if state.closed || bytes.is_empty() {
            return;
        }
        if state.has_thread {
            state.push(bytes);
            self.work.notify_one();
            return;
        }
        // The lock is held, so that lines of several threads stay whole.
        let mut rest = bytes.as_slice();
        while !rest.is_empty() && !state.closed {
            match self.to.write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) => {
                    state.failed(&error);
                    return;
                }
            }
        }
    }

    /// Writes what is printed until the process ends.
    fn write_all(&self) {
        loop {
            let mut state = self.lock();
            while state.waiting.is_empty() {
                state = self.wait(state);
            }
            let bytes = state.waiting.front().cloned().unwrap_or_default();
            drop(state);
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let written = self.to.write(rest);
                let mut state = self.lock();
                match written {
                    Ok(written) => rest = &rest[written..],
                    Err(error) => {
                        state.failed(&error);
                        rest = &[];
                    }
                }
                if rest.is_empty() {
                    state.pop();
                }
                drop(state);
                self.taken.notify_waiters();
            }
        }
    }

    /// Returns when less waits than may.
    pub(super) async fn room(&self) {
        loop {
            let taken = self.taken.notified();
            if self.lock().bytes < WAITING_BYTES_MAX {
                return;
            }
            taken.await;
        }
    }

    /// Returns when everything was taken, or nothing is taken for too long: from
    /// then on it is not waited for.
    pub(super) async fn taken(&self) {
        self.tell_left_out(&mut self.lock());
        loop {
            let taken = self.taken.notified();
            if !self.lock().is_waited_for() {
                return;
            }
            if tokio::time::timeout(self.patience(), taken).await.is_err() {
                let mut state = self.lock();
                state.abandoned = true;
                state
                    .error
                    .get_or_insert_with(|| "nobody reads it".to_owned());
            }
        }
    }

    /// Returns when nothing is taken for too long.
    pub(super) async fn abandoned(&self) {
        loop {
            self.taken().await;
            if self.lock().abandoned {
                return;
            }
            // There was nothing to take; there will be.
            tokio::time::sleep(TERMINAL_PATIENCE / 10).await;
        }
    }

    /// The first error, in words; a reader that left is none.
    pub(super) fn failure(&self) -> Option<String> {
        let state = self.lock();
        let error = state.error.as_ref()?;
        Some(format!("{}: {error}", self.to.name()))
    }

    fn patience(&self) -> Duration {
        match self.to.fd().is_terminal() {
            true => TERMINAL_PATIENCE,
            false => PROGRAM_PATIENCE,
        }
    }

    /// A panic while it was held left a queue that is still a queue.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'s>(&self, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        let waited = self.work.wait(state);
        waited.unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_waited_for(&self) -> bool {
        !self.waiting.is_empty() && !self.abandoned
    }

    fn push(&mut self, bytes: Vec<u8>) {
        self.bytes += bytes.len();
        self.waiting.push_back(bytes);
    }

    fn pop(&mut self) {
        if let Some(bytes) = self.waiting.pop_front() {
            self.bytes -= bytes.len();
        }
    }

    fn failed(&mut self, error: &io::Error) {
        if error.kind() == io::ErrorKind::BrokenPipe {
            self.closed = true;
        } else {
            self.error.get_or_insert_with(|| error.to_string());
        }
    }
}

/// A stream that a screen writes to, on a thread of its own.
pub(super) struct Screen(pub(super) To);

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{BufRead, Read};

    use rustix::fd::OwnedFd;
    use rustix::pipe::{PipeFlags, pipe_with};

    use super::*;

    /// Longer than anything may hang.
    const HANG: Duration = Duration::from_secs(60);

    /// A stream into a pipe, and the pipe's other end.
    fn piped(flags: PipeFlags) -> (&'static Stream, File) {
        let (reader, writer) = pipe_with(flags).unwrap();
        (to(writer), File::from(reader))
    }

    fn to(fd: OwnedFd) -> &'static Stream {
        Box::leak(Box::new(Stream::new(To::Test(fd))))
    }

    #[tokio::test]
    async fn a_reader_that_stands_still_costs_lines_and_is_told_how_many() {
        let (stream, mut reader) = piped(PipeFlags::CLOEXEC);
        stream.start_thread();
        let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
        // More than the pipe and the queue can hold together.
        let lines = 1000;
        for _ in 0..lines {
            stream.print_if_room(line.clone());
        }
        // What must not be left out is not.
        stream.print(b"the verdict\n".to_vec());
        let (shown, left_out) = told(&mut reader);
        assert!(shown >= WAITING_BYTES_MAX >> 10, "{shown}");
        assert!(left_out > 0);
        assert_eq!(shown + left_out, lines, "every line is shown or counted");
        tokio::time::timeout(HANG, stream.taken()).await.unwrap();
        assert_eq!(stream.failure(), None);
    }

    /// Reads up to the verdict: how many lines were shown, and how many more
    /// there were by their own word.
    fn told(reader: &mut File) -> (usize, usize) {
        let (mut shown, mut left_out) = (0, 0);
        for line in io::BufReader::new(reader).lines() {
            let line = line.unwrap();
            if line == "the verdict" {
                break;
            } else if let Some((count, _)) = line.trim().split_once(" lines are not shown") {
                left_out += count.parse::<usize>().unwrap();
            } else {
                assert_eq!(line.len(), 1023, "whole lines only");
                shown += 1;
            }
        }
        (shown, left_out)
    }

    // Time stands still unless everybody waits for it.
    #[tokio::test(start_paused = true)]
    async fn a_reader_that_never_reads_is_given_up_once() {
        let (stream, _reader) = piped(PipeFlags::CLOEXEC);
        stream.start_thread();
        stream.print(vec![b'x'; 1 << 20]);
        let start = tokio::time::Instant::now();
        stream.taken().await;
        stream.abandoned().await;
        stream.taken().await;
        assert!(start.elapsed() >= PROGRAM_PATIENCE, "{:?}", start.elapsed());
        assert!(start.elapsed() < PROGRAM_PATIENCE * 3, "waited for once");
        assert!(stream.failure().unwrap().contains("nobody reads it"));
    }

    #[tokio::test]
    async fn a_reader_that_leaves_is_no_failure() {
        for with_thread in [false, true] {
            let (stream, reader) = piped(PipeFlags::CLOEXEC);
            if with_thread {
                stream.start_thread();
            }
            drop(reader);
            for _ in 0..3 {
                stream.print(b"nobody hears this\n".to_vec());
            }
            tokio::time::timeout(HANG, stream.taken()).await.unwrap();
            assert_eq!(stream.failure(), None);
        }
    }

    #[tokio::test]
    async fn a_full_disk_is_a_failure_and_no_panic() {
        for with_thread in [false, true] {
            let full = File::options().write(true).open("/dev/full").unwrap();
            let stream = to(full.into());
            if with_thread {
                stream.start_thread();
            }
            stream.print(b"too much\n".to_vec());
            tokio::time::timeout(HANG, stream.taken()).await.unwrap();
            let failure = stream.failure().unwrap();
            assert!(failure.contains("No space left"), "{failure}");
        }
    }

    #[test]
    fn a_pipe_that_others_set_not_to_block_is_waited_for() {
        let (stream, mut reader) = piped(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK);
        let long = 1 << 20;
        let reading = std::thread::spawn(move || {
            let mut bytes = 0;
            let mut chunk = [0; 4096];
            while bytes < long {
                match reader.read(&mut chunk) {
                    Ok(read) => bytes += read,
                    Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
                }
                std::thread::yield_now();
            }
        });
        stream.print(vec![b'x'; long]);
        reading.join().unwrap();
        assert_eq!(stream.failure(), None);
    }
}
