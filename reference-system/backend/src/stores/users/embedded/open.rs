//! How the database file is opened: by one instance at a time until its tables are there, then by
//! all of them.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, SqlSafeStr};
use tokio::time::{Instant, sleep, timeout_at};

use crate::stores::users::UsersError;
use crate::stores::users::sql::TABLES;

/// How long somebody else may take to make the tables and bring the dataset in.
pub(super) const OPEN_MAX: Duration = Duration::from_secs(30);
/// How often it is looked whether they have.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long a change waits for another process's change, whatever the caller's deadline: a
/// connection whose caller has gone is not of use before.
const BUSY_MAX: Duration = Duration::from_secs(5);
/// How long anybody waits for a connection, whatever the caller's deadline.
const ACQUIRE_MAX: Duration = Duration::from_secs(30);

/// What no table of ours may need: everything of the dialect that SQLite writes in another way.
const DIALECT: [(&str, &str); 2] = [
    (
        "BIGINT PRIMARY KEY AUTO_INCREMENT",
        "INTEGER PRIMARY KEY AUTOINCREMENT",
    ),
    (" ON UPDATE CURRENT_TIMESTAMP", ""),
];
/// What it can only say by triggers.
const ON_UPDATE: &str = include_str!("../migrations/0002_on_update.sqlite.sql");

/// The tables in SQLite's words.
pub(super) fn tables() -> String {
    let translate = |text: String, (theirs, ours): (&str, &str)| text.replace(theirs, ours);
    DIALECT.into_iter().fold(TABLES.to_owned(), translate)
}

/// Held by whoever makes the tables; the system takes it back from one that was killed.
pub(super) struct Opening {
    _lock: File,
}

/// Waits for the turn to look after the tables.
///
/// # Errors
/// The directory cannot be used, or somebody holds it for half a minute.
pub(super) async fn turn(directory: &Path) -> Result<Opening, UsersError> {
    let failed = |error: io::Error| {
        let path = directory.display();
        UsersError::Failed(format!("{path}: {error}"))
    };
    std::fs::create_dir_all(directory).map_err(failed)?;
    let file = File::create(directory.join("users.lock")).map_err(failed)?;
    let until = Instant::now() + OPEN_MAX;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Opening { _lock: file }),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
            Err(TryLockError::WouldBlock) if Instant::now() >= until => {
                return Err(UsersError::Late);
            }
            Err(TryLockError::WouldBlock) => sleep(LOOK_EVERY).await,
        }
    }
}

/// Connections to the file of this directory, none of which is made before it is needed. Changes
/// that are acknowledged are on the disk.
pub(super) fn pool(directory: &Path, connections: u32) -> SqlitePool {
    let options = SqliteConnectOptions::new()
        .filename(directory.join("users.sqlite"))
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_MAX);
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_MAX)
        .connect_lazy_with(options)
}

/// Makes the tables that are not there yet.
///
/// # Errors
/// They are of another version, or cannot be made in half a minute.
pub(super) async fn migrate(pool: &SqlitePool) -> Result<(), UsersError> {
    let of = |version, what: &'static str, sql| {
        Migration::new(version, what.into(), MigrationType::Simple, sql, false)
    };
    let migrator = Migrator::with_migrations(vec![
        of(1, "users", AssertSqlSafe(tables()).into_sql_str()),
        of(2, "on update", ON_UPDATE.into_sql_str()),
    ]);
    timeout_at(Instant::now() + OPEN_MAX, migrator.run(pool))
        .await
        .map_err(|_| UsersError::Late)?
        .map_err(|error| UsersError::Failed(error.to_string()))
}
