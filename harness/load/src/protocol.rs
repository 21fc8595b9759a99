//! What the load's thread is told, and what it tells.

use std::time::{Duration, Instant};

use squall_record::{Interval, JourneyEnds, Sample, Viewings};

/// What the load thread is told.
#[derive(Debug, Clone, Copy)]
pub enum LoadCommand {
    /// Time zero: the measured schedule starts at this instant.
    Begin {
        /// Time zero.
        zero: Instant,
    },
    /// A fault's edge: cut the interval there.
    Cut {
        /// When it was.
        at: Instant,
    },
    /// No more arrivals; wait this long for answers that are under way, then
    /// call them unfinished.
    Stop {
        /// How long.
        grace: Duration,
    },
}

/// What the load thread tells.
#[derive(Debug)]
pub enum LoadOutput {
    /// A settled interval before time zero, counted from the start of the
    /// thread; for the steady state only.
    Lead(Interval),
    /// A settled interval.
    Interval(Interval),
    /// Arrivals kept as evidence.
    Samples(Vec<Sample>),
    /// A fault's edge came too late to cut the interval that holds it.
    LateCut {
        /// When the edge was.
        at: Instant,
    },
    /// The schedule has been sent; answers are awaited.
    Draining,
    /// How the journeys of the load ended, where it has any; `Finished` follows.
    Journeys(Vec<JourneyEnds>),
    /// What viewers saw, where the load has players; `Finished` follows.
    Viewings(Vec<Viewings>),
    /// Everything is settled or given up; nothing follows.
    Finished {
        /// Measured arrivals scheduled.
        scheduled: u64,
        /// Greatest lag in microseconds.
        lag_max_us: u64,
    },
}
