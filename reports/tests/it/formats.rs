//! Every output format: what it says stands in a snapshot, and nothing of the
//! system under test gets through unescaped.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod page;

use crate::synthetic::*;
use page::hostile;
use squall_judge::*;
use squall_record::*;
use squall_reports::format::{FORMATS, RunFiles, Style, format, format_table, verdict_block};

fn render(name: &str, record: &Record) -> String {
    let verdict = judge(record);
    String::from_utf8(format(name).unwrap().render(record, &verdict)).unwrap()
}

fn failing() -> Record {
    static RECORD: std::sync::OnceLock<Record> = std::sync::OnceLock::new();
    RECORD.get_or_init(streaming::failing_evening).clone()
}

#[test]
fn text() {
    insta::assert_snapshot!("text_pass", render("text", &passing()));
    insta::assert_snapshot!("text_fail", render("text", &failing()));
}

#[test]
fn a_gate_names_the_confidence_it_states() {
    let mut record = passing();
    let stated = squall_scenario::Share::new(0.999);
    for block in &mut record.manifest.scenario.slo {
        block.confidence = stated;
    }
    let words = "at 99.9% confidence";
    let verdict = judge(&record);
    let inferred: Vec<_> = verdict
        .gates
        .iter()
        .filter_map(verdict::GateVerdict::confidence_text)
        .collect();
    // Not the steady state, which states none, nor what breakers did, which
    // is seen and not inferred.
    assert_eq!((inferred.len(), verdict.gates.len()), (4, 8));
    for name in ["text", "markdown", "html"] {
        let named = render(name, &record).matches(words).count();
        assert_eq!(named, inferred.len(), "{name}");
        assert!(
            !render(name, &passing()).contains("% confidence)"),
            "{name}"
        );
    }
    let property = "name=\"confidence\" value=\"99.9%\"";
    assert!(render("junit", &record).contains(property));
}

#[test]
fn gates_on_times_of_a_closed_loop_say_that_waiting_is_hidden() {
    let mut record = passing();
    record.manifest.scenario.load.shape = vec![squall_scenario::Stage::Closed {
        users: 64,
        think: None,
        duration: record.manifest.scenario.load.duration(),
    }];
    let verdict = judge(&record);
    let closed = verdict.gates.iter().filter(|gate| gate.closed_loop);
    let metrics: Vec<_> = closed.map(|gate| gate.metric.as_str()).collect();
    assert!(
        !metrics.is_empty() && metrics.iter().all(|it| it.starts_with('p')),
        "{metrics:?}"
    );
    assert!(verdict.generator.summary.starts_with("Closed loop: "));
    let hides = render("text", &record)
        .matches("closed loop: hides waiting")
        .count();
    assert_eq!(hides, metrics.len());
    for name in ["text", "markdown", "html", "json", "ndjson"] {
        let rendered = render(name, &record);
        assert!(rendered.contains("coordinated omission"), "{name}");
        assert!(
            !render(name, &passing()).contains("coordinated omission"),
            "{name}"
        );
    }
}

/// A run in which a person marked a moment and stopped a fault.
fn touched() -> Record {
    let mut record = passing();
    let text = "the *deploy* <b>`of` the day".to_owned();
    for (seconds, action, from) in [
        (12.0, HandAction::Mark { text }, HandSide::Own),
        (30.0, HandAction::StopAllFaults, HandSide::Attached),
    ] {
        record
            .events
            .push(at(seconds, RunEvent::ByHand { action, from }));
    }
    record
}

#[test]
fn what_was_done_by_hand_stands_in_the_reports_and_on_their_timelines() {
    let deeds = [
        "marked: the *deploy*",
        "stopped every fault, from another terminal",
    ];
    let text = render("text", &touched());
    let text_lines: Vec<_> = text.lines().map(str::trim).collect();
    assert!(
        text_lines.contains(&"12.0s by hand: marked: the *deploy* <b>`of` the day"),
        "{text}"
    );
    assert!(text_lines.contains(&"30.0s by hand: stopped every fault, from another terminal"));
    let row = text
        .lines()
        .find(|line| line.trim_start().starts_with("by hand"));
    let (cells, marks) = (row.unwrap(), ['*', '!']);
    let place = |mark| {
        cells
            .find(mark)
            .unwrap_or_else(|| panic!("no {mark} in {cells}"))
    };
    assert!(place(marks[0]) < place(marks[1]), "{cells}");
    let markdown = render("markdown", &touched());
    let hostile = markdown.contains("<b>")
        || markdown.contains("*deploy*") && !markdown.contains("\\*deploy");
    assert!(!hostile, "{markdown}");
    assert!(markdown.contains("- 30.0s by hand: stopped every fault, from another terminal"));
    assert!(markdown.contains("* a mark"), "the legend");
    let page = render("html", &touched());
    let chart = &page[page.find("Timeline of the run").unwrap()..];
    let svg = &chart[..chart.find("</svg>").unwrap()];
    assert!(
        svg.contains(">by hand<") && svg.contains("marked: the *deploy* &lt;b&gt;"),
        "{svg}"
    );
    for deed in deeds {
        assert!(page.contains(deed), "no {deed:?} among the events");
    }
    for untouched in ["text", "markdown"] {
        assert!(!render(untouched, &passing()).contains("by hand"));
    }
}

#[test]
fn text_for_a_narrow_terminal_without_unicode() {
    let record = failing();
    let style = Style {
        color: false,
        ascii: true,
        width: 72,
    };
    let text = verdict_block(
        &record,
        &judge(&record),
        &style,
        &["squall-runs/x/report.html".to_owned()],
    );
    assert!(text.is_ascii());
    assert!(text.contains("squall-runs/x/report.html"));
    insta::assert_snapshot!("text_ascii", text);
}

#[test]
fn colour_carries_no_meaning_alone() {
    let record = failing();
    let block = |color| {
        verdict_block(
            &record,
            &judge(&record),
            &Style {
                color,
                ..Style::default()
            },
            &[],
        )
    };
    let colourful = block(true);
    assert!(colourful.contains("\u{1b}[1;31mFAIL"));
    let mut plain = String::new();
    let mut rest = colourful.as_str();
    while let Some(at) = rest.find('\u{1b}') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + rest[at..].find('m').unwrap() + 1..];
    }
    plain.push_str(rest);
    assert_eq!(plain, block(false));
}

#[test]
fn markdown() {
    insta::assert_snapshot!("markdown_pass", render("markdown", &passing()));
    insta::assert_snapshot!("markdown_fail", render("markdown", &failing()));
}

#[test]
fn markdown_fits_a_step_summary() {
    let mut record = failing();
    let gates = record.manifest.scenario.slo[0].clone();
    record.manifest.scenario.slo = std::iter::repeat_n(gates, 3_000).collect();
    record.intervals.truncate(40);
    let mut verdict = judge(&failing());
    let gate = verdict.gates[7].clone();
    verdict.gates = std::iter::repeat_n(gate, 20_000).collect();
    let bytes = format("markdown").unwrap().render(&record, &verdict);
    assert!(bytes.len() <= 900_000, "{}", bytes.len());
    assert!(String::from_utf8(bytes).unwrap().contains("FAIL"));
}

#[test]
fn junit() {
    insta::assert_snapshot!("junit_fail", render("junit", &failing()));
}

#[test]
fn junit_is_well_formed_and_says_the_same_as_the_verdict() {
    for record in [passing(), failing(), hostile()] {
        let verdict = judge(&record);
        let xml = render("junit", &record);
        let document = roxmltree::Document::parse(&xml).unwrap();
        let count = |name| {
            document
                .descendants()
                .filter(|node| node.has_tag_name(name))
                .count()
        };
        let in_state = |state| verdict.gates_in(state).count();
        assert_eq!(count("failure"), in_state(verdict::GateState::Fail));
        assert!(count("error") >= in_state(verdict::GateState::Inconclusive));
        assert_eq!(count("testcase"), verdict.gates.len() + 1);
        let mut names: Vec<_> = document
            .descendants()
            .filter(|n| n.has_tag_name("testcase"))
            .map(|n| n.attribute("name").unwrap())
            .collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "names are unique");
        quick_junit::Report::deserialize_from_str(&xml).unwrap();
    }
}

#[test]
fn an_abort_turns_ci_red_even_when_every_gate_passed() {
    let mut record = passing();
    record.events.push(at(
        59.9,
        RunEvent::UndoFailed {
            detail: "pid 4711 is still stopped".to_owned(),
        },
    ));
    let xml = render("junit", &record);
    assert!(
        xml.contains("<error") && xml.contains("pid 4711 is still stopped"),
        "{xml}"
    );
}

#[test]
fn json_holds_everything() {
    let record = failing();
    let document: serde_json::Value = serde_json::from_str(&render("json", &record)).unwrap();
    assert_eq!(document["schema_version"], 1);
    assert_eq!(document["verdict"]["exit_code"], 1);
    assert_eq!(
        document["intervals"].as_array().unwrap().len(),
        record.intervals.len()
    );
    let verdict: Verdict = serde_json::from_value(document["verdict"].clone()).unwrap();
    assert_eq!(verdict.outcome, RunOutcome::Fail);
    let gates: Vec<_> = verdict
        .gates
        .iter()
        .map(|gate| serde_json::to_value(gate).unwrap())
        .collect();
    insta::assert_json_snapshot!("json_gate", gates[8], { ".evidence.samples" => "[samples]" });
}

#[test]
fn github() {
    insta::assert_snapshot!("github_fail", render("github", &failing()));
    assert_eq!(render("github", &passing()), "");
}

#[test]
fn github_points_at_lines_of_files_only() {
    let mut record = failing();
    assert!(render("github", &record).contains(",line="));
    record.manifest.scenario_path = "slow-recommendations".to_owned();
    let text = render("github", &record);
    assert!(
        text.starts_with("::error ") && !text.contains("file="),
        "{text}"
    );
    let mut undone = passing();
    undone.events.push(at(
        59.9,
        RunEvent::UndoFailed {
            detail: "pid 4711 is still stopped".to_owned(),
        },
    ));
    assert!(render("github", &undone).starts_with("::error title=UNDO FAILED::"));
}

/// A run with failures of every origin: by the system, by the fault on the
/// link that the requests go through, and by the generator.
fn of_every_origin() -> Record {
    let mut record = passing();
    for stamped in &mut record.events {
        if let RunEvent::LinkUp { listen, .. } = &mut stamped.event {
            *listen = "127.0.0.1:21000".to_owned();
        }
    }
    for (second, status, late_by_lag, dropped) in [(10, 1, 1, 2), (30, 3, 0, 0)] {
        let mut intervals = record.intervals.iter_mut();
        let interval = intervals.find(|i| i.start_us == second * SECOND).unwrap();
        let counts = &mut interval.routes[0].counts;
        counts.good -= status + late_by_lag + dropped;
        counts.status += status;
        counts.late += late_by_lag;
        counts.late_by_lag += late_by_lag;
        counts.dropped += dropped;
    }
    let detail = "pid 4711 is still stopped".to_owned();
    record
        .events
        .push(at(59.9, RunEvent::UndoFailed { detail }));
    record
}

#[test]
fn reports_for_machines_say_whose_doing_failures_were() {
    let record = of_every_origin();
    let words = "1 by the system, 3 by the injected fault, 3 by the generator";
    let text = render("text", &record);
    for by in words
        .split(", ")
        .filter_map(|part| part.split_once(" by the "))
    {
        let cell = format!("  {:<14}  ", by.1);
        assert!(text.contains(&cell), "no {by:?}: {text}");
    }
    let junit = render("junit", &record);
    let property = format!("<property name=\"failures\" value=\"{words}\"/>");
    assert!(junit.contains(&property), "{junit}");
    let github = render("github", &record);
    let notice = format!("::notice title=Failures::{words}\n");
    assert!(github.ends_with(&notice), "{github}");
    let csv = render("csv", &record);
    let mut rows = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = rows.next().unwrap();
    let mut sums = [0, 0, 0];
    for row in rows {
        let number = |name: &str| {
            let column = head.iter().position(|cell| *cell == name);
            row[column.unwrap()].parse::<u64>().unwrap()
        };
        let failed = ["connect", "timeout", "late", "status", "broken", "dropped"].map(number);
        let names = ["failed_system", "failed_injected_fault", "failed_generator"];
        let by = names.map(number);
        let later = ["malformed", "check", "dns", "tls"].map(number);
        let all = failed.iter().chain(&later).sum::<u64>();
        assert_eq!(by.iter().sum::<u64>(), all, "{row:?}");
        sums = std::array::from_fn(|index| sums[index] + by[index]);
    }
    assert_eq!(sums, [1, 3, 3]);
    assert!(!render("junit", &passing()).contains("name=\"failures\""));
}

#[test]
fn csv() {
    let text = render("csv", &failing());
    let record = failing();
    let rows: usize = record.intervals.iter().map(|i| i.routes.len()).sum();
    assert_eq!(text.lines().count(), rows + 1);
    let columns = |line: &str| line.split(',').count();
    let head = columns(text.lines().next().unwrap());
    assert!(text.lines().all(|line| columns(line) == head));
    // The head, quiet seconds, and rows with a quantile among the failures.
    let failing = text.lines().filter(|line| line.contains(",inf"));
    let some: Vec<_> = text.lines().take(4).chain(failing.take(4)).collect();
    assert_eq!(some.len(), 8);
    insta::assert_snapshot!("csv_fail", some.join("\n"));
}

#[test]
fn hgrm() {
    let record = failing();
    let text = render("hgrm", &record);
    let verdict = judge(&record);
    assert_eq!(text.matches("#[Window = ").count(), verdict.windows.len());
    for section in text.split("#[Window = ").skip(1) {
        let window = verdict
            .windows
            .iter()
            .find(|window| section.starts_with(&format!("{}]", window.name)))
            .unwrap();
        let counts = window.all.counts;
        let last: Vec<f64> = section
            .lines()
            .rfind(|line| line.starts_with(' '))
            .unwrap()
            .split_whitespace()
            .map(|cell| cell.parse().unwrap())
            .collect();
        // The curve ends before the first failure, or at the last arrival.
        assert!(last[2] <= counts.good as f64, "{section}");
        assert_eq!(last[1] == 1.0, counts.good == counts.settled(), "{section}");
    }
    insta::assert_snapshot!("hgrm_fail", text);
}

#[test]
fn ndjson_is_one_stream_by_time() {
    let record = failing();
    let verdict = judge(&record);
    let text = render("ndjson", &record);
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let count = |kind: &str| lines.iter().filter(|line| line["type"] == kind).count();
    let routes: usize = record.intervals.iter().map(|i| i.routes.len()).sum();
    assert_eq!(count("event"), record.events.len());
    assert_eq!(count("interval"), routes);
    assert_eq!(count("sample"), record.samples.len());
    assert_eq!(count("gate"), verdict.gates.len());
    assert_eq!((count("run"), count("verdict")), (1, 1));
    assert_eq!(lines[0]["type"], "run");
    assert_eq!(lines.last().unwrap()["outcome"], "fail");
    let times: Vec<i64> = lines
        .iter()
        .filter_map(|line| line["at_us"].as_i64())
        .collect();
    assert!(times.is_sorted());
    let good: u64 = lines
        .iter()
        .filter_map(|line| line["counts"]["good"].as_u64())
        .sum();
    assert_eq!(good, verdict.conservation.good);
    insta::assert_snapshot!(
        "ndjson_interval",
        text.lines().find(|l| l.contains("\"interval\"")).unwrap()
    );
}

#[test]
fn hlog_holds_every_good_answer_of_every_route() {
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
    let record = failing();
    let text = render("hlog", &record);
    let mut read = std::collections::BTreeMap::<String, u64>::new();
    for entry in IntervalLogIterator::new(text.as_bytes()) {
        if let LogEntry::Interval(interval) = entry.unwrap() {
            use base64::Engine as _;
            let encoded = interval.encoded_histogram();
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(encoded)
                .unwrap();
            let times: hdrhistogram::Histogram<u64> = Deserializer::new()
                .deserialize(&mut bytes.as_slice())
                .unwrap();
            *read
                .entry(interval.tag().unwrap().as_str().to_owned())
                .or_default() += times.len();
        }
    }
    let mut good = std::collections::BTreeMap::<String, u64>::new();
    for route in record
        .intervals
        .iter()
        .flat_map(|interval| &interval.routes)
    {
        *good.entry(route.route.clone()).or_default() += route.counts.good;
    }
    let tags = |route: String| route.replace(' ', "%20");
    let good: std::collections::BTreeMap<_, _> = good
        .into_iter()
        .map(|(route, n)| (tags(route), n))
        .collect();
    assert_eq!(read, good);
}

/// Whatever a format is for, it renders every record, the same way each time,
/// and says of a partial one that it is.
#[test]
fn every_format_renders_every_record() {
    let mut empty = passing();
    empty.intervals.clear();
    empty.events.clear();
    empty.samples.clear();
    empty.complete = false;
    empty
        .damage
        .push("events.ndjson: the file is missing".to_owned());
    for record in [passing(), failing(), hostile(), empty] {
        let verdict = judge(&record);
        for format in FORMATS {
            let bytes = format.render(&record, &verdict);
            let name = format.name();
            assert_eq!(
                bytes,
                format.render(&record, &verdict),
                "{name} is not stable"
            );
            let text = String::from_utf8(bytes).unwrap();
            assert!(
                text.is_empty() || text.ends_with('\n') || text.ends_with('>'),
                "{name}"
            );
            let people = matches!(name, "html" | "markdown" | "text" | "json" | "ndjson");
            if people && !record.damage.is_empty() {
                assert!(
                    text.contains("damage") || text.contains("missing"),
                    "{name}: {text}"
                );
            }
        }
    }
}

#[test]
fn formats_have_distinct_names_and_files() {
    let mut names: Vec<_> = FORMATS
        .iter()
        .flat_map(|f| [f.name(), f.file_name()])
        .collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), FORMATS.len() * 2);
    assert!(
        include_str!("../../README.md").contains(&format_table()),
        "the README has the table"
    );
}
