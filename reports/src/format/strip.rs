//! The timeline as lines of text: windows, failures and breakers over time.

use squall_judge::verdict::{TimeRange, Verdict, WindowKind};
use squall_record::{Counts, Record};
use squall_scenario::BreakerState;

use super::by_hand::deeds;

/// Most rows of one kind; a system of many instances still fits a screen.
const ROWS_MAX: usize = 12;

/// One row: a label and one character for each cell of time.
pub(super) struct Row {
    pub(super) label: String,
    pub(super) cells: String,
}

/// A label in at most `width` characters. What is too long loses its middle:
/// the end tells one instance from the next.
pub(super) fn fitted(label: &str, width: usize) -> String {
    let letters: Vec<char> = label.chars().collect();
    if letters.len() <= width {
        return label.to_owned();
    }
    let kept = width.saturating_sub(1);
    let (head, tail) = (kept.div_ceil(2), kept / 2);
    let (start, end) = (letters.iter().take(head), letters.iter());
    let end = end.skip(letters.len() - tail);
    start.chain(&['\u{2026}']).chain(end).take(width).collect()
}

/// The rows of a run, `width` cells wide, with the axis last.
pub(super) fn rows(record: &Record, verdict: &Verdict, width: usize) -> Vec<Row> {
    let cells = Cells {
        end_us: verdict.load_end_us.max(1),
        width: width.max(10),
    };
    let mut rows = Vec::new();
    for window in &verdict.windows {
        let mark = match window.kind {
            // Nothing was injected in either.
            WindowKind::Baseline | WindowKind::Control => ':',
            WindowKind::Fault => '#',
            WindowKind::Recovery => '~',
            WindowKind::Hold | WindowKind::WholeRun => continue,
        };
        rows.push(Row {
            label: window.name.clone(),
            cells: cells.paint(&window.ranges, mark),
        });
    }
    rows.push(Row {
        label: "failures".to_owned(),
        cells: failures(record, &cells),
    });
    rows.extend(by_hand(record, &cells));
    for process in verdict
        .processes
        .iter()
        .filter(|p| !p.down.is_empty())
        .take(ROWS_MAX)
    {
        rows.push(Row {
            label: format!("{} down", process.instance),
            cells: cells.paint(&process.down, 'x'),
        });
    }
    for breaker in verdict.breakers.iter().take(ROWS_MAX) {
        let mut line = vec![' '; cells.width];
        for segment in &breaker.segments {
            let mark = match segment.state {
                Some(BreakerState::Closed) => '-',
                Some(BreakerState::Open) => 'O',
                Some(BreakerState::HalfOpen) => 'h',
                None => ' ',
            };
            cells.fill(&mut line, segment.range, mark);
        }
        rows.push(Row {
            label: format!("{} {}", breaker.breaker, breaker.instance),
            cells: line.into_iter().collect(),
        });
    }
    rows.push(cells.axis());
    rows
}

/// What the marks mean.
pub(super) const LEGEND: &str =
    "failures: . < 1%  : < 10%  + < 50%  # more   breakers: - closed  O open  h half-open   x down";

/// What the marks of the row of what was done by hand mean, where there is one.
pub(super) const LEGEND_BY_HAND: &str = "by hand: * a mark  ! something was stopped";

/// Where people marked or stopped something; no row where they did not.
fn by_hand(record: &Record, cells: &Cells) -> Option<Row> {
    let mut line = vec![' '; cells.width];
    for deed in deeds(record).filter(|deed| deed.at_us >= 0) {
        let at = cells.at(deed.at_us).min(cells.width - 1);
        // What changed the run is never hidden by a mark.
        if !deed.is_mark {
            line[at] = '!';
        } else if line[at] == ' ' {
            line[at] = '*';
        }
    }
    let marked = line.iter().any(|cell| *cell != ' ');
    marked.then(|| Row {
        label: "by hand".to_owned(),
        cells: line.into_iter().collect(),
    })
}

struct Cells {
    end_us: i64,
    width: usize,
}

impl Cells {
    /// The cell a moment falls into.
    fn at(&self, at_us: i64) -> usize {
        let width = i128::try_from(self.width).unwrap_or(1);
        let cell = i128::from(at_us.clamp(0, self.end_us)) * width / i128::from(self.end_us);
        usize::try_from(cell).unwrap_or(0).min(self.width)
    }

    fn fill(&self, line: &mut [char], range: TimeRange, mark: char) {
        if range.end_us <= 0 {
            return;
        }
        let from = self.at(range.start_us).min(self.width.saturating_sub(1));
        // A short stretch still shows.
        let to = self.at(range.end_us).max(from + 1).min(self.width);
        if let Some(cells) = line.get_mut(from..to) {
            cells.fill(mark);
        }
    }

    fn paint(&self, ranges: &[TimeRange], mark: char) -> String {
        let mut line = vec![' '; self.width];
        for range in ranges {
            self.fill(&mut line, *range, mark);
        }
        line.into_iter().collect()
    }

    fn axis(&self) -> Row {
        let start = "0s";
        let end = format!("{}s", self.end_us / 1_000_000);
        let gap = self.width.saturating_sub(start.len() + end.len());
        Row {
            label: String::new(),
            cells: format!("{start}{}{end}", " ".repeat(gap)),
        }
    }
}

fn failures(record: &Record, cells: &Cells) -> String {
    let mut sums = vec![Counts::default(); cells.width];
    for interval in record
        .intervals
        .iter()
        .filter(|interval| interval.start_us >= 0)
    {
        // In a short run an interval is wider than a cell.
        let from = cells.at(interval.start_us).min(cells.width - 1);
        let to = cells.at(interval.end_us).max(from + 1).min(cells.width);
        for sum in sums.get_mut(from..to).into_iter().flatten() {
            for route in &interval.routes {
                sum.add(&route.counts);
            }
        }
    }
    let mark = |sum: &Counts| match (sum.failed(), sum.settled()) {
        (0, _) | (_, 0) => ' ',
        (failed, settled) if failed.saturating_mul(100) < settled => '.',
        (failed, settled) if failed.saturating_mul(10) < settled => ':',
        (failed, settled) if failed.saturating_mul(2) < settled => '+',
        _ => '#',
    };
    sums.iter().map(mark).collect()
}

#[cfg(test)]
mod tests {
    use super::fitted;

    #[test]
    fn labels_that_are_too_long_keep_their_ends() {
        assert_eq!(fitted("slow", 4), "slow");
        let (one, other) = ("recommendations gateway-0", "recommendations gateway-1");
        assert_eq!(fitted(one, 24), "recommendati\u{2026}s gateway-0");
        assert_ne!(fitted(one, 24), fitted(other, 24));
        assert_eq!(fitted(one, 1), "\u{2026}");
        assert_eq!(fitted(one, 0), "");
    }
}
