//! The vocabulary of squall: what a scenario and a system file are.
//!
//! Text goes in, a validated [`Scenario`] or a list of [`Diagnostic`]s with
//! positions comes out. Nothing here runs anything; the crate knows serde and
//! no async runtime, so checking a file is instant and easy to fuzz.

mod address;
mod body_file;
mod check;
mod codes;
mod diagnostic;
mod fault;
mod fault_reference;
mod gate;
mod grammar;
mod http;
mod interpolate;
mod json;
mod keys;
pub mod library;
mod load;
mod objectives;
mod openslo;
mod parse;
mod plan;
mod plan_text;
mod probe;
mod quantity;
mod read;
mod reading;
mod remote;
mod request_text;
mod scenario;
mod schema;
mod secrets;
pub mod seed;
mod shape;
mod source;
mod span;
mod suggest;
mod system;
mod template;
mod units;
mod variant;
mod visible;
mod windows;
mod yaml;

pub use address::{ip_address, socket_address};
pub use body_file::{BODY_BYTES_MAX, BodyFile};
pub use codes::{Explanation, explain, explanations};
pub use diagnostic::{Diagnostic, Label, Severity};
pub use fault::{
    Bandwidth, CYCLES_MAX, Cut, Delay, Direction, FaultSpec, FaultTarget, Inject, Kill, P_SHOWN,
    Repeat, Reset, Signal, smallest_p,
};
pub use fault_reference::{FaultParameter, FaultReference, fault_reference};
pub use gate::{
    BURST_ASSUMED, BreakerChange, BreakerState, Comparison, Gate, GateValue, Metric, MetricGate,
    OUTAGE_BELOW, SloBlock, When,
};
pub use json::to_json;
pub use load::{Arrivals, DataSource, Load, Request, Stage};
pub use objectives::{Objectives, is_objectives, parse_objectives};
pub use openslo::{OpenSlo, OpenSloObjective, is_openslo};
pub use parse::{
    Checked, Environment, OpenSystem, ParseOptions, open_system, parse_gate, parse_openslo,
    parse_scenario, parse_system, process_environment,
};
pub use plan::{Overlap, Plan, PlanCycles, PlanGate, PlanStep, PlanWindow};
pub use probe::{Probe, ProbeRead};
pub use quantity::{QuantityError, parse_duration};
pub use reading::{FallbackSource, ProcessFigure, Reading, ReadingGate};
pub use remote::{RemoteTarget, is_allowed, is_on_this_machine, remote_targets};
pub use request_text::{RenderError, RequestPart, RequestProblem, RequestText, Slot, Unsendable};
pub use scenario::{AbortRule, ExpectedFailure, Scenario, SteadyState, Variant};
pub use schema::{scenario_schema, system_schema};
pub use secrets::{FRAGMENT_CHARACTERS, Redaction, Secrets, VALUE_CHARACTERS_MIN};
pub use source::{SOURCE_BYTES_MAX, Source};
pub use span::{Located, Span};
pub use suggest::nearest;
pub use system::{
    BreakerSource, Count, Link, LoadTarget, Process, Ready, Restart, Setting, Stop, System,
};
pub use template::{Template, UnknownVariable};
pub use units::{ByteCount, Rate, Share, format_duration};
pub use variant::UnknownVariant;
pub use visible::{acts, visible};
pub use windows::{BASELINE, HOLD, PlannedWindow, RECOVERY, WHOLE_RUN, control_window};
