//! Prints what the dashboard takes: memory of the model and time of a frame,
//! for a synthetic run of 2 h with 200 routes and 50 faults.
//!
//! ```text
//! cargo run --release -p squall-dashboard --example dashboard_figures
//! ```
#![allow(
    clippy::disallowed_macros,
    reason = "what a test or an example prints is read by a person"
)]

use std::time::{Duration, Instant};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use squall_dashboard::keys::KeyMap;
use squall_dashboard::model::{Facts, Model, Source as Of};
use squall_dashboard::theme::{Depth, Theme, ThemeName};
use squall_dashboard::update::{Message, update};
use squall_dashboard::view::draw;
use squall_record::histogram::{new_histogram, record_us};
use squall_record::{
    Counts, FaultChange, FaultSeen, Interval, IntervalParts, Phase, RouteInterval, RunEvent,
    Stamped, Times,
};
use squall_scenario::Scenario;
use squall_scenario_file::{ParseOptions, Source, parse_scenario};

const SECONDS: i64 = 2 * 60 * 60;
const ROUTES: usize = 200;
const FAULTS: usize = 50;
/// Good answers of each route in each second.
const ANSWERS: u64 = 10;
const FRAMES: usize = 200;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let scenario = scenario()?;
    let keys = KeyMap::default();
    let theme = Theme::new(ThemeName::Standard, Depth::True, false);
    let mut model = Model::new(Facts::new(scenario, 1, Of::Own));
    let mut heard = Duration::ZERO;
    hear(&mut model, 0, RunEvent::Phase(Phase::Load));
    for second in 0..SECONDS {
        for (at_us, event) in events(second) {
            let begun = Instant::now();
            hear(&mut model, at_us, event);
            heard += begun.elapsed();
        }
        if [60, 600, 3600, SECONDS - 1].contains(&second) {
            anstream::println!(
                "after {:>4} s: model {:>6} KiB, process {:>6} KiB resident",
                second + 1,
                model.bytes() / 1024,
                resident_kib()
            );
        }
    }
    let per_second = heard.as_secs_f64() * 1e3 / SECONDS as f64;
    anstream::println!("events of a second: {per_second:.2} ms ({ROUTES} routes)");
    for size in [(80, 24), (120, 34), (200, 60)] {
        for view in ['1', '2', '3', '5'] {
            frames(&mut model, &keys, &theme, size, view);
        }
    }
    Ok(())
}

fn frames(model: &mut Model, keys: &KeyMap, theme: &Theme, size: (u16, u16), view: char) {
    use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
    let key = KeyEvent::new(KeyCode::Char(view), KeyModifiers::NONE);
    update(model, keys, Message::Key(key));
    update(model, keys, Message::Resize(size.0, size.1));
    let area = Rect::new(0, 0, size.0, size.1);
    let mut times: Vec<Duration> = (0..FRAMES)
        .map(|_| {
            let begun = Instant::now();
            let mut buffer = Buffer::empty(area);
            draw(model, area, &mut buffer, theme, keys);
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    let ms = |place: usize| times[place].as_secs_f64() * 1e3;
    anstream::println!(
        "frame of view {view} at {:>3}x{:<2}: median {:.2} ms, p99 {:.2} ms",
        size.0,
        size.1,
        ms(FRAMES / 2),
        ms(FRAMES * 99 / 100)
    );
}

fn hear(model: &mut Model, at_us: i64, event: RunEvent) {
    model.hear(&Stamped { at_us, event });
}

/// What a run of 50 faults of a minute, one every 144 s, tells in a second.
fn events(second: i64) -> Vec<(i64, RunEvent)> {
    let at_us = second * 1_000_000;
    let every = SECONDS / FAULTS as i64;
    let fault = format!("fault {}", second / every);
    let change = match second % every {
        20 => Some(FaultChange::Requested),
        21 => Some(FaultChange::Active {
            evidence: FaultSeen::Words("attached to 8 live connections".to_owned()),
        }),
        80 => Some(FaultChange::RemovalRequested),
        81 => Some(FaultChange::Removed {
            evidence: FaultSeen::Words("taken off 8 live connections".to_owned()),
        }),
        _ => None,
    };
    let change = change.map(|change| RunEvent::Fault {
        fault,
        injection: 0,
        targets: vec!["api".to_owned()],
        change,
    });
    let routes = (0..ROUTES).map(|route| interval(route, second)).collect();
    let interval = RunEvent::Interval(Interval {
        start_us: at_us,
        end_us: at_us + 1_000_000,
        routes,
        lag: None,
        wait: None,
        parts: IntervalParts::default(),
        users: None,
    });
    change
        .into_iter()
        .chain([interval])
        .map(|event| (at_us, event))
        .collect()
}

fn interval(route: usize, second: i64) -> RouteInterval {
    let mut response = new_histogram();
    for answer in 0..ANSWERS {
        // Spread over three decades, the same in every run.
        let step = (answer * 7919 + route as u64 * 104_729 + second as u64 * 1_299_709) % 1000;
        record_us(&mut response, 500 + step * step);
    }
    RouteInterval {
        route: format!("GET /route/{route}"),
        counts: Counts {
            scheduled: ANSWERS + 1,
            good: ANSWERS,
            timeout: 1,
            ..Counts::default()
        },
        response: Some(Times::of(&response)),
        unlagged: None,
        ..RouteInterval::default()
    }
}

fn scenario() -> Result<Scenario, String> {
    let mut text = "version: 1\nname: two hours\ntarget: api\nprocesses:\n  api:\n    \
                    command: [\"true\"]\n    inbound_link: true\nload:\n  shape: [ { hold: { rate: \
                    2000/s, for: 2h } } ]\n  requests:\n"
        .to_owned();
    for route in 0..ROUTES {
        text.push_str(&format!("    - GET /route/{route}\n"));
    }
    text.push_str("faults:\n");
    for fault in 0..FAULTS {
        let at = 144 * fault + 20;
        text.push_str(&format!(
            "  - {{ name: fault {fault}, at: {at}s, inject: {{ delay: {{ by: 5ms }} }}, into: api, for: 60s }}\n"
        ));
    }
    text.push_str("slo:\n");
    for fault in 0..FAULTS {
        text.push_str(&format!(
            "  - during: fault {fault}\n    expect: [ success >= 90%, p99 < 2s ]\n"
        ));
    }
    let source = Source::new("two-hours.yaml", &text);
    let checked = parse_scenario(&source, &ParseOptions::new(&|_| None));
    let findings = checked
        .diagnostics
        .iter()
        .map(|d| d.render(&checked.sources, false));
    let findings: Vec<_> = findings.collect();
    checked.value.ok_or_else(|| findings.join("\n"))
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0)
}
