//! The vocabulary of squall: what a scenario and a system file are.
//!
//! Text goes in, a validated [`Scenario`] or a list of [`Diagnostic`]s with
//! positions comes out. Nothing here runs anything; the crate knows serde and
//! no async runtime, so checking a file is instant and easy to fuzz.

mod fault;
mod gate;
mod load;
mod scenario;
mod span;
mod system;
mod template;
mod units;

pub use fault::{
    Bandwidth, Cut, Delay, Direction, FaultSpec, FaultTarget, Inject, Kill, Repeat, Reset, Signal,
};
pub use gate::{
    BreakerChange, BreakerState, Comparison, Gate, GateValue, Metric, MetricGate, SloBlock, When,
};
pub use load::{Arrivals, DataSource, Load, Request, Stage};
pub use scenario::{AbortRule, ExpectedFailure, Scenario, SteadyState, Variant};
pub use span::{Located, Span};
pub use system::{
    BreakerSource, Count, Link, LoadTarget, Process, Ready, Restart, Setting, Stop, System,
};
pub use template::{Template, UnknownVariable};
pub use units::{ByteCount, Rate, Share, format_duration};
