//! Open-loop load: arrivals start when the schedule says so, whatever the
//! system does.

mod answer;
mod connection;
mod driver;
mod exchange;
mod gauges;
mod pacer;
mod recorder;
mod requests;
mod samples;
mod schedule;
mod stalls;
mod thread;
mod transport;

pub use answer::{AnswerReader, FIELDS_MAX, HEAD_BYTES_MAX, Head, Malformed};
pub use gauges::Gauges;
pub use recorder::{Recorder, Settled};
pub use requests::{PreparedRequest, RequestError, RequestMaker};
pub use schedule::{Arrival, Schedule};
pub use thread::{LoadCommand, LoadError, LoadHandle, LoadOutput, LoadPlan};
pub use transport::{Course, Exchange, ExchangeFailure, FALLBACK_HEADER, Transport};
