//! What a point costs, beside the same loop without one.
//!
//! `cargo run --release -p squall-fault-layer --example cost [--features active]`
#![allow(
    clippy::disallowed_macros,
    reason = "what a test or an example prints is read by a person"
)]
#![expect(clippy::print_stdout, reason = "the figures are the bench's result")]

use std::hint::black_box;
use std::time::Instant;

use squall_fault_layer::{Faults, Injected, Plan, fault_point};

const CALLS: u32 = 10_000_000;
const ROUNDS: usize = 5;

async fn without(_: &Faults, n: u32) -> Result<u32, Injected> {
    Ok(black_box(n))
}

async fn with(faults: &Faults, n: u32) -> Result<u32, Injected> {
    fault_point!(faults, "here")?;
    Ok(black_box(n))
}

/// Nanoseconds for a call.
fn each(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Injected> {
    let (idle, elsewhere) = (Faults::new(1), Faults::new(1));
    elsewhere.set("elsewhere", Plan::hang());
    let mut rounds = [const { Vec::new() }; 3];
    // By turns, so that a slow moment of the machine hits all.
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        for n in 0..CALLS {
            without(black_box(&idle), n).await?;
        }
        rounds[0].push(each(begun));
        for (nth, faults) in [&idle, &elsewhere].into_iter().enumerate() {
            let begun = Instant::now();
            for n in 0..CALLS {
                with(black_box(faults), n).await?;
            }
            rounds[nth + 1].push(each(begun));
        }
    }
    println!("faults compiled in: {}", Faults::ACTIVE);
    let names = ["no point", "a point, no fault set", "a fault set elsewhere"];
    for (name, mut nanos) in names.into_iter().zip(rounds) {
        nanos.sort_by(f64::total_cmp);
        let median = nanos[ROUNDS / 2];
        println!("{name:22} {median:6.2} ns a call (median of {ROUNDS})");
    }
    Ok(())
}
