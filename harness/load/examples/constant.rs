//! A constant load on a plain HTTP server, with what it cost this process: for
//! quick rounds while working on the engine. `benches/peers/load` compares.
//!
//! ```text
//! cargo run --release -p squall-load --example constant -- 127.0.0.1:8080 10000 5
//! ```
#![allow(
    clippy::disallowed_macros,
    reason = "what an example prints is read by a person"
)]

use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use squall_load::{Destination, LoadCommand, LoadHandle, LoadOutput, LoadPlan};
use squall_record::Counts;
use squall_record::histogram::new_histogram;
use squall_scenario::{Arrivals, Load, Rate, Request, Stage, Template};

fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

fn load(rate: f64, seconds: u64) -> Result<Load, Box<dyn Error>> {
    Ok(Load::plain(
        vec![Stage::Hold {
            rate: Rate::per_second(rate).ok_or("no rate")?,
            duration: Duration::from_secs(seconds),
            arrivals: Arrivals::Even,
        }],
        vec![Request::plain("all", "GET", Template::parse("/"))],
    ))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let mut next = |default: &str| words.next().unwrap_or_else(|| default.to_owned());
    let address: SocketAddr = next("127.0.0.1:8080").parse()?;
    let (rate, seconds) = (next("1000").parse()?, next("5").parse()?);
    let plan = LoadPlan {
        load: load(rate, seconds)?,
        seed: 1,
        destination: Destination::plain(vec![address], address.to_string()),
        shard: None,
        lead: false,
    };
    let mut handle = LoadHandle::start(plan)?;
    let zero = Instant::now() + Duration::from_millis(20);
    handle.commands.send(LoadCommand::Begin { zero }).await?;
    let before = cpu();
    let mut counts = Counts::default();
    let (mut response, mut lag) = (new_histogram(), new_histogram());
    while let Some(output) = handle.outputs.recv().await {
        if let LoadOutput::Interval(interval) = output {
            interval.lag.iter().for_each(|times| times.add_to(&mut lag));
            for route in &interval.routes {
                counts.add(&route.counts);
                route
                    .response
                    .iter()
                    .for_each(|times| times.add_to(&mut response));
            }
        }
    }
    handle.join().await?;
    let spent = cpu().saturating_sub(before);
    println!(
        "{} scheduled, {} good, {} dropped, {} other; {:.2} CPU us each, {:.1} % of a core",
        counts.scheduled,
        counts.good,
        counts.dropped,
        counts.bad() + counts.unfinished,
        spent.as_secs_f64() * 1e6 / counts.scheduled as f64,
        spent.as_secs_f64() * 100.0 / seconds as f64,
    );
    for (name, times) in [("response", response), ("lag", lag)] {
        let at = |quantile| times.value_at_quantile(quantile);
        println!(
            "{name}: p50 {} us, p99 {} us, max {} us",
            at(0.5),
            at(0.99),
            times.max()
        );
    }
    Ok(())
}
