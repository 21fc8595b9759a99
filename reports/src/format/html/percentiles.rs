//! Response time over percentile, one line per window; x = 1 / (1 - q).

use squall_judge::Slice;
use squall_judge::quantity::{Quantity, micros};
use squall_judge::verdict::{Verdict, WindowKind};
use squall_record::Record;

use super::axis::LogAxis;
use super::timeline::window_of;
use crate::format::svg::{Anchor, Svg, color};

const WIDTH: f64 = 1000.0;
const LEFT: f64 = 60.0;
const PLOT_WIDTH: f64 = 680.0;
const TOP: f64 = 14.0;
const HEIGHT: f64 = 250.0;
/// Most windows drawn; more could not be told apart.
const LINES_MAX: usize = 6;
/// Points per decade of 1 / (1 - q).
const RESOLUTION: u32 = 24;

/// Look of the lines in order: colour, class, dashes.
const LOOKS: [(&str, &str, &str); LINES_MAX] = [
    (color::BLUE, "line-blue", ""),
    (color::VERMILION, "line-red", "7 3"),
    (color::GREEN, "line-green", "2 3"),
    (color::PURPLE, "line-purple", "9 3 2 3"),
    (color::AMBER, "line-amber", "4 4"),
    (color::FAINT, "line-faint", "1 2"),
];

struct Line {
    name: String,
    /// 1 / (1 - q) and the response time there.
    points: Vec<(f64, u64)>,
    /// Where failures begin: every higher quantile is one.
    fails_from: Option<f64>,
}

/// The chart as SVG; `None` without any answer.
pub(super) fn chart(record: &Record, verdict: &Verdict) -> Option<String> {
    let drawn = verdict
        .windows
        .iter()
        .filter(|w| !matches!(w.kind, WindowKind::Hold | WindowKind::WholeRun));
    let lines: Vec<Line> = drawn
        .filter(|window| window.all.counts.good > 0)
        .take(LINES_MAX)
        .map(|stats| {
            let slice = Slice::to_show().gather(&record.intervals, &window_of(stats), None);
            line(&stats.name, &slice)
        })
        .collect();
    if lines.is_empty() {
        return None;
    }
    let summary = format!("Response time at each percentile for {}", names(&lines));
    let mut svg = Svg::new(
        "percentiles",
        (WIDTH, TOP + HEIGHT + 40.0),
        "Response time by percentile",
        &summary,
    );
    let axis = LogAxis::over(
        lines.iter().flat_map(|l| &l.points).map(|(_, us)| *us),
        TOP,
        HEIGHT,
    );
    frame(&mut svg, &axis);
    for (index, (line, look)) in lines.iter().zip(LOOKS).enumerate() {
        draw(&mut svg, &axis, line, look);
        legend(&mut svg, index, line, look);
    }
    Some(svg.finish())
}

fn names(lines: &[Line]) -> String {
    lines
        .iter()
        .map(|line| line.name.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

#[expect(clippy::cast_precision_loss, reason = "pixels of a chart")]
fn line(name: &str, slice: &Slice) -> Line {
    let n = slice.counts.settled();
    let mut line = Line {
        name: name.to_owned(),
        points: Vec::new(),
        fails_from: None,
    };
    for step in 0..=(4 * RESOLUTION) {
        let inverse = 10_f64.powf(f64::from(step) / f64::from(RESOLUTION));
        // Beyond 1 in n there is only the greatest value.
        if inverse > n as f64 {
            break;
        }
        match slice.quantile(1.0 - 1.0 / inverse) {
            Some(Quantity::Micros(us)) => line.points.push((inverse, us)),
            _ => {
                line.fails_from = Some(inverse);
                break;
            }
        }
    }
    line
}

fn x(inverse: f64) -> f64 {
    LEFT + inverse.log10() / 4.0 * PLOT_WIDTH
}

fn frame(svg: &mut Svg, axis: &LogAxis) {
    let grid = [("class", "grid"), ("stroke", color::GRID)];
    for tick_us in axis.ticks() {
        let y = axis.y(tick_us);
        svg.line((LEFT, y), (LEFT + PLOT_WIDTH, y), &grid);
        svg.text(
            (LEFT - 8.0, y + 4.0),
            Anchor::End,
            "faint",
            color::FAINT,
            &micros(tick_us),
        );
    }
    let ticks = [
        (1.0, "min"),
        (2.0, "p50"),
        (10.0, "p90"),
        (100.0, "p99"),
        (1_000.0, "p99.9"),
        (10_000.0, "p99.99"),
    ];
    for (inverse, label) in ticks {
        let at = x(inverse);
        svg.line((at, TOP), (at, axis.bottom()), &grid);
        svg.text(
            (at, axis.bottom() + 17.0),
            Anchor::Middle,
            "faint",
            color::FAINT,
            label,
        );
    }
}

fn draw(svg: &mut Svg, axis: &LogAxis, line: &Line, (stroke, class, dashes): (&str, &str, &str)) {
    let curve: Vec<_> = line
        .points
        .iter()
        .map(|(inverse, us)| Some((x(*inverse), axis.y(*us))))
        .collect();
    let look = [
        ("stroke", stroke),
        ("class", class),
        ("stroke-width", "2"),
        ("stroke-dasharray", dashes),
        ("stroke-linejoin", "round"),
    ];
    svg.curve(&curve, &look);
    if let (Some(_), Some((inverse, us))) = (line.fails_from, line.points.last()) {
        let at = (x(*inverse), axis.y(*us) + 4.0);
        svg.text(at, Anchor::Middle, "ink strong", color::INK, "\u{d7}");
    }
}

fn legend(svg: &mut Svg, index: usize, line: &Line, (stroke, class, dashes): (&str, &str, &str)) {
    let left = LEFT + PLOT_WIDTH + 34.0;
    #[expect(clippy::cast_precision_loss, reason = "at most six lines")]
    let y = TOP + 16.0 + index as f64 * 22.0;
    let look = [
        ("stroke", stroke),
        ("class", class),
        ("stroke-width", "2"),
        ("stroke-dasharray", dashes),
    ];
    svg.line((left, y), (left + 34.0, y), &look);
    let name = crate::format::svg::fitted(&line.name, WIDTH - left - 46.0).unwrap_or_default();
    svg.text(
        (left + 42.0, y + 4.0),
        Anchor::Start,
        "ink",
        color::INK,
        &name,
    );
}
