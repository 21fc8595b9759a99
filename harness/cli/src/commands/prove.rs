//! `squall prove`: a scenario must pass, its weakened variants must fail.

use std::process::ExitCode;

use squall_judge::{RunOutcome, VariantOutcome, variant_outcome};
use squall_scenario::Scenario;

use crate::args::ProveArgs;
use crate::locate::Sound;
use crate::session::{Attempt, Session};
use crate::{exit, locate, series};

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
    if let Err(message) = series::refuse(&args.result, args.execution.ui) {
        return exit::fail(RunOutcome::Usage, &message);
    }
    let scenarios =
        match locate::sound_scenarios(&args.scenarios, &args.reading, &args.execution.consent) {
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
                let stop = series::ends_with(row.outcome);
                rows.push(row);
                if stop {
                    return summary(&rows, &args);
                }
            }
        }
    }
    summary(&rows, &args)
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
        withhold_faults: false,
    };
    match series::attempt(session, &what, args.execution.ui, &args.result).await {
        Ok(finished) => judge_row(&sound.scenario, variant, seed, &finished),
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
fn summary(rows: &[Row], args: &ProveArgs) -> ExitCode {
    let json = serde_json::json!({ "attempts": rows.iter().map(row_json).collect::<Vec<_>>() });
    let mut outcome = RunOutcome::Pass;
    if let Err(message) = series::tell(&args.result, args.execution.ui, &json, &table(rows)) {
        exit::fail(RunOutcome::NotReady, &message);
        outcome = RunOutcome::NotReady;
    }
    let wrong = rows.iter().filter(|row| !row.as_it_must);
    exit::code(wrong.map(|row| row.means).fold(outcome, RunOutcome::louder))
}

fn row_json(row: &Row) -> serde_json::Value {
    serde_json::json!({
        "scenario": row.scenario,
        "seed": row.seed,
        "variant": row.variant,
        "outcome": row.outcome,
        "remark": row.remark,
        "as_it_must": row.as_it_must,
    })
}

fn table(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let mark = if row.as_it_must { "ok " } else { "NOT" };
        text.push_str(&format!(
            "{mark}  {}  seed {}  variant {}  {}  {}\n",
            row.scenario, row.seed, row.variant, row.outcome, row.remark
        ));
    }
    let good = rows.iter().filter(|row| row.as_it_must).count();
    text.push_str(&format!(
        "\n{good} of {} attempts ended as they must\n",
        rows.len()
    ));
    text
}
