//! The breaker of squall-resilience beside failsafe and recloser, call by call, by
//! turns: nanoseconds for a call that is admitted and recorded, and for one that is
//! refused, from one thread and from two. It is given the time, as its peers that look at
//! no clock are; beside it stands what it costs to read the clock at both ends of a call.
//!
//! `cargo run --release --manifest-path benches/peers/breaker/Cargo.toml [ROUNDS]`

use std::time::{Duration, Instant};

use failsafe::CircuitBreaker;
use squall_resilience::breaker::{Breaker, BreakerRules};

const CALLS: u32 = 500_000;
const NEVER: Duration = Duration::from_secs(3600);

/// One call of a breaker, made again and again.
type Call = Box<dyn Fn() + Send + Sync>;

fn rules() -> BreakerRules {
    BreakerRules {
        sleep_window: NEVER,
        probe_lease: NEVER,
        ..BreakerRules::default()
    }
}

/// With the time handed in.
fn squall(open: bool) -> Call {
    let (breaker, now) = breaker(open);
    Box::new(move || called(&breaker, || now))
}

/// With a clock that is read when a call begins and when it ends.
fn with_clock(open: bool) -> Call {
    let (breaker, _) = breaker(open);
    Box::new(move || called(&breaker, Instant::now))
}

fn called(breaker: &Breaker, clock: impl Fn() -> Instant) {
    if let Ok(guard) = breaker.admit(std::hint::black_box(clock())) {
        guard.success(std::hint::black_box(clock()));
    }
}

fn clock_alone(_open: bool) -> Call {
    Box::new(|| {
        std::hint::black_box(Instant::now());
    })
}

/// A breaker, and a time at which it is closed or open.
fn breaker(open: bool) -> (Breaker, Instant) {
    let start = Instant::now();
    let breaker = Breaker::new(rules(), Duration::from_secs(1), 10, start);
    if !open {
        return (breaker, start);
    }
    for _ in 0..100 {
        breaker.admit(start).expect("closed").failure(start);
    }
    // It reads the window when a bucket of it is complete.
    let next = start + Duration::from_millis(1500);
    assert!(breaker.admit(next).is_err(), "the breaker is open");
    (breaker, next)
}

fn consecutive(open: bool) -> Call {
    let policy =
        failsafe::failure_policy::consecutive_failures(1, failsafe::backoff::constant(NEVER));
    of_failsafe(failsafe::Config::new().failure_policy(policy).build(), open)
}

fn over_window(open: bool) -> Call {
    let policy = failsafe::failure_policy::success_rate_over_time_window(
        0.5,
        1,
        Duration::from_secs(10),
        failsafe::backoff::constant(NEVER),
    );
    of_failsafe(failsafe::Config::new().failure_policy(policy).build(), open)
}

fn of_failsafe(breaker: impl CircuitBreaker + Send + Sync + 'static, open: bool) -> Call {
    if open {
        for _ in 0..100 {
            let _ = breaker.call(|| Err::<(), ()>(()));
        }
    }
    Box::new(move || {
        let _ = std::hint::black_box(breaker.call(|| Ok::<(), ()>(())));
    })
}

fn recloser(open: bool) -> Call {
    let breaker = recloser::Recloser::custom().open_wait(NEVER).build();
    if open {
        for _ in 0..1000 {
            let _ = breaker.call(|| Err::<(), ()>(()));
        }
    }
    Box::new(move || {
        let _ = std::hint::black_box(breaker.call(|| Ok::<(), ()>(())));
    })
}

/// Nanoseconds a call takes one of `threads` that all make it.
fn measure(call: &Call, threads: usize) -> f64 {
    let slowest = std::thread::scope(|scope| {
        let make = || {
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

fn main() {
    let rounds = std::env::args().nth(1).map_or(7, |text| {
        text.parse().expect("the argument is a number of rounds")
    });
    let breakers: [(&str, fn(bool) -> Call); 6] = [
        ("squall, given the time", squall),
        ("squall, with its clock", with_clock),
        ("one reading of a clock", clock_alone),
        ("recloser", recloser),
        ("failsafe, consecutive", consecutive),
        ("failsafe, over 10 s", over_window),
    ];
    for (what, open) in [("admitted and recorded", false), ("refused", true)] {
        for threads in [1, 2] {
            let calls: Vec<Call> = breakers.iter().map(|(_, make)| make(open)).collect();
            let mut seen = vec![Vec::new(); calls.len()];
            for _ in 0..rounds {
                for (call, seen) in calls.iter().zip(&mut seen) {
                    seen.push(measure(call, threads));
                }
            }
            println!(
                "\n{what}, {threads} threads (ns a call; median, least and greatest of {rounds} by turns)"
            );
            let medians: Vec<f64> = seen.iter_mut().map(|times| median(times)).collect();
            for (nth, (name, _)) in breakers.iter().enumerate() {
                let (least, greatest) = (seen[nth][0], seen[nth][seen[nth].len() - 1]);
                let ratio = match nth {
                    0 => String::new(),
                    _ => format!("   squall is {:.2} of it", medians[0] / medians[nth]),
                };
                println!(
                    "  {name:24} {:7.1} ({least:.1} to {greatest:.1}){ratio}",
                    medians[nth]
                );
            }
        }
    }
}

/// Of times that are sorted by it.
fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
