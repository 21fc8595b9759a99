//! The rates that were tried, as text and as JSON.

use std::fmt::Write as _;
use std::path::PathBuf;

use squall_judge::quantity::Quantity;
use squall_judge::verdict::{GateVerdict, SliceStats};
use squall_scenario::Rate;

use super::search::{Search, Step};

/// Longest bar of the chart.
const BAR_CHARACTERS: f64 = 30.0;

/// A rate that was tried.
#[derive(Debug)]
pub struct Tried {
    /// Arrivals per second that were asked for.
    pub rate: Rate,
    /// What the run said.
    pub step: Step,
    /// Why, in one sentence.
    pub why: String,
    /// What happened to the arrivals.
    pub all: Option<SliceStats>,
    /// The figure of the first gate of the search that is on a time.
    pub figure: Option<Figure>,
    /// The run directory.
    pub dir: PathBuf,
}

/// What a gate is about, at one rate.
#[derive(Debug)]
pub struct Figure {
    /// What it is called: `p95`.
    pub metric: String,
    /// What it was, in microseconds.
    pub observed_us: Option<u64>,
    /// What it is held against, likewise.
    pub limit_us: u64,
}

impl Figure {
    /// That of a gate, if it is on a time.
    pub fn of(gate: &GateVerdict) -> Option<Self> {
        let micros = |quantity: Option<Quantity>| match quantity? {
            Quantity::Micros(us) => Some(us),
            _ => None,
        };
        Some(Self {
            metric: gate.metric.clone(),
            observed_us: micros(gate.evidence.observed),
            limit_us: micros(gate.evidence.threshold)?,
        })
    }
}

/// The limit in one sentence.
pub fn sentence(search: &Search, objective: &str) -> String {
    let rate = |rate: f64| Rate::per_second(rate).map_or_else(String::new, |it| it.to_string());
    match (search.holds(), search.broken(), search.above()) {
        (Some(holds), None, _) => format!(
            "{objective} holds at every rate up to {}; try a higher one with `--up-to`",
            rate(holds)
        ),
        (Some(holds), Some(broken), Some(Step::Unknown)) => format!(
            "{objective} holds up to {}; at {} it cannot be told",
            rate(holds),
            rate(broken)
        ),
        (Some(holds), Some(broken), _) => format!(
            "{objective} holds up to {}, and not at {}",
            rate(holds),
            rate(broken)
        ),
        (None, Some(broken), Some(Step::Unknown)) => {
            format!(
                "{objective} cannot be told at any rate down to {}",
                rate(broken)
            )
        }
        (None, Some(broken), _) => {
            format!("{objective} holds at no rate down to {}", rate(broken))
        }
        (None, None, _) => "no rate was tried".to_owned(),
    }
}

/// Every rate in order, with a bar for the time that the search is about, and where
/// its limit is: the knee shows. Without such a time, for the slowest hundredth.
pub fn text(tried: &[Tried]) -> String {
    let mut rows: Vec<&Tried> = tried.iter().collect();
    rows.sort_by(|a, b| a.rate.as_per_second().total_cmp(&b.rate.as_per_second()));
    let figure = rows.iter().find_map(|row| row.figure.as_ref());
    let drawn = |row: &Tried| match figure {
        Some(_) => row.figure.as_ref()?.observed_us,
        None => p99_us(row),
    };
    let limit = figure.map(|figure| figure.limit_us);
    let most = rows.iter().filter_map(|row| drawn(row)).chain(limit).max();
    let most = most.unwrap_or(1).max(1) as f64;
    // The root of the ratio, or only the last bar would be seen.
    let length = |us: u64| ((us as f64 / most).sqrt() * BAR_CHARACTERS).round() as usize;
    let title = figure.map_or_else(String::new, |figure| {
        let limit = Quantity::Micros(figure.limit_us);
        format!("{}, | is {limit}", figure.metric)
    });
    let mut text = format!(
        "{:<12} {:<8} {:>12} {:>9} {:>9} {:>9}  {title}\n",
        "rate", "", "good", "success", "p50", "p99"
    );
    for row in rows {
        let all = row.all.as_ref();
        let cell = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        let quantity = |of: fn(&SliceStats) -> Option<String>| cell(all.and_then(of));
        let bar = bar(drawn(row).map_or(0, length), limit.map(length));
        let line = format!(
            "{:<12} {:<8} {:>12} {:>9} {:>9} {:>9}  {bar}",
            row.rate.to_string(),
            word(row.step),
            quantity(|all| Some(format!("{:.0}/s", all.goodput))),
            quantity(|all| all.success.map(|share| format!("{:.2}%", 100.0 * share))),
            quantity(|all| all.p50.as_ref().map(ToString::to_string)),
            quantity(|all| all.p99.as_ref().map(ToString::to_string)),
        );
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// A bar of a length, and a mark where the limit is.
fn bar(length: usize, limit: Option<usize>) -> String {
    let columns = length.max(limit.map_or(0, |limit| limit + 1));
    let column = |column: usize| match column {
        column if limit == Some(column) => '|',
        column if column < length => '#',
        _ => ' ',
    };
    (0..columns).map(column).collect()
}

/// The slowest hundredth of a rate, where it is a time.
fn p99_us(row: &Tried) -> Option<u64> {
    match row.all.as_ref()?.p99? {
        Quantity::Micros(us) => Some(us),
        _ => None,
    }
}

/// The same for machines.
pub fn json(tried: &[Tried], search: &Search, objective: &str) -> serde_json::Value {
    let steps: Vec<_> = tried
        .iter()
        .map(|row| {
            serde_json::json!({
                "rate": row.rate.as_per_second(),
                "step": word(row.step),
                "why": row.why,
                "all": row.all,
                "run": row.dir,
            })
        })
        .collect();
    serde_json::json!({
        "objective": objective,
        "holds": search.holds(),
        "not_at": search.broken(),
        "steps": steps,
    })
}

const fn word(step: Step) -> &'static str {
    match step {
        Step::Holds => "holds",
        Step::Breaks => "breaks",
        Step::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_says_what_is_known_and_what_is_not() {
        let said = |steps: &[(f64, Step)]| {
            let mut search = Search::new(1.0, 1_000.0);
            steps
                .iter()
                .for_each(|(rate, step)| search.tell(*rate, *step));
            sentence(&search, "p99 < 1s")
        };
        let (holds, breaks, unknown) = (Step::Holds, Step::Breaks, Step::Unknown);
        for (steps, expected) in [
            (
                &[(100.0, holds), (200.0, breaks)][..],
                "holds up to 100/s, and not at 200/s",
            ),
            (
                &[(100.0, holds), (200.0, unknown)],
                "holds up to 100/s; at 200/s it cannot be told",
            ),
            (&[(100.0, holds)], "holds at every rate up to 100/s"),
            (&[(100.0, breaks)], "holds at no rate down to 100/s"),
            (
                &[(100.0, unknown)],
                "cannot be told at any rate down to 100/s",
            ),
        ] {
            let said = said(steps);
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn rates_stand_in_order_whatever_order_they_were_tried_in() {
        let tried = |rate: f64, step| Tried {
            rate: Rate::per_second(rate).unwrap(),
            step,
            why: String::new(),
            all: None,
            figure: None,
            dir: PathBuf::new(),
        };
        let text = text(&[tried(400.0, Step::Breaks), tried(50.0, Step::Holds)]);
        let rates: Vec<_> = text
            .lines()
            .skip(1)
            .map(|line| line.split(' ').next().unwrap())
            .collect();
        assert_eq!(rates, ["50/s", "400/s"]);
    }

    #[test]
    fn the_knee_is_drawn_in_the_figure_of_the_objective_against_its_limit() {
        let tried = |rate: f64, observed_us| Tried {
            rate: Rate::per_second(rate).unwrap(),
            step: Step::Holds,
            why: String::new(),
            all: None,
            figure: Some(Figure {
                metric: "p95".into(),
                observed_us,
                limit_us: 40_000,
            }),
            dir: PathBuf::new(),
        };
        let rows = [
            tried(100.0, Some(1_600)),
            tried(200.0, None),
            tried(400.0, Some(160_000)),
        ];
        let text = text(&rows);
        let ends: Vec<_> = text
            .lines()
            .map(|line| &line[66.min(line.len())..])
            .collect();
        let full = format!("{}|{}", "#".repeat(15), "#".repeat(14));
        let expected = [
            "p95, | is 40ms",
            "###            |",
            "               |",
            &full,
        ];
        assert_eq!(ends, expected, "{text}");
    }
}
