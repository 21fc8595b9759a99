//! The breaker of squall-resilience beside failsafe, recloser and tower-resilience, call by
//! call, by turns: nanoseconds for a call that is admitted and recorded, and for one that is
//! refused, from one thread and from two. Two tables, each with what can be compared:
//! - the breaker alone. Squall's is given the time, as its peers that look at no clock are: as
//!   `Instant`s, or as the nanoseconds a breaker counts. Beside it stands what it costs with a
//!   clock.
//! - the breaker as a tower layer, around a service that has its answer at once;
//!   tower-resilience has no other form of it. Beside it stands what squall's layer costs with
//!   latencies recorded, and with all layers of a command.
//!
//! `cargo run --release --manifest-path benches/peers/breaker/Cargo.toml [ROUNDS]`
//!
//! `squall-peers-breaker only NAME CALLS` makes calls that are admitted and does nothing else,
//! for a tool that counts instructions: they are steadier than time.

mod alone;
mod layered;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use squall_resilience::breaker::BreakerRules;
use tokio::runtime::{Builder, EnterGuard, Runtime};

const CALLS: u32 = 500_000;
pub(crate) const NEVER: Duration = Duration::from_secs(3600);

/// A breaker that all threads share. Of each thread that calls, what makes one call.
type Breaker = Box<dyn Fn() -> Caller + Send + Sync>;
type Caller = Box<dyn FnMut()>;
/// A breaker by its name, made closed, or open.
type Candidate = (&'static str, fn(bool) -> Breaker);

pub(crate) fn rules() -> BreakerRules {
    BreakerRules {
        sleep_window: NEVER,
        probe_lease: NEVER,
        ..BreakerRules::default()
    }
}

/// Nanoseconds a call takes one of `threads` that all make it.
fn measure(breaker: &Breaker, threads: usize) -> f64 {
    let slowest = std::thread::scope(|scope| {
        let make = || {
            let _timer = timer();
            let mut call = breaker();
            let begun = Instant::now();
            for _ in 0..CALLS {
                call();
            }
            begun.elapsed()
        };
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(make)).collect();
        let own = make();
        others
            .into_iter()
            .map(|other| other.join().expect("no call panics"))
            .fold(own, Duration::max)
    });
    slowest.as_nanos() as f64 / f64::from(CALLS)
}

/// Timeouts want one. Of these calls only those of tower-resilience's breaker wait for it: where
/// one thread meets another while it is open, it comes again a millisecond later.
fn timer() -> EnterGuard<'static> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = || {
        let mut threads = Builder::new_multi_thread();
        threads.worker_threads(1).enable_time().build()
    };
    let runtime = RUNTIME.get_or_init(|| runtime().expect("a runtime costs little"));
    runtime.enter()
}

/// The first candidate beside the others.
fn compare(candidates: &[Candidate], what: &str, open: bool, threads: usize, rounds: usize) {
    let _timer = timer();
    let breakers: Vec<Breaker> = candidates.iter().map(|(_, make)| make(open)).collect();
    let mut seen = vec![Vec::new(); breakers.len()];
    for _ in 0..rounds {
        for (breaker, seen) in breakers.iter().zip(&mut seen) {
            seen.push(measure(breaker, threads));
        }
    }
    println!(
        "\n{what}, {threads} threads (ns a call; median, least and greatest of {rounds} by turns)"
    );
    let medians: Vec<f64> = seen.iter_mut().map(|times| median(times)).collect();
    for (nth, (name, _)) in candidates.iter().enumerate() {
        let (least, greatest) = (seen[nth][0], seen[nth][seen[nth].len() - 1]);
        let ratio = match nth {
            0 => String::new(),
            _ => format!("   squall is {:.2} of it", medians[0] / medians[nth]),
        };
        println!(
            "  {name:26} {:7.1} ({least:.1} to {greatest:.1}){ratio}",
            medians[nth]
        );
    }
}

/// Of times that are sorted by it.
fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn only(name: &str, calls: u64) {
    let _timer = timer();
    let mut all = alone::CANDIDATES.iter().chain(&layered::CANDIDATES);
    let (_, make) = all
        .find(|(known, _)| *known == name)
        .expect("the name is one of a table");
    let mut call = make(false)();
    for _ in 0..calls {
        call();
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |text: &str| text.parse().expect("it is a number");
    let rounds = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => 7,
        [rounds] => number(rounds),
        ["only", name, calls] => return only(name, number(calls) as u64),
        _ => panic!("[ROUNDS] or only NAME CALLS"),
    };
    for (form, candidates) in [
        ("alone", &alone::CANDIDATES[..]),
        ("a tower layer", &layered::CANDIDATES[..]),
    ] {
        for (what, open) in [("admitted and recorded", false), ("refused", true)] {
            for threads in [1, 2] {
                let what = format!("{form}: {what}");
                compare(candidates, &what, open, threads, rounds);
            }
        }
    }
}
