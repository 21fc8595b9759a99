//! Arrivals: asked for, sent, done, in flight, dropped; and whether the
//! generator kept its schedule.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use squall_judge::quantity::{grouped, micros, percent};

use super::Scene;
use crate::pen::Pen;

/// A lag of the generator that people should know of, in microseconds.
const LAG_WORTH_TELLING_US: u64 = 10_000;

/// Draws the figures in two columns.
pub fn draw(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let mut pen = Pen::new(buffer, area);
    let theme = scene.theme;
    let arrivals = &scene.run.arrivals;
    let totals = &arrivals.totals;
    let flow = arrivals.flow();
    let rate = |rate: Option<f64>| rate.map_or_else(|| "-".to_owned(), |r| format!("{r:.1}/s"));
    let time = |us: Option<u64>| us.map_or_else(|| "-".to_owned(), micros);
    let gauges = arrivals.gauges();
    let in_flight = gauges.map_or_else(|| "-".to_owned(), |g| grouped(g.in_flight.into()));
    let dropped = gauges.map_or(totals.dropped, |g| g.dropped.max(totals.dropped));
    let trouble = |count: u64| if count > 0 { theme.bad } else { theme.text };
    let lag = arrivals.lag_p99_us;
    let late = lag.is_some_and(|us| us >= LAG_WORTH_TELLING_US);
    let rows: [[(&str, String, Style); 2]; 5] = [
        [
            ("asked", rate(flow.map(|f| f.asked)), theme.text),
            ("in flight", in_flight, theme.text),
        ],
        [
            ("sent", rate(flow.map(|f| f.sent)), theme.text),
            ("dropped", grouped(dropped), trouble(dropped)),
        ],
        [
            ("done", rate(flow.map(|f| f.done)), theme.text),
            ("timeouts", grouped(totals.timeout), trouble(totals.timeout)),
        ],
        [
            ("good", grouped(totals.good), theme.good),
            ("failed", grouped(totals.failed()), trouble(totals.failed())),
        ],
        [
            (
                "lag p99",
                time(lag),
                if late { theme.bad } else { theme.text },
            ),
            ("wait p99", time(arrivals.wait_p99_us), theme.text),
        ],
    ];
    let half = pen.width() / 2;
    for (y, row) in (0..).zip(&rows) {
        for (x, (name, value, style)) in [0, half + 1].into_iter().zip(row) {
            pen.put(x, y, name, theme.dim);
            pen.put_right(x + half.saturating_sub(2), y, value, *style);
        }
    }
    if pen.height() > 5 {
        let closed = scene.model.facts.scenario.load.is_closed_on(None);
        let words = success_words(totals.good, totals.settled(), (late, closed));
        pen.put_fit(0, 5, pen.width(), &words, theme.dim);
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn success_words(good: u64, settled: u64, (late, closed): (bool, bool)) -> String {
    let generator = match (late, closed) {
        (true, _) => "generator LATE",
        (false, true) => "closed loop: hides waiting",
        (false, false) => "generator on time",
    };
    match settled {
        0 => generator.to_owned(),
        _ => format!(
            "{} good, {generator}",
            percent(good as f64 / settled as f64)
        ),
    }
}

/// The same in one line, for small screens.
#[must_use]
pub fn brief(scene: &Scene<'_>) -> String {
    let arrivals = &scene.run.arrivals;
    let flow = arrivals.flow().unwrap_or_default();
    let totals = &arrivals.totals;
    let in_flight = arrivals.gauges().map_or_else(String::new, |gauges| {
        format!("in flight {}  ", gauges.in_flight)
    });
    format!(
        "asked {:.0}/s  done {:.0}/s  {in_flight}failed {}  dropped {}  lag p99 {}",
        flow.asked,
        flow.done,
        grouped(totals.failed()),
        grouped(totals.dropped),
        arrivals.lag_p99_us.map_or_else(|| "-".to_owned(), micros),
    )
}
