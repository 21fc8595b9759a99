//! The vocabulary of squall: what a scenario and a system are.
//!
//! Types with their units, gates, windows and the plan of a run, for everything
//! that speaks of an experiment. Nothing here reads a file or runs anything;
//! `squall-scenario-file` makes a [`Scenario`] of a text.

mod address;
mod answer_check;
pub mod base64;
mod bit_rate;
mod body_file;
mod call;
mod column;
mod comparison;
mod connecting;
mod description;
mod evidence;
mod fault;
mod gate;
mod http;
pub mod inject;
mod journey;
mod listing;
mod load;
pub mod monkey;
mod multipart;
mod pattern;
mod peak;
mod percent;
mod persona;
mod plan;
mod plan_text;
mod probe;
mod quantity;
mod reading;
mod replay;
mod request;
mod request_problem;
mod request_text;
mod samples;
mod scenario;
mod secrets;
pub mod seed;
mod socket;
mod span;
mod stay;
mod suggest;
mod system;
mod template;
mod units;
mod variant;
mod viewing;
mod visible;
mod wave;
mod windows;

pub use address::{
    ip_address, is_allowed, is_host, is_localhost, is_on_this_machine, socket_address,
    split_address,
};
pub use answer_check::{AnswerCheck, Digest, Expected, NoDigest, Series, SeriesCheck};
pub use bit_rate::BitRate;
pub use body_file::BodyFile;
pub use call::{Call, GRPC_OK, MESSAGE_PREFIX_BYTES, Messages, grpc_status, grpc_status_name};
pub use column::Column;
pub use comparison::{Comparison, GateValue};
pub use connecting::{ClientIdentity, ClientTls, ConnectTo, Connecting, HttpVersion};
pub use description::{Description, Undescribed};
pub use evidence::{
    CallsSeen, Evidence, EvidenceLevel, LinksSeen, Measured, MessagesSeen, NamesSeen, PacketsSeen,
    ProcessSeen, ResourceSeen, Sighting, TlsSeen,
};
pub use fault::{CYCLES_MAX, FaultSpec, FaultTarget, P_SHOWN, Repeat, smallest_p};
pub use gate::{
    BURST_ASSUMED, BreakerChange, BreakerState, Gate, Metric, MetricGate, OUTAGE_BELOW, SloBlock,
    When,
};
pub use http::{FRAMING_HEADERS, Misfit, header_misfit, is_header_name, path_misfit};
pub use inject::{
    Direction, Inject, OnBytes, OnHttp, OnInProcess, OnNetwork, OnProcess, OnResource, OnTls,
    Surface,
};
pub use journey::{Journey, STEP_OF, Step, Take, Think};
pub use listing::listed;
pub use load::{Arrivals, DataSource, Load, LoadBeside, Stage};
pub use percent::{is_unreserved, percent_encode, percent_encoded};
pub use persona::{BACKOFF_MAX, Persona, RETRIES_MAX};
pub use plan::{Overlap, Plan, PlanCycles, PlanGate, PlanStep, PlanWindow};
pub use probe::{Probe, ProbeRead};
pub use quantity::{QuantityError, QuantityProblem, parse_duration};
pub use reading::{FallbackSource, ProcessFigure, Reading, ReadingGate};
pub use replay::Replay;
pub use request::{Auth, Multipart, Part, PartContent, Request};
pub use request_problem::{RequestPart, RequestProblem};
pub use request_text::{BodyPiece, RenderError, RequestText, Slot, Unsendable};
pub use samples::{CONFIDENCE, STRETCH_MIN, samples_for_a_failure, samples_for_quantile};
pub use scenario::{AbortRule, ExpectedFailure, Scenario, SteadyState, Variant};
pub use secrets::{FRAGMENT_CHARACTERS, Redaction, Secrets, VALUE_CHARACTERS_MIN};
pub use socket::{CLOSED_WELL, Socket, close_code_name};
pub use span::{Located, Span};
pub use stay::Stay;
pub use suggest::nearest;
pub use system::{
    BreakerSource, Count, Existing, Find, Link, LoadTarget, Process, Ready, Restart, Setting, Stop,
    System, TlsTo, keep_output,
};
pub use template::{Template, UnknownVariable};
pub use units::{ByteCount, Rate, Share, format_duration};
pub use variant::UnknownVariant;
pub use viewing::{ViewingFigure, ViewingGate, Watching};
pub use visible::{acts, quoted, visible, without_controls};
pub use wave::Wave;
pub use windows::{
    BASELINE, BUILT_IN, HOLD, PlannedWindow, RECOVERY, WHOLE_RUN, control_window, planned_windows,
};
