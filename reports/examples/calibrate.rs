//! How often the judge is wrong at `confidence: 95%`, by simulation, beside
//! bounds that take every failure for a single one:
//! `cargo run --release -p squall-reports --example calibrate [RUNS]` prints
//! a page with the whole table.

#[path = "../tests/simulation/mod.rs"]
mod simulation;
#[path = "../tests/synthetic/mod.rs"]
mod synthetic;

use std::error::Error;
use std::io::Write;
use std::thread;

use simulation::{Tally, cases, line, page};

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
    let judged = cases.iter().zip(&tallies);
    let broken: Vec<String> = judged
        .clone()
        .filter_map(|(case, (_, tally))| case.claim(tally).err())
        .collect();
    let lines: Vec<String> = judged.map(|(case, (_, tally))| line(case, tally)).collect();
    std::io::stdout()
        .lock()
        .write_all(page(runs, SEED, &lines).as_bytes())?;
    if !broken.is_empty() || tallies.len() != cases.len() {
        return Err(format!("the calibration does not hold:\n{}", broken.join("\n")).into());
    }
    Ok(())
}
