//! The files of squall: scenarios, systems and objectives as text.
//!
//! Text goes in, a validated [`Scenario`](squall_scenario::Scenario) or a list of
//! [`Diagnostic`]s with positions comes out. Nothing here runs anything, and only
//! here are such files read, so checking one is instant and easy to fuzz.

mod address;
mod arrivals;
mod beside;
mod body_file;
mod check;
mod codes;
mod diagnostic;
mod digest;
mod fault_reference;
mod findings;
mod form_part;
mod grammar;
mod holidays;
mod import;
mod interpolate;
mod json;
mod keys;
pub mod library;
mod monkey;
mod objectives;
mod open;
mod openslo;
mod options;
mod parse;
mod permission;
mod proto_file;
mod read;
mod remote;
mod schema;
mod shape;
mod source;
mod table;
mod written;
mod yaml;

pub use body_file::BODY_BYTES_MAX;
pub use codes::{Explanation, explain, explanations};
pub use diagnostic::{Diagnostic, Label, Severity};
pub use fault_reference::{FaultParameter, FaultReference, fault_reference};
pub use form_part::FormPart;
pub use import::{IMPORT_BYTES_MAX, Imported, NotImported, import, is_curl};
pub use json::to_json;
pub use monkey::parse_monkey;
pub use objectives::{Objectives, is_objectives, parse_objectives};
pub use open::{SOURCE_BYTES_MAX, open_system};
pub use openslo::{OpenSlo, OpenSloObjective, is_openslo};
pub use options::{Environment, OpenSystem, ParseOptions, process_environment};
pub use parse::{Checked, parse_gate, parse_openslo, parse_scenario, parse_system};
pub use permission::Allowed;
pub use remote::{RemoteTarget, remote_targets};
pub use schema::{scenario_schema, system_schema};
pub use source::Source;
pub use written::{escape, is_plain};
