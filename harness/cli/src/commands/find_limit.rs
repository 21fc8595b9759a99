//! `squall load --find-limit`: the highest rate that keeps an objective.

use std::process::ExitCode;
use std::time::Duration;

use squall_judge::RunOutcome;
use squall_scenario::{Rate, format_duration, parse_duration};

use crate::args::{LoadArgs, ScenarioArgs, Ui};
use crate::limit_search::{Search, Step, Tried, json, sentence, text};
use crate::session::{Attempt, Finished, Session, fresh_seed};
use crate::{exit, one_line, output, series};

/// Runs the line at one rate after the other.
pub async fn find_limit(mut args: LoadArgs) -> ExitCode {
    args.expect = std::mem::take(&mut args.find_limit);
    let objective = args.expect.join(" and ");
    if !args.options.reports.is_empty() || args.options.share.shard.is_some() {
        let message = "--find-limit takes neither --report nor --shard: every rate has a run \
                       directory of its own, `squall report DIR` renders it";
        return exit::fail(RunOutcome::Usage, message);
    }
    let most: Rate = match args.up_to.parse() {
        Ok(most) => most,
        Err(error) => {
            let message = format!("--up-to: {}; {}", error.title, error.help);
            return exit::fail(RunOutcome::Usage, &message);
        }
    };
    // What is wrong with the line is told before anything is sent.
    let start = match one_line::sound(&args) {
        Ok(sound) => sound
            .scenario
            .load
            .shape
            .first()
            .map(|stage| stage.starting_rate()),
        Err(code) => return code,
    };
    let start = start.map_or(1.0, Rate::as_per_second).max(1.0);
    if let Some(help) = one_line::needs_more(&args) {
        let message = format!("too few arrivals at {} to judge: {help}", args.rate);
        return exit::fail(RunOutcome::Usage, &message);
    }
    let length = duration(&args).unwrap_or(Duration::from_secs(1));
    let mut session = match Session::new(&args.options.execution) {
        Ok(session) => session,
        Err(message) => return exit::fail(RunOutcome::NotReady, &message),
    };
    let mut search = Search::new(start, most.as_per_second());
    let mut tried = Vec::new();
    let seed = args.options.seed.unwrap_or_else(fresh_seed);
    while let Some(rate) = search.next().and_then(Rate::per_second) {
        args.rate = rate.to_string();
        // As many arrivals as at the first rate, or a gate could not be judged.
        let longer = (start / rate.as_per_second()).max(1.0);
        args.duration = format_duration(length.mul_f64(longer));
        let (row, outcome) = match one_rate(&mut session, &args, rate, seed).await {
            Ok(row) => row,
            Err(code) => return code,
        };
        output::remark(format_args!("{rate}: {}", row.why));
        search.tell(rate.as_per_second(), row.step);
        tried.push(row);
        if series::ends_with(outcome) {
            return exit::code(outcome);
        }
    }
    match args.options.execution.ui {
        Ui::Json => output::result_json(&json(&tried, &search, &objective)),
        _ => {
            let said = sentence(&search, &objective);
            output::result_text(format_args!("\n{}\n{said}\n", text(&tried)));
        }
    }
    exit::code(match (search.holds(), search.above()) {
        (Some(_), _) => RunOutcome::Pass,
        (None, Some(Step::Unknown)) => RunOutcome::Inconclusive,
        (None, _) => RunOutcome::Fail,
    })
}

/// One rate: a run of its own, with its record and its reports.
async fn one_rate(
    session: &mut Session,
    args: &LoadArgs,
    rate: Rate,
    seed: u64,
) -> Result<(Tried, RunOutcome), ExitCode> {
    let Some(sound) = one_line::sound_again(args) else {
        let message = format!("no load can be written at {rate}");
        return Err(exit::fail(RunOutcome::Usage, &message));
    };
    let reading = ScenarioArgs { set: Vec::new() };
    let what = Attempt {
        sound: &sound,
        variant: None,
        seed,
        reading: &reading,
        part: None,
        withhold_faults: false,
    };
    let finished = session.attempt(&what).await;
    let finished = finished.map_err(|failed| exit::fail(failed.outcome, &failed.message))?;
    if let Err(message) = finished.write() {
        output::remark(format_args!("warning: {message}"));
    }
    let outcome = finished.verdict.outcome;
    Ok((row(finished, rate), outcome))
}

/// How long each rate stays.
fn duration(args: &LoadArgs) -> Option<Duration> {
    parse_duration(&args.duration).ok()
}

fn row(finished: Finished, rate: Rate) -> Tried {
    let Finished { verdict, dir, .. } = finished;
    let step = match verdict.outcome {
        RunOutcome::Pass => Step::Holds,
        RunOutcome::Fail | RunOutcome::Aborted => Step::Breaks,
        _ => Step::Unknown,
    };
    let whole = verdict
        .windows
        .into_iter()
        .find(|window| window.name == "whole run");
    Tried {
        rate,
        step,
        why: verdict.sentence,
        all: whole.map(|window| window.all),
        dir,
    }
}
