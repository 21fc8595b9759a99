//! What a process has said so far: the lines of a file that only grows.
//!
//! A reader goes on to where the file ended when it was asked, in pieces, or
//! says how far behind it is. What it could not read it never takes for
//! nothing: a file that is gone, was emptied or was written anew, a part of it
//! that was given back to the file system, and a line that is too long to be
//! looked at, are lost output, and it says so.

use std::collections::VecDeque;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{SeekFrom, seek};
use squall_judge::quantity::Quantity;

/// Read at a time, and looked through.
const PIECE_BYTES: u64 = 256 << 10;
/// Of a longer line only so much is looked at.
const LINE_MAX: usize = 4 << 20;
/// What was read last is remembered, to notice a file that was written anew.
const REMEMBERED_BYTES: usize = 64;
/// A line without an end counts as one when it has stood still for so long.
const STANDS_STILL: Duration = Duration::from_secs(1);
/// Lines that are remembered, to be quoted.
const QUOTED_LINES: usize = 3;
/// Longest quoted line.
const QUOTED_CHARACTERS: usize = 120;

/// What a reader looks for in a line.
type Finder<T> = dyn Fn(&str) -> Option<T> + Send + Sync;

/// Follows a file from its beginning. Cheap to clone; clones share their place.
pub(crate) struct LogLines<T> {
    find: Arc<Finder<T>>,
    follower: Arc<Mutex<Follower<T>>>,
}

impl<T> Clone for LogLines<T> {
    fn clone(&self) -> Self {
        Self {
            find: Arc::clone(&self.find),
            follower: Arc::clone(&self.follower),
        }
    }
}

struct Follower<T> {
    path: PathBuf,
    file: Option<File>,
    /// What was read.
    offset: u64,
    /// The last bytes before `offset`.
    before: Vec<u8>,
    line: Line,
    found: Vec<T>,
    lines: u64,
    last: VecDeque<String>,
    lost: Option<String>,
}

/// A line that has not ended.
#[derive(Default)]
struct Line {
    bytes: Vec<u8>,
    /// When it grew last.
    grew: Option<Instant>,
    /// It has been looked at, and something was found.
    found: bool,
    /// It is too long: the rest is passed over.
    is_too_long: bool,
}

impl<T: Send + 'static> LogLines<T> {
    /// Nothing is read yet. `find` is asked of every line, without its end;
    /// bytes that are no UTF-8 stand there as U+FFFD.
    pub(crate) fn new(
        path: &Path,
        find: impl Fn(&str) -> Option<T> + Send + Sync + 'static,
    ) -> Self {
        Self {
            find: Arc::new(find),
            follower: Arc::new(Mutex::new(Follower {
                path: path.to_owned(),
                file: None,
                offset: 0,
                before: Vec::new(),
                line: Line::default(),
                found: Vec::new(),
                lines: 0,
                last: VecDeque::new(),
                lost: None,
            })),
        }
    }

    /// How much has been written.
    ///
    /// # Errors
    /// The file cannot be read; in words.
    pub(crate) async fn end(&self) -> Result<u64, String> {
        self.blocking(|follower, _| follower.look()).await?
    }

    /// Reads on to `end`, as [`LogLines::end`] gave it, and gives what was
    /// found since the last time. Given up in the middle, nothing is lost.
    ///
    /// # Errors
    /// The file cannot be read, or `deadline` passed before the end was
    /// reached, which says how far behind this reader is; in words.
    pub(crate) async fn read_to(&self, end: u64, deadline: Instant) -> Result<Vec<T>, String> {
        loop {
            let read = move |follower: &mut Follower<T>, find: &Finder<T>| follower.read(end, find);
            let left = self.blocking(read).await??;
            if left == 0 {
                return Ok(std::mem::take(&mut self.lock().found));
            }
            if Instant::now() >= deadline {
                return Err(format!(
                    "{} of output are not read yet",
                    Quantity::Bytes(left)
                ));
            }
        }
    }

    /// Takes the line that has not ended for one that has: nobody will end it.
    pub(crate) fn end_line(&self) -> Vec<T> {
        let mut follower = self.lock();
        follower.try_line(&*self.find);
        std::mem::take(&mut follower.found)
    }

    /// What was missed, if something was: of that nothing can be known any
    /// more.
    pub(crate) fn lost(&self) -> Option<String> {
        self.lock().lost.clone()
    }

    /// The same, and forgets it: for those who learn anew where things stand.
    pub(crate) fn take_lost(&self) -> Option<String> {
        self.lock().lost.take()
    }

    /// Passes over everything that was written so far.
    pub(crate) async fn skip_to_end(&self) {
        let skip = |follower: &mut Follower<T>, _: &Finder<T>| follower.skip_to_end();
        // What cannot be read is found out when it is read.
        let _ = self.blocking(skip).await;
    }

    /// How many lines were read, and the last of them, in one line of bounded
    /// length.
    pub(crate) fn quoted(&self) -> (u64, String) {
        let follower = self.lock();
        let last: Vec<_> = follower.last.iter().map(String::as_str).collect();
        (follower.lines, last.join(" | "))
    }

    fn lock(&self) -> MutexGuard<'_, Follower<T>> {
        // A finder that panicked has left nothing half done.
        self.follower.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Files are read, and lines looked through, where nobody waits.
    async fn blocking<R: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Follower<T>, &Finder<T>) -> R + Send + 'static,
    ) -> Result<R, String> {
        let own = self.clone();
        let act = move || act(&mut own.lock(), &*own.find);
        let done = tokio::task::spawn_blocking(act).await;
        done.map_err(|_| "reading it was given up".to_owned())
    }
}

impl<T> Follower<T> {
    /// Opens the file, or notices what became of it; its length.
    fn look(&mut self) -> Result<u64, String> {
        let unreadable = |error: std::io::Error| format!("its output cannot be read: {error}");
        let now = std::fs::metadata(&self.path).map_err(unreadable)?;
        if !now.is_file() {
            return Err("its output is no file any more".to_owned());
        }
        let id = |metadata: &std::fs::Metadata| (metadata.dev(), metadata.ino());
        let open = self.file.as_ref().map(File::metadata).transpose();
        let open = open.map_err(unreadable)?;
        if open.as_ref().is_some_and(|open| id(open) != id(&now)) {
            self.lose("the file of its output was replaced by another");
            self.file = None;
        } else if now.len() < self.offset || !self.remembers() {
            self.lose("its output was emptied or written anew");
        }
        if self.file.is_none() {
            self.file = Some(File::open(&self.path).map_err(unreadable)?);
        }
        Ok(now.len())
    }

    /// Starts over at the beginning of what is there; what was not read before
    /// is lost.
    fn lose(&mut self, what: &str) {
        self.lost = Some(format!(
            "{what}: what it said before and was not read is lost"
        ));
        self.offset = 0;
        self.before.clear();
        self.line = Line::default();
        self.found.clear();
    }

    /// Whether the bytes before the place that was read to are still there.
    fn remembers(&self) -> bool {
        let Some(file) = &self.file else {
            return true;
        };
        let mut now = vec![0; self.before.len()];
        let from = self.offset - self.before.len() as u64;
        file.read_exact_at(&mut now, from).is_ok() && now == self.before
    }

    /// Reads one piece on the way to `end`; how much is left then.
    fn read(&mut self, end: u64, find: &Finder<T>) -> Result<u64, String> {
        let length = self.look()?;
        let end = end.min(length);
        let piece = end.saturating_sub(self.offset).min(PIECE_BYTES);
        if piece > 0 {
            self.read_piece(piece, find)?;
        }
        let stands_still = |grew: Instant| grew.elapsed() >= STANDS_STILL;
        if self.line.grew.is_some_and(stands_still) {
            self.try_line(find);
        }
        Ok(end.saturating_sub(self.offset))
    }

    fn read_piece(&mut self, piece: u64, find: &Finder<T>) -> Result<(), String> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let mut new = vec![0; usize::try_from(piece).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut new, self.offset)
            .map_err(|error| format!("its output cannot be read: {error}"))?;
        // Asked after reading: what was there before is not taken for data.
        if let Some(hole) = hole_in(file, self.offset, piece) {
            self.pass_over(hole);
            return Ok(());
        }
        self.offset += piece;
        self.before.extend_from_slice(&new);
        let old = self.before.len().saturating_sub(REMEMBERED_BYTES);
        self.before.drain(..old);
        let mut parts = new.split(|byte| *byte == b'\n').peekable();
        while let Some(part) = parts.next() {
            self.grow_line(part, find);
            if parts.peek().is_some() {
                self.finish_line(find);
            }
        }
        Ok(())
    }

    /// Goes on behind output that is not there any more.
    fn pass_over(&mut self, hole: Range<u64>) {
        let gone = Quantity::Bytes(hole.end - hole.start);
        self.lost = Some(format!(
            "{gone} of its output were left out before they were read"
        ));
        self.offset = hole.end;
        self.before.clear();
        self.line = Line::default();
        self.found.clear();
    }

    fn grow_line(&mut self, part: &[u8], find: &Finder<T>) {
        if part.is_empty() || self.line.is_too_long {
            return;
        }
        let room = LINE_MAX - self.line.bytes.len();
        self.line
            .bytes
            .extend_from_slice(&part[..part.len().min(room)]);
        self.line.grew = Some(Instant::now());
        if part.len() > room {
            self.try_line(find);
            self.line.is_too_long = true;
            if !self.line.found {
                self.lost = Some(format!(
                    "a line is longer than {}, and the rest of it was not looked at",
                    Quantity::Bytes(LINE_MAX as u64)
                ));
            }
        }
    }

    fn finish_line(&mut self, find: &Finder<T>) {
        if !self.line.is_too_long {
            self.try_line(find);
        }
        let line = std::mem::take(&mut self.line);
        self.lines += 1;
        let start = &line.bytes[..line.bytes.len().min(4 * QUOTED_CHARACTERS)];
        let text = quotable(&String::from_utf8_lossy(start));
        if !text.is_empty() {
            if self.last.len() == QUOTED_LINES {
                self.last.pop_front();
            }
            self.last.push_back(text);
        }
    }

    /// Looks at the line as it stands, and never finds something in it twice.
    fn try_line(&mut self, find: &Finder<T>) {
        self.line.grew = None;
        if self.line.found || self.line.bytes.is_empty() {
            return;
        }
        let bytes = self.line.bytes.strip_suffix(b"\r");
        let text = String::from_utf8_lossy(bytes.unwrap_or(&self.line.bytes));
        if let Some(found) = find(&text) {
            self.line.found = true;
            self.found.push(found);
        }
    }

    fn skip_to_end(&mut self) {
        let Ok(end) = self.look() else { return };
        let Some(file) = &self.file else { return };
        let length = REMEMBERED_BYTES.min(usize::try_from(end).unwrap_or(usize::MAX));
        let mut before = vec![0; length];
        let from = end - length as u64;
        if file.read_exact_at(&mut before, from).is_ok() {
            self.offset = end;
            self.before = before;
            self.line = Line::default();
            self.found.clear();
        }
    }
}

/// The hole that begins in the piece from `from` on. File systems without holes
/// have none.
fn hole_in(file: &File, from: u64, piece: u64) -> Option<Range<u64>> {
    let start = seek(file, SeekFrom::Hole(from)).ok()?;
    if start >= from.saturating_add(piece) {
        return None;
    }
    let length = file.metadata().map_or(start, |metadata| metadata.len());
    let end = seek(file, SeekFrom::Data(start)).unwrap_or(length);
    (end > start).then_some(start..end)
}

/// Words of the system under test, as they may be quoted: short, in one line.
pub(crate) fn quotable(text: &str) -> String {
    let shown = text.trim().chars().filter(|c| !c.is_control());
    shown.take(QUOTED_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn follow(path: &Path) -> LogLines<String> {
        LogLines::new(path, |line| Some(line.to_owned()))
    }

    async fn read(lines: &LogLines<String>) -> Result<Vec<String>, String> {
        let deadline = Instant::now() + Duration::from_secs(60);
        lines.read_to(lines.end().await?, deadline).await
    }

    #[tokio::test]
    async fn a_line_is_read_once_and_when_it_is_whole() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let lines = follow(file.path());
        assert!(read(&lines).await.unwrap().is_empty());
        file.write_all(b"one\r\ntw").unwrap();
        assert_eq!(read(&lines).await.unwrap(), ["one"]);
        file.write_all(b"o\nthree \xff\xfe\n").unwrap();
        assert_eq!(
            read(&lines).await.unwrap(),
            ["two", "three \u{fffd}\u{fffd}"]
        );
        file.write_all(b"four\nfi").unwrap();
        lines.skip_to_end().await;
        file.write_all(b"ve\nsix\nseven").unwrap();
        assert_eq!(read(&lines).await.unwrap(), ["ve", "six"]);
        // Nobody ends the last line; found once, it is not found again.
        assert_eq!(lines.end_line(), ["seven"]);
        file.write_all(b" more\n").unwrap();
        assert!(read(&lines).await.unwrap().is_empty());
        assert_eq!(lines.lost(), None);
        assert_eq!(lines.quoted().0, 6);
    }

    #[tokio::test]
    async fn a_line_without_end_that_stands_still_is_read() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"panic").unwrap();
        let lines = follow(file.path());
        assert!(read(&lines).await.unwrap().is_empty());
        lines.lock().line.grew = Instant::now().checked_sub(STANDS_STILL);
        assert_eq!(read(&lines).await.unwrap(), ["panic"]);
    }

    #[tokio::test]
    async fn a_reader_reads_to_the_end_or_says_how_far_behind_it_is() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let block = "x".repeat(1023) + "\n";
        for _ in 0..9 << 10 {
            file.write_all(block.as_bytes()).unwrap();
        }
        file.write_all(b"PANIC\n").unwrap();
        let lines = LogLines::new(file.path(), |line| (line == "PANIC").then_some(()));
        let end = lines.end().await.unwrap();
        let behind = lines.read_to(end, Instant::now()).await.unwrap_err();
        assert!(behind.contains("not read yet"), "{behind}");
        let deadline = Instant::now() + Duration::from_secs(60);
        assert_eq!(lines.read_to(end, deadline).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn what_is_written_after_the_question_is_not_counted() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"one\n").unwrap();
        let lines = follow(file.path());
        let end = lines.end().await.unwrap();
        file.write_all(b"two\n").unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        assert_eq!(lines.read_to(end, deadline).await.unwrap(), ["one"]);
        assert_eq!(read(&lines).await.unwrap(), ["two"]);
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_is_not_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("late.log");
        let lines = follow(&path);
        assert!(read(&lines).await.unwrap_err().contains("cannot be read"));
        std::fs::write(&path, "here\n").unwrap();
        assert_eq!(read(&lines).await.unwrap(), ["here"]);
        std::fs::remove_file(&path).unwrap();
        assert!(read(&lines).await.is_err());
        assert!(follow(folder.path()).end().await.is_err());
    }

    /// A file of two lines that were read.
    async fn two_read(folder: &Path) -> (PathBuf, LogLines<String>) {
        let path = folder.join("x.log");
        std::fs::write(&path, "one\ntwo\n").unwrap();
        let lines = follow(&path);
        assert_eq!(read(&lines).await.unwrap(), ["one", "two"]);
        assert_eq!(lines.lost(), None);
        (path, lines)
    }

    #[tokio::test]
    async fn what_was_taken_away_is_lost_and_reading_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        // Emptied.
        let (path, lines) = two_read(folder.path()).await;
        std::fs::write(&path, "a\n").unwrap();
        assert_eq!(read(&lines).await.unwrap(), ["a"]);
        assert!(lines.take_lost().unwrap().contains("emptied"));
        assert_eq!(lines.lost(), None);
        // Emptied, and longer than before when it is looked at again.
        let (path, lines) = two_read(folder.path()).await;
        std::fs::write(&path, "a\nb\nc\nd\ne\nf\n").unwrap();
        assert_eq!(read(&lines).await.unwrap().len(), 6);
        assert!(lines.lost().unwrap().contains("written anew"));
        // Replaced.
        let (path, lines) = two_read(folder.path()).await;
        let other = folder.path().join("other.log");
        std::fs::write(&other, "one\ntwo\nthree\n").unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert_eq!(read(&lines).await.unwrap().len(), 3);
        assert!(lines.lost().unwrap().contains("replaced"));
    }

    #[tokio::test]
    async fn the_rest_of_a_line_that_is_too_long_is_lost() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let long = vec![b'x'; LINE_MAX - 10];
        file.write_all(&long).unwrap();
        file.write_all(b"\npanic\n").unwrap();
        let find = |line: &str| line.contains("panic").then_some(());
        let lines = LogLines::new(file.path(), find);
        let deadline = Instant::now() + Duration::from_secs(60);
        let end = lines.end().await.unwrap();
        assert_eq!(lines.read_to(end, deadline).await.unwrap().len(), 1);
        assert_eq!(lines.lost(), None);
        // One that matches within the bound is a match, once.
        file.write_all(b"panic").unwrap();
        file.write_all(&long).unwrap();
        file.write_all(b"panic panic\n").unwrap();
        let end = lines.end().await.unwrap();
        assert_eq!(lines.read_to(end, deadline).await.unwrap().len(), 1);
        assert_eq!(lines.lost(), None);
        file.write_all(&long).unwrap();
        file.write_all(b" and far behind: panic\n").unwrap();
        let end = lines.end().await.unwrap();
        assert_eq!(lines.read_to(end, deadline).await.unwrap().len(), 0);
        assert!(lines.lost().unwrap().contains("longer than 4MiB"));
    }

    #[tokio::test]
    async fn a_middle_that_was_given_back_before_it_was_read_is_lost() {
        use rustix::fs::{FallocateFlags, fallocate};
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let block = "x".repeat(1023) + "\n";
        file.write_all(block.repeat(4 << 10).as_bytes()).unwrap();
        file.write_all(b"the end\n").unwrap();
        let find = |line: &str| (line != "x".repeat(1023)).then(|| line.to_owned());
        let ahead = LogLines::new(file.path(), find);
        assert_eq!(read(&ahead).await.unwrap(), ["the end"]);
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        if fallocate(file.as_file(), flags, 1 << 20, 2 << 20).is_err() {
            std::io::Write::write_all(
                &mut std::io::stderr(),
                b"skipped: needs a file system that makes holes\n",
            )
            .unwrap();
            return;
        }
        let behind = LogLines::new(file.path(), find);
        assert_eq!(read(&behind).await.unwrap(), ["the end"]);
        let lost = behind.lost().unwrap();
        assert!(
            lost.starts_with("2MiB of its output were left out"),
            "{lost}"
        );
        // Whoever had read it has missed nothing.
        file.write_all(b"more\n").unwrap();
        assert_eq!(read(&ahead).await.unwrap(), ["more"]);
        assert_eq!(ahead.lost(), None);
    }
}
