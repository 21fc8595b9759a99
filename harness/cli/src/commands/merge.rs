//! `squall merge`: the records of all shards, put together and judged.

use std::process::ExitCode;

use squall_judge::{RunOutcome, judge};
use squall_record::store::MANIFEST_FILE;
use squall_record::{Record, RecordWriter, merge as put_together, terminal_line};

use crate::args::{MergeArgs, Ui};
use crate::session::{Finished, ReportRequest};
use crate::{exit, output};

/// Merges and judges; the exit code is that of the merged verdict.
pub fn merge(args: &MergeArgs) -> ExitCode {
    let requests = match ReportRequest::parse_all(&args.reports) {
        Ok(requests) => requests,
        Err(message) => return exit::fail(RunOutcome::Usage, &message),
    };
    if args.out.join(MANIFEST_FILE).exists() {
        let message = format!(
            "{} holds a run already; give --out a directory that does not exist yet",
            args.out.display()
        );
        return exit::fail(RunOutcome::Usage, &message);
    }
    let mut shards = Vec::with_capacity(args.runs.len());
    for dir in &args.runs {
        match Record::read(dir) {
            Ok(record) => shards.push((dir.display().to_string(), record)),
            Err(error) => return exit::fail(RunOutcome::Usage, &error.to_string()),
        }
    }
    let mut record = match put_together(shards) {
        Ok(record) => record,
        Err(error) => return exit::fail(RunOutcome::Usage, &error.to_string()),
    };
    if let Some(name) = args.out.file_name() {
        record.manifest.run_id = name.to_string_lossy().into_owned();
    }
    for problem in record.manifest.shards.iter().flat_map(|set| set.problems()) {
        output::remark(format_args!("warning: {}", terminal_line(&problem)));
    }
    let verdict = judge(&record);
    if let Err(error) = RecordWriter::write_whole(&args.out, &record, &verdict) {
        return exit::fail(RunOutcome::NotReady, &error.to_string());
    }
    let finished = Finished {
        verdict,
        record,
        dir: args.out.clone(),
    };
    finished.print(Ui::Plain, &[finished.page()], None);
    let written = finished.write();
    match written.and_then(|()| finished.write_requested(&requests)) {
        Ok(()) => exit::of_judged(finished.verdict.outcome),
        Err(message) => {
            exit::fail(RunOutcome::NotReady, &message);
            exit::code(finished.verdict.outcome.louder(RunOutcome::NotReady))
        }
    }
}
