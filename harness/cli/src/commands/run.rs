//! `squall run`.

use std::process::ExitCode;

use squall_judge::RunOutcome;
use squall_reports::format::load_summary;

use crate::args::{InconclusiveAs, Listing, RunArgs, RunOptions, ScenarioArgs, Ui};
use crate::locate::Sound;
use crate::metrics::Metrics;
use crate::session::{Attempt, Finished, ReportRequest, Session};
use crate::sharding::Part;
use crate::{exit, locate, output};

/// What is run, one after the other.
pub struct Plan {
    /// The scenarios.
    pub scenarios: Vec<Sound>,
    /// The variant that takes the place of each.
    pub variant: Option<String>,
    /// How they were read.
    pub reading: ScenarioArgs,
    /// How they are run.
    pub options: RunOptions,
    /// How the end of a run is told on standard output.
    pub format: Listing,
}

/// How runs are told of when they end.
struct Told<'a> {
    options: &'a RunOptions,
    requests: &'a [ReportRequest],
    format: Listing,
}

/// Reads every scenario before the first is run.
pub async fn run(args: RunArgs) -> ExitCode {
    let allowed = &args.options.execution.consent;
    match locate::sound_scenarios(&args.scenarios, &args.reading, allowed) {
        Ok(scenarios) => {
            let plan = Plan {
                scenarios,
                variant: args.variant,
                reading: args.reading,
                options: args.options,
                format: Listing::Text,
            };
            carry_out(plan).await
        }
        Err(code) => code,
    }
}

/// Runs every scenario in turn; the loudest outcome decides the exit code.
pub async fn carry_out(plan: Plan) -> ExitCode {
    let Plan {
        scenarios, options, ..
    } = &plan;
    let requests = match ReportRequest::parse_all(&options.reports) {
        Ok(requests) => requests,
        Err(message) => return exit::fail(RunOutcome::Usage, &message),
    };
    let to_a_file =
        |request: &ReportRequest| !request.goes_into_the_run() && !request.takes_standard_output();
    if scenarios.len() > 1 && requests.iter().any(to_a_file) {
        let message = "with several scenarios one report file would overwrite the other; \
                       leave out `=PATH` and take each from its run directory";
        return exit::fail(RunOutcome::Usage, message);
    }
    let taken = requests.iter().any(ReportRequest::takes_standard_output);
    if plan.format == Listing::Json && (taken || options.execution.ui == Ui::Json) {
        let message = "--format json has standard output to itself: leave out `--ui json`, and \
                       write reports into files";
        return exit::fail(RunOutcome::Usage, message);
    }
    let part = match part(options, scenarios) {
        Ok(part) => part,
        Err(message) => return exit::fail(RunOutcome::Usage, &message),
    };
    let mut session = match Session::new(&options.execution) {
        Ok(session) => session,
        Err(message) => return exit::fail(RunOutcome::NotReady, &message),
    };
    if let Err(message) = serve_metrics(&mut session, options).await {
        return exit::fail(RunOutcome::Usage, &message);
    }
    let mut loudest = RunOutcome::Pass;
    // Where more is to come, no screen waits for anybody.
    let last = scenarios.len() == 1;
    for sound in scenarios {
        let seed = options
            .seed
            .or(sound.scenario.seed)
            .unwrap_or_else(crate::session::fresh_seed);
        let what = Attempt {
            sound,
            variant: plan.variant.as_deref(),
            seed,
            reading: &plan.reading,
            part: part.as_ref(),
            withhold_faults: false,
        };
        let told = Told {
            options,
            requests: &requests,
            format: plan.format,
        };
        let outcome = one(&mut session, &what, &told, last).await;
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

/// Runs a scenario and shows it; on the dashboard until somebody leaves it,
/// where it is the `last`. What it counts as.
async fn one(session: &mut Session, what: &Attempt<'_>, told: &Told<'_>, last: bool) -> RunOutcome {
    let (attempted, console) = session.attempt_shown(what).await;
    // Whoever reads the screen can open the page already.
    let attempted = attempted.map(|finished| (finished.write(), finished));
    if let Some(console) = console {
        match &attempted {
            Ok((_, finished)) if last && is_to_be_read(finished.verdict.outcome) => {
                console.stay(&finished.verdict, session.interrupts()).await;
            }
            _ => console.finish().await,
        }
    }
    match attempted {
        Ok((reports, finished)) => conclude(&finished, told, reports),
        Err(failed) => {
            exit::fail(failed.outcome, &failed.message);
            failed.outcome
        }
    }
}

/// Whether there is something on the screen to be read after such an end. Not
/// where the run never began; and what was left behind is told at once, in
/// full.
const fn is_to_be_read(outcome: RunOutcome) -> bool {
    matches!(
        outcome,
        RunOutcome::Pass
            | RunOutcome::Measured
            | RunOutcome::Fail
            | RunOutcome::Inconclusive
            | RunOutcome::Aborted
    )
}

/// Prints the verdict of a run whose own `reports` were written, or not, and
/// writes those that were asked for; what it counts as.
fn conclude(finished: &Finished, told: &Told<'_>, reports: Result<(), String>) -> RunOutcome {
    let counted = counted(finished.verdict.outcome, told.options.inconclusive_as);
    show(finished, told, counted);
    let outcome = counted.unwrap_or(finished.verdict.outcome);
    match reports.and_then(|()| finished.write_requested(told.requests)) {
        Ok(()) => outcome,
        Err(message) => {
            exit::fail(RunOutcome::NotReady, &message);
            outcome.louder(RunOutcome::NotReady)
        }
    }
}

/// Serves metrics where the command line says so.
async fn serve_metrics(session: &mut Session, options: &RunOptions) -> Result<(), String> {
    let Some(address) = options.metrics else {
        return Ok(());
    };
    let metrics = Metrics::listen(address, options.metrics_token_file.as_deref()).await?;
    output::remark(format_args!(
        "metrics at http://{}/metrics",
        metrics.address()
    ));
    session.show_on(metrics);
    Ok(())
}

/// The share of the load that is sent; `None` for all of it.
fn part(options: &RunOptions, scenarios: &[Sound]) -> Result<Option<Part>, String> {
    let environment = |name: &str| std::env::var(name).ok();
    let share = &options.share;
    let part = Part::from_args(share.shard.as_deref(), share.start_at, &environment)?;
    if let Some(part) = &part {
        let [sound] = scenarios else {
            return Err("--shard is for one scenario at a time".to_owned());
        };
        part.refuse_unfit(&sound.scenario)?;
        if options.seed.or(sound.scenario.seed).is_none() {
            return Err("shards need one seed: give --seed, or `seed:` in the scenario".into());
        }
    }
    Ok(part)
}

/// Prints the verdict; to standard error where standard output is for a report.
fn show(finished: &Finished, told: &Told<'_>, counted: Option<RunOutcome>) {
    let pages = [finished.page()];
    let ui = told.options.execution.ui;
    let taken = told
        .requests
        .iter()
        .any(ReportRequest::takes_standard_output);
    match told.format {
        Listing::Json => {
            output::remark_text(finished.block(&pages, counted));
            output::result_document(&load_summary(&finished.record, &finished.verdict));
        }
        Listing::Text if taken && ui != Ui::Json => {
            output::remark_text(finished.block(&pages, counted));
        }
        Listing::Text => finished.print(ui, &pages, counted),
    }
}

/// What an inconclusive run counts as in the exit code; `None` for what the
/// verdict says.
fn counted(outcome: RunOutcome, inconclusive_as: Option<InconclusiveAs>) -> Option<RunOutcome> {
    match (outcome, inconclusive_as?) {
        (RunOutcome::Inconclusive, InconclusiveAs::Pass) => Some(RunOutcome::Pass),
        (RunOutcome::Inconclusive, InconclusiveAs::Fail) => Some(RunOutcome::Fail),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use squall_judge::OUTCOMES;

    use super::*;

    #[test]
    fn only_an_inconclusive_run_counts_as_something_else() {
        for row in OUTCOMES {
            let pass = counted(row.outcome, Some(InconclusiveAs::Pass));
            let fail = counted(row.outcome, Some(InconclusiveAs::Fail));
            if row.outcome == RunOutcome::Inconclusive {
                assert_eq!(pass, Some(RunOutcome::Pass));
                assert_eq!(fail, Some(RunOutcome::Fail));
            } else {
                assert_eq!((pass, fail), (None, None));
            }
            assert_eq!(counted(row.outcome, None), None);
        }
    }
}
