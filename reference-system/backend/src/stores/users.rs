//! The users: accounts, their profiles and what each profile prefers, in a relational database.
//!
//! [`Users`] is the role. What an engine has to keep stands in `migrations/`, and what it is asked
//! in [`sql`], both in words that SQLite and MySQL's family take alike; what they do not take alike
//! stands with the engine. One suite, `conformance`, says what every engine has to mean.

#[cfg(test)]
pub(crate) mod conformance;
pub(crate) mod embedded;
pub(crate) mod model;
pub(crate) mod sql;

use squall_resilience::Deadline;

use self::model::{
    Credentials, Invalid, NewProfile, NewUser, Preference, PrimaryProfile, Profile, ProfileChange,
    ProfileId, Seeded, User, UserId, Viewer,
};

/// Profiles an account may have.
pub(crate) const PROFILES_MAX: i64 = 5;
/// Rows of a page at most.
pub(crate) const PAGE_ROWS_MAX: u32 = 100;

/// Why the users could not be asked or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UsersError {
    /// What was to be written is not of the form it must have. Nothing was changed.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Another account has this address. Nothing was changed.
    #[error("there is an account with this e-mail address")]
    EmailTaken,
    /// There is no such account.
    #[error("no such account")]
    NoSuchUser,
    /// The account has no such profile.
    #[error("no such profile")]
    NoSuchProfile,
    /// The account has as many profiles as it may. Nothing was changed.
    #[error("an account has at most {PROFILES_MAX} profiles; remove one first")]
    TooManyProfiles,
    /// The first profile of an account lives as long as the account.
    #[error("the primary profile stays; delete the account instead")]
    PrimaryProfile,
    /// It was not done in time. A change may be made all the same.
    #[error("the database had no time")]
    Late,
    /// The database failed. A change may be made all the same.
    #[error("the database failed: {0}")]
    Failed(String),
}

/// The role: what the user service needs of a database.
///
/// Every call ends by its deadline, with [`UsersError::Late`] if nothing else. Every change is
/// whole or not at all, and on the disk when it is acknowledged. Changes to one account at the same
/// time happen one after the other. Deleting an account takes everything with it.
pub(crate) trait Users: Send + Sync + 'static {
    /// Makes an account with its primary profile, named by the user's first name.
    fn sign_up(
        &self,
        new: NewUser,
        deadline: Deadline,
    ) -> impl Future<Output = Result<(User, Profile), UsersError>> + Send;

    /// What signing in with this address takes, if there is such an account.
    fn credentials(
        &self,
        email: &str,
        deadline: Deadline,
    ) -> impl Future<Output = Result<Option<Credentials>, UsersError>> + Send;

    /// An account.
    fn user(
        &self,
        user: UserId,
        deadline: Deadline,
    ) -> impl Future<Output = Result<Option<User>, UsersError>> + Send;

    /// Accounts with ids behind `after`, in order, at most `limit` of them and
    /// [`PAGE_ROWS_MAX`]; none at the end.
    fn users(
        &self,
        after: UserId,
        limit: u32,
        deadline: Deadline,
    ) -> impl Future<Output = Result<Vec<User>, UsersError>> + Send;

    /// An account with its primary profile: the case study's optimised query.
    fn primary_profile(
        &self,
        user: UserId,
        deadline: Deadline,
    ) -> impl Future<Output = Result<Option<PrimaryProfile>, UsersError>> + Send;

    /// Deletes an account: it, its profiles and their preferences are gone from every table.
    fn delete(
        &self,
        user: UserId,
        deadline: Deadline,
    ) -> impl Future<Output = Result<(), UsersError>> + Send;

    /// What the rest of the backend has to know of a profile, whoever's it is.
    fn viewer(
        &self,
        profile: ProfileId,
        deadline: Deadline,
    ) -> impl Future<Output = Result<Option<Viewer>, UsersError>> + Send;

    /// The profiles of an account, the primary one first; none if there is no such account.
    fn profiles(
        &self,
        user: UserId,
        deadline: Deadline,
    ) -> impl Future<Output = Result<Vec<Profile>, UsersError>> + Send;

    /// Adds a profile to an account, which then has at most [`PROFILES_MAX`].
    fn add_profile(
        &self,
        user: UserId,
        new: NewProfile,
        deadline: Deadline,
    ) -> impl Future<Output = Result<Profile, UsersError>> + Send;

    /// Changes what is given and leaves the rest.
    fn change_profile(
        &self,
        user: UserId,
        profile: ProfileId,
        change: ProfileChange,
        deadline: Deadline,
    ) -> impl Future<Output = Result<Profile, UsersError>> + Send;

    /// Removes a profile with its preferences; not the primary one.
    fn remove_profile(
        &self,
        user: UserId,
        profile: ProfileId,
        deadline: Deadline,
    ) -> impl Future<Output = Result<(), UsersError>> + Send;

    /// Sets a preference, whether or not it was set before.
    fn prefer(
        &self,
        user: UserId,
        profile: ProfileId,
        preference: Preference,
        deadline: Deadline,
    ) -> impl Future<Output = Result<(), UsersError>> + Send;

    /// Preferences of a profile whose keys are behind `after`, in order, at most `limit` of them
    /// and [`PAGE_ROWS_MAX`]; none at the end.
    fn preferences(
        &self,
        user: UserId,
        profile: ProfileId,
        after: &str,
        limit: u32,
        deadline: Deadline,
    ) -> impl Future<Output = Result<Vec<Preference>, UsersError>> + Send;

    /// Brings accounts in with the ids they have, each with its primary profile, all or none;
    /// nothing if there is any account already. Says how many were brought in.
    fn load(
        &self,
        accounts: Vec<Seeded>,
        deadline: Deadline,
    ) -> impl Future<Output = Result<usize, UsersError>> + Send;
}
