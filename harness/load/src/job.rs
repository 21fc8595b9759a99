//! What is sent: arrivals and what follows from them, and the schedule to which they
//! belong.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use crate::journey::{Tally, Walk};
use crate::recorder::Recorder;
use crate::schedule::Arrival;

/// Numbers of lead arrivals start here, so that they draw other data.
const LEAD_NUMBERS: u64 = 1 << 40;

/// One recorded schedule: the lead or the measured load.
#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) origin: Instant,
    pub(crate) recorder: RefCell<Recorder>,
    pub(crate) lead: bool,
    pub(crate) tally: RefCell<Tally>,
}

impl Track {
    /// A track whose schedule begins at `origin`.
    pub(crate) fn new(origin: Instant, routes: Vec<String>, lead: bool) -> Rc<Self> {
        Rc::new(Self {
            origin,
            recorder: RefCell::new(Recorder::new(routes)),
            lead,
            tally: RefCell::default(),
        })
    }

    /// The number of an arrival, which says what it draws.
    pub(crate) fn number(&self, arrival: Arrival) -> u64 {
        arrival.number + if self.lead { LEAD_NUMBERS } else { 0 }
    }
}

/// What is due later: the next step of a journey that is under way.
pub(crate) struct Later {
    pub(crate) track: Rc<Track>,
    /// Number of the arrival that started it.
    pub(crate) number: u64,
    pub(crate) walk: Walk,
}

/// What is due now: an arrival, or what one of them does later.
pub(crate) struct Due {
    pub(crate) at: Instant,
    pub(crate) number: u64,
    pub(crate) route: usize,
    pub(crate) walk: Option<Walk>,
}

/// One request on its way.
pub(crate) struct Job {
    /// Number of the arrival that it comes from.
    pub(crate) number: u64,
    pub(crate) route: usize,
    /// Where in a journey it is, if it is in one.
    pub(crate) walk: Option<Walk>,
    pub(crate) scheduled: Instant,
    pub(crate) scheduled_us: i64,
    pub(crate) ticket: u64,
    pub(crate) track: Rc<Track>,
    /// Whether it was sent late enough to take room from others.
    pub(crate) late: bool,
}
