//! What the threads of a load tell whoever joins what they did, and what they
//! are told by it.

use std::time::{Duration, Instant};

use squall_record::{JourneyEnds, Sample, Viewings};

use crate::gauges::BoardReading;
use crate::stretch::Stretch;

/// What every thread of a load is told, each at the same instant of the load.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Order {
    /// The measured schedule starts at this instant.
    Begin {
        /// Time zero.
        zero: Instant,
    },
    /// A fault's edge.
    Cut {
        /// When it was.
        at: Instant,
    },
    /// No more arrivals from an instant on.
    Stop {
        /// When that is.
        at: Instant,
        /// How long answers are waited for behind it.
        grace: Duration,
    },
}

/// What a thread tells.
#[derive(Debug)]
pub(crate) enum Told {
    /// A settled stretch before time zero.
    Lead(Stretch),
    /// Arrivals kept as evidence. Those of a second come before the stretch that
    /// ends it.
    Samples(Vec<Sample>),
    /// A settled stretch.
    Stretch(Stretch),
    /// A fault's edge came too late to cut the stretch that holds it.
    LateCut {
        /// When the edge was.
        at: Instant,
    },
    /// What its board has counted.
    Reading(BoardReading),
    /// Its part of the schedule has been sent; answers are awaited.
    Draining,
    /// Everything of it is settled or given up; nothing follows.
    Finished {
        /// Measured arrivals scheduled.
        scheduled: u64,
        /// Greatest lag in microseconds.
        lag_max_us: u64,
        /// How each journey of the load ended.
        journeys: Vec<JourneyEnds>,
        /// What the viewers of each player saw.
        viewings: Vec<Viewings>,
    },
}
