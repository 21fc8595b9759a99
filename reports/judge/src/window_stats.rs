//! What happened in a window.

use squall_record::Record;

use crate::outage;
use crate::slice::Slice;
use crate::users::{UserImpact, UserTally};
use crate::verdict::WindowStats;
use crate::window::Window;

/// Sums up the arrivals, outages and users of a window.
pub(crate) fn stats(window: &Window, record: &Record) -> WindowStats {
    let (all, routes) = Slice::by_route(&record.intervals, window);
    WindowStats {
        name: window.name.clone(),
        kind: window.kind,
        ranges: window.ranges.clone(),
        all: all.stats("all"),
        routes: routes
            .iter()
            .map(|(route, slice)| slice.stats(route))
            .collect(),
        outages: outage::summary(&record.intervals, window),
        users: users(window, record),
    }
}

/// Distinct users of the window.
fn users(window: &Window, record: &Record) -> Option<UserImpact> {
    let mut tally = UserTally::default();
    let inside = record.intervals.iter().filter(|i| window.contains(i));
    for users in inside.filter_map(|interval| interval.users.as_ref()) {
        tally.add(users);
    }
    tally.impact()
}
