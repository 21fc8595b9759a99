//! Tables on disk: fjall key spaces, one per table, with last-write-wins cells.

use std::ops::Bound;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use serde_json::value::RawValue;

use super::protocol::{
    ReadReply, ReadRequest, ScanReply, ScanRequest, ScannedRow, StoredRow, WriteReply, WriteRow,
};
use super::table::{Table, clustering, key, partition, prefix};
use crate::dataset::generate::Row;

/// Memory for cached blocks, in bytes. The whole dataset is smaller.
const BLOCK_CACHE_BYTES: u64 = 12 << 20;
/// Memory a table fills before it is written out, in bytes.
const MEMTABLE_BYTES: u64 = 2 << 20;
/// The store's own notes, not a table.
const NOTES: &str = "notes";
const DATASET_LOADED: &str = "dataset-loaded";

/// A fault of the disk or of what is on it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WideError {
    /// The storage engine failed.
    #[error("storage: {0}")]
    Engine(#[from] fjall::Error),
    /// A row on disk does not have the shape this version writes.
    #[error("a row of table {table} is damaged")]
    Damaged {
        /// Where it is.
        table: &'static str,
    },
}

/// The tables of one store.
pub(crate) struct WideStore {
    database: Database,
    notes: Keyspace,
    tables: Vec<Keyspace>,
    // A write reads the cell it replaces; two at once must not both think they are the later one.
    writing: Mutex<()>,
}

impl WideStore {
    /// Opens the store in this directory, creating it if need be. Everything acknowledged before a
    /// crash of the process is there again; a crash of the machine may lose the last moments.
    ///
    /// # Errors
    /// The directory cannot be used, or another process holds it.
    pub(crate) fn open(directory: &Path) -> Result<Self, WideError> {
        let database = Database::builder(directory)
            .cache_size(BLOCK_CACHE_BYTES)
            .worker_threads(1)
            .max_cached_files(Some(64))
            .max_journaling_size(64 << 20)
            .open()?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
        let tables = Table::ALL
            .iter()
            .map(|table| database.keyspace(table.name(), options))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            notes: database.keyspace(NOTES, options)?,
            tables,
            database,
            writing: Mutex::new(()),
        })
    }

    fn table(&self, table: Table) -> &Keyspace {
        &self.tables[table as usize]
    }

    /// Whether the dataset of this seed is already in.
    pub(crate) fn has_dataset(&self, seed: u64) -> Result<bool, WideError> {
        let loaded = self.notes.get(DATASET_LOADED)?;
        Ok(loaded.is_some_and(|mark| *mark == seed.to_le_bytes()))
    }

    /// Brings the dataset in, in one bulk load per table, and notes it when all of it is there.
    /// A crash halfway leaves no note, so the next start begins again.
    pub(crate) fn load_dataset(&self, seed: u64, rows: &[Row]) -> Result<(), WideError> {
        for chunk in rows.chunk_by(|a, b| a.table == b.table) {
            let Some(first) = chunk.first() else { continue };
            let mut ingestion = self.table(first.table).start_ingestion()?;
            for row in chunk {
                // Timestamp 0: whatever a user writes later is later.
                let cell = encode_cell(0, Some(&row.value));
                ingestion.write(key(&row.partition, &row.clustering), cell)?;
            }
            ingestion.finish()?;
        }
        self.notes.insert(DATASET_LOADED, seed.to_le_bytes())?;
        self.sync()
    }

    /// Rows of the partitions asked for.
    pub(crate) fn read(&self, request: &ReadRequest) -> Result<ReadReply, WideError> {
        let mut reply = ReadReply::default();
        for partition in &request.partitions {
            let rows = self.read_partition(request.table, partition, request.limit)?;
            if !rows.is_empty() {
                reply.partitions.insert(partition.clone(), rows);
            }
        }
        Ok(reply)
    }

    fn read_partition(
        &self,
        table: Table,
        partition: &str,
        limit: usize,
    ) -> Result<Vec<StoredRow>, WideError> {
        let mut rows = Vec::new();
        if table.has_single_rows() {
            if let Some(cell) = self.table(table).get(key(partition, ""))? {
                rows.extend(stored_row(table, "", &cell)?);
            }
            return Ok(rows);
        }
        for entry in self.table(table).prefix(prefix(partition)) {
            if rows.len() >= limit {
                break;
            }
            let (key, cell) = entry.into_inner()?;
            let clustering = clustering(&key).ok_or_else(|| damaged(table))?;
            rows.extend(stored_row(table, clustering, &cell)?);
        }
        Ok(rows)
    }

    /// The next rows of a table, one of each partition; none of a table whose partitions have more.
    pub(crate) fn scan(&self, request: &ScanRequest) -> Result<ScanReply, WideError> {
        let table = request.table;
        let mut reply = ScanReply::default();
        if !table.has_single_rows() {
            return Ok(reply);
        }
        let after = match &request.after {
            Some(partition) => Bound::Excluded(key(partition, "")),
            None => Bound::Unbounded,
        };
        let entries = self.table(table).range((after, Bound::Unbounded));
        for entry in entries.take(request.limit) {
            let (key, cell) = entry.into_inner()?;
            let partition = partition(&key).ok_or_else(|| damaged(table))?.to_owned();
            reply.next = Some(partition.clone());
            // A deleted row is no row, and counts as looked at.
            let row = stored_row(table, "", &cell)?;
            reply.rows.extend(row.map(|row| ScannedRow {
                partition,
                value: row.value,
            }));
        }
        Ok(reply)
    }

    /// Writes rows, all or none; a row older than what is there is superseded and changes nothing.
    pub(crate) fn write(&self, rows: &[WriteRow]) -> Result<WriteReply, WideError> {
        // The lock guards no data that a panic could leave half-changed.
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batch = self.database.batch();
        let mut applied = 0;
        for row in rows {
            let key = key(&row.partition, &row.clustering);
            let cell = encode_cell(
                row.timestamp_us,
                row.value.as_ref().map(|value| value.get().as_bytes()),
            );
            let table = self.table(row.table);
            // Cells compare by timestamp first and by bytes on a tie, so every replica of this
            // rule, in whatever order it sees the writes, keeps the same one.
            if table.get(&key)?.is_some_and(|present| *present > *cell) {
                continue;
            }
            batch.insert(table, key, cell);
            applied += 1;
        }
        batch.commit()?;
        Ok(WriteReply {
            applied,
            superseded: rows.len() - applied,
        })
    }

    /// Puts everything written so far on the disk itself.
    pub(crate) fn sync(&self) -> Result<(), WideError> {
        Ok(self.database.persist(PersistMode::SyncAll)?)
    }

    /// Bytes on disk.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.tables.iter().map(Keyspace::disk_space).sum()
    }

    /// Sorted files waiting to be merged, over all tables: what Cassandra calls the compaction
    /// backlog.
    pub(crate) fn compaction_backlog(&self) -> usize {
        self.tables.iter().map(Keyspace::l0_table_count).sum()
    }
}

fn damaged(table: Table) -> WideError {
    WideError::Damaged {
        table: table.name(),
    }
}

/// The row in a cell; none if it has been deleted.
fn stored_row(table: Table, clustering: &str, cell: &[u8]) -> Result<Option<StoredRow>, WideError> {
    let (timestamp_us, value) = decode_cell(cell).ok_or_else(|| damaged(table))?;
    let Some(value) = value else { return Ok(None) };
    let value = std::str::from_utf8(value).map_err(|_| damaged(table))?;
    Ok(Some(StoredRow {
        clustering: clustering.to_owned(),
        timestamp_us,
        value: RawValue::from_string(value.to_owned()).map_err(|_| damaged(table))?,
    }))
}

/// A cell on disk: timestamp (big endian), 1 for a value or 0 for a deletion, the value.
fn encode_cell(timestamp_us: u64, value: Option<&[u8]>) -> Vec<u8> {
    let mut cell = timestamp_us.to_be_bytes().to_vec();
    cell.push(u8::from(value.is_some()));
    cell.extend(value.unwrap_or_default());
    cell
}

fn decode_cell(cell: &[u8]) -> Option<(u64, Option<&[u8]>)> {
    let (timestamp, rest) = cell.split_first_chunk::<8>()?;
    let (live, value) = rest.split_first()?;
    Some((
        u64::from_be_bytes(*timestamp),
        (*live == 1).then_some(value),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(
        partition: &str,
        clustering: &str,
        timestamp_us: u64,
        value: Option<&str>,
    ) -> WriteRow {
        WriteRow {
            table: Table::Bookmarks,
            partition: partition.to_owned(),
            clustering: clustering.to_owned(),
            timestamp_us,
            value: value.map(|text| RawValue::from_string(text.to_owned()).unwrap()),
        }
    }

    fn read(store: &WideStore, partition: &str) -> Vec<(String, String)> {
        let request = ReadRequest {
            table: Table::Bookmarks,
            partitions: vec![partition.to_owned()],
            limit: 10,
        };
        let mut reply = store.read(&request).unwrap();
        let rows = reply.partitions.remove(partition).unwrap_or_default();
        rows.into_iter()
            .map(|row| (row.clustering, row.value.get().to_owned()))
            .collect()
    }

    fn pair(clustering: &str, value: &str) -> (String, String) {
        (clustering.to_owned(), value.to_owned())
    }

    #[test]
    fn rows_of_a_partition_come_sorted_and_alone() {
        let directory = tempfile::tempdir().unwrap();
        let store = WideStore::open(directory.path()).unwrap();
        let rows = [
            write("1", "b", 5, Some("2")),
            write("1", "a", 5, Some("1")),
            write("11", "a", 5, Some("3")),
        ];
        assert_eq!(
            store.write(&rows).unwrap(),
            WriteReply {
                applied: 3,
                superseded: 0
            }
        );
        assert_eq!(read(&store, "1"), [pair("a", "1"), pair("b", "2")]);
        assert_eq!(read(&store, "2"), []);
    }

    #[test]
    fn the_later_timestamp_wins_in_any_order_of_arrival() {
        let directory = tempfile::tempdir().unwrap();
        let store = WideStore::open(directory.path()).unwrap();
        store
            .write(&[write("1", "a", 20, Some("\"new\""))])
            .unwrap();
        let reply = store
            .write(&[write("1", "a", 10, Some("\"old\""))])
            .unwrap();
        assert_eq!(reply.superseded, 1);
        assert_eq!(read(&store, "1"), [pair("a", "\"new\"")]);
        store.write(&[write("1", "a", 30, None)]).unwrap();
        assert_eq!(read(&store, "1"), []);
        store
            .write(&[write("1", "a", 25, Some("\"late\""))])
            .unwrap();
        assert_eq!(read(&store, "1"), [], "a deletion is a write too");
    }

    #[test]
    fn acknowledged_rows_are_there_after_reopening() {
        let directory = tempfile::tempdir().unwrap();
        {
            let store = WideStore::open(directory.path()).unwrap();
            store.write(&[write("1", "a", 1, Some("1"))]).unwrap();
        }
        let store = WideStore::open(directory.path()).unwrap();
        assert_eq!(read(&store, "1"), [pair("a", "1")]);
    }

    #[test]
    fn the_dataset_is_loaded_once_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let row = Row {
            table: Table::Bookmarks,
            partition: "7".to_owned(),
            clustering: "x".to_owned(),
            value: b"1".to_vec(),
        };
        {
            let store = WideStore::open(directory.path()).unwrap();
            assert!(!store.has_dataset(42).unwrap());
            store.load_dataset(42, std::slice::from_ref(&row)).unwrap();
            store.write(&[write("7", "x", 1, Some("2"))]).unwrap();
        }
        let store = WideStore::open(directory.path()).unwrap();
        assert!(store.has_dataset(42).unwrap());
        assert!(!store.has_dataset(43).unwrap());
        assert_eq!(read(&store, "7"), [pair("x", "2")]);
    }

    #[test]
    fn a_scan_goes_through_a_table_once_and_leaves_out_what_was_deleted() {
        let directory = tempfile::tempdir().unwrap();
        let store = WideStore::open(directory.path()).unwrap();
        let row = |id: u32, value: Option<&str>| WriteRow {
            table: Table::Titles,
            clustering: String::new(),
            ..write(&id.to_string(), "", u64::from(id), value)
        };
        let rows: Vec<WriteRow> = (1..=25)
            .map(|id| row(id, (id != 11).then_some("1")))
            .collect();
        store.write(&rows).unwrap();
        let mut seen = Vec::new();
        let mut after = None;
        // Three parts, one of which is only half full, and one with nothing in it.
        for _ in 0..4 {
            let table = Table::Titles;
            let request = ScanRequest {
                table,
                after,
                limit: 10,
            };
            let reply = store.scan(&request).unwrap();
            seen.extend(reply.rows.into_iter().map(|row| row.partition));
            after = reply.next;
        }
        let wanted: Vec<String> = (1..=25_u32)
            .filter(|id| *id != 11)
            .map(|id| id.to_string())
            .collect();
        assert_eq!((seen, after), (wanted, None));
        let many = ScanRequest {
            table: Table::Bookmarks,
            after: None,
            limit: 10,
        };
        store.write(&[write("1", "a", 1, Some("1"))]).unwrap();
        assert!(store.scan(&many).unwrap().rows.is_empty());
    }

    #[test]
    fn a_damaged_cell_is_an_error_not_a_panic() {
        assert_eq!(decode_cell(&[]), None);
        assert_eq!(decode_cell(&[0; 8]), None);
        assert_eq!(
            decode_cell(&encode_cell(3, Some(b"x"))),
            Some((3, Some(&b"x"[..])))
        );
        assert_eq!(decode_cell(&encode_cell(3, None)), Some((3, None)));
    }
}
