//! The breaker of squall-resilience beside failsafe and recloser, call by call, by
//! turns: nanoseconds for a call that is admitted and recorded, and for one that is
//! refused, from one thread and from two.
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
        enabled: true,
        force_open: false,
        force_closed: false,
        request_volume_threshold: 20,
        error_threshold_percentage: 50,
        sleep_window: NEVER,
        probe_lease: NEVER,
    }
}

fn squall(open: bool) -> Call {
    let start = Instant::now();
    let breaker = Breaker::new(rules(), Duration::from_secs(1), 10, start);
    if open {
        for _ in 0..100 {
            breaker.admit(start).expect("closed").failure(start);
        }
        // It reads the window when a bucket of it is complete.
        let next = start + Duration::from_millis(1500);
        assert!(breaker.admit(next).is_err(), "the breaker is open");
    }
    Box::new(move || {
        if let Ok(guard) = breaker.admit(Instant::now()) {
            std::hint::black_box(());
            guard.success(Instant::now());
        }
    })
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
    let breakers: [(&str, fn(bool) -> Call); 4] = [
        ("squall", squall),
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
