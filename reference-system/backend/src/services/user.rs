//! Users: signing up and in, profiles, what a profile prefers, and going for good.
//!
//! The instances share one database and keep nothing else: a session is a signed token, which any
//! of them, and the gateway, can check without asking. [`Users`] is the database's role; this
//! service is written against it and not against an engine.

mod database;
pub(crate) mod dataset;
mod password;
pub(crate) mod session;

use std::sync::Arc;

use axum::extract::{Extension, Path, Query, State};
use axum::response::IntoResponse;
use axum::routing::{get, patch, post, put};
use axum::{Json, Router};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use squall_resilience::Deadline;

use self::database::Database;
use self::password::Passwords;
use self::session::{Claims, SessionError, Sessions};
use crate::dataset::model;
use crate::platform::clock;
use crate::platform::host::Host;
use crate::platform::reply::Failure;
use crate::service::ServeError;
use crate::stores::users::embedded::Embedded;
use crate::stores::users::model::{
    NewProfile, NewUser, Preference, Profile, ProfileChange, ProfileId, User, UserId,
};
use crate::stores::users::{PAGE_ROWS_MAX, Users, UsersError};

/// `POST /sign-up`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignUp {
    email: String,
    password: String,
    first_name: String,
    last_name: String,
    country_code: String,
    #[serde(default)]
    language_code: Option<String>,
}

/// `POST /sign-in`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    email: String,
    password: String,
}

/// `PUT /account/profiles/{profile}/preferences/{key}`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Value {
    value: String,
}

/// Which page of preferences.
#[derive(Debug, Deserialize)]
struct Page {
    #[serde(default)]
    after: String,
    #[serde(default = "whole_page")]
    limit: u32,
}

fn whole_page() -> u32 {
    PAGE_ROWS_MAX
}

/// An account with its profiles.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Account {
    user: User,
    profiles: Vec<Profile>,
}

impl Account {
    /// Its profiles as the rest of the backend knows them, whose keys are smaller.
    pub(crate) fn viewers(&self) -> Vec<model::Profile> {
        let country = &self.user.country_code;
        let profiles = self.profiles.iter();
        profiles
            .filter_map(|profile| known(profile.id, country, profile.maturity_age_max()))
            .collect()
    }
}

/// An account, and a session that says what it has now.
#[derive(Debug, Serialize)]
struct SignedIn {
    session: String,
    expires_unix_seconds: u64,
    #[serde(flatten)]
    account: Account,
}

/// What is gone.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Gone {
    /// The account.
    pub(crate) user: UserId,
    /// Its profiles.
    pub(crate) profiles: Vec<ProfileId>,
}

/// The path at which the user service says what the backend has to know of a profile.
pub(crate) fn viewer_path(profile: u32) -> String {
    format!("/viewers/{profile}")
}

/// Opens the users of the directory of this instance, which others may share, and brings the
/// dataset in if nobody has.
///
/// # Errors
/// The directory or the dataset cannot be used.
pub(crate) async fn open(host: &Arc<Host>) -> Result<Arc<Embedded>, ServeError> {
    let (path, seed) = (host.config.data_dir.clone(), host.config.seed);
    let opened = Embedded::open(&path, move || dataset::accounts(seed)).await;
    let users = opened.map_err(|error| {
        let reason = error.to_string();
        ServeError::Data { path, reason }
    })?;
    Ok(Arc::new(users))
}

struct Service<U> {
    database: Database<U>,
    passwords: Passwords,
    sessions: Sessions,
}

/// The routes of the service over these users.
///
/// # Errors
/// A command or a key cannot be set up.
pub(crate) fn routes<U: Users>(host: &Arc<Host>, users: &Arc<U>) -> Result<Router, ServeError> {
    let service = Arc::new(Service {
        database: Database::new(host, Arc::clone(users))?,
        passwords: Passwords::new(host)?,
        sessions: Sessions::new(host.config.seed)?,
    });
    Ok(Router::new()
        .route("/sign-up", post(sign_up::<U>))
        .route("/sign-in", post(sign_in::<U>))
        .route("/account", get(account::<U>).delete(delete::<U>))
        .route("/account/primary", get(primary::<U>))
        .route("/account/profiles", post(add_profile::<U>))
        .route(
            "/account/profiles/{profile}",
            patch(change_profile::<U>).delete(remove_profile::<U>),
        )
        .route(
            "/account/profiles/{profile}/preferences",
            get(preferences::<U>),
        )
        .route(
            "/account/profiles/{profile}/preferences/{key}",
            put(prefer::<U>),
        )
        .route("/viewers/{profile}", get(viewer::<U>))
        .with_state(service))
}

/// A body of this form, or 400 with what to send.
fn read<T: DeserializeOwned>(body: &[u8], wanted: &str) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| {
        let reason = format!("{error}; send {wanted}");
        Failure::new(StatusCode::BAD_REQUEST, reason)
    })
}

impl<U: Users> Service<U> {
    /// Whose session is shown.
    fn claims(&self, headers: &HeaderMap) -> Result<Claims, Failure> {
        let shown = self.sessions.shown(headers, clock::unix_seconds())?;
        Ok(shown.ok_or(SessionError::Missing)?)
    }

    async fn account(&self, user: UserId, deadline: Deadline) -> Result<Account, Failure> {
        let found = self
            .database
            .read(deadline, move |users, deadline| async move {
                let user = users.user(user, deadline).await?;
                let user = user.ok_or(UsersError::NoSuchUser)?;
                let profiles = users.profiles(user.id, deadline).await?;
                Ok(Account { user, profiles })
            });
        found.await
    }

    fn signed_in(&self, account: Account) -> SignedIn {
        let (user, now) = (&account.user, clock::unix_seconds());
        let viewers = account.viewers();
        let begun = self
            .sessions
            .begin(user.id, &user.country_code, &viewers, now);
        let (session, expires_unix_seconds) = begun;
        SignedIn {
            session,
            expires_unix_seconds,
            account,
        }
    }
}

/// A profile as the rest of the backend knows it; none after four thousand million others.
fn known(id: ProfileId, country: &str, maturity_age_max: u8) -> Option<model::Profile> {
    Some(model::Profile {
        id: id.try_into().ok()?,
        country: country.to_owned(),
        maturity_age_max,
    })
}

async fn sign_up<U: Users>(
    State(service): State<Arc<Service<U>>>,
    Extension(deadline): Extension<Deadline>,
    body: Bytes,
) -> Result<impl IntoResponse, Failure> {
    let asked: SignUp = read(
        &body,
        "{\"email\": …, \"password\": …, \"first_name\": …, \"last_name\": …, \"country_code\": …}",
    )?;
    let mut new = NewUser {
        email: asked.email,
        // In its place while the rest is looked at: what is wrong costs no hash.
        password_hash: "-".to_owned(),
        first_name: asked.first_name,
        last_name: asked.last_name,
        country_code: asked.country_code,
        language_code: asked.language_code,
    }
    .checked()
    .map_err(UsersError::Invalid)?;
    new.password_hash = service.passwords.hash(asked.password, deadline).await?;
    let new = &new;
    let made = service
        .database
        .write(deadline, move |users, deadline| async move {
            let (user, primary) = users.sign_up(new.clone(), deadline).await?;
            let profiles = vec![primary];
            Ok(Account { user, profiles })
        });
    let signed_in = service.signed_in(made.await?);
    Ok((StatusCode::CREATED, Json(signed_in)))
}

async fn sign_in<U: Users>(
    State(service): State<Arc<Service<U>>>,
    Extension(deadline): Extension<Deadline>,
    body: Bytes,
) -> Result<impl IntoResponse, Failure> {
    let asked: SignIn = read(&body, "{\"email\": …, \"password\": …}")?;
    let email = &asked.email;
    let found = service
        .database
        .read(deadline, move |users, deadline| async move {
            users.credentials(email, deadline).await
        });
    let credentials = found.await?;
    let user = credentials.as_ref().map(|found| found.user);
    let hash = credentials.map(|found| found.password_hash);
    let is_right = service.passwords.check(asked.password, hash, deadline);
    match (is_right.await?, user) {
        (true, Some(user)) => {
            let account = service.account(user, deadline).await?;
            Ok(Json(service.signed_in(account)))
        }
        // Not which of the two: that would tell who has an account.
        (false, _) | (_, None) => Err(Failure::new(
            StatusCode::UNAUTHORIZED,
            "no account has this e-mail address and password",
        )),
    }
}

async fn account<U: Users>(
    State(service): State<Arc<Service<U>>>,
    Extension(deadline): Extension<Deadline>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Failure> {
    let claims = service.claims(&headers)?;
    Ok(Json(service.account(claims.user, deadline).await?))
}

async fn primary<U: Users>(
    State(service): State<Arc<Service<U>>>,
    Extension(deadline): Extension<Deadline>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Failure> {
    let user = service.claims(&headers)?.user;
    let read = service
        .database
        .read(deadline, move |users, deadline| async move {
            let found = users.primary_profile(user, deadline).await?;
            found.ok_or(UsersError::NoSuchUser)
        });
    Ok(Json(read.await?))
}

async fn delete<U: Users>(
    State(service): State<Arc<Service<U>>>,
    Extension(deadline): Extension<Deadline>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Failure> {
    let user = service.claims(&headers)?.user;
    let gone = service.account(user, deadline).await?;
    let deleted = service
        .database
        .write(deadline, move |users, deadline| async move {
            users.delete(user, deadline).await
        });
    deleted.await?;
    let profiles = gone.profiles.iter().map(|profile| profile.id).collect();
    Ok(Json(Gone { user, profiles }))
}

async fn add_profile<U: Users>(
    State(service): State<Arc<Service<U>>>,
    Extension(deadline): Extension<Deadline>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<impl IntoResponse, Failure> {
    let user = service.claims(&headers)?.user;
    let new: NewProfile = read(&body, "{\"name\": …, \"is_kids\": true}")?;
    let new = &new;
    let added = service
        .database
        .write(deadline, move |users, deadline| async move {
            users.add_profile(user, new.clone(), deadline).await
        });
    added.await?;
    let account = service.account(user, deadline).await?;
    Ok((StatusCode::CREATED, Json(service.signed_in(account))))
}

async fn change_profile<U: Users>(
    State(service): State<Arc<Service<U>>>,
    Extension(deadline): Extension<Deadline>,
    Path(profile): Path<ProfileId>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<impl IntoResponse, Failure> {
    let user = service.claims(&headers)?.user;
    let wanted = "what is to change: name, avatar_url, maturity_rating, is_kids";
    let change: ProfileChange = read(&body, wanted)?;
    let change = &change;
    let changed = service
        .database
        .write(deadline, move |users, deadline| async move {
            let change = change.clone();
            users.change_profile(user, profile, change, deadline).await
        });
    changed.await?;
    let account = service.account(user, deadline).await?;
    Ok(Json(service.signed_in(account)))
}

async fn remove_profile<U: Users>(
    State(service): State<Arc<Service<U>>>,
    Extension(deadline): Extension<Deadline>,
    Path(profile): Path<ProfileId>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Failure> {
    let user = service.claims(&headers)?.user;
    let removed = service
        .database
        .write(deadline, move |users, deadline| async move {
            users.remove_profile(user, profile, deadline).await
        });
    removed.await?;
    let account = service.account(user, deadline).await?;
    Ok(Json(service.signed_in(account)))
}

async fn preferences<U: Users>(
    State(service): State<Arc<Service<U>>>,
    Extension(deadline): Extension<Deadline>,
    Path(profile): Path<ProfileId>,
    Query(page): Query<Page>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Failure> {
    let user = service.claims(&headers)?.user;
    let (after, limit) = (page.after.as_str(), page.limit);
    let found = service
        .database
        .read(deadline, move |users, deadline| async move {
            users
                .preferences(user, profile, after, limit, deadline)
                .await
        });
    Ok(Json(found.await?))
}

async fn prefer<U: Users>(
    State(service): State<Arc<Service<U>>>,
    Extension(deadline): Extension<Deadline>,
    Path((profile, key)): Path<(ProfileId, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<impl IntoResponse, Failure> {
    let user = service.claims(&headers)?.user;
    let Value { value } = read(&body, "{\"value\": \"…\"}")?;
    let preference = Preference { key, value };
    let wanted = &preference;
    let preferred = service
        .database
        .write(deadline, move |users, deadline| async move {
            users.prefer(user, profile, wanted.clone(), deadline).await
        });
    preferred.await?;
    Ok(Json(preference))
}

/// For other services, which know no accounts.
async fn viewer<U: Users>(
    State(service): State<Arc<Service<U>>>,
    Extension(deadline): Extension<Deadline>,
    Path(profile): Path<ProfileId>,
) -> Result<impl IntoResponse, Failure> {
    let found = service
        .database
        .read(deadline, move |users, deadline| async move {
            let viewer = users.viewer(profile, deadline).await?;
            viewer.ok_or(UsersError::NoSuchProfile)
        });
    let viewer = found.await?;
    let age = viewer.maturity_age_max();
    let known = known(viewer.profile, &viewer.country_code, age);
    Ok(Json(known.ok_or(UsersError::NoSuchProfile)?))
}
