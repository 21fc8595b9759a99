//! What a run leaves.
//!
//! The engine writes [`RunEvent`]s to a run directory; a [`Record`] is all that
//! is read back from it, and all that judging and rendering need. Nothing here
//! opens a socket, reads a clock or prints; only [`store`] touches files, and
//! only inside a run directory.

mod bad_kind;
mod caching;
mod drops;
mod event;
mod fault_seen;
pub mod histogram;
mod interval;
mod journey;
mod json_text;
mod link_short;
mod merge;
mod messages;
mod parts;
mod pieces;
mod record;
mod sample;
mod shard;
mod sightings;
pub mod store;
mod terminal;
mod times;
mod users;
mod viewing;

pub use bad_kind::{ALL_BAD_KINDS, BadKind};
pub use caching::CacheUse;
pub use drops::{ALL_DROP_CAUSES, DropCause, Drops};
pub use event::{
    BreakerReport, FallbackReading, FaultChange, HandAction, HandSide, Phase, ProbeReading,
    ProcessChange, RESOURCES_EVERY_US, ResourceUse, RunEvent, Stamped, StopReason, WindowEdge,
};
pub use fault_seen::FaultSeen;
pub use interval::{Counts, Interval, RouteInterval};
pub use journey::JourneyEnds;
pub use json_text::{json_document, json_line};
pub use link_short::LinkShort;
pub use merge::{MergeError, merge};
pub use messages::RouteMessages;
pub use parts::{IntervalParts, Parts};
pub use pieces::AllViewings;
pub use record::{Manifest, RECORD_SCHEMA_VERSION, Record};
pub use sample::{Outcome, Sample};
pub use shard::{SHARDS_MAX, Shard, ShardSet};
pub use sightings::{Sighting, Sightings};
pub use store::{RecordError, RecordWriter};
pub use terminal::{terminal_block, terminal_line, terminal_text};
pub use times::Times;
pub use users::{IntervalUsers, USERS_MAX, UserSet};
pub use viewing::{Piece, ViewingSecond, Viewings};
