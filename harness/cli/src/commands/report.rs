//! `squall report`: render again from the record.

mod index;

use std::path::Path;
use std::process::ExitCode;

use squall_judge::{RunOutcome, judge};

use crate::args::ReportArgs;
use crate::session::{ReportRequest, write_reports};
use crate::{exit, output, run_names};

/// Judges the record and writes the reports asked for; the exit code says
/// whether that worked, not what the verdict is.
pub fn report(args: &ReportArgs) -> ExitCode {
    let Some(run) = &args.run else {
        let dir = args.index.as_deref().unwrap_or(Path::new("."));
        return index::index(dir);
    };
    let requests = match ReportRequest::parse_all(&args.reports) {
        Ok(requests) => requests,
        Err(message) => return exit::fail(RunOutcome::Usage, &message),
    };
    let run = match run_names::read(run, &args.place.out) {
        Ok(run) => run,
        Err(message) => return exit::fail(RunOutcome::Usage, &message),
    };
    let record = run.record;
    if !record.complete {
        output::remark("warning: this run did not come to its end; the report is partial");
    }
    let verdict = judge(&record);
    match write_reports(&run.dir, &record, &verdict, &requests) {
        Ok(written) => {
            for path in written {
                output::result(path.display());
            }
            exit::code(RunOutcome::Pass)
        }
        Err(message) => exit::fail(RunOutcome::NotReady, &message),
    }
}
