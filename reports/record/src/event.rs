//! The one stream of events that screens, journal, guards and reports read.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_scenario::BreakerState;

use crate::{FaultSeen, Interval, JourneyEnds, LinkShort, Piece, Viewings};

/// An event and when it happened.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Stamped {
    /// Microseconds since time zero (the first measured arrival); negative
    /// before it. Times are monotonic, not wall clock.
    pub at_us: i64,
    /// What happened.
    pub event: RunEvent,
}

/// Everything that happens in a run. Append-only: new variants may be added,
/// old ones keep their meaning.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunEvent {
    /// A phase of the run began.
    Phase(Phase),
    /// A process of the system under test changed.
    Process {
        /// Name of the process.
        process: String,
        /// Name of the instance, for instance `catalog-0`.
        instance: String,
        /// What happened to it.
        change: ProcessChange,
    },
    /// A link is up.
    LinkUp {
        /// Name of the link, or of the instance it fronts.
        link: String,
        /// Address that callers use.
        listen: String,
        /// Where connections go.
        to: String,
    },
    /// A link failed its callers for want of something that is squall's own; told
    /// about once a second while it does.
    LinkShort(LinkShort),
    /// One injection of a fault changed.
    Fault {
        /// Name of the fault, which is also its window.
        fault: String,
        /// Number of the injection, from 0.
        injection: u32,
        /// What it is aimed at, resolved: `recommendations-0, recommendations-1`.
        targets: Vec<String>,
        /// What happened to it.
        change: FaultChange,
    },
    /// A breaker of one instance changed state, or began or ceased to count
    /// enough calls to be asked.
    Breaker(BreakerReport),
    /// How often the states of breakers are read: what the time of a breaker
    /// report is exact to.
    BreakersRead {
        /// Microseconds from one reading to the next.
        every_us: u64,
    },
    /// A named window of the run opened or closed.
    Window {
        /// Its name.
        window: String,
        /// Which edge.
        edge: WindowEdge,
    },
    /// All arrivals scheduled in a stretch of time are settled. Intervals are
    /// contiguous, in order, and never overlap.
    Interval(Interval),
    /// The steady state was or was not reached.
    SteadyState {
        /// Whether every expectation held for the required time.
        reached: bool,
        /// What was observed, in words.
        detail: String,
    },
    /// A guard of `abort_when` fired.
    Abort {
        /// The rule as it stands in the scenario.
        guard: String,
        /// What was observed, in words.
        detail: String,
    },
    /// The user or the system asked the run to stop.
    Interrupted {
        /// Why.
        reason: StopReason,
    },
    /// Something a reader should know that changes nothing by itself.
    Note {
        /// The text.
        text: String,
    },
    /// The system could not be made ready.
    NotReady {
        /// What was tried and what happened, in words.
        detail: String,
    },
    /// A fault, process or link could not be put back.
    UndoFailed {
        /// What is left and how to undo it by hand.
        detail: String,
    },
    /// Something of squall itself failed: a thread of it died, its guardian
    /// complained, or what happened could not be recorded. Nothing that the
    /// record says can be relied on.
    Internal {
        /// What failed, in words.
        detail: String,
    },
    /// Everything was put back and checked.
    UndoVerified {
        /// What was checked.
        detail: String,
    },
    /// The load is over: totals over all intervals, for the conservation check.
    LoadFinished {
        /// Arrivals of the plan that were scheduled until the load ended.
        scheduled: u64,
        /// Greatest lag of the generator in microseconds.
        lag_max_us: u64,
    },
    /// How the journeys of the load ended; told before the end of the load, where it
    /// has journeys.
    JourneysEnded {
        /// Each journey of the load.
        journeys: Vec<JourneyEnds>,
    },
    /// What viewers saw; told before the end of the load, where it has players. Of a long
    /// load there are several, which add up.
    Viewings {
        /// Each step of the load that plays.
        players: Vec<Viewings>,
        /// Which of them this is, so that one that is lost is missed; not said in records
        /// of before it was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        piece: Option<Piece>,
    },
    /// A person acted on the run from a screen. What came of it stands in the
    /// events that follow.
    ByHand {
        /// What was done.
        action: HandAction,
        /// Which screen it was done at.
        #[serde(default)]
        from: HandSide,
    },
    /// CPU and memory of squall and of the system's processes, about once per
    /// second: instance name to (CPU milliseconds since start, PSS or RSS bytes).
    Resources {
        /// By instance; squall itself is `squall`.
        usage: BTreeMap<String, ResourceUse>,
    },
    /// A probe was read, or could not be.
    Probe(ProbeReading),
    /// What one instance's breaker counts of fallbacks, about once per second.
    Fallbacks(FallbackReading),
}

/// From one [`RunEvent::Resources`] to the next, in microseconds.
pub const RESOURCES_EVERY_US: u64 = 1_000_000;

/// What an instance has used: its process and those it started, as far as they
/// stay in its process group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResourceUse {
    /// User and system CPU time since the process started, in milliseconds.
    pub cpu_ms: u64,
    /// Resident set size in bytes; what processes share counts for each.
    pub rss_bytes: u64,
    /// Open file descriptors; `None` where they could not be counted, and in
    /// records of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fds: Option<u64>,
}

/// What one reading of a probe gave. It was asked for `took_us` before the
/// time of its event and answered then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeReading {
    /// Name of the probe.
    pub probe: String,
    /// The number; `None` where the reading failed.
    pub value: Option<f64>,
    /// Why it failed, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// From the question to the answer, in microseconds.
    pub took_us: u64,
    /// Only of a count that never falls (lines of an output). The number is
    /// that of the moment it was asked for, whenever the answer came, and so
    /// many microseconds before that moment it was still the number of the
    /// reading before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looked_us: Option<u64>,
}

/// Rolling counts of one breaker of one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FallbackReading {
    /// Name of the breaker in the scenario's system.
    pub breaker: String,
    /// Instance that holds it.
    pub instance: String,
    /// Length of the rolling window in microseconds, which ends now.
    pub window_us: u64,
    /// Calls that ended in it, by an answer, a fallback or an error.
    pub calls: u64,
    /// Of these, answered by a fallback.
    pub fallbacks: u64,
}

/// Phases in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Processes are started.
    Starting,
    /// Load runs, nothing is measured.
    WarmUp,
    /// Load runs, the steady state is checked; time zero follows.
    SteadyState,
    /// The measured load with its faults.
    Load,
    /// No new arrivals; answers are awaited.
    Drain,
    /// Processes are ended, undo is verified.
    Stopping,
    /// All done.
    Finished,
}

/// What happened to a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessChange {
    /// It was started.
    Started {
        /// Its process id.
        pid: u32,
    },
    /// Its ready probe succeeded.
    Ready,
    /// It ended.
    Exited {
        /// Exit code or signal, in words: `exit 1`, `signal 9`.
        status: String,
        /// Whether a fault or the end of the run asked for it.
        expected: bool,
    },
    /// Its restart policy will start it again.
    Restarting,
}

/// What happened to an injection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FaultChange {
    /// It was asked for.
    Requested,
    /// It was seen to be in force.
    Active {
        /// What was seen.
        #[serde(flatten)]
        evidence: FaultSeen,
    },
    /// More was seen while it was in force (for instance that traffic met it).
    Observed {
        /// What was seen.
        #[serde(flatten)]
        evidence: FaultSeen,
        /// Whether traffic has felt the fault (as against: it is attached).
        effective: bool,
        /// Whether it was no longer in force when it was looked at again, as
        /// `evidence` says: what it acted on ended, or somebody else undid it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        lost: bool,
    },
    /// Its removal was asked for.
    RemovalRequested,
    /// It was seen to be gone.
    Removed {
        /// What was seen.
        #[serde(flatten)]
        evidence: FaultSeen,
    },
    /// Its time began, and nothing was injected, on purpose: a control period of
    /// its cycles, or a run that measures what happens without it.
    Withheld,
    /// The time in which a fault was withheld is over.
    WithheldEnds,
    /// A monkey that was about to kill did not, and why not: an injection that
    /// never was, by rule and not by mistake.
    Spared {
        /// Why, in words.
        why: String,
    },
    /// It could not be injected, verified or removed.
    Failed {
        /// What happened, in words.
        detail: String,
    },
}

impl FaultChange {
    /// The edge of its period, with the fault or without, that an injection
    /// comes to by this change.
    #[must_use]
    pub const fn edge(&self) -> Option<WindowEdge> {
        match self {
            Self::Active { .. } | Self::Withheld => Some(WindowEdge::Opens),
            Self::RemovalRequested | Self::WithheldEnds => Some(WindowEdge::Closes),
            Self::Requested
            | Self::Observed { .. }
            | Self::Removed { .. }
            | Self::Spared { .. }
            | Self::Failed { .. } => None,
        }
    }
}

/// What one instance says about one breaker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BreakerReport {
    /// Name of the breaker in the scenario's system.
    pub breaker: String,
    /// Instance that holds it.
    pub instance: String,
    /// Its state; `None` when it is not known: the instance is down or cannot
    /// be read, or says nothing of this breaker.
    #[schemars(with = "Option<String>")]
    pub state: Option<BreakerState>,
    /// Whether its window holds at least the volume threshold.
    pub has_volume: bool,
    /// Percentage of errors in its window.
    pub error_percent: u32,
    /// Calls in its window.
    pub calls: u64,
    /// Why nothing is known of it although the instance runs: what was looked
    /// for and what was there instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Whether the state is the scenario's word (`starts: closed`) and nothing
    /// that the instance said.
    #[serde(default, skip_serializing_if = "is_false")]
    pub assumed: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// An edge of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WindowEdge {
    /// It begins.
    Opens,
    /// It ends.
    Closes,
}

/// Why a run was cut short from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StopReason {
    /// SIGINT.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// Asked for by hand: finish early.
    Finish,
}

/// The screen at which a person acted on a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HandSide {
    /// The run's own terminal; also in records that do not say.
    #[default]
    Own,
    /// Another terminal that was attached to the run.
    Attached,
}

/// What a person did to a run under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum HandAction {
    /// Marked the moment.
    Mark {
        /// What it says.
        text: String,
    },
    /// Stopped one fault: what is in force of it is removed, and nothing more
    /// of it is injected.
    StopFault {
        /// Its name.
        fault: String,
    },
    /// Stopped every fault of the run likewise; the load goes on.
    StopAllFaults,
    /// Finished the run early. What was planned after it never happened, which
    /// [`RunEvent::Interrupted`] says next.
    Finish,
}

impl HandAction {
    /// What was done, in words.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Mark { text } => format!("marked: {text}"),
            Self::StopFault { fault } => format!("stopped the fault `{fault}`"),
            Self::StopAllFaults => "stopped every fault".to_owned(),
            Self::Finish => "finished the run early".to_owned(),
        }
    }

    /// What was done and, where it was not at the run itself, at which screen.
    #[must_use]
    pub fn words_from(&self, from: HandSide) -> String {
        match from {
            HandSide::Own => self.words(),
            HandSide::Attached => format!("{}, from another terminal", self.words()),
        }
    }

    /// Whether it keeps this fault from taking its planned course.
    #[must_use]
    pub fn stops(&self, fault: &str) -> bool {
        match self {
            Self::Mark { .. } | Self::Finish => false,
            Self::StopFault { fault: stopped } => stopped == fault,
            Self::StopAllFaults => true,
        }
    }
}
