//! The users in an SQLite file, which the instances of one service share.
//!
//! Readers never wait for a writer (WAL). A change takes the one right to write before it reads, so
//! that what it read is still so when it writes; in one process changes wait for it in a row.

mod open;

use std::fmt::Display;
use std::path::Path;
use std::time::Instant;

use sqlx::sqlite::{Sqlite, SqlitePool, SqliteRow};
use sqlx::{FromRow, QueryBuilder, Row, SqliteConnection, Transaction};
use squall_resilience::Deadline;
use tokio::time::timeout_at;

use super::model::{
    Credentials, MaturityRating, NewProfile, NewUser, Preference, PrimaryProfile, Profile,
    ProfileChange, ProfileId, Seeded, User, UserId, Viewer, checked_email,
};
use super::{PAGE_ROWS_MAX, PROFILES_MAX, Users, UsersError, sql};

/// Connections for reading, each of which is a thread.
const READERS: u32 = 3;
/// Rows of one statement that brings the dataset in.
const LOAD_ROWS: usize = 500;

/// The file as this instance has it open.
pub(crate) struct Embedded {
    readers: SqlitePool,
    writer: SqlitePool,
}

impl Embedded {
    /// Opens or makes the file in this directory, and brings `dataset` in if it has no account.
    /// Instances that do so at the same time do it one after the other.
    ///
    /// # Errors
    /// The directory cannot be used, or is used by somebody who does not end.
    pub(crate) async fn open<E: Display + Send + 'static>(
        directory: &Path,
        dataset: impl FnOnce() -> Result<Vec<Seeded>, E> + Send + 'static,
    ) -> Result<Self, UsersError> {
        let deadline = Deadline::after(Instant::now(), open::OPEN_MAX);
        let _turn = open::turn(directory).await?;
        let users = Self {
            readers: open::pool(directory, READERS),
            writer: open::pool(directory, 1),
        };
        open::migrate(&users.writer).await?;
        if users.users(0, 1, deadline).await?.is_empty() {
            let made = tokio::task::spawn_blocking(dataset).await;
            let made = made.map_err(|error| UsersError::Failed(error.to_string()))?;
            let accounts = made.map_err(|error| UsersError::Failed(error.to_string()))?;
            let count = users.load(accounts, deadline).await?;
            tracing::info!(accounts = count, "dataset loaded");
        }
        Ok(users)
    }

    /// Ends the connections when what they do has ended.
    pub(crate) async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
    }

    /// Reads rows of this statement.
    async fn read<T>(
        &self,
        statement: &'static str,
        keys: Vec<Key<'_>>,
        deadline: Deadline,
    ) -> Result<Vec<T>, UsersError>
    where
        T: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        let mut query = sqlx::query_as(statement);
        for key in keys {
            query = match key {
                Key::Id(id) => query.bind(id),
                Key::Text(text) => query.bind(text),
            };
        }
        within(deadline, async {
            Ok(query.fetch_all(&self.readers).await?)
        })
        .await
    }

    /// Changes something, all of it or nothing.
    async fn change<T>(
        &self,
        deadline: Deadline,
        change: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, UsersError>,
    ) -> Result<T, UsersError> {
        within(deadline, async {
            let mut whole: Transaction<'_, Sqlite> =
                self.writer.begin_with("BEGIN IMMEDIATE").await?;
            let changed = change(&mut whole).await?;
            whole.commit().await?;
            Ok(changed)
        })
        .await
    }
}

/// What a statement looks for.
enum Key<'k> {
    Id(i64),
    Text(&'k str),
}

async fn within<T>(
    deadline: Deadline,
    work: impl Future<Output = Result<T, UsersError>>,
) -> Result<T, UsersError> {
    let ended = timeout_at(deadline.instant().into(), work).await;
    ended.unwrap_or(Err(UsersError::Late))
}

/// SQLite's number for "somebody else is writing", whatever stands in its upper bits.
const SQLITE_BUSY: i32 = 5;

impl From<sqlx::Error> for UsersError {
    fn from(error: sqlx::Error) -> Self {
        let database = error.as_database_error();
        let code = database.and_then(|error| error.code()?.parse::<i32>().ok());
        match code {
            Some(code) if code & 0xff == SQLITE_BUSY => Self::Late,
            Some(_) | None if matches!(error, sqlx::Error::PoolTimedOut) => Self::Late,
            Some(_) | None => Self::Failed(error.to_string()),
        }
    }
}

fn is_taken(error: &sqlx::Error) -> bool {
    let database = error.as_database_error();
    database.is_some_and(|error| error.is_unique_violation())
}

impl FromRow<'_, SqliteRow> for User {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get(0)?,
            email: row.try_get(1)?,
            first_name: row.try_get(2)?,
            last_name: row.try_get(3)?,
            country_code: row.try_get(4)?,
            language_code: row.try_get(5)?,
            created_at: row.try_get(6)?,
            updated_at: row.try_get(7)?,
        })
    }
}

impl FromRow<'_, SqliteRow> for Profile {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get(0)?,
            name: row.try_get(1)?,
            avatar_url: row.try_get(2)?,
            maturity_rating: rating(row, 3)?,
            is_kids: row.try_get(4)?,
            is_primary: row.try_get(5)?,
        })
    }
}

impl FromRow<'_, SqliteRow> for PrimaryProfile {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get(0)?,
            email: row.try_get(1)?,
            first_name: row.try_get(2)?,
            last_name: row.try_get(3)?,
            profile_name: row.try_get(4)?,
            avatar_url: row.try_get(5)?,
            maturity_rating: rating(row, 6)?,
        })
    }
}

impl FromRow<'_, SqliteRow> for Viewer {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            profile: row.try_get(0)?,
            user: row.try_get(1)?,
            country_code: row.try_get(2)?,
            maturity_rating: rating(row, 3)?,
            is_kids: row.try_get(4)?,
        })
    }
}

fn rating(row: &SqliteRow, column: usize) -> sqlx::Result<MaturityRating> {
    let name: &str = row.try_get(column)?;
    MaturityRating::named(name).ok_or_else(|| sqlx::Error::ColumnDecode {
        index: "maturity_rating".to_owned(),
        source: format!("there is no rating `{name}`").into(),
    })
}

async fn insert_profile(
    connection: &mut SqliteConnection,
    user: UserId,
    new: NewProfile,
    is_primary: bool,
) -> Result<Profile, UsersError> {
    let maturity_rating = new.rating();
    let inserted = sqlx::query(sql::INSERT_PROFILE)
        .bind(user)
        .bind(&new.name)
        .bind(&new.avatar_url)
        .bind(maturity_rating.name())
        .bind(new.is_kids)
        .bind(is_primary)
        .execute(connection)
        .await?;
    Ok(Profile {
        id: inserted.last_insert_rowid(),
        name: new.name,
        avatar_url: new.avatar_url,
        maturity_rating,
        is_kids: new.is_kids,
        is_primary,
    })
}

async fn user_in(
    connection: &mut SqliteConnection,
    user: UserId,
) -> Result<Option<User>, UsersError> {
    let found = sqlx::query_as(sql::USER).bind(user);
    Ok(found.fetch_optional(connection).await?)
}

async fn profile_in(
    connection: &mut SqliteConnection,
    user: UserId,
    profile: ProfileId,
) -> Result<Profile, UsersError> {
    let found = sqlx::query_as(sql::PROFILE).bind(profile).bind(user);
    let found = found.fetch_optional(connection).await?;
    found.ok_or(UsersError::NoSuchProfile)
}

impl Users for Embedded {
    async fn sign_up(
        &self,
        new: NewUser,
        deadline: Deadline,
    ) -> Result<(User, Profile), UsersError> {
        let new = new.checked()?;
        let primary = NewProfile::primary(&new.first_name);
        self.change(deadline, async |connection| {
            let language = new.language_code.as_deref();
            let inserted = sqlx::query(sql::INSERT_USER)
                .bind(&new.email)
                .bind(&new.password_hash)
                .bind(&new.first_name)
                .bind(&new.last_name)
                .bind(&new.country_code)
                .bind(language.unwrap_or(super::model::DEFAULT_LANGUAGE))
                .execute(&mut *connection)
                .await
                .map_err(|error| match is_taken(&error) {
                    true => UsersError::EmailTaken,
                    false => error.into(),
                })?;
            let id = inserted.last_insert_rowid();
            let profile = insert_profile(connection, id, primary, true).await?;
            let user = user_in(connection, id).await?;
            Ok((user.ok_or(UsersError::NoSuchUser)?, profile))
        })
        .await
    }

    async fn credentials(
        &self,
        email: &str,
        deadline: Deadline,
    ) -> Result<Option<Credentials>, UsersError> {
        let email = checked_email(email)?;
        let keys = vec![Key::Text(&email)];
        let found: Vec<(i64, String)> = self.read(sql::CREDENTIALS, keys, deadline).await?;
        let found = found.into_iter().next();
        Ok(found.map(|(user, password_hash)| Credentials {
            user,
            password_hash,
        }))
    }

    async fn user(&self, user: UserId, deadline: Deadline) -> Result<Option<User>, UsersError> {
        let found = self.read(sql::USER, vec![Key::Id(user)], deadline).await?;
        Ok(found.into_iter().next())
    }

    async fn users(
        &self,
        after: UserId,
        limit: u32,
        deadline: Deadline,
    ) -> Result<Vec<User>, UsersError> {
        let keys = vec![Key::Id(after), page(limit)];
        self.read(sql::USERS, keys, deadline).await
    }

    async fn primary_profile(
        &self,
        user: UserId,
        deadline: Deadline,
    ) -> Result<Option<PrimaryProfile>, UsersError> {
        let keys = vec![Key::Id(user)];
        let found = self.read(sql::PRIMARY_PROFILE, keys, deadline).await?;
        Ok(found.into_iter().next())
    }

    async fn delete(&self, user: UserId, deadline: Deadline) -> Result<(), UsersError> {
        self.change(deadline, async |connection| {
            let delete = sqlx::query(sql::DELETE_USER).bind(user);
            match delete.execute(connection).await?.rows_affected() {
                0 => Err(UsersError::NoSuchUser),
                _ => Ok(()),
            }
        })
        .await
    }

    async fn viewer(
        &self,
        profile: ProfileId,
        deadline: Deadline,
    ) -> Result<Option<Viewer>, UsersError> {
        let keys = vec![Key::Id(profile)];
        let found = self.read(sql::VIEWER, keys, deadline).await?;
        Ok(found.into_iter().next())
    }

    async fn profiles(&self, user: UserId, deadline: Deadline) -> Result<Vec<Profile>, UsersError> {
        self.read(sql::PROFILES, vec![Key::Id(user)], deadline)
            .await
    }

    async fn add_profile(
        &self,
        user: UserId,
        new: NewProfile,
        deadline: Deadline,
    ) -> Result<Profile, UsersError> {
        new.check()?;
        self.change(deadline, async |connection| {
            let user = user_in(connection, user).await?;
            let user = user.ok_or(UsersError::NoSuchUser)?.id;
            let count = sqlx::query_scalar(sql::COUNT_PROFILES).bind(user);
            let count: i64 = count.fetch_one(&mut *connection).await?;
            if count >= PROFILES_MAX {
                return Err(UsersError::TooManyProfiles);
            }
            insert_profile(connection, user, new, false).await
        })
        .await
    }

    async fn change_profile(
        &self,
        user: UserId,
        profile: ProfileId,
        change: ProfileChange,
        deadline: Deadline,
    ) -> Result<Profile, UsersError> {
        self.change(deadline, async |connection| {
            let found = profile_in(connection, user, profile).await?;
            let changed = change.applied(found)?;
            sqlx::query(sql::UPDATE_PROFILE)
                .bind(&changed.name)
                .bind(&changed.avatar_url)
                .bind(changed.maturity_rating.name())
                .bind(changed.is_kids)
                .bind(profile)
                .bind(user)
                .execute(connection)
                .await?;
            Ok(changed)
        })
        .await
    }

    async fn remove_profile(
        &self,
        user: UserId,
        profile: ProfileId,
        deadline: Deadline,
    ) -> Result<(), UsersError> {
        self.change(deadline, async |connection| {
            if profile_in(connection, user, profile).await?.is_primary {
                return Err(UsersError::PrimaryProfile);
            }
            let delete = sqlx::query(sql::DELETE_PROFILE).bind(profile).bind(user);
            delete.execute(connection).await?;
            Ok(())
        })
        .await
    }

    async fn prefer(
        &self,
        user: UserId,
        profile: ProfileId,
        preference: Preference,
        deadline: Deadline,
    ) -> Result<(), UsersError> {
        preference.check()?;
        self.change(deadline, async |connection| {
            profile_in(connection, user, profile).await?;
            for statement in [sql::UPDATE_PREFERENCE, sql::INSERT_PREFERENCE] {
                let done = sqlx::query(statement)
                    .bind(&preference.value)
                    .bind(user)
                    .bind(profile)
                    .bind(&preference.key)
                    .execute(&mut *connection)
                    .await?;
                if done.rows_affected() > 0 {
                    break;
                }
            }
            Ok(())
        })
        .await
    }

    async fn preferences(
        &self,
        user: UserId,
        profile: ProfileId,
        after: &str,
        limit: u32,
        deadline: Deadline,
    ) -> Result<Vec<Preference>, UsersError> {
        let keys = vec![
            Key::Id(user),
            Key::Id(profile),
            Key::Text(after),
            page(limit),
        ];
        let found: Vec<(String, String)> = self.read(sql::PREFERENCES, keys, deadline).await?;
        let found = found.into_iter();
        Ok(found
            .map(|(key, value)| Preference { key, value })
            .collect())
    }

    async fn load(&self, accounts: Vec<Seeded>, deadline: Deadline) -> Result<usize, UsersError> {
        self.change(deadline, async |connection| {
            let any = sqlx::query_scalar(sql::ANY_USER);
            let any: Option<i64> = any.fetch_optional(&mut *connection).await?;
            if any.is_some() {
                return Ok(0);
            }
            for some in accounts.chunks(LOAD_ROWS) {
                let mut users: QueryBuilder<Sqlite> = QueryBuilder::new(sql::LOAD_USERS);
                users.push_values(some, |mut row, account| {
                    row.push_bind(account.id)
                        .push_bind(&account.email)
                        .push_bind(&account.password_hash)
                        .push_bind("Viewer")
                        .push_bind(account.id.to_string())
                        .push_bind(&account.country_code);
                });
                users.build().execute(&mut *connection).await?;
                let mut profiles: QueryBuilder<Sqlite> = QueryBuilder::new(sql::LOAD_PROFILES);
                profiles.push_values(some, |mut row, account| {
                    row.push_bind(account.id)
                        .push_bind(account.id)
                        .push_bind("Viewer")
                        .push_bind(account.maturity_rating.name())
                        .push_bind(account.is_kids)
                        .push_bind(true);
                });
                profiles.build().execute(&mut *connection).await?;
            }
            Ok(accounts.len())
        })
        .await
    }
}

/// As many rows as asked for, and no more than a page has.
fn page(limit: u32) -> Key<'static> {
    Key::Id(limit.min(PAGE_ROWS_MAX).into())
}

#[cfg(test)]
mod tests;
