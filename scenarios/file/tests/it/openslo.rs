//! OpenSLO files: every objective becomes the gate that asks the same, and
//! what a gate cannot ask is said.

use squall_scenario::{ProbeRead, WHOLE_RUN};
use squall_scenario_file::{
    Allowed, Checked, OpenSlo, ParseOptions, RemoteTarget, Source, is_openslo, parse_openslo,
    parse_scenario,
};

fn no_environment(_: &str) -> Option<String> {
    None
}

fn read(text: &str) -> Checked<OpenSlo> {
    let source = Source::new("slo.yaml", text);
    assert!(is_openslo(&source));
    parse_openslo(&source, &ParseOptions::new(&no_environment))
}

/// An SLO with an indicator, and its objectives.
fn slo(indicator: &str, objectives: &str) -> String {
    format!(
        "apiVersion: openslo/v1\nkind: SLO\nmetadata: {{ name: checkout }}\nspec:\n  \
         service: shop\n  indicator: {{ spec: {{ {indicator} }} }}\n  \
         timeWindow: [ {{ duration: 28d, isRolling: true }} ]\n  objectives: {objectives}\n"
    )
}

/// The gates of a file as text, and the codes of what was found.
fn gates(text: &str) -> (Vec<String>, Vec<&'static str>) {
    let checked = read(text);
    let codes = checked.diagnostics.iter().map(|d| d.code).collect();
    let objectives = checked.value.map(|file| file.objectives);
    let gates = objectives.unwrap_or_default();
    (
        gates.iter().map(|o| o.gate.value.to_string()).collect(),
        codes,
    )
}

fn source(kind: &str, spec: &str) -> String {
    format!("{{ metricSource: {{ type: {kind}, spec: {{ {spec} }} }} }}")
}

#[test]
fn objectives_become_the_gates_that_ask_the_same() {
    let count = |word: &str, more: &str| source("squall", &format!("count: {word}{more}"));
    let ratio = |part: &str, word: &str, more: &str| {
        let (part_of, total) = (count(word, more), count("all", ""));
        format!("ratioMetric: {{ counter: true, {part}: {part_of}, total: {total} }}")
    };
    let number = |measure: &str| {
        let source = source("squall", measure);
        format!("thresholdMetric: {source}")
    };
    let time = "measure: response_time of pay, unit: ms";
    for (indicator, objectives, expected) in [
        (
            ratio("good", "good", ""),
            "[ { target: 0.999 } ]",
            "success >= 99.9%",
        ),
        (
            ratio("bad", "failed", ""),
            "[ { targetPercent: 99.95 } ]",
            "success >= 99.95%",
        ),
        (
            ratio("good", "good", ", within: 300ms"),
            "[ { target: 0.99 } ]",
            "p99 <= 300ms",
        ),
        (
            number(time),
            "[ { op: lte, value: 250, target: 0.999 } ]",
            "p99.9 of pay <= 250ms",
        ),
        (
            number(time),
            "[ { op: lt, value: 2.5, target: 0.95 } ]",
            "p95 of pay < 2ms500us",
        ),
    ] {
        let (gates, codes) = gates(&slo(&indicator, objectives));
        assert_eq!(
            (gates, codes),
            (vec![expected.to_owned()], vec![]),
            "{indicator}"
        );
    }
}

#[test]
fn a_gate_that_asks_more_than_its_objective_says_so() {
    let number = |measure: &str| format!("thresholdMetric: {}", source("squall", measure));
    for (measure, objective, expected) in [
        (
            "measure: memory of api, unit: MiB",
            "value: 300",
            "memory of api <= 300MiB",
        ),
        ("measure: cpu of api", "value: 1.5", "cpu of api <= 1.5"),
        ("measure: fds of api", "value: 1000", "fds of api <= 1000"),
        (
            "measure: probe queue length",
            "value: 10",
            "probe queue length <= 10",
        ),
    ] {
        let objectives = format!("[ {{ op: lte, {objective}, target: 0.99 }} ]");
        let (gates, codes) = gates(&slo(&number(measure), &objectives));
        assert_eq!(
            (gates, codes),
            (vec![expected.to_owned()], vec!["S0331"]),
            "{measure}"
        );
    }
}

const SERVER: &str = "---\napiVersion: openslo/v1\nkind: DataSource\nmetadata: { name: prom }\n\
    spec: { type: prometheus, connectionDetails: { url: http://10.9.8.7:9090 } }\n";

#[test]
fn queries_become_probes_of_the_server_that_the_file_names() {
    let query = |query: &str| {
        format!("{{ metricSource: {{ metricSourceRef: prom, spec: {{ query: {query} }} }} }}")
    };
    let (up, all) = (query("up_total"), query("all_total"));
    for (indicator, objective, asked, expected) in [
        (
            format!("thresholdMetric: {}", query("max(lag)")),
            "op: lt, value: 100, target: 0.99",
            "max(lag)",
            "probe checkout < 100",
        ),
        (
            format!("ratioMetric: {{ counter: false, good: {up}, total: {all} }}"),
            "target: 0.999",
            "(up_total) / (all_total)",
            "probe checkout >= 0.999",
        ),
        (
            format!("ratioMetric: {{ rawType: failure, raw: {up} }}"),
            "target: 0.999",
            "up_total",
            "probe checkout <= 0.001",
        ),
    ] {
        let text = slo(&indicator, &format!("[ {{ {objective} }} ]")) + SERVER;
        let checked = read(&text);
        let file = checked.value.clone().unwrap();
        let one = &file.objectives[0];
        assert_eq!(one.gate.value.to_string(), expected, "{indicator}");
        assert_eq!(one.time_window.as_deref(), Some("28d"));
        let probe = one.probe.as_ref().unwrap();
        let ProbeRead::Prometheus { at, query } = &probe.read else {
            panic!("{probe:?}");
        };
        assert_eq!(
            (at.source(), query.as_str()),
            ("http://10.9.8.7:9090", asked)
        );
        // The file does not decide by itself that squall reads elsewhere.
        let refused = checked.refused(&Allowed::default());
        assert_eq!(refused[0].code, "S0410");
        assert_eq!(refused[0].primary().unwrap().span.line, 13);
        assert!(
            checked
                .refused(&Allowed {
                    hosts: vec!["10.9.8.7".to_owned()],
                    ..Allowed::default()
                })
                .is_empty()
        );
    }
}

#[test]
fn several_objects_stand_in_documents_or_in_a_list() {
    let count = |word: &str| source("squall", &format!("count: {word}"));
    let (good, all) = (count("good"), count("all"));
    let ratio = format!("ratioMetric: {{ good: {good}, total: {all} }}");
    let one = slo(&ratio, "[ { target: 0.9 } ]");
    let documents = format!("---\n{one}---\n{one}---\n");
    assert_eq!(gates(&documents).0.len(), 2);
    let indented = one.replace('\n', "\n  ");
    let list = format!("- {indented}\n- {indented}\n");
    assert_eq!(gates(&list).0.len(), 2);
}

#[test]
fn a_scenario_takes_objectives_from_a_file_with_its_probes() {
    let scenario = "version: 1\nname: a\ntarget: http://127.0.0.1:1\nload:\n  \
        shape: [ hold: { rate: 200/s, for: 60s } ]\n  requests: [ GET / ]\nslo:\n  \
        - during: whole run\n    openslo: slo.yaml\n  \
        - during: baseline\n    openslo: slo.yaml#checkout\n";
    let objectives = slo(
        "thresholdMetric: { metricSource: { metricSourceRef: prom, spec: { query: lag } } }",
        "[ { op: lt, value: 100, target: 0.99 } ]",
    ) + SERVER;
    let open = |path: &str, _: &str| {
        assert_eq!(path, "slo.yaml");
        Ok(Source::new(path, objectives.as_str()))
    };
    let mut options = ParseOptions::new(&no_environment);
    options.open = &open;
    let checked = parse_scenario(&Source::new("a.yaml", scenario), &options);
    let codes: Vec<&str> = checked.diagnostics.iter().map(|d| d.code).collect();
    assert_eq!(codes, ["S0331"], "{}", checked.render(false));
    let read = checked.value.clone().unwrap();
    // Two blocks, one probe.
    assert_eq!(read.system.probes.len(), 1);
    assert_eq!(read.slo.len(), 2);
    assert_eq!(
        read.slo[0].when.value.to_string(),
        format!("during {WHOLE_RUN}")
    );
    let gate = &read.slo[0].expect[0];
    assert_eq!(gate.value.to_string(), "probe checkout < 100");
    // Reports point at the scenario's own line.
    assert_eq!(gate.span.line, 9);
    let remote = squall_scenario_file::remote_targets(&read);
    assert!(matches!(&remote[..], [RemoteTarget::Probe { host, .. }] if host == "10.9.8.7"));
}
