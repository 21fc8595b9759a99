//! Whether somebody sets the machine's clock while a run goes on. Nothing squall
//! measures is counted by it, but logs of the system are, and what a system does at a
//! time of day.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, Timespec, clock_gettime};
use squall_judge::quantity::micros;
use squall_record::RunEvent;
use tokio_util::sync::CancellationToken;

use crate::hub::EventHub;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// Two readings that are further apart say nothing: the thread stood still between
/// them.
const APART_MAX: Duration = Duration::from_millis(1);
/// A clock that is brought closer to the right time little by little, half a
/// millisecond in a second, is not set.
const STEP_MIN: Duration = Duration::from_millis(20);

/// Notes each step of the clock until `stop`.
pub async fn watch_wall_clock(hub: EventHub, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut last = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let Some(read) = look() else {
            continue;
        };
        if let Some(text) = last.and_then(|last| step(last, read)) {
            hub.emit(RunEvent::Note { text }).await;
        }
        last = Some(read);
    }
}

/// A moment on the clock that nobody sets, and on the machine's.
type Moment = (Instant, Duration);

fn look() -> Option<Moment> {
    let before = Instant::now();
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::Realtime);
    let apart = before.elapsed();
    let wall = Duration::new(tv_sec.unsigned_abs(), tv_nsec.unsigned_abs() as u32);
    (apart <= APART_MAX).then_some((before, wall))
}

/// What is to be told where the machine's clock did not go on as time did.
fn step((last, wall_last): Moment, (now, wall_now): Moment) -> Option<String> {
    let wanted = wall_last + now.saturating_duration_since(last);
    let by = wall_now.abs_diff(wanted);
    let (direction, why) = match wall_now > wanted {
        true => ("forward", ", or the machine slept"),
        false => ("back", ""),
    };
    (by >= STEP_MIN).then(|| {
        let by = micros(u64::try_from(by.as_micros()).unwrap_or(u64::MAX));
        format!(
            "the machine's clock was set {direction} by {by}{why}: times of this run do not count \
             by it, but those in logs of the system may"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_is_told_and_one_that_is_slewed_is_not() {
        let start = Instant::now();
        let at = |us| start + Duration::from_micros(us);
        let wall = |us| Duration::from_secs(1_700_000_000) + Duration::from_micros(us);
        let begin = (at(0), wall(0));
        assert_eq!(step(begin, (at(1_000_000), wall(1_000_000))), None);
        assert_eq!(step(begin, (at(1_000_000), wall(1_000_500))), None);
        assert_eq!(step(begin, (at(1_000_000), wall(981_000))), None);

        let back = step(begin, (at(1_000_000), wall(500_000))).unwrap();
        assert!(back.contains("set back by 500ms: "), "{back}");
        let forward = step(begin, (at(1_000_000), wall(4_200_000))).unwrap();
        assert!(forward.contains("forward by 3.2s, or"), "{forward}");
    }

    #[test]
    fn the_clock_of_this_machine_goes_on() {
        let moments = std::iter::from_fn(|| Some(look())).take(1_000);
        let moments: Vec<Moment> = moments.flatten().collect();
        assert!(moments.len() > 1, "the clocks can be read together");
    }
}
