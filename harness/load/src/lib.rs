//! Open-loop load: arrivals start when the schedule says so, whatever the
//! system does.

mod answer;
mod connection;
mod driver;
mod exchange;
mod gauges;
mod pacer;
mod protocol;
mod recorder;
mod requests;
mod samples;
mod schedule;
mod settled;
mod stalls;
mod thread;
mod transport;

pub use answer::{AnswerReader, FALLBACK_HEADER, FIELDS_MAX, HEAD_BYTES_MAX, Head, Malformed};
pub use gauges::Gauges;
pub use protocol::{LoadCommand, LoadOutput};
pub use recorder::Recorder;
pub use requests::{PreparedRequest, RequestError, RequestMaker};
pub use schedule::{Arrival, Schedule};
pub use settled::Settled;
pub use thread::{LoadError, LoadHandle, LoadPlan};
pub use transport::{Course, Exchange, ExchangeFailure, Transport};
