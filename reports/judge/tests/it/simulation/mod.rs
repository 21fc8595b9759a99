//! Runs of a system whose true failure share is known, judged by the judge:
//! how often does it pass what is broken and fail what is not?
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "test support, shared by a test program and an example that each use a part of it"
)]

use std::collections::HashMap;

use squall_judge::live::AbortGuard;
use squall_judge::statistics::{binomial_quantile, lower_bound, upper_bound};
use squall_judge::verdict::GateState;
use squall_judge::*;
use squall_record::histogram::{new_histogram, record_us};
use squall_record::*;
use squall_scenario::Scenario;
use squall_scenario_file::{ParseOptions, Source, parse_scenario};

use crate::synthetic::{Dice, SECOND, at, fault, manifest};

/// Greatest share of runs that may fail although the objective is kept.
pub const FALSE_FAIL: f64 = 0.01;

/// Greatest share of runs that may pass although it is not.
pub const FALSE_PASS: f64 = 0.05;

/// Expected bursts below which the judge must leave the question open.
pub const BURSTS_MIN: f64 = 3.0;

/// What is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `success >= …`
    Ratio,
    /// `p99 < …`, `p95 < …`
    Quantile,
    /// `success >= … in every 20s`
    Sliding,
    /// `error_rate > …` as a rule of `abort_when`
    Sequential,
    /// `baseline returns`
    Returns,
}

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub kind: Kind,
    /// Arrivals per second, evenly spaced.
    pub rate: u64,
    /// Seconds that are judged.
    pub seconds: u64,
    /// Share of bad arrivals that the objective allows.
    pub limit: f64,
    /// True share of bad arrivals, in limits.
    pub truth: f64,
    /// Bad arrivals that come together.
    pub burst: u64,
    /// `burst:` of the scenario.
    pub stated: Option<u64>,
}

/// How many of the simulated runs ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub runs: u64,
    pub passed: u64,
    pub failed: u64,
    pub naive_passed: u64,
    pub naive_failed: u64,
}

/// Length of a stretch of a sliding window.
const STRETCH_S: usize = 20;

/// `baseline returns`: 20 s of baseline, 5 s of fault, 10 s allowed.
const FAULT_AT_S: u64 = 20;
const FAULT_END_S: u64 = 25;
const DEADLINE_S: u64 = 35;

impl Case {
    /// Arrivals behind one judgement.
    pub fn arrivals(&self) -> u64 {
        match self.kind {
            Kind::Sliding => self.rate * STRETCH_S as u64,
            _ => self.rate * self.seconds,
        }
    }

    /// Bursts that a system at its limit shows: n·p0 ÷ burst.
    pub fn bursts_expected(&self) -> f64 {
        self.arrivals() as f64 * self.limit / self.burst as f64
    }

    /// What the tally must satisfy; the message says what it does not. The
    /// allowance covers the chance of so many simulated runs, once in 1 000.
    pub fn claim(&self, tally: &Tally) -> Result<(), String> {
        let most = |share: f64| binomial_quantile(tally.runs, share, 0.999);
        if self.truth <= 1.0 && tally.failed > most(FALSE_FAIL) {
            return Err(format!("false fails {self:?}: {tally:?}"));
        }
        if self.truth >= 1.0 && tally.passed > most(FALSE_PASS) {
            return Err(format!("false passes {self:?}: {tally:?}"));
        }
        let provable = self.bursts_expected() >= BURSTS_MIN || self.stated.is_some();
        if !provable && tally.passed > 0 {
            return Err(format!("passes without proof {self:?}: {tally:?}"));
        }
        Ok(())
    }

    fn load_seconds(&self) -> u64 {
        match self.kind {
            Kind::Returns => DEADLINE_S + self.seconds,
            _ => self.seconds,
        }
    }

    fn scenario(&self, inference: bool) -> Scenario {
        let good = (1.0 - self.limit) * 100.0;
        let sure = match (inference, self.stated) {
            (false, _) => String::new(),
            (true, None) => "\n    confidence: 95%".to_owned(),
            (true, Some(burst)) => format!("\n    confidence: 95%\n    burst: {burst}"),
        };
        let (faults, slo) = match self.kind {
            Kind::Ratio => (
                String::new(),
                format!("  - during: whole run{sure}\n    expect: [ success >= {good:.4}% ]\n"),
            ),
            Kind::Sliding => (
                String::new(),
                format!(
                    "  - during: whole run{sure}\n    expect: [ success >= {good:.4}% in every {STRETCH_S}s ]\n"
                ),
            ),
            // What is judged is the rule; the gate only fills the place.
            Kind::Sequential => (
                format!("abort_when: [ error_rate > {:.4}% ]\n", self.limit * 100.0),
                "  - during: whole run\n    expect: [ success >= 50% ]\n".to_owned(),
            ),
            Kind::Quantile => (
                String::new(),
                format!("  - during: whole run{sure}\n    expect: [ p{good:.4} <= 1ms ]\n"),
            ),
            Kind::Returns => (
                format!(
                    "steady_state:\n  for: 5s\n  expect: [ success >= {good:.4}% ]\nfaults:\n  - name: outage\n    at: {FAULT_AT_S}s\n    inject: cut\n    into: api\n    for: 5s\n"
                ),
                format!(
                    "  - after: outage\n    within: 10s{sure}\n    expect: [ baseline returns ]\n"
                ),
            ),
        };
        let text = format!(
            "version: 1\nname: simulated\ntarget: http://127.0.0.1:8080\nlinks:\n  api: {{ to: 127.0.0.1:8081 }}\nload:\n  shape:\n    - hold: {{ rate: {}/s, for: {}s }}\n  requests:\n    - GET /\n{faults}slo:\n{slo}",
            self.rate,
            self.load_seconds()
        );
        let checked = parse_scenario(
            &Source::new("simulated.yaml", text.as_str()),
            &ParseOptions::new(&|_: &str| None),
        );
        let said = checked.render(false);
        checked.value.unwrap_or_else(|| panic!("{said}\n{text}"))
    }

    fn record(&self) -> Record {
        let end_s = self.load_seconds() as f64;
        let say = |change| fault("outage", 0, &["api"], change);
        let seen = |text: &str| text.to_owned();
        let mut events = vec![at(0.0, RunEvent::Phase(Phase::Load))];
        if self.kind == Kind::Returns {
            let (from_s, to_s) = (FAULT_AT_S as f64, FAULT_END_S as f64);
            events.insert(
                0,
                at(
                    -0.1,
                    RunEvent::SteadyState {
                        reached: true,
                        detail: seen("yes"),
                    },
                ),
            );
            events.extend([
                at(from_s, say(FaultChange::Requested)),
                at(
                    from_s,
                    say(FaultChange::Active {
                        evidence: FaultSeen::Words(seen("cut")),
                    }),
                ),
                at(
                    from_s + 1.0,
                    say(FaultChange::Observed {
                        evidence: FaultSeen::Words(seen("cut")),
                        effective: true,
                        lost: false,
                    }),
                ),
                at(to_s, say(FaultChange::RemovalRequested)),
                at(
                    to_s,
                    say(FaultChange::Removed {
                        evidence: FaultSeen::Words(seen("whole")),
                    }),
                ),
            ]);
        }
        let scheduled = self.rate * self.load_seconds();
        events.extend([
            at(end_s, RunEvent::Phase(Phase::Drain)),
            at(
                end_s + 0.1,
                RunEvent::LoadFinished {
                    scheduled,
                    lag_max_us: 10,
                },
            ),
            at(end_s + 0.2, RunEvent::Phase(Phase::Finished)),
        ]);
        Record {
            manifest: manifest(self.scenario(true)),
            events,
            intervals: Vec::new(),
            samples: Vec::new(),
            complete: true,
            damage: Vec::new(),
        }
    }

    /// Judges `runs` runs; the same seed gives the same tally.
    pub fn simulate(&self, runs: u64, seed: u64) -> Tally {
        let mut record = self.record();
        let plain = self.scenario(false);
        let mut times = KnownTimes::default();
        let mut tally = Tally {
            runs,
            ..Tally::default()
        };
        for run in 0..runs {
            let mut dice = Dice(seed ^ (run << 20) ^ self.rate);
            let bad = self.bad_per_second(&mut dice);
            record.intervals = self.intervals(&bad, &mut times);
            let state = match self.kind {
                Kind::Sequential => guarded(&record),
                _ => last_gate(&judge(&record)),
            };
            tally.passed += u64::from(state == GateState::Pass);
            tally.failed += u64::from(state == GateState::Fail);
            let naive = match self.kind {
                Kind::Returns => last_gate(&judge_with(&record, &plain)),
                Kind::Sliding => self.naive_in_every(&bad),
                Kind::Sequential => self.naive_at_every_look(&bad),
                _ => self.naive(bad.iter().sum(), self.arrivals()),
            };
            tally.naive_passed += u64::from(naive == GateState::Pass);
            tally.naive_failed += u64::from(naive == GateState::Fail);
        }
        tally
    }

    /// Bounds at 95 % on both sides that take every failure for a single one.
    fn naive(&self, bad: u64, n: u64) -> GateState {
        let (bad, n) = (bad as f64, n as f64);
        if upper_bound(bad, n, 0.95) <= self.limit {
            GateState::Pass
        } else if lower_bound(bad, n, 0.95) > self.limit {
            GateState::Fail
        } else {
            GateState::Inconclusive
        }
    }

    /// The same in every stretch, each as if it were the only one.
    fn naive_in_every(&self, bad: &[u64]) -> GateState {
        let states: Vec<_> = bad
            .windows(STRETCH_S)
            .map(|stretch| self.naive(stretch.iter().sum(), self.arrivals()))
            .collect();
        if states.contains(&GateState::Fail) {
            GateState::Fail
        } else if states.iter().all(|state| *state == GateState::Pass) {
            GateState::Pass
        } else {
            GateState::Inconclusive
        }
    }

    /// The same after every second, ended by the first failure.
    fn naive_at_every_look(&self, bad: &[u64]) -> GateState {
        let (mut sum, mut n) = (0, 0);
        let tripped = bad.iter().any(|bad| {
            sum += bad;
            n += self.rate;
            self.naive(sum, n) == GateState::Fail
        });
        if tripped {
            GateState::Fail
        } else {
            GateState::Inconclusive
        }
    }

    /// Bursts start at any arrival with equal chance and hit the next ones too.
    fn bad_per_second(&self, dice: &mut Dice) -> Vec<u64> {
        let share = (self.limit * self.truth).min(1.0);
        let mut left = 0_u64;
        (0..self.load_seconds())
            .map(|second| {
                let (share, burst) = match (self.kind, second) {
                    (Kind::Returns, 0..FAULT_AT_S) => (self.limit / 10.0, 1),
                    (Kind::Returns, FAULT_AT_S..FAULT_END_S) => (1.0, 1),
                    _ => (share, self.burst),
                };
                let start = 1.0 - (1.0 - share).powf(1.0 / burst as f64);
                let hit = (0..self.rate).filter(|_| {
                    if dice.next() < start {
                        left = burst;
                    }
                    let bad = left > 0;
                    left = left.saturating_sub(1);
                    bad
                });
                hit.count() as u64
            })
            .collect()
    }

    fn intervals(&self, bad: &[u64], times: &mut KnownTimes) -> Vec<Interval> {
        let interval = |(second, bad): (usize, &u64)| {
            let good = if self.kind == Kind::Quantile {
                self.rate
            } else {
                self.rate - bad
            };
            let counts = Counts {
                scheduled: self.rate,
                good,
                status: self.rate - good,
                ..Counts::default()
            };
            let slow = if self.kind == Kind::Quantile { *bad } else { 0 };
            let route = RouteInterval {
                route: "GET /".to_owned(),
                counts,
                response: (self.kind == Kind::Quantile).then(|| times.of(good - slow, slow)),
                unlagged: None,
                ..RouteInterval::default()
            };
            Interval {
                start_us: second as i64 * SECOND,
                end_us: (second as i64 + 1) * SECOND,
                routes: vec![route],
                lag: None,
                wait: None,
                parts: IntervalParts::default(),
                users: None,
            }
        };
        bad.iter().enumerate().map(interval).collect()
    }
}

/// Fails where the rule of `abort_when` trips; such a rule passes nothing.
fn guarded(record: &Record) -> GateState {
    let rule = &record.manifest.scenario.abort_when[0].value;
    let mut guard = AbortGuard::new(rule.clone());
    let tripped = record.intervals.iter().any(|interval| {
        let told = RunEvent::Interval(interval.clone());
        guard
            .hear(&at(interval.end_us as f64 / 1e6, told))
            .is_some()
    });
    if tripped {
        GateState::Fail
    } else {
        GateState::Inconclusive
    }
}

fn last_gate(verdict: &Verdict) -> GateState {
    verdict.gates.last().unwrap().state
}

/// Histograms of fast and slow answers, made once each.
#[derive(Default)]
struct KnownTimes(HashMap<(u64, u64), Times>);

impl KnownTimes {
    fn of(&mut self, fast: u64, slow: u64) -> Times {
        let made = self.0.entry((fast, slow)).or_insert_with(|| {
            let mut histogram = new_histogram();
            (0..fast).for_each(|_| record_us(&mut histogram, 500));
            (0..slow).for_each(|_| record_us(&mut histogram, 1_500));
            Times::of(&histogram)
        });
        made.clone()
    }
}

/// Every line of the table: gates of each kind, alone and in bursts, on either
/// side of what can be proven, with a truth that is far above, near above, at,
/// near below and far below the objective.
pub fn cases() -> Vec<Case> {
    let settings = [
        (Kind::Ratio, 100, 60, 0.01),
        (Kind::Ratio, 50, 60, 0.01),
        (Kind::Ratio, 20, 60, 0.01),
        (Kind::Ratio, 250, 120, 0.001),
        (Kind::Quantile, 100, 60, 0.01),
        (Kind::Quantile, 20, 60, 0.01),
        (Kind::Sliding, 200, 60, 0.01),
        (Kind::Sliding, 50, 60, 0.01),
        (Kind::Sequential, 100, 120, 0.05),
        (Kind::Sequential, 20, 60, 0.01),
        (Kind::Returns, 100, 60, 0.01),
        (Kind::Returns, 20, 60, 0.01),
    ];
    let mut cases = Vec::new();
    for (kind, rate, seconds, limit) in settings {
        for (burst, stated) in [(1, None), (1, Some(1)), (10, None), (10, Some(10))] {
            if kind == Kind::Sequential && stated.is_some() {
                continue;
            }
            for truth in [0.1, 0.5, 1.0, 1.1, 3.0] {
                cases.push(Case {
                    kind,
                    rate,
                    seconds,
                    limit,
                    truth,
                    burst,
                    stated,
                });
            }
        }
    }
    cases
}

/// What stands in the head of a line of the table: the case.
pub fn head(case: &Case) -> String {
    let gate = match case.kind {
        Kind::Ratio => "success",
        Kind::Quantile => "quantile",
        Kind::Sliding => "success in every 20s",
        Kind::Sequential => "abort rule",
        Kind::Returns => "baseline returns",
    };
    let stated = case
        .stated
        .map_or_else(|| "–".to_owned(), |burst| burst.to_string());
    format!(
        "| {gate} | {} | {} % | {} | {stated} | {:.1} | {} |",
        case.arrivals(),
        case.limit * 100.0,
        case.burst,
        case.bursts_expected(),
        case.truth,
    )
}

/// A line of the table.
pub fn line(case: &Case, tally: &Tally) -> String {
    let share = |count: u64| format!("{:.1} %", count as f64 * 100.0 / tally.runs as f64);
    let open = tally.runs - tally.passed - tally.failed;
    format!(
        "{} {} | {} | {} | {} | {} | {} |",
        head(case),
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

/// What stands before the lines of the page.
pub fn page_head(runs: u64, seed: u64) -> String {
    format!(
        "{}\n\n{runs} runs a line, seed {seed}.\n\n{}\n",
        include_str!("page.md").trim_end(),
        "| gate | n | limit | burst | stated | n·p0÷burst | truth | pass | open | fail | naive pass | naive fail | claim |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|",
    )
}
