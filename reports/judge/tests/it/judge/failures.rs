//! What failed, of which kind, since when and until when, and an arrival that did.

use super::*;
use squall_record::{Outcome, Sightings};

#[test]
fn a_kind_of_failure_has_its_first_its_last_and_an_arrival() {
    let mut record = failing(0.3, 31.2, 33.7);
    let verdict = judge(&record);
    let error = verdict
        .errors
        .iter()
        .find(|error| error.route == "homepage" && error.kind == Some(BadKind::Status))
        .unwrap();
    assert!(error.first_us >= seconds(31.2) && error.last_us < seconds(33.7));
    let sample = error.sample.as_ref().unwrap();
    assert_eq!(sample.route, "homepage");
    assert_eq!(sample.outcome, Outcome::Bad(BadKind::Status));
    assert!((error.first_us..=error.last_us).contains(&sample.scheduled_us));
    let (count, first_us, last_us) = (error.count, error.first_us, error.last_us);

    // A record of before says nothing of it but in which interval it was.
    let routes = record.intervals.iter_mut().flat_map(|it| &mut it.routes);
    routes.for_each(|route| route.seen = Sightings::default());
    let old = judge(&record);
    let error = old
        .errors
        .iter()
        .find(|error| error.route == "homepage" && error.kind == Some(BadKind::Status))
        .unwrap();
    assert_eq!(error.count, count);
    assert_eq!(
        (error.first_us, error.last_us),
        (seconds(31.0), seconds(34.0))
    );
    assert!(error.first_us < first_us && last_us < error.last_us);
}
