//! `squall calibrate`: how often gates fail with nothing broken.

use std::process::ExitCode;

use squall_judge::RunOutcome;
use squall_judge::calibrate::{Calibration, calibrate as calibrate_records};
use squall_record::Record;
use squall_reports::calibration_text;

use crate::args::CalibrateArgs;
use crate::session::{Attempt, Session};
use crate::{exit, locate, output, series};

/// Runs the scenario without its faults, once for each seed, and counts the
/// false alarms. What was counted before an interruption is told.
pub async fn calibrate(args: CalibrateArgs) -> ExitCode {
    if let Err(message) = series::refuse(&args.result, args.execution.ui) {
        return exit::fail(RunOutcome::Usage, &message);
    }
    let given = std::slice::from_ref(&args.scenario);
    let sound = match locate::sound_scenarios(given, &args.reading, &args.execution.consent) {
        Ok(mut sound) => match sound.pop() {
            Some(sound) => sound,
            None => return exit::code(RunOutcome::Usage),
        },
        Err(code) => return code,
    };
    if sound.scenario.slo.is_empty() {
        let message = format!("{}: it has no gates in `slo` to calibrate", sound.given);
        return exit::fail(RunOutcome::Usage, &message);
    }
    let mut session = match Session::new(&args.execution) {
        Ok(session) => session,
        Err(message) => return exit::fail(RunOutcome::NotReady, &message),
    };
    let own = sound
        .scenario
        .seed
        .unwrap_or_else(crate::session::fresh_seed);
    let seeds = args.seeds.as_ref().map_or_else(
        || (0..args.runs).map(|n| own.wrapping_add(n)).collect(),
        |seeds| seeds.0.clone(),
    );
    let mut records: Vec<Record> = Vec::new();
    let mut ended = RunOutcome::Pass;
    for (index, seed) in seeds.iter().enumerate() {
        output::remark(format_args!(
            "run {} of {}, seed {seed}, no faults",
            index + 1,
            seeds.len()
        ));
        let what = Attempt {
            sound: &sound,
            variant: None,
            seed: *seed,
            reading: &args.reading,
            part: None,
            withhold_faults: true,
        };
        let attempt = series::attempt(&mut session, &what, args.execution.ui, &args.result);
        match attempt.await {
            Ok(finished) => {
                let outcome = finished.verdict.outcome;
                if series::ends_with(outcome) {
                    ended = ended.louder(outcome);
                    break;
                }
                records.push(finished.record);
            }
            Err(failed) => {
                exit::fail(failed.outcome, &failed.message);
                ended = ended.louder(failed.outcome);
                break;
            }
        }
    }
    conclude(&args, calibrate_records(&records), ended)
}

fn conclude(args: &CalibrateArgs, found: Option<Calibration>, ended: RunOutcome) -> ExitCode {
    // A run that was cut short is not counted, but decides the exit code.
    let Some(found) = found else {
        return exit::code(ended.louder(RunOutcome::Inconclusive));
    };
    let outcome = ended.louder(found.outcome());
    let json = serde_json::to_value(&found).map_err(|error| error.to_string());
    let text = calibration_text(&found);
    let told = json.and_then(|json| series::tell(&args.result, args.execution.ui, &json, &text));
    match told {
        Ok(()) => exit::code(outcome),
        Err(message) => {
            exit::fail(RunOutcome::NotReady, &message);
            exit::code(outcome.louder(RunOutcome::NotReady))
        }
    }
}
