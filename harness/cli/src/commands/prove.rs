//! `squall prove`: a scenario must pass, its weakened variants must fail.

use std::process::ExitCode;

use squall_reports::{RunOutcome, VariantOutcome, variant_outcome};
use squall_scenario::Scenario;

use crate::args::{ProveArgs, Ui};
use crate::locate::Sound;
use crate::session::{Attempt, Session};
use crate::{exit, locate};

/// One attempt, for the list at the end.
struct Row {
    scenario: String,
    seed: u64,
    variant: String,
    outcome: RunOutcome,
    /// What it means for the exit code when it is not as it must be.
    means: RunOutcome,
    remark: String,
    as_it_must: bool,
}

/// Runs every scenario and each of its variants with every seed, and lists
/// every attempt. Nothing is repeated until it fits.
pub async fn prove(args: ProveArgs) -> ExitCode {
    let scenarios =
        match locate::sound_scenarios(&args.scenarios, &args.reading, &args.execution.allow_remote)
        {
            Ok(scenarios) => scenarios,
            Err(code) => return code,
        };
    if let Some(sound) = scenarios
        .iter()
        .find(|sound| sound.scenario.variants.is_empty())
    {
        let message = format!(
            "{}: it has no `variants`, so there is nothing to prove",
            sound.given
        );
        return exit::fail(RunOutcome::Usage, &message);
    }
    let mut session = match Session::new(&args.execution) {
        Ok(session) => session,
        Err(message) => return exit::fail(RunOutcome::NotReady, &message),
    };
    let mut rows = Vec::new();
    for sound in &scenarios {
        let own = sound
            .scenario
            .seed
            .unwrap_or_else(crate::session::fresh_seed);
        let seeds = args
            .seeds
            .as_ref()
            .map_or_else(|| vec![own], |seeds| seeds.0.clone());
        for seed in seeds {
            let names = sound
                .scenario
                .variants
                .iter()
                .map(|variant| Some(variant.name.as_str()));
            for variant in std::iter::once(None).chain(names) {
                let row = one_attempt(&mut session, sound, variant, seed, &args).await;
                let stop = matches!(
                    row.outcome,
                    RunOutcome::Interrupted | RunOutcome::Terminated | RunOutcome::UndoFailed
                );
                rows.push(row);
                if stop {
                    return summary(&rows, args.execution.ui);
                }
            }
        }
    }
    summary(&rows, args.execution.ui)
}

async fn one_attempt(
    session: &mut Session,
    sound: &Sound,
    variant: Option<&str>,
    seed: u64,
    args: &ProveArgs,
) -> Row {
    let what = Attempt {
        sound,
        variant,
        seed,
        reading: &args.reading,
        part: None,
    };
    match session.attempt(&what).await {
        Ok(finished) => {
            finished.print(args.execution.ui, &[finished.page()], None);
            if let Err(message) = finished.write(&[]) {
                anstream::eprintln!("warning: {message}");
            }
            judge_row(&sound.scenario, variant, seed, &finished)
        }
        Err(failed) => Row {
            scenario: sound.scenario.name.clone(),
            seed,
            variant: variant.unwrap_or("-").to_owned(),
            outcome: failed.outcome,
            means: failed.outcome,
            remark: failed.message,
            as_it_must: false,
        },
    }
}

fn judge_row(
    scenario: &Scenario,
    variant: Option<&str>,
    seed: u64,
    finished: &crate::session::Finished,
) -> Row {
    let verdict = &finished.verdict;
    let (remark, as_it_must) = match variant.and_then(|name| scenario.variant(name)) {
        None => (
            verdict.sentence.clone(),
            verdict.outcome == RunOutcome::Pass,
        ),
        Some(weakened) => match variant_outcome(verdict, weakened) {
            VariantOutcome::Proven(gate) => (format!("fails as it must: {gate}"), true),
            VariantOutcome::Toothless(why) => (format!("toothless: {why}"), false),
            VariantOutcome::Nothing(why) => (format!("proves nothing: {why}"), false),
        },
    };
    // A variant that passes is a failure of the scenario.
    let means = match verdict.outcome {
        RunOutcome::Pass | RunOutcome::Fail if variant.is_some() => RunOutcome::Fail,
        other => other,
    };
    Row {
        scenario: scenario.name.clone(),
        seed,
        variant: variant.unwrap_or("-").to_owned(),
        outcome: verdict.outcome,
        means,
        remark,
        as_it_must,
    }
}

/// Prints every attempt and says whether all were as they must be.
fn summary(rows: &[Row], ui: Ui) -> ExitCode {
    match ui {
        Ui::Json => print_json(rows),
        Ui::Auto | Ui::Plain | Ui::None => print_table(rows),
    }
    if rows.iter().all(|row| row.as_it_must) {
        return exit::code(RunOutcome::Pass);
    }
    let wrong = rows.iter().filter(|row| !row.as_it_must);
    let outcome = wrong
        .map(|row| row.means)
        .fold(RunOutcome::Pass, RunOutcome::louder);
    exit::code(outcome)
}

/// One line of JSON with every attempt, after those of their events.
fn print_json(rows: &[Row]) {
    let attempts: Vec<_> = rows
        .iter()
        .map(|row| {
            serde_json::json!({
                "scenario": row.scenario,
                "seed": row.seed,
                "variant": row.variant,
                "outcome": row.outcome,
                "remark": row.remark,
                "as_it_must": row.as_it_must,
            })
        })
        .collect();
    anstream::println!("{}", serde_json::json!({ "attempts": attempts }));
}

fn print_table(rows: &[Row]) {
    anstream::println!();
    for row in rows {
        let mark = if row.as_it_must { "ok " } else { "NOT" };
        anstream::println!(
            "{mark}  {}  seed {}  variant {}  {}  {}",
            row.scenario,
            row.seed,
            row.variant,
            row.outcome,
            row.remark
        );
    }
    let good = rows.iter().filter(|row| row.as_it_must).count();
    anstream::println!("\n{good} of {} attempts ended as they must", rows.len());
}
