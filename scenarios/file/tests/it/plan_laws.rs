//! Laws of the plan, on scenarios that nobody wrote: what it says adds up, and
//! follows from what stands in the file.

use std::time::Duration;

use proptest::prelude::*;
use squall_scenario::{PlanWindow, Scenario};
use squall_scenario_file::{ParseOptions, Source, parse_scenario};

/// A scenario by its numbers; times in milliseconds.
#[derive(Debug, Clone)]
struct Written {
    stages: Vec<WrittenStage>,
    weights: Vec<u32>,
    /// Start, length and target of each fault.
    faults: Vec<(u64, u64, usize)>,
}

#[derive(Debug, Clone)]
enum WrittenStage {
    Hold {
        rate: u32,
        ms: u64,
    },
    Ramp {
        from: u32,
        to: u32,
        ms: u64,
    },
    Wave {
        from: u32,
        to: u32,
        every_ms: u64,
        ms: u64,
    },
}

impl WrittenStage {
    const fn ms(&self) -> u64 {
        match self {
            Self::Hold { ms, .. } | Self::Ramp { ms, .. } | Self::Wave { ms, .. } => *ms,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Hold { rate, ms } => format!("hold: {{ rate: {rate}/s, for: {ms}ms }}"),
            Self::Ramp { from, to, ms } => {
                format!("ramp: {{ from: {from}/s, to: {to}/s, over: {ms}ms }}")
            }
            Self::Wave {
                from,
                to,
                every_ms,
                ms,
            } => {
                format!("wave: {{ from: {from}/s, to: {to}/s, every: {every_ms}ms, for: {ms}ms }}")
            }
        }
    }
}

const TARGETS: [&str; 3] = ["one", "two", "three"];

impl Written {
    fn ms(&self) -> u64 {
        self.stages.iter().map(WrittenStage::ms).sum()
    }

    fn text(&self) -> String {
        let mut text = "version: 1\nname: planned\ntarget: http://127.0.0.1:1\nlinks:\n".to_owned();
        for (number, name) in (2..).zip(TARGETS) {
            text.push_str(&format!("  {name}: {{ to: '127.0.0.1:{number}' }}\n"));
        }
        text.push_str("load:\n  shape:\n");
        for stage in &self.stages {
            text.push_str(&format!("    - {}\n", stage.text()));
        }
        text.push_str("  requests:\n");
        for (number, weight) in self.weights.iter().enumerate() {
            let send = format!("send: GET /{number}, weight: {weight}");
            text.push_str(&format!("    - {{ name: r{number}, {send} }}\n"));
        }
        if !self.faults.is_empty() {
            text.push_str("faults:\n");
        }
        for (number, (at, length, target)) in self.faults.iter().enumerate() {
            let into = TARGETS[*target];
            text.push_str(&format!(
                "  - {{ name: f{number}, at: {at}ms, inject: cut, into: {into}, for: {length}ms }}\n"
            ));
        }
        text.push_str("slo: [ { during: whole run, expect: [ success >= 99% ] } ]\n");
        text
    }

    fn parse(&self) -> Scenario {
        let text = self.text();
        let nothing = |_: &str| None;
        let checked = parse_scenario(
            &Source::new("planned.yaml", text.as_str()),
            &ParseOptions::new(&nothing),
        );
        let said = checked.render(false);
        checked.value.unwrap_or_else(|| panic!("{said}\n{text}"))
    }
}

fn stage() -> impl Strategy<Value = WrittenStage> {
    let (rate, ms) = (|| 0..500_u32, || 1..20_000_u64);
    prop_oneof![
        (rate(), ms()).prop_map(|(rate, ms)| WrittenStage::Hold { rate, ms }),
        (rate(), rate(), ms()).prop_map(|(from, to, ms)| WrittenStage::Ramp { from, to, ms }),
        (rate(), rate(), ms(), ms()).prop_map(|(from, to, every_ms, ms)| WrittenStage::Wave {
            from,
            to,
            every_ms,
            ms
        }),
    ]
}

fn written() -> impl Strategy<Value = Written> {
    // The last stage is long and busy enough for a run that proves something.
    let last =
        (100..300_u32, 20_000..40_000_u64).prop_map(|(rate, ms)| WrittenStage::Hold { rate, ms });
    let stages = (prop::collection::vec(stage(), 0..4), last).prop_map(|(mut stages, last)| {
        stages.push(last);
        stages
    });
    let weights = prop::collection::vec(1..1_000_u32, 1..4);
    (stages, weights)
        .prop_flat_map(|(stages, weights)| {
            let ms: u64 = stages.iter().map(WrittenStage::ms).sum();
            let fault = (1..ms - 1, any::<prop::sample::Index>(), 0..TARGETS.len()).prop_map(
                move |(at, length, target)| {
                    let room = usize::try_from(ms - at).unwrap_or(1);
                    (at, 1 + length.index(room) as u64, target)
                },
            );
            let faults = prop::collection::vec(fault, 0..4);
            (Just(stages), Just(weights), faults)
        })
        .prop_map(|(stages, weights, faults)| Written {
            stages,
            weights,
            faults,
        })
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * (1.0 + a.abs().max(b.abs()))
}

fn window<'p>(windows: &'p [PlanWindow], name: &str) -> &'p PlanWindow {
    let found = windows.iter().find(|window| window.name == name);
    found.unwrap_or_else(|| panic!("no {name} in {windows:?}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// The arrivals of a stretch are those of its two parts, and there is no
    /// stretch with less than none.
    #[test]
    fn arrivals_add_up_over_any_cut(
        written in written(), cuts in prop::collection::vec(0.0..1.0_f64, 0..6),
    ) {
        let load = written.parse().load;
        let length = load.duration();
        prop_assert_eq!(length, Duration::from_millis(written.ms()));
        let mut cuts: Vec<_> = cuts.into_iter().map(|share| length.mul_f64(share)).collect();
        cuts.extend([Duration::ZERO, length]);
        cuts.sort();
        let mut sum = 0.0;
        for pair in cuts.windows(2) {
            let part = load.expected_arrivals(pair[0], pair[1]);
            prop_assert!(part >= -1e-6, "{part} between {pair:?}");
            sum += part;
        }
        let whole = load.expected_arrivals(Duration::ZERO, length);
        prop_assert!(close(sum, whole), "{sum} of {whole}");
        // Nothing arrives behind the end.
        let beyond = load.expected_arrivals(Duration::ZERO, length * 2);
        prop_assert!(close(beyond, whole), "{beyond} of {whole}");
    }

    /// Every window's arrivals are shared by all requests, in the ratio of their
    /// weights.
    #[test]
    fn requests_share_the_arrivals_of_every_window(written in written()) {
        let plan = written.parse().plan();
        let weights: u32 = written.weights.iter().sum();
        for window in &plan.windows {
            let sum: f64 = window.requests.iter().map(|(_, arrivals)| arrivals).sum();
            prop_assert!(close(sum, window.arrivals), "{}: {sum}", window.name);
            prop_assert!(window.arrivals <= plan.arrivals * (1.0 + 1e-9) + 1e-6);
            for ((_, arrivals), weight) in window.requests.iter().zip(&written.weights) {
                let share = f64::from(*weight) / f64::from(weights);
                prop_assert!(close(*arrivals, window.arrivals * share), "{}", window.name);
            }
        }
    }

    /// The windows are those of the file: before the first fault, each fault,
    /// after the last, the holds, all of it.
    #[test]
    fn windows_lie_where_the_file_has_them(written in written()) {
        let plan = written.parse().plan();
        let ms = Duration::from_millis;
        let end = ms(written.ms());
        let whole = window(&plan.windows, "whole run");
        prop_assert_eq!((whole.start, whole.end), (Duration::ZERO, end));
        prop_assert!(close(whole.arrivals, plan.arrivals));
        let first = written.faults.iter().map(|fault| ms(fault.0)).min().unwrap_or(end);
        let baseline = window(&plan.windows, "baseline");
        prop_assert_eq!((baseline.start, baseline.end), (Duration::ZERO, first));
        for (number, (at, length, _)) in written.faults.iter().enumerate() {
            let fault = window(&plan.windows, &format!("f{number}"));
            prop_assert_eq!((fault.start, fault.end), (ms(*at), ms(at + length).min(end)));
        }
        let last = written.faults.iter().map(|(at, length, _)| ms(at + length)).max();
        if let Some(last) = last {
            let recovery = window(&plan.windows, "recovery");
            prop_assert_eq!(recovery.length, end.saturating_sub(last));
        }
        let holds = written.stages.iter().filter(|s| matches!(s, WrittenStage::Hold { .. }));
        let holds: u64 = holds.map(WrittenStage::ms).sum();
        prop_assert_eq!(window(&plan.windows, "hold").length, ms(holds));
        for window in &plan.windows {
            prop_assert!(window.length <= window.end - window.start, "{}", window.name);
        }
    }

    /// The timeline is in order, and every fault comes and goes on it.
    #[test]
    fn the_timeline_tells_everything_once(written in written()) {
        let plan = written.parse().plan();
        prop_assert!(plan.steps.is_sorted_by_key(|step| step.at));
        let loads = plan.steps.iter().filter(|step| step.fault.is_none());
        prop_assert_eq!(loads.count(), written.stages.len() + 1, "each stage, and the end");
        for (number, (at, length, _)) in written.faults.iter().enumerate() {
            let name = format!("f{number}");
            let steps = plan.steps.iter().filter(|step| step.fault.as_ref() == Some(&name));
            let times: Vec<_> = steps.map(|step| step.at).collect();
            prop_assert_eq!(times, [*at, at + length].map(Duration::from_millis));
        }
    }

    /// Two faults overlap when they act on the same thing at the same time, and
    /// only then.
    #[test]
    fn overlaps_are_the_pairs_that_meet(written in written()) {
        let plan = written.parse().plan();
        let mut wanted = Vec::new();
        for (n, first) in written.faults.iter().enumerate() {
            for (m, second) in written.faults.iter().enumerate().skip(n + 1) {
                let from = first.0.max(second.0);
                let until = (first.0 + first.1).min(second.0 + second.1);
                if first.2 == second.2 && from < until {
                    let [from, until] = [from, until].map(Duration::from_millis);
                    wanted.push((format!("f{n}"), format!("f{m}"), from, until));
                }
            }
        }
        let found: Vec<_> = plan
            .overlaps
            .into_iter()
            .map(|o| (o.first, o.second, o.from, o.until))
            .collect();
        prop_assert_eq!(found, wanted);
    }

    /// A longer run of the same shape never has fewer samples for a gate.
    #[test]
    fn more_load_never_proves_less(written in written(), more_ms in 1..30_000_u64) {
        let mut longer = written.clone();
        longer.stages.push(WrittenStage::Hold { rate: 50, ms: more_ms });
        let [short, long] = [&written, &longer].map(|written| written.parse().plan());
        prop_assert!(long.arrivals >= short.arrivals);
        let (short, long) = (&short.gates[0], &long.gates[0]);
        prop_assert!(long.samples >= short.samples);
        prop_assert!(long.failures_tolerated >= short.failures_tolerated);
        prop_assert!(long.is_provable() || !short.is_provable());
    }

    /// The same file is the same plan, and it is told to machines as it is.
    #[test]
    fn a_file_has_one_plan(written in written()) {
        let [once, again] = [(), ()].map(|()| written.parse().plan());
        prop_assert_eq!(&once, &again);
        let json = serde_json::to_value(&once).expect("a plan is JSON");
        prop_assert_eq!(&json["arrivals"], once.arrivals);
        let windows = json["windows"].as_array().expect("windows");
        prop_assert_eq!(windows.len(), once.windows.len());
    }
}
