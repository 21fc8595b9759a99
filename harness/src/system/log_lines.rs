//! New lines of a file that a process writes to.

use std::io::SeekFrom;
use std::path::{Path, PathBuf};

use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

/// Read at a time; what is left is read the next time.
const BYTES_MAX: u64 = 4 << 20;
/// A line longer than this is cut into several.
const LINE_MAX: usize = 64 << 10;

/// Follows a file from its beginning.
#[derive(Debug)]
pub(crate) struct LogLines {
    path: PathBuf,
    /// What was read.
    offset: u64,
    /// A line that had not ended.
    rest: Vec<u8>,
}

impl LogLines {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            offset: 0,
            rest: Vec::new(),
        }
    }

    /// Lines that ended since the last time; none of a file that cannot be
    /// read.
    pub(crate) async fn read(&mut self) -> Vec<String> {
        let mut new = Vec::new();
        if self.read_bytes(&mut new).await.is_none() {
            return Vec::new();
        }
        let mut lines = Vec::new();
        for byte in new {
            if byte == b'\n' || self.rest.len() >= LINE_MAX {
                lines.push(String::from_utf8_lossy(&self.rest).into_owned());
                self.rest.clear();
            }
            if byte != b'\n' {
                self.rest.push(byte);
            }
        }
        lines
    }

    /// Passes over everything that was written so far.
    pub(crate) async fn skip_to_end(&mut self) {
        if let Ok(metadata) = tokio::fs::metadata(&self.path).await {
            self.offset = metadata.len();
            self.rest.clear();
        }
    }

    async fn read_bytes(&mut self, new: &mut Vec<u8>) -> Option<()> {
        let mut file = File::open(&self.path).await.ok()?;
        let length = file.metadata().await.ok()?.len();
        if length < self.offset {
            // Somebody emptied it.
            self.offset = 0;
            self.rest.clear();
        }
        file.seek(SeekFrom::Start(self.offset)).await.ok()?;
        let read = file.take(BYTES_MAX).read_to_end(new).await.ok()?;
        self.offset += read as u64;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[tokio::test]
    async fn a_line_is_read_once_and_when_it_is_whole() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut lines = LogLines::new(file.path());
        assert!(lines.read().await.is_empty());
        file.write_all(b"one\ntw").unwrap();
        assert_eq!(lines.read().await, ["one"]);
        file.write_all(b"o\nthree\n").unwrap();
        assert_eq!(lines.read().await, ["two", "three"]);
        file.write_all(b"four\nfi").unwrap();
        lines.skip_to_end().await;
        file.write_all(b"ve\nsix\n").unwrap();
        assert_eq!(lines.read().await, ["ve", "six"]);
        file.as_file().set_len(0).unwrap();
        assert!(lines.read().await.is_empty());
        let mut missing = LogLines::new(Path::new("/nowhere/at/all"));
        assert!(missing.read().await.is_empty());
    }
}
