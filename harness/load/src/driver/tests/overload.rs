//! Asked for more than it can send, the driver spends its time on what it sends.

use super::*;

/// What is hopelessly late costs no look at what has come: next to nothing is left
/// for those that are sent otherwise.
#[tokio::test(flavor = "local")]
async fn what_is_dropped_takes_no_place_in_a_batch() {
    let nowhere = ([127, 0, 0, 1], 9).into();
    let (driver, _told) = driver(&Scene::of(1_000.0, Duration::from_secs(5)), nowhere);
    let zero = Instant::now().checked_sub(Duration::from_secs(4)).unwrap();
    let track = Track::new(zero, routes(), false);
    let mut schedule = driver.slice.schedule(&driver.load.shape);
    let mut next = schedule.next();
    let sent = driver.send_due(&track, &mut next, &mut schedule, None);

    assert_eq!(sent, DROPPED_BATCH, "of three thousand that are too late");
    let recorder = track.recorder.borrow();
    assert_eq!(recorder.scheduled(), u64::from(DROPPED_BATCH));
    assert_eq!(recorder.in_flight(), 0);
}
