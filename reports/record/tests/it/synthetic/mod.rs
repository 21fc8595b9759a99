//! Records of runs that never happened, built deterministically: the judge and
//! every report are tested on them.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "test support, shared by several test programs that each use a part of it"
)]

use std::time::Duration;

use squall_record::histogram::{new_histogram, record_us};
use squall_record::*;
use squall_scenario::inject::{Delay, Direction};
use squall_scenario::*;

pub mod cycles;
mod events;
pub mod streaming;
pub mod withheld;

pub use events::*;

pub const SECOND: i64 = 1_000_000;

/// A small generator (SplitMix64), so that a record never changes.
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Roughly normal: mean 0, deviation 1.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }
}

/// How the system answers one route at one moment.
#[derive(Clone, Copy)]
pub struct Behaviour {
    pub median_us: f64,
    /// Deviation of the logarithm of the response time.
    pub spread: f64,
    pub fail: f64,
    pub kind: BadKind,
    /// Share of good answers that a fallback made.
    pub fallback: f64,
}

impl Behaviour {
    pub fn healthy(median_us: f64) -> Self {
        Self {
            median_us,
            spread: 0.45,
            fail: 0.0,
            kind: BadKind::Status,
            fallback: 0.0,
        }
    }
}

pub fn seconds(s: f64) -> i64 {
    (s * 1e6).round() as i64
}

pub fn at(s: f64, event: RunEvent) -> Stamped {
    Stamped {
        at_us: seconds(s),
        event,
    }
}

pub fn fault(name: &str, injection: u32, targets: &[&str], change: FaultChange) -> RunEvent {
    RunEvent::Fault {
        fault: name.to_owned(),
        injection,
        targets: targets.iter().map(|t| (*t).to_owned()).collect(),
        change,
    }
}

pub fn breaker(
    name: &str,
    instance: &str,
    state: BreakerState,
    calls: u64,
    errors: u32,
) -> RunEvent {
    RunEvent::Breaker(BreakerReport {
        breaker: name.to_owned(),
        instance: instance.to_owned(),
        state: Some(state),
        has_volume: calls >= 20,
        error_percent: errors,
        calls,
        why: None,
        assumed: false,
    })
}

pub fn located<T>(value: T, line: u32) -> Located<T> {
    Located::new(
        value,
        Span {
            start: 0,
            end: 0,
            line,
            column: 9,
        },
    )
}

pub fn metric(metric: Metric, of: Option<&str>, comparison: Comparison, value: GateValue) -> Gate {
    Gate::Metric(MetricGate {
        metric,
        of: of.map(str::to_owned),
        comparison,
        value,
        sustained: None,
        every: None,
    })
}

pub fn success(percent: f64) -> Gate {
    let share = Share::new(percent / 100.0).unwrap();
    metric(
        Metric::Success,
        None,
        Comparison::AtLeast,
        GateValue::Share(share),
    )
}

pub fn p99_below(of: Option<&str>, ms: u64) -> Gate {
    let limit = GateValue::Duration(Duration::from_millis(ms));
    metric(Metric::Quantile(0.99), of, Comparison::Below, limit)
}

pub fn breaker_gate(name: &str, change: BreakerChange, within: Option<u64>) -> Gate {
    Gate::Breaker {
        name: name.to_owned(),
        change,
        within: within.map(Duration::from_secs),
    }
}

pub fn during(window: &str, settle_s: u64, gates: Vec<Gate>, line: u32) -> SloBlock {
    SloBlock {
        when: located(When::During(window.to_owned()), line),
        settle: Duration::from_secs(settle_s),
        confidence: None,
        burst: None,
        expect: lines(gates, line),
    }
}

pub fn after(fault: &str, within_s: u64, gates: Vec<Gate>, line: u32) -> SloBlock {
    let (within, hold) = (Duration::from_secs(within_s), Duration::from_secs(5));
    SloBlock {
        when: located(
            When::After {
                fault: fault.to_owned(),
                within,
                hold,
            },
            line,
        ),
        settle: Duration::ZERO,
        confidence: None,
        burst: None,
        expect: lines(gates, line),
    }
}

fn lines(gates: Vec<Gate>, line: u32) -> Vec<Located<Gate>> {
    (line + 2..)
        .zip(gates)
        .map(|(line, gate)| located(gate, line))
        .collect()
}

pub fn request(name: &str, method: &str, path: &str, weight: u32) -> Request {
    Request {
        within: Some(Duration::from_secs(1)),
        weight,
        ..Request::plain(name, method, Template::parse(path))
    }
}

pub fn delay_fault(name: &str, into: &str, at_s: u64, for_s: u64) -> FaultSpec {
    FaultSpec {
        name: located(name.to_owned(), 26),
        at: Duration::from_secs(at_s),
        inject: Delay::of(Duration::from_secs(5), Duration::ZERO, Direction::From).into(),
        into: located(FaultTarget::Process(into.to_owned()), 29),
        share: None,
        duration: Some(Duration::from_secs(for_s)),
        repeat: None,
        span: Span::default(),
    }
}

/// The scenario of the design page: 60 s, recommendations slow from 20 to 40 s.
pub fn scenario() -> Scenario {
    let rate = Rate::per_second(200.0).unwrap();
    Scenario {
        name: "slow recommendations never slow the homepage".to_owned(),
        about: Some("A dependency that hangs must cost its callers almost nothing.".to_owned()),
        seed: Some(42),
        system: System::default(),
        load: Load {
            in_flight_max: 1000,
            warm_up: Duration::from_secs(2),
            ..Load::plain(
                vec![Stage::Hold {
                    rate,
                    duration: Duration::from_secs(60),
                    arrivals: Arrivals::Poisson,
                }],
                vec![
                    request("homepage", "GET", "/home/$profile", 9),
                    request("play", "POST", "/play/$title", 1),
                ],
            )
        },
        steady_state: Some(SteadyState {
            duration: Duration::from_secs(5),
            expect: lines(vec![success(99.9), p99_below(None, 300)], 21),
        }),
        faults: vec![delay_fault(
            "slow recommendations",
            "recommendations",
            20,
            20,
        )],
        abort_when: Vec::new(),
        abort_on_readings: Vec::new(),
        slo: vec![
            during(
                "slow recommendations",
                0,
                vec![
                    success(99.9),
                    p99_below(Some("homepage"), 600),
                    breaker_gate("recommendations", BreakerChange::Opens, Some(8)),
                ],
                36,
            ),
            during(
                "slow recommendations",
                8,
                vec![p99_below(Some("homepage"), 300)],
                41,
            ),
            after(
                "slow recommendations",
                10,
                vec![
                    breaker_gate("recommendations", BreakerChange::Closes, None),
                    Gate::BaselineReturns,
                ],
                44,
            ),
        ],
        variants: Vec::new(),
    }
}

pub fn manifest(scenario: Scenario) -> Manifest {
    Manifest {
        schema_version: RECORD_SCHEMA_VERSION,
        squall_version: "0.1.0".to_owned(),
        run_id: "20261122T134854Z".to_owned(),
        started_utc: "2026-11-22T13:48:54Z".to_owned(),
        host: "build-7".to_owned(),
        seed: 42,
        rerun: "squall run slow-recommendations.yaml --seed 42".to_owned(),
        variant: None,
        scenario_path: "scenarios/library/slow-recommendations.yaml".to_owned(),
        scenario_text: SCENARIO_TEXT.to_owned(),
        shards: None,
        scenario,
    }
}

const SCENARIO_TEXT: &str = include_str!("scenario.yaml");

/// Cuts the load into intervals and fills them with arrivals.
pub fn intervals(
    scenario: &Scenario,
    end_s: f64,
    cuts_s: &[f64],
    behaviour: &dyn Fn(&str, f64) -> Behaviour,
) -> (Vec<Interval>, Vec<Sample>) {
    let mut edges: Vec<i64> = (0..=seconds(end_s) / SECOND).map(|s| s * SECOND).collect();
    edges.extend(cuts_s.iter().map(|s| seconds(*s)));
    edges.push(seconds(end_s));
    edges.sort_unstable();
    edges.dedup();
    let mut dice = Dice(7);
    let mut samples = Vec::new();
    let weights: u32 = scenario.load.requests.iter().map(|r| r.weight).sum();
    let mut arrivals = 0_u64;
    let intervals = edges
        .windows(2)
        .map(|edge| {
            let (start_us, end_us) = (edge[0], edge[1]);
            let mut lag = new_histogram();
            let mut wait = new_histogram();
            let routes = scenario.load.requests.iter().map(|request| {
                let rate =
                    rate_at(scenario, start_us) * f64::from(request.weight) / f64::from(weights);
                let n = (rate * (end_us - start_us) as f64 / 1e6).round() as u64;
                let mut filler = Filler {
                    dice: &mut dice,
                    lag: &mut lag,
                    wait: &mut wait,
                    samples: &mut samples,
                    arrival: &mut arrivals,
                };
                filler.route(&request.name, n, start_us, end_us, behaviour)
            });
            let routes = routes.collect();
            Interval {
                start_us,
                end_us,
                routes,
                lag: Some(Times::of(&lag)),
                wait: Some(Times::of(&wait)),
                parts: IntervalParts::default(),
                users: None,
            }
        })
        .collect();
    (intervals, samples)
}

fn rate_at(scenario: &Scenario, at_us: i64) -> f64 {
    let mut start = 0.0;
    let at_s = at_us as f64 / 1e6;
    for stage in &scenario.load.shape {
        let length = stage.duration().as_secs_f64();
        if at_s < start + length {
            return match stage {
                Stage::Hold { rate, .. } => rate.as_per_second(),
                Stage::Wave {
                    from, to, every, ..
                } => Wave::new(*from, *to, *every).rate(at_s - start),
                Stage::Ramp { from, to, .. } => {
                    let share = (at_s + 0.5 - start) / length;
                    from.as_per_second() * (1.0 - share) + to.as_per_second() * share
                }
                Stage::Closed { .. } => 0.0,
                Stage::Replay(replay) => replay.expected_arrivals(
                    Duration::from_secs_f64(at_s - start),
                    Duration::from_secs_f64(at_s - start + 1.0),
                ),
            };
        }
        start += length;
    }
    0.0
}

struct Filler<'a> {
    dice: &'a mut Dice,
    lag: &'a mut hdrhistogram::Histogram<u64>,
    wait: &'a mut hdrhistogram::Histogram<u64>,
    samples: &'a mut Vec<Sample>,
    arrival: &'a mut u64,
}

impl Filler<'_> {
    fn route(
        &mut self,
        name: &str,
        n: u64,
        start_us: i64,
        end_us: i64,
        behaviour: &dyn Fn(&str, f64) -> Behaviour,
    ) -> RouteInterval {
        let mut counts = Counts {
            scheduled: n,
            ..Counts::default()
        };
        let mut seen = Sightings::default();
        let mut response = new_histogram();
        let mut unlagged = new_histogram();
        for index in 0..n {
            let scheduled_us = start_us + (end_us - start_us) * index as i64 / n.max(1) as i64;
            let now = behaviour(name, scheduled_us as f64 / 1e6);
            let lag_us = (40.0 * (0.5 * self.dice.normal()).exp()) as u64;
            let wait_us = (25.0 * (0.6 * self.dice.normal()).exp()) as u64;
            let service_us = (now.median_us * (now.spread * self.dice.normal()).exp()) as u64;
            let response_us = lag_us + wait_us + service_us;
            record_us(self.lag, lag_us);
            record_us(self.wait, wait_us);
            let failed = self.dice.next() < now.fail;
            let late = !failed && response_us > 1_000_000;
            let kind = if late { BadKind::Late } else { now.kind };
            if failed || late {
                seen.see(Some(kind), None, scheduled_us);
                match kind {
                    BadKind::Connect => counts.connect += 1,
                    BadKind::Timeout => counts.timeout += 1,
                    BadKind::Late => counts.late += 1,
                    BadKind::Status => counts.status += 1,
                    BadKind::Broken => counts.broken += 1,
                    BadKind::Malformed => counts.malformed += 1,
                    BadKind::Check => counts.check += 1,
                    BadKind::Dns => counts.dns += 1,
                    BadKind::Tls => counts.tls += 1,
                }
            } else {
                counts.good += 1;
                counts.bytes += 1800;
                counts.fallback += u64::from(self.dice.next() < now.fallback);
                record_us(&mut response, response_us);
                record_us(&mut unlagged, wait_us + service_us);
            }
            if (failed || late || (*self.arrival).is_multiple_of(997)) && self.samples.len() < 400 {
                self.samples.push(sample(
                    *self.arrival,
                    name,
                    scheduled_us,
                    [lag_us, wait_us, service_us],
                    (failed || late).then_some(kind),
                ));
            }
            *self.arrival += 1;
        }
        RouteInterval {
            route: name.to_owned(),
            counts,
            seen,
            response: Some(Times::of(&response)),
            unlagged: Some(Times::of(&unlagged)),
            messages: RouteMessages::default(),
        }
    }
}

fn sample(
    arrival: u64,
    route: &str,
    scheduled_us: i64,
    parts: [u64; 3],
    bad: Option<BadKind>,
) -> Sample {
    let [lag_us, wait_us, service_us] = parts;
    Sample {
        arrival,
        route: route.to_owned(),
        scheduled_us,
        lag_us,
        wait_us,
        service_us,
        response_us: lag_us + wait_us + service_us,
        parts: Parts::default(),
        outcome: bad.map_or(Outcome::Good, Outcome::Bad),
        status: match bad {
            None | Some(BadKind::Late) => Some(200),
            Some(BadKind::Status) => Some(503),
            _ => None,
        },
        address: Some("127.0.0.1:21000".to_owned()),
        request: format!("GET /{route}/{}", arrival % 100),
        dropped: None,
        detail: bad.map(|kind| match kind {
            BadKind::Status => "breaker recommendations is open, no fallback".to_owned(),
            BadKind::Connect => "connection refused (os error 111)".to_owned(),
            other => format!("{other:?}").to_lowercase(),
        }),
    }
}

/// A run of [`scenario`] in which everything goes well: the breaker opens
/// 3.1 s after the fault and closes 2.4 s after it is gone.
pub fn passing() -> Record {
    static RECORD: std::sync::OnceLock<Record> = std::sync::OnceLock::new();
    RECORD.get_or_init(build_passing).clone()
}

fn build_passing() -> Record {
    with_behaviour(&|route, s| {
        let usual = if route == "homepage" {
            14_000.0
        } else {
            22_000.0
        };
        let mut now = Behaviour::healthy(usual);
        if route == "homepage" && (20.013..23.1).contains(&s) {
            now = Behaviour {
                median_us: 318_000.0,
                spread: 0.08,
                ..now
            };
        } else if route == "homepage" && (23.1..42.4).contains(&s) {
            now.fallback = 0.95;
        }
        now
    })
}

/// The same run with another behaviour of the system.
pub fn with_behaviour(behaviour: &dyn Fn(&str, f64) -> Behaviour) -> Record {
    let scenario = scenario();
    let (intervals, samples) = intervals(&scenario, 60.0, &[20.013, 40.0, 40.021], behaviour);
    let mut events = opening_events();
    events.extend(fault_events());
    let scheduled = scheduled(&intervals);
    events.extend(closing_events(60.0, scheduled));
    events.sort_by_key(|stamped| stamped.at_us);
    Record {
        manifest: manifest(scenario),
        events,
        intervals,
        samples,
        complete: true,
        damage: Vec::new(),
    }
}

pub fn scheduled(intervals: &[Interval]) -> u64 {
    intervals
        .iter()
        .flat_map(|i| &i.routes)
        .map(|r| r.counts.scheduled)
        .sum()
}

/// The healthy run with failures of `share` from `from_s` to `to_s`.
pub fn failing(share: f64, from_s: f64, to_s: f64) -> Record {
    with_behaviour(&move |_, s| Behaviour {
        fail: if (from_s..to_s).contains(&s) {
            share
        } else {
            0.0
        },
        ..Behaviour::healthy(14_000.0)
    })
}
