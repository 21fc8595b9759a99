//! Files in folders that may be anybody's: the one place where they are opened.
//!
//! A run directory may come from elsewhere: an artifact, a shared folder. Names
//! in it are chosen by its author, so a name that squall chooses there is never
//! followed where it leads ([`open`], [`replace`], [`create_new`]), nothing but a
//! regular file is taken, nothing is waited for, and nothing is read without a
//! bound. What a person named on the command line is theirs to choose: it may
//! be a link, a pipe or a terminal ([`read_named`], [`write_named`]).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::OFlags;
use rustix::io::Errno;

/// Names that are tried for a file that is to take the place of another.
const NAMES_TRIED_MAX: u32 = 100;
/// Bytes that are read at once.
const CHUNK_BYTES: usize = 256 << 10;

/// Opens the regular file `path` to be read.
///
/// # Errors
/// It cannot be opened, or is a link, a pipe, a socket, a device or a folder.
pub fn open(path: &Path) -> io::Result<File> {
    // Not to be held up by a pipe that nobody writes to; regular files do not
    // care.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(told)?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() {
        return Ok(file);
    }
    Err(refused(if kind.is_fifo() {
        "it is a pipe, not a regular file"
    } else if kind.is_dir() {
        "it is a folder, not a regular file"
    } else {
        "it is a device, not a regular file"
    }))
}

/// The bytes of the regular file `path`, at most `bytes_max`.
///
/// # Errors
/// As [`open`], and when it is larger.
pub fn read(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    bounded(open(path)?, bytes_max)
}

/// The bytes of a file that a person named: it may be a link or a pipe.
///
/// # Errors
/// It cannot be read, or is larger than `bytes_max`.
pub fn read_named(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    bounded(File::open(path)?, bytes_max)
}

fn bounded(file: File, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(bytes_max.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        let most = bytes_max >> 10;
        return Err(refused(&format!("it is larger than {most} KiB")));
    }
    Ok(bytes)
}

/// Creates `path` for its owner alone, to be appended to.
///
/// # Errors
/// It cannot be created, or something is there already, be it a link that leads
/// nowhere.
pub fn create_new(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create_new(true).mode(0o600);
    options.open(path)
}

/// Puts a file with these bytes in the place of what is at `path`, in one step:
/// it is never half there, and where `path` is a link, the link is replaced and
/// not what it leads to.
///
/// # Errors
/// It cannot be written, or a folder is there.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (mut file, partial) = beside(path)?;
    let replaced = file
        .write_all(bytes)
        .and_then(|()| fs::rename(&partial, path));
    if replaced.is_err() {
        // Half a file is nothing that anybody asked for.
        let _ = fs::remove_file(&partial);
    }
    replaced
}

/// Writes to a path that a person named: it may be a link, a pipe or a
/// terminal, and what is there is overwritten.
///
/// # Errors
/// It cannot be written.
pub fn write_named(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::write(path, bytes)
}

/// A new file in the folder of `path`.
fn beside(path: &Path) -> io::Result<(File, PathBuf)> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = path
        .file_name()
        .ok_or_else(|| refused("it has no name of its own"))?
        .to_string_lossy();
    let own = std::process::id();
    for _ in 0..NAMES_TRIED_MAX {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let partial = path.with_file_name(format!(".{name}.{own}-{number}.partial"));
        match create_new(&partial) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => return Ok((created?, partial)),
        }
    }
    Err(refused("there is no free name beside it"))
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why.to_owned())
}

/// Says what a refusal means.
fn told(error: io::Error) -> io::Error {
    match Errno::from_io_error(&error) {
        Some(Errno::LOOP) => refused("it is a symbolic link, which squall does not follow here"),
        Some(Errno::NXIO) => refused("it is a socket, not a regular file"),
        _ => error,
    }
}

/// A line of a file that is read as far as it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line<'l> {
    /// Its newline is there.
    Whole(&'l [u8]),
    /// It is the last one, and its newline is missing.
    CutOff(&'l [u8]),
    /// It is longer than a line can be.
    TooLong,
}

/// Cuts bytes that come in pieces into lines. Memory is bounded by the longest
/// line there may be.
#[derive(Debug)]
pub(super) struct LineCutter {
    line_bytes_max: usize,
    rest: Vec<u8>,
    too_long: bool,
    /// Lines so far.
    number: usize,
}

impl LineCutter {
    pub(super) const fn new(line_bytes_max: usize) -> Self {
        Self {
            line_bytes_max,
            rest: Vec::new(),
            too_long: false,
            number: 0,
        }
    }

    /// Gives every line that ends in `bytes`, with its number from 1, until one
    /// is enough; empty ones are left out.
    pub(super) fn cut(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(usize, Line<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match part.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (part, false),
            };
            if self.too_long || self.rest.len() + text.len() > self.line_bytes_max {
                self.too_long = true;
                self.rest = Vec::new();
            } else if !ends || !self.rest.is_empty() {
                self.rest.extend_from_slice(text);
            }
            if ends {
                self.number += 1;
                let line = match (std::mem::take(&mut self.too_long), self.rest.is_empty()) {
                    (true, _) => Line::TooLong,
                    (false, true) => Line::Whole(text),
                    (false, false) => Line::Whole(&self.rest),
                };
                if line != Line::Whole(b"") {
                    each(self.number, line)?;
                }
                self.rest.clear();
            }
        }
        ControlFlow::Continue(())
    }

    /// Gives what stands behind the last newline.
    fn end(self, mut each: impl FnMut(usize, Line<'_>) -> ControlFlow<()>) -> ControlFlow<()> {
        match (self.too_long, self.rest.is_empty()) {
            (true, _) => each(self.number + 1, Line::TooLong),
            (false, false) => each(self.number + 1, Line::CutOff(&self.rest)),
            (false, true) => ControlFlow::Continue(()),
        }
    }
}

/// Bounds of a file that is read line by line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Of one line.
    pub(super) line_bytes: usize,
    /// Of the whole file; what comes after is not read.
    pub(super) file_bytes: u64,
}

/// Gives every line of `file` with its number from 1, until one is enough or too
/// long: nobody writes such lines, and what comes after them may be endless.
/// Whether the file ended within its bounds.
///
/// # Errors
/// It cannot be read.
pub(super) fn each_line(
    file: File,
    bounds: Bounds,
    mut each: impl FnMut(usize, Line<'_>) -> ControlFlow<()>,
) -> io::Result<bool> {
    let mut file = file.take(bounds.file_bytes);
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut cutter = LineCutter::new(bounds.line_bytes);
    loop {
        match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => {
                let go_on = cutter.cut(&chunk[..read], &mut each);
                if go_on.is_break() || cutter.too_long {
                    if go_on.is_continue() {
                        let _ = cutter.end(each);
                    }
                    return Ok(true);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    if file.limit() == 0 && file.get_mut().read(&mut [0])? > 0 {
        return Ok(false);
    }
    let _ = cutter.end(each);
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use proptest::prelude::*;

    use super::*;

    fn lines(bytes: &[u8], pieces: usize, line_bytes_max: usize) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        let mut each = |number, line: Line<'_>| {
            let text = match line {
                Line::Whole(text) => format!("whole {}", String::from_utf8_lossy(text)),
                Line::CutOff(text) => format!("cut off {}", String::from_utf8_lossy(text)),
                Line::TooLong => "too long".to_owned(),
            };
            found.push((number, text));
            ControlFlow::Continue(())
        };
        let mut cutter = LineCutter::new(line_bytes_max);
        for piece in bytes.chunks(pieces) {
            assert!(cutter.cut(piece, &mut each).is_continue());
        }
        assert!(cutter.end(&mut each).is_continue());
        found
    }

    #[test]
    fn lines_are_cut_numbered_and_bounded() {
        let found = lines(b"a\n\nabcdef\nb\nabcdefgh", 3, 5);
        let wanted = [
            (1, "whole a"),
            (3, "too long"),
            (4, "whole b"),
            (5, "too long"),
        ];
        assert_eq!(found, wanted.map(|(n, text)| (n, text.to_owned())));
        assert_eq!(lines(b"x\nlast", 9, 5)[1], (2, "cut off last".to_owned()));
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_bytes_come(
            bytes in prop::collection::vec(prop::sample::select(b"ab\n".to_vec()), 0..60),
            pieces in 1_usize..9,
        ) {
            prop_assert_eq!(lines(&bytes, pieces, 4), lines(&bytes, 1000, 4));
        }
    }

    #[test]
    fn a_file_is_read_up_to_its_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, "one\ntwo\nthree\n").unwrap();
        let within = |file_bytes| {
            let mut count = 0;
            let bounds = Bounds {
                line_bytes: 9,
                file_bytes,
            };
            let each = |_, _: Line<'_>| {
                count += 1;
                ControlFlow::Continue(())
            };
            let whole = each_line(open(&path).unwrap(), bounds, each).unwrap();
            (whole, count)
        };
        assert_eq!(within(14), (true, 3));
        assert_eq!(within(13), (false, 2));
        assert_eq!(read(&path, 14).unwrap().len(), 14);
        assert!(read(&path, 13).unwrap_err().to_string().contains("larger"));
    }

    #[test]
    fn only_regular_files_are_opened_and_nothing_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "x").unwrap();
        symlink("file", at("link")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), 0o600.into()).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        let why = |name: &str| open(&at(name)).unwrap_err().to_string();
        assert!(open(&at("file")).is_ok());
        assert!(why("link").contains("symbolic link"), "{}", why("link"));
        assert!(why("pipe").contains("pipe"), "{}", why("pipe"));
        assert!(why("socket").contains("socket"), "{}", why("socket"));
        assert!(why(".").contains("folder"), "{}", why("."));
        let device = open(Path::new("/dev/zero")).unwrap_err().to_string();
        assert!(device.contains("device"), "{device}");
        let missing = open(&at("none")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_link_is_replaced_and_not_what_it_leads_to() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("kept"), "original").unwrap();
        symlink("kept", at("report.txt")).unwrap();
        symlink("nowhere", at("dangling")).unwrap();
        replace(&at("report.txt"), b"new").unwrap();
        replace(&at("dangling"), b"new").unwrap();
        replace(&at("fresh"), b"new").unwrap();
        assert_eq!(fs::read(at("kept")).unwrap(), b"original");
        assert!(!at("nowhere").exists());
        for name in ["report.txt", "dangling", "fresh"] {
            assert_eq!(read(&at(name), 9).unwrap(), b"new", "{name}");
        }
        assert!(create_new(&at("fresh")).is_err());
        symlink("nowhere", at("another")).unwrap();
        assert!(create_new(&at("another")).is_err());
        // What cannot be replaced leaves nothing behind.
        fs::create_dir(at("folder")).unwrap();
        assert!(replace(&at("folder"), b"new").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 6);
    }

    #[test]
    fn what_a_person_names_is_theirs_to_choose() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("kept"), "original").unwrap();
        symlink("kept", at("link")).unwrap();
        write_named(&at("link"), b"new").unwrap();
        assert_eq!(read_named(&at("link"), 9).unwrap(), b"new");
        assert_eq!(fs::read(at("kept")).unwrap(), b"new");
        write_named(Path::new("/dev/null"), b"new").unwrap();
    }
}
