//! The dataset as a file: made once per seed, shared by every backend on the machine.
//!
//! Layout: the magic line, then one record per row (table, lengths, bytes), then an FNV-1a
//! checksum of all before it. A file is written under a name of its own and moved into place, so
//! that two builders at once are harmless: the last one wins with the same bytes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::generate::{Row, rows};
use super::seed::{FNV_BASIS, fnv1a};
use crate::stores::wide_column::table::Table;

const MAGIC: &[u8] = b"squall-reference dataset 1\n";
/// Raised whenever the layout or the generator changes, so that an old file is never used.
const VERSION: u32 = 2;
const RECORD_HEADER: usize = 9;
const CHECKSUM: usize = 8;

/// The rows of the dataset of this seed, read from `cache_dir` or made and left there.
///
/// # Errors
/// An I/O error with the path it concerns. A damaged file is made again, not reported.
pub(crate) fn load_or_build(cache_dir: &Path, seed: u64) -> io::Result<Vec<Row>> {
    let path = cache_dir.join(format!("dataset-v{VERSION}-seed{seed}.bin"));
    match fs::read(&path) {
        Ok(bytes) => match decode(&bytes) {
            Some(rows) => return Ok(rows),
            None => {
                tracing::warn!(path = %path.display(), "dataset file is damaged; making it again")
            }
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(in_file(&path, error)),
    }
    let rows = rows(seed);
    // A cache that cannot be written costs the next start some time, and nothing else.
    if let Err(error) = publish(&path, &encode(&rows)) {
        tracing::warn!(path = %path.display(), %error, "dataset could not be kept");
    }
    Ok(rows)
}

fn publish(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut temporary = PathBuf::from(path);
    temporary.set_extension(format!("tmp-{}-{:p}", std::process::id(), bytes));
    fs::write(&temporary, bytes)?;
    fs::rename(&temporary, path)
}

fn in_file(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn encode(rows: &[Row]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    for row in rows {
        bytes.push(row.table as u8);
        bytes.extend((row.partition.len() as u16).to_le_bytes());
        bytes.extend((row.clustering.len() as u16).to_le_bytes());
        bytes.extend((row.value.len() as u32).to_le_bytes());
        bytes.extend(row.partition.as_bytes());
        bytes.extend(row.clustering.as_bytes());
        bytes.extend(&row.value);
    }
    let checksum = fnv1a(FNV_BASIS, &bytes);
    bytes.extend(checksum.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Vec<Row>> {
    let (body, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM)?)?;
    if fnv1a(FNV_BASIS, body).to_le_bytes() != checksum {
        return None;
    }
    let mut rest = body.strip_prefix(MAGIC)?;
    let mut rows = Vec::new();
    while !rest.is_empty() {
        let (row, after) = decode_row(rest)?;
        rows.push(row);
        rest = after;
    }
    Some(rows)
}

fn decode_row(bytes: &[u8]) -> Option<(Row, &[u8])> {
    let (header, rest) = bytes.split_at_checked(RECORD_HEADER)?;
    let partition_len = u16::from_le_bytes([header[1], header[2]]).into();
    let clustering_len = u16::from_le_bytes([header[3], header[4]]).into();
    let value_len = u32::from_le_bytes([header[5], header[6], header[7], header[8]]) as usize;
    let (partition, rest) = rest.split_at_checked(partition_len)?;
    let (clustering, rest) = rest.split_at_checked(clustering_len)?;
    let (value, rest) = rest.split_at_checked(value_len)?;
    let row = Row {
        table: *Table::ALL.get(usize::from(header[0]))?,
        partition: String::from_utf8(partition.to_vec()).ok()?,
        clustering: String::from_utf8(clustering.to_vec()).ok()?,
        value: value.to_vec(),
    };
    Some((row, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_load_reads_what_the_first_built() {
        let directory = tempfile::tempdir().unwrap();
        let built = load_or_build(directory.path(), 9).unwrap();
        let path = directory.path().join("dataset-v2-seed9.bin");
        let bytes = fs::read(&path).unwrap();
        assert_eq!(decode(&bytes).unwrap(), built);
        assert_eq!(load_or_build(directory.path(), 9).unwrap(), built);
    }

    #[test]
    fn a_damaged_file_is_made_again() {
        let directory = tempfile::tempdir().unwrap();
        let built = load_or_build(directory.path(), 9).unwrap();
        let path = directory.path().join("dataset-v2-seed9.bin");
        let whole = fs::read(&path).unwrap();
        for damaged in [&whole[..whole.len() / 2], b"", b"not a dataset"] {
            fs::write(&path, damaged).unwrap();
            assert_eq!(load_or_build(directory.path(), 9).unwrap(), built);
        }
        assert_eq!(fs::read(&path).unwrap(), whole);
    }

    #[test]
    fn builders_at_the_same_time_agree_and_leave_one_file() {
        let directory = tempfile::tempdir().unwrap();
        let all: Vec<_> = std::thread::scope(|scope| {
            let builders: Vec<_> = (0..3)
                .map(|_| scope.spawn(|| load_or_build(directory.path(), 5).unwrap().len()))
                .collect();
            builders.into_iter().map(|b| b.join().unwrap()).collect()
        });
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
