//! Probes: numbers read beside the load, on time whatever the load does.
//!
//! A probe reads one thing at a time. A reading that takes longer than its
//! deadline is recorded as failed; the next one is asked for at the next tick
//! after that. A reading speaks of the time between question and answer and
//! says nothing of any other.

mod command;
mod http;
mod log;
mod source;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use squall_record::{ProbeReading, RunEvent};
use squall_scenario::{Probe, ProbeRead};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::log::LogSource;
use self::source::Source;
use crate::hub::EventHub;
use crate::system::RunningSystem;

/// Longest text of a reading that failed.
const ERROR_CHARACTERS_MAX: usize = 300;
/// What a command may take to end beyond its deadline.
const END_MAX: Duration = Duration::from_secs(5);

/// What probes are allowed, and where they put things.
#[derive(Debug, Clone)]
pub struct ProbeSetup {
    /// Hosts that may be read although they are not on this machine.
    pub allowed_hosts: Vec<String>,
    /// Where commands run.
    pub cwd: Option<PathBuf>,
    /// Folder for the output of commands.
    pub dir: PathBuf,
}

/// Reads every probe of the system until `stop`, and emits each reading.
/// Commands belong to the guardian: they end at their deadline, at `stop`, and
/// with squall whatever happens to it.
pub fn watch_probes(
    system: &Arc<RunningSystem>,
    hub: &EventHub,
    setup: &ProbeSetup,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) {
    for (number, probe) in system.description().probes.iter().enumerate() {
        let source = match &probe.read {
            ProbeRead::Log { of, pattern } => match LogSource::new(system, of, pattern) {
                Ok(lines) => {
                    let (probe, hub, stop) = (probe.clone(), hub.clone(), stop.clone());
                    tasks.spawn(async move { lines.follow(&probe, &hub, &stop).await });
                    continue;
                }
                Err(why) => Source::Broken(why),
            },
            _ => Source::new(probe, number, system, setup),
        };
        let (probe, hub, stop) = (probe.clone(), hub.clone(), stop.clone());
        tasks.spawn(read_until(probe, source, hub, stop));
    }
}

/// What a look at a source gave.
struct Reading {
    result: Result<f64, String>,
    asked: Instant,
    answered: Instant,
    /// Of a count that never falls: how long before `asked` it had not changed
    /// yet.
    looked: Option<Duration>,
}

async fn tell(hub: &EventHub, probe: &Probe, reading: Reading) {
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let event = RunEvent::Probe(ProbeReading {
        probe: probe.name.clone(),
        value: reading.result.as_ref().ok().copied(),
        error: reading.result.err().map(|why| cut(&hub.redact(&why))),
        took_us: micros(reading.answered.duration_since(reading.asked)),
        looked_us: reading.looked.map(micros),
    });
    hub.emit_at(reading.answered, event).await;
}

async fn read_until(probe: Probe, mut source: Source, hub: EventHub, stop: CancellationToken) {
    let mut ticks = interval(probe.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let reading = async {
        loop {
            ticks.tick().await;
            let asked = Instant::now();
            let result = timeout(probe.within, source.read()).await;
            let answered = Instant::now();
            let result = match result {
                Ok(Ok(value)) if value.is_finite() => Ok(value),
                Ok(Ok(value)) => Err(format!("{value} is no number to compare with")),
                Ok(Err(why)) => Err(why),
                Err(_elapsed) => Err(format!(
                    "no answer within {}",
                    squall_scenario::format_duration(probe.within)
                )),
            };
            let reading = Reading {
                result,
                asked,
                answered,
                looked: None,
            };
            tell(&hub, &probe, reading).await;
            source.end(END_MAX).await;
        }
    };
    let _ = stop.run_until_cancelled(reading).await;
    source.end(END_MAX).await;
}

/// One line of bounded length, of a text without secrets.
fn cut(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let characters = line.chars().filter(|c| !c.is_control());
    characters.take(ERROR_CHARACTERS_MAX).collect()
}
