//! How often the judge is wrong at `confidence: 95%`, by simulation, beside
//! bounds that take every failure for a single one:
//! `cargo run --release -p squall-reports --example calibrate [RUNS]`.

#[path = "../tests/simulation/mod.rs"]
mod simulation;
#[path = "../tests/synthetic/mod.rs"]
mod synthetic;

use std::error::Error;
use std::io::Write;
use std::thread;

use simulation::{Case, Kind, Tally, cases};

const RUNS: u64 = 2_000;
const SEED: u64 = 42;

fn main() -> Result<(), Box<dyn Error>> {
    let runs = std::env::args()
        .nth(1)
        .map_or(Ok(RUNS), |runs| runs.parse())?;
    let cases = cases();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    // Every thread takes every so many-th line, as quantiles are slower.
    let work = |first: usize| {
        let mine = cases.iter().enumerate().skip(first).step_by(threads);
        let tallies = mine.map(|(index, case)| (index, case.simulate(runs, SEED)));
        tallies.collect::<Vec<_>>()
    };
    let mut tallies: Vec<(usize, Tally)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|first| scope.spawn(move || work(first)))
            .collect();
        let parts = workers.into_iter().map(thread::ScopedJoinHandle::join);
        parts.flat_map(Result::unwrap_or_default).collect()
    });
    tallies.sort_by_key(|(index, _)| *index);
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{runs} runs a line, seed {SEED}; truth is the failure share in limits; naive: every failure a single one\n"
    )?;
    writeln!(
        out,
        "| gate | n | limit | burst | stated | n·p0÷burst | truth | pass | open | fail | naive pass | naive fail | claim |"
    )?;
    writeln!(out, "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|")?;
    let mut broken = 0;
    for (case, (_, tally)) in cases.iter().zip(&tallies) {
        broken += u32::from(case.claim(tally).is_err());
        writeln!(out, "{}", line(case, tally))?;
    }
    writeln!(out, "\n{broken} of {} lines break the claim", tallies.len())?;
    if broken > 0 || tallies.len() != cases.len() {
        return Err("the calibration does not hold".into());
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn line(case: &Case, tally: &Tally) -> String {
    let share = |count: u64| format!("{:.1} %", count as f64 * 100.0 / tally.runs as f64);
    let open = tally.runs - tally.passed - tally.failed;
    let gate = match case.kind {
        Kind::Ratio => "success",
        Kind::Quantile => "quantile",
        Kind::Returns => "baseline returns",
    };
    let stated = case
        .stated
        .map_or_else(|| "–".to_owned(), |burst| burst.to_string());
    format!(
        "| {gate} | {} | {} % | {} | {stated} | {:.1} | {} | {} | {} | {} | {} | {} | {} |",
        case.arrivals(),
        case.limit * 100.0,
        case.burst,
        case.bursts_expected(),
        case.truth,
        share(tally.passed),
        share(open),
        share(tally.failed),
        share(tally.naive_passed),
        share(tally.naive_failed),
        if case.claim(tally).is_ok() {
            "holds"
        } else {
            "BROKEN"
        }
    )
}
