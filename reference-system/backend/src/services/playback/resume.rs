//! Where a viewer stopped, and where a title therefore goes on: a row of the store, so that it
//! is there whichever instance is asked, on whichever device.

use http::HeaderMap;
use serde::{Deserialize, Serialize};
use squall_resilience::Deadline;

use super::{Playback, Session};
use crate::platform::reply::Degraded;
use crate::stores::wide_column::table::Table;

/// Bookmarks of one profile that are looked through.
const BOOKMARKS_MAX: usize = 1_000;
/// From this share of a title on, in percent, only credits are left.
const SEEN_PERCENT: u64 = 95;

/// A row of the table of bookmarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Bookmark {
    title: u32,
    position_seconds: u32,
}

/// Where a title of this length goes on that was left here: where it was left, or, when it had
/// been seen, at its beginning.
pub(super) fn point(position_seconds: u32, runtime_seconds: u32) -> u32 {
    let is_seen = u64::from(position_seconds) * 100 >= u64::from(runtime_seconds) * SEEN_PERCENT;
    if is_seen { 0 } else { position_seconds }
}

impl Playback {
    /// Where this viewer goes on. When the store does not say, at the beginning: a play matters
    /// more than its place.
    pub(super) async fn resume_seconds(
        &self,
        title: u32,
        profile: Option<u32>,
        deadline: Deadline,
        degraded: &mut Degraded,
    ) -> u32 {
        let Some(profile) = profile else { return 0 };
        let partition = [profile.to_string()];
        let bookmarks = self
            .store
            .read_or_none::<Bookmark>(Table::Bookmarks, &partition, BOOKMARKS_MAX, deadline)
            .await;
        let Some(bookmarks) = bookmarks else {
            self.host.metrics.count("resume_points_unread");
            degraded.note("resume=beginning");
            return 0;
        };
        bookmarks
            .values()
            .flatten()
            .find(|bookmark| bookmark.title == title)
            .map_or(0, |bookmark| bookmark.position_seconds)
    }

    /// Keeps a position. The headers say when it was lost; a preview has none to keep.
    pub(super) async fn keep(
        &self,
        session: &Session,
        position_seconds: u32,
        deadline: Deadline,
    ) -> HeaderMap {
        let mut degraded = Degraded::default();
        if let Some(profile) = session.profile {
            let (partition, clustering) = (profile.to_string(), session.title.to_string());
            let bookmark = Bookmark {
                title: session.title,
                position_seconds,
            };
            let write =
                self.store
                    .write(Table::Bookmarks, partition, clustering, &bookmark, deadline);
            if write.await.is_err() {
                self.host.metrics.count("bookmarks_lost");
                degraded.note("bookmark=lost");
            }
        }
        degraded.headers()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_goes_on_where_it_was_left_unless_it_had_been_seen() {
        for (position, resume) in [(0, 0), (120, 120), (949, 949), (950, 0), (5_000, 0)] {
            assert_eq!(point(position, 1_000), resume, "left at {position}");
        }
        assert_eq!(point(7, 0), 0, "nothing is seen at once");
    }
}
