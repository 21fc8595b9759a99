//! `slow_close`: bytes pass at once, the end of the stream later.

use std::time::{Duration, Instant};

use squall_scenario::inject::{Direction, SlowClose};

use super::Decides;
use crate::{Event, Fate, Fates, Toxic};

impl Decides for SlowClose {
    const LOSSY: bool = false;

    fn example() -> Self {
        Self {
            by: Duration::from_millis(20),
            direction: Direction::Both,
        }
    }

    fn toxic(&self, _seed: u64) -> Box<dyn Toxic> {
        Box::new(SlowCloseToxic { by: self.by })
    }
}

/// Holds the end of the stream `by`, counted from its arrival.
#[derive(Debug)]
struct SlowCloseToxic {
    by: Duration,
}

impl Toxic for SlowCloseToxic {
    fn on(&mut self, event: Event<'_>, _now: Instant) -> Fates {
        match event {
            Event::Eof { arrived } => Fate::Hold(arrived + self.by).into(),
            Event::Opened { .. } | Event::Chunk(_) | Event::Timer => Fates::pass(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::proxy::chain::Newcomer;
    use crate::proxy::counters::ToxicTotals;
    use crate::{Chain, Output};

    #[test]
    fn only_the_end_is_late_and_only_that_counts() {
        let (mut chain, mut out) = (Chain::default(), Output::default());
        let (start, totals) = (Instant::now(), Arc::<ToxicTotals>::default());
        let newcomer = Newcomer {
            id: Arc::from("slow"),
            toxic: SlowClose::example().toxic(1),
            totals: Arc::clone(&totals),
        };
        chain.insert(0, newcomer, false, start, &mut out);
        chain.push(Bytes::from_static(b"bye"), start, &mut out);
        assert_eq!(out.bytes.pop_front().unwrap(), "bye");
        assert_eq!(totals.done().ends, 0);

        chain.push_eof(start, &mut out);
        let due = start + SlowClose::example().by;
        assert_eq!(chain.deadline(), Some(due));
        chain.advance(due - Duration::from_nanos(1), &mut out);
        assert!(!out.eof);
        chain.advance(due, &mut out);
        assert!(out.eof && out.end.is_none());
        assert_eq!((totals.done().ends, totals.done().flows), (1, 0));
    }
}
