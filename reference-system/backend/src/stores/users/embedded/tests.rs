//! The suite of the role on SQLite, and what only the file can show.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use sqlx::AssertSqlSafe;

use super::*;
use crate::stores::users::conformance::{Engine, later, named, profile, suite};

/// Far more than a deadline of milliseconds, and less than waits end by themselves.
const PATIENCE: Duration = Duration::from_secs(4);

/// A file in a folder of its own.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("users")
    }

    async fn ask<T>(&self, store: &Embedded, statement: &str) -> Vec<T>
    where
        T: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        let rows = sqlx::query_as(AssertSqlSafe(statement.to_owned()));
        rows.fetch_all(&store.writer).await.unwrap()
    }
}

fn nobody() -> Result<Vec<Seeded>, String> {
    Ok(Vec::new())
}

impl Engine for Folder {
    type Store = Embedded;

    async fn open(&self) -> Embedded {
        let path = self.path();
        Embedded::open(&path, nobody).await.unwrap()
    }

    async fn close(&self, store: Embedded) {
        store.close().await;
    }
}

suite!(Folder::new());

async fn done(store: &Embedded, statement: &'static str) -> sqlx::Result<u64> {
    let result = sqlx::query(statement).execute(&store.writer).await?;
    Ok(result.rows_affected())
}

/// Column by column, as the case study writes them; keys are SQLite's 64-bit integers.
const COLUMNS: &str = "\
users id INTEGER - key
users email VARCHAR(255) - not null
users password_hash VARCHAR(255) - not null
users first_name VARCHAR(100) - not null
users last_name VARCHAR(100) - not null
users country_code VARCHAR(3) - not null
users language_code VARCHAR(5) 'en'
users created_at TIMESTAMP CURRENT_TIMESTAMP
users updated_at TIMESTAMP CURRENT_TIMESTAMP
user_profiles id INTEGER - key
user_profiles user_id BIGINT - not null
user_profiles profile_name VARCHAR(100) - not null
user_profiles avatar_url VARCHAR(500) -
user_profiles maturity_rating VARCHAR(10) 'PG-13'
user_profiles is_kids_profile BOOLEAN FALSE
user_profiles is_primary BOOLEAN FALSE
user_profiles created_at TIMESTAMP CURRENT_TIMESTAMP
user_preferences id INTEGER - key
user_preferences user_id BIGINT - not null
user_preferences profile_id BIGINT - not null
user_preferences preference_key VARCHAR(100) - not null
user_preferences preference_value TEXT -
user_preferences created_at TIMESTAMP CURRENT_TIMESTAMP
user_preferences updated_at TIMESTAMP CURRENT_TIMESTAMP
";

#[tokio::test]
async fn the_tables_are_those_of_the_case_study() {
    let folder = Folder::new();
    let store = folder.open().await;
    let mut columns = String::new();
    for table in ["users", "user_profiles", "user_preferences"] {
        let asked = format!(
            "SELECT name, type, coalesce(dflt_value, '-'), \
                iif(\"notnull\", ' not null', '') || iif(pk, ' key', '') \
             FROM pragma_table_info('{table}') ORDER BY cid"
        );
        let found: Vec<(String, String, String, String)> = folder.ask(&store, &asked).await;
        for (name, kind, default, rest) in found {
            columns += &format!("{table} {name} {kind} {default}{rest}\n");
        }
    }
    assert_eq!(columns, COLUMNS);
    let indexes = "SELECT m.tbl_name, i.name, i.\"unique\", (\
            SELECT group_concat(name, ',') FROM pragma_index_info(i.name)\
        ) FROM sqlite_master m, pragma_index_list(m.name) i \
        WHERE m.type = 'table' AND m.name LIKE 'user%' ORDER BY m.tbl_name, i.name";
    let found: Vec<(String, String, bool, String)> = folder.ask(&store, indexes).await;
    let found: Vec<(&str, &str, bool, &str)> = found
        .iter()
        .map(|(table, name, unique, of)| (table.as_str(), name.as_str(), *unique, of.as_str()))
        .collect();
    let unique = "user_id,profile_id,preference_key";
    let expected = [
        (
            "user_preferences",
            "sqlite_autoindex_user_preferences_1",
            true,
            unique,
        ),
        ("user_profiles", "idx_primary", false, "user_id,is_primary"),
        ("user_profiles", "idx_user_id", false, "user_id"),
        ("users", "idx_country", false, "country_code"),
        ("users", "idx_email", false, "email"),
        ("users", "sqlite_autoindex_users_1", true, "email"),
    ];
    assert_eq!(found, expected);
    let keys = "SELECT m.name, f.\"from\", f.\"table\", f.\"to\", f.on_delete \
        FROM sqlite_master m, pragma_foreign_key_list(m.name) f \
        WHERE m.type = 'table' ORDER BY m.name, f.\"from\"";
    let found: Vec<(String, String, String, String, String)> = folder.ask(&store, keys).await;
    let found: Vec<String> = found
        .into_iter()
        .map(|(of, from, table, to, delete)| format!("{of}.{from} {table}.{to} {delete}"))
        .collect();
    let expected = [
        "user_preferences.profile_id user_profiles.id CASCADE",
        "user_preferences.user_id users.id CASCADE",
        "user_profiles.user_id users.id CASCADE",
    ];
    assert_eq!(found, expected);
    let left = super::open::tables();
    assert!(!left.contains("AUTO_INCREMENT") && !left.contains("ON UPDATE"));
}

#[tokio::test]
async fn the_database_itself_keeps_the_constraints() {
    let folder = Folder::new();
    let store = folder.open().await;
    let (user, _) = store.sign_up(named("ada"), later()).await.unwrap();
    assert_eq!(user.id, 1);
    let again = "INSERT INTO users (email, password_hash, first_name, last_name, country_code) \
        VALUES ('ada@example.com', '', '', '', 'US')";
    let error = done(&store, again).await.unwrap_err();
    assert!(is_taken(&error), "{error}");
    let of_nobody = "INSERT INTO user_profiles (user_id, profile_name) VALUES (99, 'x')";
    let error = done(&store, of_nobody).await.unwrap_err();
    assert!(
        error
            .as_database_error()
            .unwrap()
            .is_foreign_key_violation()
    );
    let of_no_profile = "INSERT INTO user_preferences (user_id, profile_id, preference_key) \
        VALUES (1, 99, 'k')";
    let error = done(&store, of_no_profile).await.unwrap_err();
    assert!(
        error
            .as_database_error()
            .unwrap()
            .is_foreign_key_violation()
    );
    let nameless = "INSERT INTO user_profiles (user_id) VALUES (1)";
    let error = done(&store, nameless).await.unwrap_err();
    assert!(error.to_string().contains("NOT NULL"), "{error}");
    let preference = "INSERT INTO user_preferences (user_id, profile_id, preference_key) \
        VALUES (1, 1, 'k')";
    done(&store, preference).await.unwrap();
    let error = done(&store, preference).await.unwrap_err();
    assert!(is_taken(&error), "{error}");
}

/// Whether something is found by going through all rows of a table.
async fn scans(folder: &Folder, store: &Embedded, statement: &str) -> (bool, String) {
    let asked = format!("EXPLAIN QUERY PLAN {statement}");
    let plan: Vec<(i64, i64, i64, String)> = folder.ask(store, &asked).await;
    let plan: Vec<String> = plan.into_iter().map(|(_, _, _, step)| step).collect();
    let plan = plan.join("; ");
    (plan.contains("SCAN"), plan)
}

#[tokio::test]
async fn no_question_reads_a_whole_table() {
    let folder = Folder::new();
    let store = folder.open().await;
    for statement in [
        sql::PRIMARY_PROFILE,
        sql::CREDENTIALS,
        sql::USER,
        sql::USERS,
        sql::VIEWER,
        sql::PROFILES,
        sql::PROFILE,
        sql::COUNT_PROFILES,
        sql::PREFERENCES,
    ] {
        let (scans, plan) = scans(&folder, &store, statement).await;
        assert!(!scans, "{statement}: {plan}");
    }
    let (_, plan) = scans(&folder, &store, sql::PRIMARY_PROFILE).await;
    assert!(
        plan.contains("u USING INTEGER PRIMARY KEY (rowid=?)"),
        "{plan}"
    );
    assert!(
        plan.contains("p USING INDEX idx_primary (user_id=? AND is_primary=?)"),
        "{plan}"
    );
    let by_name = "SELECT id FROM users WHERE last_name = ?";
    assert!(
        scans(&folder, &store, by_name).await.0,
        "as one would be seen"
    );
}

#[tokio::test]
async fn a_row_that_changed_says_when_and_one_that_did_not_does_not() {
    let folder = Folder::new();
    let store = folder.open().await;
    let (user, primary) = store.sign_up(named("ada"), later()).await.unwrap();
    let prefer = |value: &str| {
        let key = "k".to_owned();
        let value = value.to_owned();
        store.prefer(user.id, primary.id, Preference { key, value }, later())
    };
    prefer("old").await.unwrap();
    const LONG_AGO: &str = "2001-01-01 00:00:00";
    for age in [
        "UPDATE users SET updated_at = '2001-01-01 00:00:00'",
        "UPDATE user_preferences SET updated_at = '2001-01-01 00:00:00'",
    ] {
        assert_eq!(done(&store, age).await.unwrap(), 1);
    }
    let updated = async || {
        let asked = "SELECT u.updated_at, p.updated_at FROM users u, user_preferences p";
        let mut found: Vec<(String, String)> = folder.ask(&store, asked).await;
        found.remove(0)
    };
    prefer("old").await.unwrap();
    done(&store, "UPDATE users SET first_name = 'ada'")
        .await
        .unwrap();
    assert_eq!(updated().await, (LONG_AGO.to_owned(), LONG_AGO.to_owned()));
    prefer("new").await.unwrap();
    done(&store, "UPDATE users SET first_name = 'Augusta'")
        .await
        .unwrap();
    let (user, preference) = updated().await;
    assert!(user.as_str() > LONG_AGO && preference.as_str() > LONG_AGO);
}

#[tokio::test]
async fn who_waits_for_a_writer_that_hangs_is_told_so_and_readers_do_not_wait() {
    let folder = Folder::new();
    let (store, other) = (folder.open().await, folder.open().await);
    let (user, _) = store.sign_up(named("ada"), later()).await.unwrap();
    let hanging = other.writer.begin_with("BEGIN EXCLUSIVE").await.unwrap();
    let begun = Instant::now();
    let soon = Deadline::after(begun, Duration::from_millis(20));
    let late = store.add_profile(user.id, profile("Bo"), soon).await;
    assert_eq!(late, Err(UsersError::Late));
    assert!(begun.elapsed() < PATIENCE, "the deadline counts");
    // The engine's own patience ends it as well.
    done(&store, "PRAGMA busy_timeout = 1").await.unwrap();
    let late = store.add_profile(user.id, profile("Bo"), later()).await;
    assert_eq!(late, Err(UsersError::Late));
    assert_eq!(store.profiles(user.id, later()).await.unwrap().len(), 1);
    hanging.rollback().await.unwrap();
    let added = store.add_profile(user.id, profile("Bo"), later()).await;
    assert!(added.is_ok(), "{added:?}");
}

/// All connections are in use, for reading and for writing, until the caller's time is over.
#[tokio::test]
async fn who_waits_for_a_connection_waits_no_longer_than_its_deadline() {
    let folder = Folder::new();
    let store = folder.open().await;
    let mut held = vec![store.writer.acquire().await.unwrap()];
    for _ in 0..READERS {
        held.push(store.readers.acquire().await.unwrap());
    }
    let begun = Instant::now();
    let soon = || Deadline::after(Instant::now(), Duration::from_millis(20));
    assert_eq!(store.user(1, soon()).await, Err(UsersError::Late));
    assert_eq!(store.delete(1, soon()).await, Err(UsersError::Late));
    assert!(begun.elapsed() < PATIENCE, "the deadline counts");
    drop(held);
    assert_eq!(store.user(1, later()).await, Ok(None));
}

#[tokio::test]
async fn instances_that_open_the_file_at_once_bring_the_dataset_in_once() {
    let folder = Folder::new();
    let path = folder.path();
    let account = |id: i64| Seeded {
        id,
        email: format!("viewer-{id}@example.com"),
        password_hash: "hash".to_owned(),
        country_code: "JP".to_owned(),
        maturity_rating: MaturityRating::G,
        is_kids: false,
    };
    let opened = (0..4).map(|_| {
        let dataset = move || Ok::<_, String>((1..=10).map(account).collect());
        Embedded::open(&path, dataset)
    });
    for store in futures_util::future::join_all(opened).await {
        let users = store.unwrap().users(0, 100, later()).await.unwrap();
        assert_eq!(users.len(), 10);
    }
}

#[tokio::test]
async fn what_is_no_database_is_told_and_a_row_that_cannot_be_read_too() {
    let folder = Folder::new();
    let store = folder.open().await;
    let (user, primary) = store.sign_up(named("ada"), later()).await.unwrap();
    let spoil = "UPDATE user_profiles SET maturity_rating = 'X'";
    done(&store, spoil).await.unwrap();
    let read = store.profiles(user.id, later()).await;
    assert!(
        matches!(&read, Err(UsersError::Failed(why)) if why.contains("`X`")),
        "{read:?}"
    );
    assert!(store.viewer(primary.id, later()).await.is_err());

    let folder = Folder::new();
    std::fs::create_dir_all(folder.path()).unwrap();
    std::fs::write(
        folder.path().join("users.sqlite"),
        "not a database".repeat(100),
    )
    .unwrap();
    let opened = Embedded::open(&folder.path(), nobody).await;
    assert!(matches!(opened, Err(UsersError::Failed(_))));
    std::fs::write(folder.0.path().join("file"), "").unwrap();
    let opened = Embedded::open(&folder.0.path().join("file"), nobody).await;
    assert!(matches!(opened, Err(UsersError::Failed(_))));
}
