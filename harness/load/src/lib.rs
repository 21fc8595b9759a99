//! Open-loop load: arrivals start when the schedule says so, whatever the
//! system does.

mod agenda;
mod answer;
mod checks;
mod closed;
mod crew;
mod driver;
mod entry;
mod gauges;
mod heard;
mod job;
mod journey;
mod json;
mod merge;
mod pacer;
mod plan;
mod player;
mod protocol;
mod recorder;
mod redirect;
mod requests;
mod rhythm;
mod samples;
mod schedule;
mod settled;
mod slice;
mod stalls;
mod stretch;
mod thread;
mod told;
mod transport;
mod viewing;
mod worker;

pub use answer::{
    AnswerReader, FALLBACK_HEADER, FIELDS_MAX, HEAD_BYTES_MAX, Head, KEPT_BODIES_BYTES_MAX,
    KEPT_BODY_BYTES_MAX, Kept, Looks, Malformed, Moment, Talk,
};
pub use gauges::Gauges;
pub use heard::{Brought, First, Gaps, Heard, Spread};
pub use plan::{Destination, LoadPlan};
pub use player::{Fetch, Manifest, ManifestError, Next, Player, Viewing};
pub use protocol::{LoadCommand, LoadOutput};
pub use recorder::Recorder;
pub use requests::{
    Answers, CompiledRequests, PreparedRequest, RequestError, RequestKind, RequestMaker,
};
pub use schedule::{Arrival, Schedule};
pub use settled::{Cached, Settled};
pub use thread::{LoadError, LoadHandle};
pub use transport::{
    Connector, Course, Dispatch, Endpoint, Exchange, ExchangeFailure, Key, Leads, Made, Sender,
    Tls, TlsSetupError, Transport, give_up, give_up_late, submit,
};
