//! Who is watching: read through the cache, and a harmless stranger when that is impossible.

use http::StatusCode;
use squall_resilience::Deadline;

use super::Gateway;
use crate::dataset::model::Profile;
use crate::platform::read_through::Unreadable;
use crate::platform::reply::{Degraded, Failure};
use crate::stores::wide_column::table::Table;

impl Gateway {
    /// The profile of this id.
    ///
    /// # Errors
    /// 404 when there is none; the inner error when that cannot be found out.
    pub(super) async fn profile(
        &self,
        id: u32,
        deadline: Deadline,
    ) -> Result<Result<Profile, Unreadable>, Failure> {
        let rows = self
            .data
            .rows::<Profile>(Table::Profiles, &id.to_string(), deadline)
            .await;
        match rows.map(|rows| rows.into_iter().next()) {
            Ok(Some(profile)) => Ok(Ok(profile)),
            Ok(None) => Err(Failure::new(StatusCode::NOT_FOUND, "no such profile")),
            Err(unreadable) => Ok(Err(unreadable)),
        }
    }

    /// The profile of this id, or one that may see what anyone may see.
    pub(super) async fn profile_or_anyone(
        &self,
        id: u32,
        deadline: Deadline,
        degraded: &mut Degraded,
    ) -> Result<Profile, Failure> {
        Ok(self.profile(id, deadline).await?.unwrap_or_else(|_| {
            degraded.note("profile=default");
            Profile::anyone(id)
        }))
    }
}
