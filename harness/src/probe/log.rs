//! Probes that count lines in the output of a process.
//!
//! Such a count never falls, and the output is looked at far more often than a
//! reading is due: a line is told of when it is seen, and the judge knows of
//! every reading since when its number was true. The last reading is taken when
//! the run is over and speaks of everything that was written.

use std::sync::Arc;
use std::time::{Duration, Instant};

use regex_lite::Regex;
use squall_faults::guardian::{GuardianClient, GuardianError};
use squall_scenario::Probe;
use tokio::time::{MissedTickBehavior, interval, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{Reading, tell};
use crate::hub::EventHub;
use crate::system::RunningSystem;
use crate::system::log_lines::LogLines;

/// From one look at the output to the next.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// What is left to read when the run is over may take so long.
const LAST_LOOK_MAX: Duration = Duration::from_secs(5);

/// Counts lines in the output of every instance of a process.
pub(super) struct LogSource {
    guardian: GuardianClient,
    files: Vec<LogLines<()>>,
    matched: u64,
    /// When it was last known how many there were.
    looked: Option<Instant>,
}

impl LogSource {
    /// # Errors
    /// The pattern is no regular expression; in words.
    pub(super) fn new(system: &RunningSystem, of: &str, pattern: &str) -> Result<Self, String> {
        let pattern = Arc::new(Regex::new(pattern).map_err(|error| error.to_string())?);
        let lines = |path: &std::path::Path| {
            let pattern = Arc::clone(&pattern);
            LogLines::new(path, move |line| pattern.is_match(line).then_some(()))
        };
        let instances = system.instances_of(of);
        Ok(Self {
            guardian: system.guardian().clone(),
            files: instances.map(|one| lines(&one.log_path)).collect(),
            matched: 0,
            looked: None,
        })
    }

    /// Emits a reading whenever one is due and whenever the number has changed,
    /// until `stop`, and a last one then.
    pub(super) async fn follow(mut self, probe: &Probe, hub: &EventHub, stop: &CancellationToken) {
        let _ = stop.run_until_cancelled(self.watch(probe, hub)).await;
        let asked = Instant::now();
        let reading = self.look(asked, LAST_LOOK_MAX, true).await;
        tell(hub, probe, reading).await;
    }

    async fn watch(&mut self, probe: &Probe, hub: &EventHub) {
        let mut looks = interval(LOOK_EVERY.min(probe.every));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut due = Instant::now();
        let mut told = None;
        loop {
            looks.tick().await;
            let asked = Instant::now();
            let reading = self.look(asked, probe.within, false).await;
            let value = reading.result.as_ref().ok().copied();
            let is_due = asked >= due;
            if is_due || (value.is_some() && value != told) {
                told = value.or(told);
                tell(hub, probe, reading).await;
            }
            while is_due && due <= asked {
                due += probe.every.max(Duration::from_millis(1));
            }
        }
    }

    /// How many lines matched in what was written when it was `asked`.
    async fn look(&mut self, asked: Instant, within: Duration, is_last: bool) -> Reading {
        let result = self.count(asked + within, is_last).await;
        let before = self.looked;
        let result = result.map(|matched| {
            self.looked = Some(asked);
            #[expect(clippy::cast_precision_loss, reason = "lines are far below 2^52")]
            let number = matched as f64;
            number
        });
        let looked = before.map_or(Duration::ZERO, |before| asked.duration_since(before));
        Reading {
            looked: result.is_ok().then_some(looked),
            result,
            asked,
            answered: Instant::now(),
        }
    }

    async fn count(&mut self, deadline: Instant, is_last: bool) -> Result<u64, String> {
        match timeout_at(deadline.into(), self.guardian.drain_output()).await {
            // Without a guardian nothing is written any more.
            Ok(Ok(()) | Err(GuardianError::Gone)) => {}
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_elapsed) => return Err("its output is not in its file yet".to_owned()),
        }
        let mut ends = Vec::new();
        for file in &self.files {
            ends.push(file.end().await?);
        }
        let mut lost = None;
        for (file, end) in self.files.iter().zip(ends) {
            self.matched += file.read_to(end, deadline).await?.len() as u64;
            if is_last {
                self.matched += file.end_line().len() as u64;
            }
            lost = lost.or_else(|| file.lost());
        }
        let matched = self.matched;
        lost.map_or(Ok(matched), |why| {
            Err(format!("{why}; {matched} lines matched in what was read"))
        })
    }
}
