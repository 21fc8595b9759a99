//! `squall judge`: a new verdict from old data.

use std::path::PathBuf;
use std::process::ExitCode;

use squall_judge::{RunOutcome, Verdict, judge_with};

use crate::args::{JudgeArgs, Ui};
use crate::objectives::Objectives;
use crate::session::{Finished, ReportRequest, write_reports};
use crate::{exit, output, run_names};

/// Judges the record by the objectives of a scenario file; the exit code is
/// that of the verdict. Nothing is written but the reports asked for.
pub fn judge(args: &JudgeArgs) -> ExitCode {
    let requests = match ReportRequest::parse_all(&args.reports) {
        Ok(requests) => requests,
        Err(message) => return exit::fail(RunOutcome::Usage, &message),
    };
    if requests.iter().any(ReportRequest::goes_into_the_run) {
        let message = "say where the report goes, for instance --report junit=junit.xml: \
                       those in the run directory stay as they are";
        return exit::fail(RunOutcome::Usage, message);
    }
    let objectives = match Objectives::read(args) {
        Ok(objectives) => objectives,
        Err(code) => return code,
    };
    let run = match run_names::read(&args.run, &args.place.out) {
        Ok(run) => run,
        Err(message) => return exit::fail(RunOutcome::Usage, &message),
    };
    let mut record = run.record;
    let during = args.during.as_deref();
    let asked = match objectives.of_run(&record, during) {
        Ok(scenario) => scenario,
        Err(message) => return exit::fail(RunOutcome::Usage, &message),
    };
    let verdict = judge_with(&record, &asked);
    if let Err(message) = known_window(&verdict, during) {
        return exit::fail(RunOutcome::Usage, &message);
    }
    objectives.put_into(&mut record, asked);
    let finished = Finished {
        verdict,
        record,
        dir: run.dir,
    };
    finished.print(Ui::Plain, &[], None);
    match write(&finished, &requests) {
        Ok(written) => {
            for path in written {
                output::remark(format_args!("wrote {}", path.display()));
            }
            exit::of_judged(finished.verdict.outcome)
        }
        Err(message) => {
            exit::fail(RunOutcome::NotReady, &message);
            exit::code(finished.verdict.outcome.louder(RunOutcome::NotReady))
        }
    }
}

fn write(finished: &Finished, requests: &[ReportRequest]) -> Result<Vec<PathBuf>, String> {
    // No request at all would mean the usual formats, into the run directory.
    if requests.is_empty() {
        return Ok(Vec::new());
    }
    write_reports(&finished.dir, &finished.record, &finished.verdict, requests)
}

/// Refuses a window that the run was not cut into.
fn known_window(verdict: &Verdict, during: Option<&str>) -> Result<(), String> {
    let names: Vec<&str> = verdict.windows.iter().map(|w| w.name.as_str()).collect();
    match during.filter(|during| !names.contains(during)) {
        Some(during) => Err(format!(
            "this run has no window called `{during}`; windows: {}",
            names.join(", ")
        )),
        None => Ok(()),
    }
}
