//! `hlog`: response times per interval and route as an interval log, for the
//! tools of HdrHistogram.

use squall_judge::Verdict;
use squall_record::Record;
use squall_record::store::response_log;

use super::rendering::Format;

/// One histogram a line, tagged with its route.
#[derive(Debug)]
pub(super) struct Hlog;

impl Format for Hlog {
    fn name(&self) -> &'static str {
        "hlog"
    }

    fn file_name(&self) -> &'static str {
        "response.hlog"
    }

    fn about(&self) -> &'static str {
        "response times of good answers per interval, tagged by route, in microseconds, for HdrHistogram's log tools"
    }

    fn repeats_intervals(&self) -> bool {
        true
    }

    fn render(&self, record: &Record, _verdict: &Verdict) -> Vec<u8> {
        response_log(record).into_bytes()
    }
}
