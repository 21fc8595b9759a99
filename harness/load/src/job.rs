//! What is sent: arrivals and what follows from them, and the schedule to which they
//! belong.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use squall_record::Viewings;

use crate::closed::Turn;
use crate::journey::{Cache, Tally, Walk};
use crate::recorder::Recorder;
use crate::redirect::Hop;
use crate::settled::{Cached, Settled};
use crate::transport::{Dispatch, Key};
use crate::viewing::Segment;

/// Numbers of lead arrivals start here, so that they draw other data.
const LEAD_NUMBERS: u64 = 1 << 40;

/// One recorded schedule: the lead or the measured load.
#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) origin: Instant,
    pub(crate) recorder: RefCell<Recorder>,
    pub(crate) lead: bool,
    pub(crate) tally: RefCell<Tally>,
    /// What viewers saw, by the route of their player.
    pub(crate) viewings: RefCell<BTreeMap<usize, Viewings>>,
}

impl Track {
    /// A track whose schedule begins at `origin`.
    pub(crate) fn new(origin: Instant, routes: Vec<String>, lead: bool) -> Rc<Self> {
        Rc::new(Self {
            origin,
            recorder: RefCell::new(Recorder::new(routes)),
            lead,
            tally: RefCell::default(),
            viewings: RefCell::default(),
        })
    }

    /// What the arrival of this number draws by.
    pub(crate) const fn number(&self, arrival: u64) -> u64 {
        arrival + if self.lead { LEAD_NUMBERS } else { 0 }
    }
}

/// Whose journey it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whose {
    /// Number of the arrival that started it.
    pub(crate) number: u64,
    /// Whose turn it is, in a closed loop.
    pub(crate) turn: Option<Turn>,
}

/// What is due later.
pub(crate) enum Later {
    /// The next step of a journey that is under way.
    Step {
        track: Rc<Track>,
        /// Number of the arrival that started it.
        number: u64,
        walk: Box<Walk>,
        /// Whose turn it is, in a closed loop.
        turn: Option<Turn>,
    },
    /// The next turn of a user.
    Turn { track: Rc<Track>, turn: Turn },
    /// Another attempt, and what became of the last one.
    Again(Box<(Job, Settled)>),
}

/// An attempt whose client has less patience than the load.
pub(crate) struct Attempt {
    pub(crate) key: Key,
    pub(crate) dispatch: Dispatch,
    pub(crate) timeout: Duration,
}

/// What is due now: an arrival, or what one of them does later.
pub(crate) struct Due {
    pub(crate) at: Instant,
    pub(crate) number: u64,
    pub(crate) route: usize,
    pub(crate) walk: Option<Box<Walk>>,
    /// Whose turn it is, in a closed loop.
    pub(crate) turn: Option<Turn>,
}

/// One request on its way.
pub(crate) struct Job {
    /// Number of the arrival that it comes from.
    pub(crate) number: u64,
    pub(crate) route: usize,
    /// Where in a journey it is, if it is in one.
    pub(crate) walk: Option<Box<Walk>>,
    /// Whose turn it is, in a closed loop.
    pub(crate) turn: Option<Turn>,
    /// What follows from redirects that were met, if there were any.
    pub(crate) hop: Option<Box<Hop>>,
    pub(crate) scheduled: Instant,
    pub(crate) scheduled_us: i64,
    pub(crate) ticket: u64,
    pub(crate) track: Rc<Track>,
    /// Whether it was sent late enough to take room from others.
    pub(crate) late: bool,
    /// Attempts before this one.
    pub(crate) attempts: u32,
    /// When the first of them was dispatched, if it was.
    pub(crate) first: Option<Dispatch>,
    /// What its client's cache had for it, and how many answers that let go.
    pub(crate) cached: Cached,
    pub(crate) evicted: u32,
}

impl Job {
    /// What is asked for, where it is a segment.
    pub(crate) fn segment(&self) -> Option<Segment<'_>> {
        self.walk.as_ref()?.segment()
    }

    /// Its client's cache, where that has one and has been asked.
    pub(crate) fn cache(&mut self) -> Option<&mut Cache> {
        self.walk.as_mut()?.carried.cache.as_deref_mut()
    }

    /// What follows is none of its client's cache's.
    pub(crate) fn passes_cache(&mut self) {
        if let Some(cache) = self.cache() {
            cache.let_pass();
        }
    }
}
