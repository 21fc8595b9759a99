//! The grammar of gates: what is written is read back, and mistakes are
//! pointed at inside the sentence.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test it helps"
)]

use std::time::Duration;

use proptest::prelude::*;
use squall_scenario::{
    BreakerChange, BreakerState, Comparison, Gate, GateValue, Metric, MetricGate, Rate, Reading,
    Share,
};
use squall_scenario_file::parse_gate;

#[test]
fn sentences_mean_what_they_say() {
    let gate = parse_gate("p99.9 of slow search<=1m30s for 10s").unwrap();
    let expected = MetricGate {
        metric: Metric::Quantile(99.9 / 100.0),
        of: Some("slow search".to_owned()),
        comparison: Comparison::AtMost,
        value: GateValue::Duration(Duration::from_secs(90)),
        sustained: Some(Duration::from_secs(10)),
        every: None,
    };
    assert_eq!(gate, Gate::Metric(expected));
    assert_eq!(
        parse_gate(" breaker a.b_c  closes ").unwrap(),
        Gate::Breaker {
            name: "a.b_c".to_owned(),
            change: BreakerChange::Closes,
            within: None
        }
    );
    assert_eq!(
        parse_gate("breaker x is half-open").unwrap(),
        Gate::BreakerIs {
            name: "x".to_owned(),
            state: BreakerState::HalfOpen
        }
    );
    let gate = |text: &str| match parse_gate(text).unwrap() {
        Gate::Metric(gate) => gate,
        other => panic!("{other}"),
    };
    let sliding = gate("success of play>=99% in every 5s");
    assert_eq!(sliding.every, Some(Duration::from_secs(5)));
    assert_eq!(sliding.subject(), "success of play");
    let outages = gate("outages of play below zero below 99% <= 1");
    assert_eq!(outages.of.as_deref(), Some("play below zero"));
    assert_eq!(
        outages.metric,
        Metric::Outages {
            below: Share::new(0.99)
        }
    );
    assert_eq!(
        gate("longest_outage <= 3s").metric,
        Metric::LongestOutage { below: None }
    );
    assert_eq!(
        gate("p99 of x <= 1.25x baseline").value,
        GateValue::TimesBaseline(1.25)
    );
    assert_eq!(
        parse_gate("baseline returns").unwrap(),
        Gate::BaselineReturns
    );
}

#[test]
fn readings_are_read_back_as_they_were_written() {
    for text in [
        "cpu of catalog < 1.5",
        "memory of catalog-0 <= 500MiB",
        "fds of squall < 1000",
        "restarts of catalog = 0",
        "memory of edge > 1GiB for 5s",
        "probe queue length < 100",
        "probe temperature >= -0.5",
        "fallback of payments > 95%",
        "fallback of breaker payments > 95%",
        "fallback of request pay < 5%",
    ] {
        let gate = parse_gate(text).unwrap();
        assert!(matches!(gate, Gate::Reading(_)), "{text}");
        assert_eq!(gate.to_string(), text);
    }
    let Gate::Reading(gate) = parse_gate("fallback of request = 0%").unwrap() else {
        panic!("no reading");
    };
    let of = "request".to_owned();
    assert_eq!(gate.reading, Reading::Fallback { source: None, of });
}

#[test]
fn viewings_are_read_back_as_they_were_written() {
    for text in [
        "rebuffer_ratio <= 1%",
        "rebuffer_ratio of watch/title < 0.5%",
        "time_to_first_frame p95 < 2s",
        "time_to_first_frame p99.9 of watch/the title <= 500ms",
        "bitrate mean >= 1.5Mbit/s",
        "bitrate mean of watch/title > 750kbit/s",
    ] {
        let gate = parse_gate(text).unwrap();
        assert!(matches!(gate, Gate::Viewing(_)), "{text}");
        assert_eq!(gate.to_string(), text);
    }
    for (text, marked) in [
        ("rebuffer_ratio", "rebuffer_ratio"),
        ("rebuffer_ratio > 1%", ">"),
        ("rebuffer_ratio = 0%", "="),
        ("rebuffer_ratio < 1s", "1s"),
        ("time_to_first_frame < 2s", "time_to_first_frame"),
        ("time_to_first_frame mean < 2s", "mean"),
        ("time_to_first_frame p95 < 2%", "2%"),
        ("bitrate p50 >= 1Mbit/s", "p50"),
        ("bitrate mean <= 1Mbit/s", "<="),
        ("bitrate mean >= 1500", "1500"),
        ("rebuffering < 1%", "rebuffering"),
        ("ttff < 2s", "ttff"),
    ] {
        assert_eq!(mistake(text), ("S0304", marked), "{text}");
    }
}

/// Code and marked part of the mistake in a sentence.
fn mistake(text: &str) -> (&'static str, &str) {
    let finding = parse_gate(text).unwrap_err();
    let span = finding.labels[0].span;
    (finding.code, &text[span.start..span.end])
}

#[test]
fn mistakes_are_pointed_at() {
    for (text, code, part) in [
        ("p99 < 400", "S0301", "400"),
        ("success >= 99", "S0301", "99"),
        ("goodput > 100", "S0301", "100"),
        ("p99 < 400ms for 10", "S0301", "10"),
        ("p99 < 400ms in every 10", "S0301", "10"),
        ("p99 < 400ms in every", "S0304", "in every"),
        ("p99 < 400ms in 10s", "S0304", "400ms in 10s"),
        ("outages below <= 1", "S0304", "outages below <= 1"),
        ("outages of play below 9 <= 1", "S0304", "9"),
        ("outages below 100% <= 1", "S0108", "100%"),
        ("outages <= 1s", "S0306", "1s"),
        ("longest_outage <= 3", "S0301", "3"),
        ("success >= 1x baseline", "S0306", "1x baseline"),
        ("p99 <= baseline", "S0304", "baseline"),
        ("p99 <= 1.2 baseline", "S0304", "1.2 baseline"),
        ("99p < 400ms", "S0302", "99p"),
        ("latency < 400ms", "S0303", "latency"),
        ("p99 of x 400ms", "S0304", "p99 of x 400ms"),
        ("p99 ~ 400ms", "S0304", "~ 400ms"),
        ("p99 != 400ms", "S0304", "!="),
        ("p99 < fast", "S0304", "fast"),
        ("p99 < 400ms or so", "S0304", "400ms or so"),
        ("uptime > 3", "S0304", "uptime"),
        ("breaker", "S0304", "breaker"),
        ("breaker x", "S0304", "breaker x"),
        ("breaker x is", "S0304", "is"),
        ("breaker x is ajar", "S0304", "ajar"),
        ("breaker x opens in 8s", "S0304", "in 8s"),
        ("breaker x opens within", "S0304", "within"),
        ("baseline comes", "S0304", "baseline comes"),
        ("p99 < 1%", "S0306", "1%"),
        ("dropped_arrivals < 5%", "S0306", "5%"),
        ("p0 < 1s", "S0308", "p0"),
        ("p100.0 < 1s", "S0308", "p100.0"),
    ] {
        assert_eq!(mistake(text), (code, part), "{text}");
    }
    assert_eq!(mistake("").0, "S0304");
    assert_eq!(mistake("  ").0, "S0304");
}

fn quantity(metric: Metric) -> BoxedStrategy<GateValue> {
    match metric {
        Metric::Quantile(_) | Metric::Mean => prop_oneof![
            (0_u64..10_000_000).prop_map(|us| GateValue::Duration(Duration::from_micros(us))),
            (1_u32..100_000).prop_map(|n| GateValue::TimesBaseline(f64::from(n) / 100.0)),
        ]
        .boxed(),
        Metric::Max => (0_u64..10_000_000)
            .prop_map(|us| GateValue::Duration(Duration::from_micros(us)))
            .boxed(),
        Metric::Success | Metric::ErrorRate => (0_u32..=100_000)
            .prop_map(|n| GateValue::Share(Share::new(f64::from(n) / 100_000.0).unwrap()))
            .boxed(),
        Metric::Goodput => (0_u32..1_000_000)
            .prop_map(|n| GateValue::Rate(Rate::per_second(f64::from(n) / 8.0).unwrap()))
            .boxed(),
        Metric::LongestOutage { .. } => (0_u64..10_000_000)
            .prop_map(|us| GateValue::Duration(Duration::from_micros(us)))
            .boxed(),
        Metric::DroppedArrivals | Metric::Outages { .. } => {
            any::<u64>().prop_map(GateValue::Count).boxed()
        }
    }
}

fn below() -> impl Strategy<Value = Option<Share>> {
    proptest::option::of((1_u32..100_000).prop_map(|n| Share::new(f64::from(n) / 1e5).unwrap()))
}

fn metric() -> impl Strategy<Value = Metric> {
    prop_oneof![
        (1_u32..100_000).prop_map(|n| Metric::Quantile(f64::from(n) / 100_000.0)),
        Just(Metric::Max),
        Just(Metric::Mean),
        Just(Metric::Success),
        Just(Metric::ErrorRate),
        Just(Metric::Goodput),
        Just(Metric::DroppedArrivals),
        below().prop_map(|below| Metric::Outages { below }),
        below().prop_map(|below| Metric::LongestOutage { below }),
    ]
}

fn metric_gate() -> impl Strategy<Value = Gate> {
    let comparison = proptest::sample::select(vec![
        Comparison::Below,
        Comparison::AtMost,
        Comparison::Above,
        Comparison::AtLeast,
        Comparison::Equal,
    ]);
    let name = proptest::option::of("[a-zA-Z/][a-zA-Z0-9/ ._-]{0,20}[a-z]");
    let sustained = proptest::option::of((1_u64..100_000).prop_map(Duration::from_millis));
    let every = proptest::option::of((1_u64..100_000).prop_map(Duration::from_millis));
    (metric(), name, comparison, sustained, every).prop_flat_map(
        |(metric, of, comparison, sustained, every)| {
            quantity(metric).prop_map(move |value| {
                Gate::Metric(MetricGate {
                    metric,
                    of: of.clone(),
                    comparison,
                    value,
                    sustained: sustained.filter(|_| every.is_none()),
                    every,
                })
            })
        },
    )
}

/// Gates that differ only in the last bits of a number are the same.
fn close(left: &Gate, right: &Gate) -> bool {
    left.to_string() == right.to_string()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn gates_are_read_back_as_they_were_written(gate in metric_gate()) {
        let text = gate.to_string();
        let read = parse_gate(&text).map_err(|finding| finding.title);
        let read = read.unwrap();
        prop_assert!(close(&read, &gate), "{text} was read as {read}");
    }

    #[test]
    fn places_of_mistakes_lie_in_the_text(text in "(p9|breaker |baseline |success|cpu|memory|probe |fallback |request |[<>=]|of |for |[0-9a-zü% ]){0,8}") {
        if let Err(finding) = parse_gate(&text) {
            let span = finding.labels[0].span;
            prop_assert!(text.get(span.start..span.end).is_some());
            prop_assert!(!finding.title.is_empty() && !finding.help.is_empty());
        }
    }
}
