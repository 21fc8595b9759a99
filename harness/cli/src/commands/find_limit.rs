//! `squall load --find-limit`: the highest rate that keeps an objective.

use std::process::ExitCode;
use std::time::Duration;

use squall_judge::RunOutcome;
use squall_scenario::{QuantityError, Rate, Stage, format_duration};

use crate::args::{LoadArgs, ScenarioArgs, Ui};
use crate::limit_search::{Figure, Search, Step, Tried, json, sentence, text};
use crate::session::{Attempt, Finished, Session, fresh_seed};
use crate::{exit, one_line, output, series};

/// What a search is asked.
struct Asked {
    /// The rate it starts at, a second.
    start: f64,
    /// The highest rate it tries, a second.
    most: f64,
    /// How long the first rate stays.
    length: Duration,
}

/// Runs the line at one rate after the other.
pub async fn find_limit(mut args: LoadArgs) -> ExitCode {
    let asked = match asked(&args) {
        Ok(asked) => asked,
        Err(code) => return code,
    };
    let mut session = match Session::new(&args.options.execution) {
        Ok(session) => session,
        Err(message) => return exit::fail(RunOutcome::NotReady, &message),
    };
    let mut search = Search::new(asked.start, asked.most);
    let mut tried = Vec::new();
    let mut cut_short = None;
    let seed = args.options.seed.unwrap_or_else(fresh_seed);
    while let Some(rate) = search.next().and_then(Rate::per_second) {
        args.rate = rate.to_string();
        // As many arrivals as at the first rate, or a gate could not be judged.
        let longer = (asked.start / rate.as_per_second()).max(1.0);
        args.duration = format_duration(asked.length.mul_f64(longer));
        let (row, outcome) = match one_rate(&mut session, &args, rate, seed).await {
            Ok(row) => row,
            Err(code) => return code,
        };
        output::remark(format_args!("{rate}: {}", row.why));
        search.tell(rate.as_per_second(), row.step);
        tried.push(row);
        // A target that is not there says nothing of any rate.
        if series::ends_with(outcome) || outcome == RunOutcome::NotReady {
            cut_short = Some(outcome);
            break;
        }
    }
    let objective = args.find_limit.join(" and ");
    match args.options.execution.ui {
        Ui::Json => output::result_json(&json(&tried, &search, &objective)),
        Ui::Tui | Ui::Plain | Ui::None | Ui::Auto => {
            let said = sentence(&search, &objective);
            output::result_text(format_args!("\n{}\n{said}\n", text(&tried)));
        }
    }
    exit::code(cut_short.unwrap_or(match (search.holds(), search.above()) {
        (Some(_), _) => RunOutcome::Pass,
        (None, Some(Step::Unknown)) => RunOutcome::Inconclusive,
        (None, _) => RunOutcome::Fail,
    }))
}

/// What is wrong with the line is told before anything is sent.
fn asked(args: &LoadArgs) -> Result<Asked, ExitCode> {
    let refused = |message: &str| exit::fail(RunOutcome::Usage, message);
    if !args.options.reports.is_empty() || args.options.share.shard.is_some() {
        let message = "--find-limit takes neither --report nor --shard: every rate has a run \
                       directory of its own, `squall report DIR` renders it";
        return Err(refused(message));
    }
    let most: Rate = args
        .up_to
        .parse()
        .map_err(|error: QuantityError| refused(&format!("--up-to: {error}; {}", error.help)))?;
    let load = one_line::sound(args)?.scenario.load;
    let [
        Stage::Hold {
            rate: start,
            duration: length,
            ..
        },
    ] = load.shape.as_slice()
    else {
        return Err(refused("--find-limit searches among rates that stay"));
    };
    if start.as_per_second() <= 0.0 {
        return Err(refused("--rate: a search starts at some rate"));
    }
    if most < *start {
        return Err(refused(&format!(
            "--up-to: {most} is below --rate, where the search starts; write at least {start}"
        )));
    }
    if let Some(help) = one_line::needs_more(args) {
        let rate = &args.rate;
        return Err(refused(&format!(
            "too few arrivals at {rate} to judge: {help}"
        )));
    }
    Ok(Asked {
        start: start.as_per_second(),
        most: most.as_per_second(),
        length: *length,
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

fn row(finished: Finished, rate: Rate) -> Tried {
    let Finished { verdict, dir, .. } = finished;
    let step = match verdict.outcome {
        RunOutcome::Pass => Step::Holds,
        RunOutcome::Fail | RunOutcome::Aborted => Step::Breaks,
        _ => Step::Unknown,
    };
    let figure = verdict.gates.iter().find_map(Figure::of);
    let whole = verdict
        .windows
        .into_iter()
        .find(|window| window.name == "whole run");
    Tried {
        rate,
        step,
        why: verdict.sentence,
        all: whole.map(|window| window.all),
        figure,
        dir,
    }
}
