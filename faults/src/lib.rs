//! Everything that breaks something and puts it back.
//!
//! - [`Proxy`] carries the bytes of one named link; [`Toxic`]s decide what
//!   happens to them.
//! - A [`Fault`] is injected and gives a [`FaultGuard`], which proves the
//!   effect, undoes it and proves that too.
//! - [`Journal`] writes every undo to disk before the effect; [`recover`]
//!   replays what a dead run left.
//! - [`guardian`] is the separate process that starts the system under test and
//!   ends it when squall is gone.
//!
//! - [`monkey`] kills one of a group now and then, in working hours.
//!
//! What was seen of a fault is [`squall_scenario::Evidence`]; what that means for
//! a run is not decided here.

mod chance;
mod decisions;
mod doors;
mod error;
mod guard;
pub mod guardian;
mod http;
mod in_process;
pub mod machine;
mod marks;
pub mod measure;
pub mod monkey;
mod network;
mod process;
mod proxy;
mod resource;
mod serial_line;
mod tls;
mod toxic;
mod toxics;
pub mod toxiproxy;
mod wait;

pub use decisions::{Decision, Decisions};
pub use error::{FaultError, Refusal};
pub use guard::journal::{EntryId, Inverse, Journal, JournalError};
pub use guard::recover;
pub use guard::{
    Fault, FaultContext, FaultGuard, MessageFault, ProcessFault, ResourceFault, ToxicFault,
};
pub use http::{
    Calls, Exchanges, Head, HeadEdit, HttpEvent, HttpFate, HttpFault, NoScopeKey, Scope, ScopeKey,
    StartLine,
};
pub use in_process::{CallsFault, Inside};
pub use marks::{INSTANCE_MARK, RUN_MARK};
pub use network::{
    Counted, Filter, Names, NamesFault, NoOverlay, PacketsFault, Question, Reply, Resolver,
    ResolverError, Unreadable, lookup, may_lay_over, resolver_files,
};
pub use process::{Member, Origin, Pauses, ProcessIdentity, ProcessTarget, Processes, members};
pub use process::{existing, listeners};
pub use proxy::chain::{Chain, End, Output};
pub use proxy::counters::{ProxyCounters, ToxicCounters};
pub use proxy::{
    AttachError, ConnectionInfo, LateConfig, LinkLimit, Proxy, ProxyConfig, Switched, UpdateError,
    Wants,
};
pub use resource::{Before, Controller, LimitKind, Limits, LoweredLimit, Pen, Version};
pub use tls::{Authority, NoCertificate, Terminal, TlsFault};
pub use toxic::{Chunk, Event, Fate, Fates, Toxic};
pub use toxics::{ALL_TOXICS, ToxicInfo, build};
