//! What the tables of `migrations/` are asked, in words that SQLite and MySQL's family take alike.
//!
//! Times are read as text, which every engine writes in the same form.

/// The tables, in the dialect of the case study.
pub(crate) const TABLES: &str = include_str!("migrations/0001_users.sql");

/// Of an account that names a language or none.
pub(crate) const INSERT_USER: &str = "\
    INSERT INTO users \
        (email, password_hash, first_name, last_name, country_code, language_code) \
    VALUES (?, ?, ?, ?, ?, ?)";

/// Columns of [`User`](super::model::User).
macro_rules! user_columns {
    () => {
        "SELECT id, email, first_name, last_name, country_code, language_code, \
            CAST(created_at AS CHAR), CAST(updated_at AS CHAR) FROM users "
    };
}

/// By its key.
pub(crate) const USER: &str = concat!(user_columns!(), "WHERE id = ?");

/// Behind a key, in order.
pub(crate) const USERS: &str = concat!(user_columns!(), "WHERE id > ? ORDER BY id LIMIT ?");

/// By its address.
pub(crate) const CREDENTIALS: &str = "SELECT id, password_hash FROM users WHERE email = ?";

/// Profiles, preferences and all.
pub(crate) const DELETE_USER: &str = "DELETE FROM users WHERE id = ?";

/// The case study's query, word for word.
pub(crate) const PRIMARY_PROFILE: &str = "\
    SELECT \
        u.id, \
        u.email, \
        u.first_name, \
        u.last_name, \
        p.profile_name, \
        p.avatar_url, \
        p.maturity_rating \
    FROM users u \
    JOIN user_profiles p ON u.id = p.user_id \
    WHERE u.id = ? \
      AND p.is_primary = TRUE";

/// A profile with what its account adds.
pub(crate) const VIEWER: &str = "\
    SELECT p.id, p.user_id, u.country_code, p.maturity_rating, p.is_kids_profile \
    FROM user_profiles p JOIN users u ON u.id = p.user_id WHERE p.id = ?";

/// Columns of [`Profile`](super::model::Profile).
macro_rules! profile_columns {
    () => {
        "SELECT id, profile_name, avatar_url, maturity_rating, is_kids_profile, is_primary \
         FROM user_profiles "
    };
}

/// Of an account, the primary one first.
pub(crate) const PROFILES: &str = concat!(
    profile_columns!(),
    "WHERE user_id = ? ORDER BY is_primary DESC, id"
);

/// One of an account.
pub(crate) const PROFILE: &str = concat!(profile_columns!(), "WHERE id = ? AND user_id = ?");

/// Whoever is told this row must hold whatever keeps others from adding one at the same time.
pub(crate) const COUNT_PROFILES: &str = "SELECT COUNT(*) FROM user_profiles WHERE user_id = ?";

/// Of an account that exists.
pub(crate) const INSERT_PROFILE: &str = "\
    INSERT INTO user_profiles \
        (user_id, profile_name, avatar_url, maturity_rating, is_kids_profile, is_primary) \
    VALUES (?, ?, ?, ?, ?, ?)";

/// All that may change.
pub(crate) const UPDATE_PROFILE: &str = "\
    UPDATE user_profiles \
    SET profile_name = ?, avatar_url = ?, maturity_rating = ?, is_kids_profile = ? \
    WHERE id = ? AND user_id = ?";

/// But not the primary one.
pub(crate) const DELETE_PROFILE: &str =
    "DELETE FROM user_profiles WHERE id = ? AND user_id = ? AND is_primary = FALSE";

/// Of one that is set.
pub(crate) const UPDATE_PREFERENCE: &str = "\
    UPDATE user_preferences SET preference_value = ? \
    WHERE user_id = ? AND profile_id = ? AND preference_key = ?";

/// Of one that is not set.
pub(crate) const INSERT_PREFERENCE: &str = "\
    INSERT INTO user_preferences (preference_value, user_id, profile_id, preference_key) \
    VALUES (?, ?, ?, ?)";

/// Behind a key, in order.
pub(crate) const PREFERENCES: &str = "\
    SELECT preference_key, preference_value FROM user_preferences \
    WHERE user_id = ? AND profile_id = ? AND preference_key > ? \
    ORDER BY preference_key LIMIT ?";

/// Whether there is an account at all.
pub(crate) const ANY_USER: &str = "SELECT id FROM users ORDER BY id LIMIT 1";

/// The beginning of a statement that brings accounts in.
pub(crate) const LOAD_USERS: &str =
    "INSERT INTO users (id, email, password_hash, first_name, last_name, country_code) ";

/// The beginning of a statement that brings profiles in.
pub(crate) const LOAD_PROFILES: &str = "\
    INSERT INTO user_profiles \
        (id, user_id, profile_name, maturity_rating, is_kids_profile, is_primary) ";
