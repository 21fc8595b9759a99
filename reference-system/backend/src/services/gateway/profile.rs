//! Who is watching: from the cache or the user service, and while neither says, what a session
//! says, and without one a harmless stranger.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use squall_resilience::Deadline;

use super::Gateway;
use crate::dataset::model::Profile;
use crate::platform::clock;
use crate::platform::remote::{Ask, RemoteError, Reply};
use crate::platform::reply::{Degraded, Failure};
use crate::services::user::viewer_path;

/// How long what the user service said of a profile is believed without asking again: a parent who
/// takes titles away from a child does not wait long, whatever else goes wrong.
const KNOWN: Duration = Duration::from_secs(60);

fn key(id: u32) -> String {
    format!("viewer:{id}")
}

/// What may be done about a profile that nobody can say anything of.
const NOBODY_KNOWS: RemoteError = RemoteError::NoFallback("no session is shown that says more");

impl Gateway {
    /// The profile of this id, if anybody can say: the user service, or the session of its account.
    ///
    /// # Errors
    /// 401 for a session that is none, 403 if it is of another account, 404 if there is no such
    /// profile, 503 if nobody can say.
    pub(super) async fn profile(
        &self,
        id: u32,
        headers: &HeaderMap,
        deadline: Deadline,
        degraded: &mut Degraded,
    ) -> Result<Profile, Failure> {
        let session = self.sessions.shown(headers, clock::unix_seconds())?;
        let said = session.map(|session| session.profile(id)).transpose()?;
        let key = key(id);
        let lookup = self.data.cache.get(std::slice::from_ref(&key), deadline);
        if let Some(known) = lookup.await.json::<Option<Profile>>(&key) {
            let gone = || Failure::new(StatusCode::NOT_FOUND, "no such profile");
            return known.ok_or_else(gone);
        }
        let ask = Ask::get(viewer_path(id));
        let read = |reply: Reply| Ok((reply.json::<Profile>()?, true));
        let fallback = |_: &_| {
            let said = said.clone().ok_or(NOBODY_KNOWS);
            std::future::ready(said.map(|profile| (profile, false)))
        };
        let answer = self.profiles.ask_or(&ask, deadline, read, fallback).await;
        let (profile, is_current) = answer.map_err(|error| Failure::of("user", &error))?;
        match is_current {
            true => self.know_profile(id, Some(&profile)),
            false => degraded.note("profile=session"),
        }
        Ok(profile)
    }

    /// The profile of this id, or one that may see what anyone may see.
    ///
    /// # Errors
    /// As [`profile`](Self::profile), but for the last.
    pub(super) async fn profile_or_anyone(
        &self,
        id: u32,
        headers: &HeaderMap,
        deadline: Deadline,
        degraded: &mut Degraded,
    ) -> Result<Profile, Failure> {
        match self.profile(id, headers, deadline, degraded).await {
            Err(failure) if failure.is_servers() => {
                degraded.note("profile=default");
                Ok(Profile::anyone(id))
            }
            known => known,
        }
    }

    /// Puts into the cache what is known of a profile now: that there is none any more, if nothing.
    pub(super) fn know_profile(&self, id: u32, profile: Option<&Profile>) {
        self.data.cache.set_later(key(id), KNOWN, &profile);
    }
}
