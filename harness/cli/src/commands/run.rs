//! `squall run`.

use std::process::ExitCode;

use squall_reports::RunOutcome;

use crate::args::RunArgs;
use crate::session::{ReportRequest, Session};
use crate::{exit, locate};

/// Runs every scenario in turn; the loudest outcome decides the exit code.
pub async fn run(args: RunArgs) -> ExitCode {
    let requests = match ReportRequest::parse_all(&args.reports) {
        Ok(requests) => requests,
        Err(message) => return exit::fail(RunOutcome::Usage, &message),
    };
    let scenarios =
        match locate::sound_scenarios(&args.scenarios, &args.reading, &args.execution.allow_remote)
        {
            Ok(scenarios) => scenarios,
            Err(code) => return code,
        };
    let mut session = match Session::new(&args.execution) {
        Ok(session) => session,
        Err(message) => return exit::fail(RunOutcome::NotReady, &message),
    };
    let mut loudest = RunOutcome::Pass;
    for sound in scenarios {
        let seed = args
            .seed
            .or(sound.scenario.seed)
            .unwrap_or_else(crate::session::fresh_seed);
        let attempt = session.attempt(&sound, args.variant.as_deref(), seed, &args.reading);
        let outcome = match attempt.await {
            Ok(finished) => {
                finished.print(args.execution.ui);
                match finished.write(&requests) {
                    Ok(_) => finished.verdict.outcome,
                    Err(message) => {
                        exit::fail(RunOutcome::NotReady, &message);
                        finished.verdict.outcome.louder(RunOutcome::NotReady)
                    }
                }
            }
            Err(failed) => {
                exit::fail(failed.outcome, &failed.message);
                failed.outcome
            }
        };
        loudest = loudest.louder(outcome);
        // What is left behind would disturb the next one.
        if matches!(
            outcome,
            RunOutcome::Interrupted | RunOutcome::Terminated | RunOutcome::UndoFailed
        ) {
            break;
        }
    }
    exit::code(loudest)
}
