//! The rows below the response times: arrivals, failures, breakers, processes.

use squall_judge::quantity::{micros, significant};
use squall_judge::verdict::TimeRange;
use squall_record::terminal_text;
use squall_scenario::BreakerState;

use super::{ARRIVALS_HEIGHT, ARRIVALS_TOP, Chart, FAILED_HEIGHT, FAILED_TOP, LEFT, Point};
use crate::format::by_hand::Deed;
use crate::format::html::axis::round_up;
use crate::format::svg::{Anchor, color, fitted};

impl Chart {
    pub(super) fn arrivals(&mut self, points: &[Point]) {
        let rate = |point: &Point| point.slice.per_second(point.slice.counts.scheduled);
        let good = |point: &Point| point.slice.per_second(point.slice.counts.good);
        let top = round_up(points.iter().map(rate).fold(1.0, f64::max));
        let base = ARRIVALS_TOP + ARRIVALS_HEIGHT;
        let y = |value: f64| base - value / top * ARRIVALS_HEIGHT;
        self.title(ARRIVALS_TOP + 10.0, "arrivals/s");
        for value in [0.0, top / 2.0, top] {
            let at = y(value);
            let grid = [("class", "grid"), ("stroke", color::GRID)];
            self.svg.line((LEFT, at), (self.time.right(), at), &grid);
            self.svg.text(
                (LEFT - 8.0, at + 4.0),
                Anchor::End,
                "faint",
                color::FAINT,
                &significant(value),
            );
        }
        let steps = |value: &dyn Fn(&Point) -> f64| -> Vec<(f64, f64)> {
            points
                .iter()
                .flat_map(|point| {
                    let at = y(value(point));
                    [
                        (self.time.x(point.start_us), at),
                        (self.time.x(point.end_us), at),
                    ]
                })
                .collect()
        };
        let asked = steps(&rate);
        let answered = steps(&good);
        self.svg.area(
            &asked,
            base,
            &[("fill", "url(#hatch-failed)"), ("fill-opacity", "0.9")],
        );
        self.svg.area(
            &answered,
            base,
            &[("fill", color::SKY), ("class", "fill-good")],
        );
        let outline: Vec<_> = asked.iter().copied().map(Some).collect();
        self.svg.curve(
            &outline,
            &[
                ("stroke", color::INK),
                ("class", "line-ink"),
                ("stroke-width", "1.2"),
            ],
        );
        let legend = [
            (0.0, "asked: line"),
            (15.0, "good: filled"),
            (30.0, "failed: hatched"),
        ];
        for (below, text) in legend {
            let at = (4.0, ARRIVALS_TOP + 27.0 + below);
            self.svg
                .text(at, Anchor::Start, "faint", color::FAINT, text);
        }
    }

    /// Failures on a scale of their own, as a few per second matter.
    pub(super) fn failed(&mut self, points: &[Point]) {
        let rate = |point: &Point| point.slice.per_second(point.slice.counts.failed());
        let top = points.iter().map(rate).fold(0.0, f64::max);
        let base = FAILED_TOP + FAILED_HEIGHT;
        self.title(FAILED_TOP + 22.0, "failed/s");
        let grid = [("class", "grid"), ("stroke", color::GRID)];
        self.svg
            .line((LEFT, base), (self.time.right(), base), &grid);
        for point in points.iter().filter(|point| rate(point) > 0.0) {
            let (x, end) = (self.time.x(point.start_us), self.time.x(point.end_us));
            let height = (rate(point) / top * FAILED_HEIGHT).max(1.0);
            let look = [("fill", color::VERMILION), ("class", "fill-red")];
            self.svg
                .rect((x, base - height), ((end - x).max(1.0), height), &look);
        }
        let text = if top > 0.0 {
            format!("max {}", significant(top))
        } else {
            "none".to_owned()
        };
        self.svg.text(
            (self.time.right() + 6.0, base),
            Anchor::Start,
            "faint",
            color::FAINT,
            &text,
        );
    }

    pub(super) fn breaker(
        &mut self,
        y: f64,
        label: &str,
        states: &[(TimeRange, Option<BreakerState>)],
    ) {
        self.label(y + 12.0, label);
        for (range, state) in states.iter().filter(|(range, _)| range.end_us > 0) {
            let (x, end) = (self.time.x(range.start_us), self.time.x(range.end_us));
            let width = (end - x).max(1.5);
            match state {
                Some(BreakerState::Closed) => {
                    self.svg.rect(
                        (x, y + 6.0),
                        (width, 4.0),
                        &[("fill", color::STEEL), ("class", "fill-steel")],
                    );
                }
                Some(BreakerState::Open) => {
                    self.svg.rect(
                        (x, y),
                        (width, 16.0),
                        &[
                            ("fill", color::VERMILION),
                            ("rx", "2"),
                            ("class", "fill-red"),
                        ],
                    );
                    if let Some(text) = fitted("open", width - 8.0) {
                        self.svg.text(
                            (x + 6.0, y + 12.0),
                            Anchor::Start,
                            "on-red",
                            "#ffffff",
                            &text,
                        );
                    }
                }
                Some(BreakerState::HalfOpen) => {
                    let look = [("fill", "url(#hatch-half)"), ("stroke", color::AMBER)];
                    self.svg.rect((x, y), (width, 16.0), &look);
                }
                None => {}
            }
        }
        let last = states.last().and_then(|(_, state)| *state);
        let text = last.map_or_else(String::new, |state| state.to_string());
        self.svg.text(
            (self.time.right() + 6.0, y + 12.0),
            Anchor::Start,
            "faint",
            color::FAINT,
            &text,
        );
    }

    pub(super) fn process(&mut self, y: f64, label: &str, down: &[TimeRange]) {
        self.label(y + 12.0, label);
        let (left, right) = (self.time.left, self.time.right());
        self.svg.line(
            (left, y + 8.0),
            (right, y + 8.0),
            &[("stroke", color::STEEL), ("class", "line-steel")],
        );
        for range in down.iter().filter(|range| range.end_us > 0) {
            let (x, end) = (self.time.x(range.start_us), self.time.x(range.end_us));
            let width = (end - x).max(3.0);
            let look = [
                ("fill", color::PURPLE),
                ("rx", "2"),
                ("class", "fill-purple"),
            ];
            self.svg.rect((x, y), (width, 16.0), &look);
            let text = format!("down {}", micros(range.length_us()));
            match fitted(&text, width - 8.0).filter(|fit| *fit == text) {
                Some(text) => self.svg.text(
                    (x + 6.0, y + 12.0),
                    Anchor::Start,
                    "on-red",
                    "#ffffff",
                    &text,
                ),
                None => self.svg.text(
                    (x + width + 4.0, y + 12.0),
                    Anchor::Start,
                    "ink",
                    color::INK,
                    &text,
                ),
            }
        }
    }

    /// What people marked and did: a line at its time and its words behind it,
    /// as far as there is room until the next; the events tell all of it.
    pub(super) fn by_hand(&mut self, y: f64, deeds: &[Deed]) {
        self.label(y + 12.0, "by hand");
        let places = deeds.iter().map(|deed| self.time.x(deed.at_us));
        let places: Vec<f64> = places.collect();
        for (number, deed) in deeds.iter().enumerate() {
            let x = places[number];
            let end = places.get(number + 1).copied();
            let room = end.unwrap_or(self.time.right()) - x - 10.0;
            let look = [("stroke", color::INK), ("class", "line-ink")];
            self.svg.line((x, y), (x, y + 16.0), &look);
            if let Some(text) = fitted(&terminal_text(&deed.words), room) {
                self.svg
                    .text((x + 5.0, y + 12.0), Anchor::Start, "ink", color::INK, &text);
            }
        }
    }
}
