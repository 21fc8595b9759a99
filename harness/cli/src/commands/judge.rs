//! `squall judge`: a new verdict from old data.

use std::path::PathBuf;
use std::process::ExitCode;

use squall_reports::{Record, RunOutcome, judge_with};

use crate::args::{JudgeArgs, Ui};
use crate::locate::Sound;
use crate::session::{Finished, ReportRequest, write_reports};
use crate::{exit, locate, run_names};

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
    let found = locate::scenario(&args.slo, &args.reading);
    let sound = match found.and_then(locate::Found::into_sound) {
        Ok(sound) => sound,
        Err(code) => return code,
    };
    let run = match run_names::read(&args.run, &args.place.out) {
        Ok(run) => run,
        Err(message) => return exit::fail(RunOutcome::Usage, &message),
    };
    let mut record = run.record;
    let verdict = judge_with(&record, &sound.redacted);
    take_objectives(&mut record, sound);
    let finished = Finished {
        verdict,
        record,
        dir: run.dir,
    };
    finished.print(Ui::Plain, &[], None);
    match write(&finished, &requests) {
        Ok(written) => {
            for path in written {
                anstream::eprintln!("wrote {}", path.display());
            }
            exit::code(finished.verdict.outcome)
        }
        Err(message) => {
            exit::fail(RunOutcome::NotReady, &message);
            exit::code(finished.verdict.outcome.louder(RunOutcome::NotReady))
        }
    }
}

fn write(finished: &Finished, requests: &[ReportRequest]) -> Result<Vec<PathBuf>, String> {
    // No request at all would mean every format, into the run directory.
    if requests.is_empty() {
        return Ok(Vec::new());
    }
    write_reports(&finished.dir, &finished.record, &finished.verdict, requests)
}

/// Reports show the objectives the verdict is about, and where they stand.
fn take_objectives(record: &mut Record, sound: Sound) {
    let manifest = &mut record.manifest;
    manifest.scenario_path = sound.given;
    manifest.scenario_text = sound.text;
    manifest.scenario.slo = sound.redacted.slo;
    manifest.scenario.steady_state = sound.redacted.steady_state;
}
