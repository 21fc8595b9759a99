//! What a run means.
//!
//! The engine writes [`RunEvent`]s; a [`Record`] is all that a run leaves. The
//! judge turns a record and a scenario into a verdict, and every output format
//! renders those two. Nothing here opens a socket, reads a clock or prints.

pub mod calibrate;
pub mod compare;
mod drops;
mod event;
pub mod format;
pub mod histogram;
mod index;
mod interval;
mod json_text;
mod judge;
pub mod live;
mod merge;
mod outcome;
mod prove;
pub mod quantity;
mod record;
mod sample;
mod schema;
mod shard;
pub mod statistics;
pub mod store;
mod times;
mod users;
pub mod verdict;

pub use compare::{CompareError, RunComparison, compare};
pub use drops::{ALL_DROP_CAUSES, DropCause, Drops};
pub use event::{
    BreakerReport, FallbackReading, FaultChange, HandAction, HandSide, Phase, ProbeReading,
    ProcessChange, RESOURCES_EVERY_US, ResourceUse, RunEvent, Stamped, StopReason, WindowEdge,
};
pub use index::{IndexedRun, index_page};
pub use interval::{ALL_BAD_KINDS, BadKind, Counts, Interval, RouteInterval};
pub use json_text::{json_document, json_line};
pub use judge::{judge, judge_with};
pub use merge::{MergeError, merge};
pub use outcome::{OUTCOMES, OutcomeRow, RunOutcome, exit_code_table};
pub use prove::{VariantOutcome, variant_outcome};
pub use record::{Manifest, RECORD_SCHEMA_VERSION, Record};
pub use sample::{Outcome, Sample};
pub use schema::{PublishedSchema, SCHEMAS};
pub use shard::{SHARDS_MAX, Shard, ShardSet};
pub use store::{RecordError, RecordWriter, RunSummary};
pub use times::Times;
pub use users::{IntervalUsers, USERS_MAX, UserImpact, UserSet};
pub use verdict::Verdict;
