//! How often the judge is wrong at `confidence: 95%`, by simulation, beside
//! bounds that take every failure for a single one:
//! `cargo run --release -p squall-judge --example calibrate [RUNS]` prints
//! a page with the whole table, each line as soon as it is known.

#[path = "../tests/it/simulation/mod.rs"]
mod simulation;
#[path = "../../record/tests/it/synthetic/mod.rs"]
mod synthetic;

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use simulation::{Tally, cases, line, page_head};

const RUNS: u64 = 2_000;
const SEED: u64 = 42;

fn main() -> Result<(), Box<dyn Error>> {
    let runs = std::env::args()
        .nth(1)
        .map_or(Ok(RUNS), |runs| runs.parse())?;
    let cases = cases();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let (next, cases) = (&AtomicUsize::new(0), cases.as_slice());
    let (done, judged) = mpsc::sync_channel::<(usize, Tally)>(cases.len());
    let mut out = io::stdout().lock();
    write!(out, "{}", page_head(runs, SEED))?;
    let broken = thread::scope(|scope| -> io::Result<Vec<String>> {
        for _ in 0..threads {
            let done = done.clone();
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(index) else { break };
                    // Nobody listens any more once the page cannot be written.
                    if done.send((index, case.simulate(runs, SEED))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(done);
        let mut early = BTreeMap::new();
        let mut broken = Vec::new();
        let mut printed = 0;
        for (count, (index, tally)) in judged.into_iter().enumerate() {
            writeln!(io::stderr(), "{} of {} lines", count + 1, cases.len())?;
            broken.extend(cases[index].claim(&tally).err());
            early.insert(index, tally);
            while let Some(tally) = early.remove(&printed) {
                writeln!(out, "{}", line(&cases[printed], &tally))?;
                printed += 1;
            }
        }
        Ok(broken)
    })?;
    if broken.is_empty() {
        return Ok(());
    }
    Err(format!("the calibration does not hold:\n{}", broken.join("\n")).into())
}
