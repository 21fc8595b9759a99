//! The file that a process's output goes to: its beginning and its end, within
//! a bound.
//!
//! While processes run the file only grows, so that a place in it stays what it
//! was for everybody who reads along. Once it is longer than the bound (and some
//! room for readers that are behind), its middle is given back to the file
//! system, in whole blocks: readers find the hole (`SEEK_HOLE`) and know what they
//! missed. A line of fixed length where the gap begins says how much is gone. At
//! the end of the run the gap is closed.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, OFlags, fallocate};

/// What a file system takes back in one piece; gaps begin and end there.
const BLOCK_BYTES: u64 = 4096;
/// What is kept beside the bound while the run lasts, for readers.
const FOR_READERS_BYTES: u64 = 32 << 20;
/// The middle is given back in pieces of this size.
const STEP_BYTES: u64 = 1 << 20;
/// The least that is kept of a process's output.
const KEEP_BYTES_MIN: u64 = 64 << 10;

const MARK_BEGINS: &str = "\n[squall: ";
const MARK_ENDS: &str = " bytes of output are left out here]\n";
const MARK_DIGITS: usize = 20;

fn mark(bytes: u64) -> String {
    format!("{MARK_BEGINS}{bytes:>MARK_DIGITS$}{MARK_ENDS}")
}

/// How much of the beginning is kept: about half of the bound.
const fn head(keep: u64) -> u64 {
    let least = if keep < KEEP_BYTES_MIN {
        KEEP_BYTES_MIN
    } else {
        keep
    };
    least / 2 / BLOCK_BYTES * BLOCK_BYTES
}

fn make_gap(file: &File, from: u64, bytes: u64) -> io::Result<()> {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    Ok(fallocate(file, flags, from, bytes)?)
}

/// A log that is written to.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    keep: u64,
    /// Its length, the gap included.
    length: u64,
    /// Where the gap ends; it begins behind the beginning that is kept.
    gap_end: Option<u64>,
    /// Whether the file system cannot give back what is in the middle: then
    /// only the beginning is kept.
    no_gaps: bool,
    /// Bytes that could not be written.
    lost: u64,
    /// Those of them that no line in the file tells of.
    untold: u64,
}

impl LogFile {
    /// Opens a log for its owner alone; one that exists is continued.
    pub(super) fn open(path: &Path, keep: u64) -> io::Result<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(path)?;
        let length = file.metadata()?.len();
        // Far behind its end, where there is nothing to lose.
        let no_gaps = make_gap(&file, 1 << 40, BLOCK_BYTES).is_err();
        Ok(Self {
            path: path.to_owned(),
            file,
            keep: keep.max(KEEP_BYTES_MIN),
            length,
            gap_end: None,
            no_gaps,
            lost: 0,
            untold: 0,
        })
    }

    /// Takes note that somebody may have emptied the file.
    pub(super) fn look_again(&mut self) {
        let length = self.file.metadata().map_or(self.length, |now| now.len());
        if length < self.length {
            self.length = length;
            self.gap_end = None;
        }
    }

    /// Bytes of output that are not in the file (any more).
    pub(super) fn missing(&self) -> u64 {
        let gap = self.gap_end.map_or(0, |end| end - head(self.keep));
        gap + self.lost
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds output. What cannot be written is counted, and never waited for.
    pub(super) fn append(&mut self, output: &[u8]) {
        if output.is_empty() {
            return;
        }
        if self.no_gaps && self.length >= self.keep {
            self.lose(output.len());
            return;
        }
        self.tell_lost();
        if self.write(output).is_err() {
            self.lose(output.len());
        }
        self.leave_out();
    }

    fn lose(&mut self, bytes: usize) {
        self.lost += bytes as u64;
        self.untold += bytes as u64;
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        // A part that was written before the disk was full is written over.
        self.file.write_all_at(bytes, self.length)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Gives the middle back once there is enough of it.
    fn leave_out(&mut self) {
        let begins = head(self.keep);
        let kept = self.end_kept() + FOR_READERS_BYTES;
        let ends = self.length.saturating_sub(kept) / BLOCK_BYTES * BLOCK_BYTES;
        let gap_end = self.gap_end.unwrap_or(begins);
        if ends < gap_end + STEP_BYTES {
            return;
        }
        let line = mark(ends - begins);
        if self.file.write_all_at(line.as_bytes(), begins).is_err() {
            return;
        }
        self.gap_end = Some(ends);
        let from = gap_end.max(begins + BLOCK_BYTES);
        if let Err(error) = make_gap(&self.file, from, ends - from) {
            // The line tells of it all the same; closing the gap takes it out.
            tracing::debug!(%error, "the middle of a log was not given back");
        }
    }

    const fn end_kept(&self) -> u64 {
        self.keep - head(self.keep)
    }

    /// Says what could not be written, if it can be said.
    fn tell_lost(&mut self) {
        if self.untold > 0 {
            let line = format!(
                "\n[squall: {} bytes of output could not be written here]\n",
                self.untold
            );
            if self.write(line.as_bytes()).is_ok() {
                self.untold = 0;
            }
        }
    }

    /// The last there is to write. Closes the gap: the file is then the
    /// beginning, a line that says how much is missing, and the end.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.tell_lost();
        let begins = head(self.keep);
        if self.no_gaps || self.length <= self.keep {
            return Ok(());
        }
        let goes_on = self.length - self.end_kept();
        self.rewrite(begins, goes_on.max(self.gap_end.unwrap_or(begins)))
    }

    fn rewrite(&mut self, begins: u64, goes_on: u64) -> io::Result<()> {
        let mut partial = self.path.clone().into_os_string();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let written = (|| {
            let mut new = File::options()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&partial)?;
            self.file.seek(SeekFrom::Start(0))?;
            io::copy(&mut (&self.file).take(begins), &mut new)?;
            new.write_all(mark(goes_on - begins).as_bytes())?;
            self.file.seek(SeekFrom::Start(goes_on))?;
            io::copy(&mut (&self.file).take(self.length - goes_on), &mut new)?;
            std::fs::rename(&partial, &self.path)?;
            Ok(new)
        })();
        match written {
            Ok(new) => {
                self.file = new;
                let line = mark(goes_on - begins).len() as u64;
                self.length = begins + line + self.length - goes_on;
                self.gap_end = Some(goes_on);
                Ok(())
            }
            Err(error) => {
                // The log with its gap is as good.
                let _ = std::fs::remove_file(&partial);
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;
    use std::os::unix::fs::MetadataExt;

    use proptest::prelude::*;
    use rustix::fs::{SeekFrom, seek};

    use super::*;

    const KEEP: u64 = 256 << 10;

    /// Lines of 16 bytes, 256 of them with the same number.
    fn lines(range: Range<u64>) -> Vec<u8> {
        let blocks = (0..range.end.div_ceil(256)).map(|number| format!("line {number:>10}\n"));
        let all: String = blocks.map(|line| line.repeat(256)).collect();
        let [start, end] = [range.start, range.end].map(|line| line as usize * 16);
        all.as_bytes()[start..end].to_vec()
    }

    fn written(bytes: u64) -> (tempfile::TempDir, LogFile) {
        let dir = tempfile::tempdir().unwrap();
        let mut log = LogFile::open(&dir.path().join("x.log"), KEEP).unwrap();
        for chunk in lines(0..bytes / 16).chunks(70_001) {
            log.append(chunk);
        }
        (dir, log)
    }

    #[test]
    fn what_fits_is_kept_as_it_is() {
        let (_dir, mut log) = written(KEEP);
        log.finish().unwrap();
        assert_eq!(std::fs::read(log.path()).unwrap(), lines(0..KEEP / 16));
        assert_eq!(log.missing(), 0);
        let open = File::open(log.path()).unwrap();
        assert_eq!(open.metadata().unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn places_stay_while_the_middle_goes() {
        let total = FOR_READERS_BYTES + KEEP + 5 * STEP_BYTES;
        let (_dir, log) = written(total);
        let open = File::open(log.path()).unwrap();
        let length = open.metadata().unwrap().len();
        assert_eq!(length, total);
        let gap = head(KEEP)..log.gap_end.unwrap();
        assert!(length - gap.end >= FOR_READERS_BYTES, "{gap:?}");
        assert!(length - gap.end < FOR_READERS_BYTES + KEEP + 2 * STEP_BYTES);
        let all = std::fs::read(log.path()).unwrap();
        let expected = lines(0..total / 16);
        assert!(all[..gap.start as usize] == expected[..gap.start as usize]);
        let line = mark(gap.end - gap.start).into_bytes();
        assert_eq!(all[gap.start as usize..][..line.len()], line);
        let hole = seek(&open, SeekFrom::Hole(0)).unwrap();
        assert_eq!(hole, gap.start + BLOCK_BYTES);
        assert_eq!(seek(&open, SeekFrom::Data(hole)).unwrap(), gap.end);
        assert!(all[gap.end as usize..] == expected[gap.end as usize..]);
        let last = gap.end as usize - 4096..gap.end as usize;
        assert!(all[last.clone()] != expected[last]);
        assert!(open.metadata().unwrap().blocks() * 512 < total - 3 * STEP_BYTES);
    }

    #[test]
    fn in_the_end_it_is_the_beginning_a_line_and_the_end() {
        for total in [KEEP + 16, 3 * KEEP, FOR_READERS_BYTES + 9 * STEP_BYTES] {
            let (_dir, mut log) = written(total);
            log.finish().unwrap();
            let all = std::fs::read(log.path()).unwrap();
            let expected = lines(0..total / 16);
            let begins = head(KEEP) as usize;
            let missing = expected.len() - KEEP as usize;
            let line = mark(missing as u64);
            assert!(all[..begins] == expected[..begins]);
            assert_eq!(&all[begins..][..line.len()], line.as_bytes());
            assert!(all[begins + line.len()..] == expected[begins + missing..]);
            assert_eq!(log.missing(), missing as u64);
        }
    }

    #[test]
    fn a_file_that_somebody_emptied_begins_anew() {
        let (_dir, mut log) = written(FOR_READERS_BYTES + 2 * KEEP + STEP_BYTES);
        assert!(log.missing() > 0);
        std::fs::write(log.path(), "").unwrap();
        log.look_again();
        log.append(b"again\n");
        assert_eq!(std::fs::read(log.path()).unwrap(), b"again\n");
        assert_eq!(log.missing(), 0);
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_told() {
        let (_dir, mut log) = written(16);
        let file = std::mem::replace(&mut log.file, File::open("/dev/null").unwrap());
        log.append(b"lost\n");
        assert_eq!(log.missing(), 5);
        log.file = file;
        log.append(b"kept\n");
        let all = std::fs::read_to_string(log.path()).unwrap();
        let told = "\n[squall: 5 bytes of output could not be written here]\nkept\n";
        assert!(all.ends_with(told), "{all}");
    }

    #[test]
    fn without_gaps_only_the_beginning_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = LogFile::open(&dir.path().join("x.log"), KEEP).unwrap();
        log.no_gaps = true;
        for chunk in lines(0..KEEP / 4).chunks(64 << 10) {
            log.append(chunk);
        }
        log.finish().unwrap();
        let all = std::fs::read(log.path()).unwrap();
        assert!(all.starts_with(&lines(0..KEEP / 16)));
        assert!((all.len() as u64) < KEEP + 200);
        assert_eq!(log.missing(), 3 * KEEP);
        assert!(all.ends_with(b"could not be written here]\n"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Whatever the bound is, in whatever pieces output comes, and with a
        /// log that is closed and continued.
        #[test]
        fn nothing_is_missing_untold_and_no_log_is_above_its_bound(
            keep in 0..200_000_u64,
            pieces in prop::collection::vec(1..50_000_usize, 0..9),
            reopened: prop::sample::Index,
        ) {
            let all = lines(0..pieces.iter().sum::<usize>().div_ceil(16) as u64);
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("x.log");
            let mut log = LogFile::open(&path, keep).unwrap();
            let reopened = reopened.index(pieces.len() + 1);
            let mut length = 0;
            for (number, piece) in pieces.iter().enumerate() {
                if number == reopened {
                    log = LogFile::open(&path, keep).unwrap();
                }
                log.append(&all[length..length + piece]);
                length += piece;
            }
            log.finish().unwrap();
            let (kept, all) = (std::fs::read(&path).unwrap(), &all[..length]);
            let missing = usize::try_from(log.missing()).unwrap();
            let line = if missing == 0 { String::new() } else { mark(missing as u64) };
            prop_assert_eq!(kept.len() + missing, length + line.len());
            prop_assert!(kept.len() <= keep.max(KEEP_BYTES_MIN) as usize + line.len());
            let begins = if missing == 0 { length } else { head(keep) as usize };
            prop_assert!(kept[..begins] == all[..begins]);
            prop_assert_eq!(&kept[begins..][..line.len()], line.as_bytes());
            prop_assert!(kept[begins + line.len()..] == all[begins + missing..]);
        }
    }
}
