//! A comparison as plain text.

use squall_judge::quantity::{grouped, significant};
use squall_record::terminal_text;

use super::rows;
use super::{ComparedRun, RunComparison};

/// Headings of the figures.
const HEADINGS: [&str; 5] = ["", "A", "B", "B against A", ""];

impl RunComparison {
    /// The comparison for a terminal.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut lines = vec![run('A', &self.a), run('B', &self.b)];
        let notes = self.notes.iter();
        lines.extend(notes.map(|note| format!("note: {}", terminal_text(note))));
        lines.push(rows::margins(&self.margins));
        lines.extend(self.figures());
        lines.extend(self.costs());
        lines.extend(self.breaches());
        lines.push(String::new());
        lines.push(rows::tally(self));
        lines.join("\n") + "\n"
    }

    fn figures(&self) -> Vec<String> {
        let mut table: Vec<Line> = Vec::new();
        for window in &self.windows {
            table.push(Line::Text(String::new()));
            let name = terminal_text(&window.window);
            table.push(Line::Cells(HEADINGS.map(|heading| match heading {
                "" => String::new(),
                heading => heading.to_owned(),
            })));
            if let Some(Line::Cells(cells)) = table.last_mut() {
                cells[0] = name;
            }
            for route in &window.routes {
                let [rate_a, rate_b] = route.rate.map(significant);
                let [bytes_a, bytes_b] = route.bytes.map(grouped);
                table.push(Line::Text(format!(
                    "  {}: {rate_a}/s -> {rate_b}/s, {bytes_a} -> {bytes_b} bytes",
                    terminal_text(&route.route)
                )));
                table.extend(route.figures.iter().map(|figure| {
                    Line::Cells([
                        format!("    {}", figure.metric),
                        rows::bounded(figure.a),
                        rows::bounded(figure.b),
                        rows::difference(figure),
                        rows::verdict(figure, &self.margins),
                    ])
                }));
            }
        }
        aligned(&table)
    }

    fn costs(&self) -> Vec<String> {
        let headings = ["What each run took", "A", "B", "B against A", ""];
        let mut table = vec![
            Line::Text(String::new()),
            Line::Cells(headings.map(str::to_owned)),
        ];
        for cost in &self.costs {
            let [a, b, ratio] = rows::cost(cost);
            let name = format!("  {}", terminal_text(&cost.name));
            table.push(Line::Cells([name, a, b, ratio, String::new()]));
        }
        aligned(&table)
    }

    fn breaches(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.breaches.is_empty() {
            lines.extend([String::new(), "Failed gates".to_owned()]);
        }
        for breach in &self.breaches {
            let side = match breach.failed {
                [true, true] => "A and B",
                [true, false] => "A only ",
                _ => "B only ",
            };
            lines.push(format!("  {side}  {}", terminal_text(&breach.gate)));
        }
        lines
    }
}

fn run(letter: char, run: &ComparedRun) -> String {
    let variant = run
        .variant
        .as_ref()
        .map_or(String::new(), |variant| format!(" ({variant})"));
    let name = terminal_text(&format!("{}{variant}", run.scenario));
    format!(
        "{letter}  {}  {name}, seed {}: {}",
        terminal_text(&run.run_id),
        run.seed,
        run.outcome
    )
}

/// A line of a table.
enum Line {
    Text(String),
    Cells([String; 5]),
}

/// Cells in columns; lines of text do not count for their width.
fn aligned(table: &[Line]) -> Vec<String> {
    let mut widths = [0; 5];
    for line in table {
        if let Line::Cells(cells) = line {
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = cell.chars().count().max(*width);
            }
        }
    }
    let line = |line: &Line| match line {
        Line::Text(text) => text.clone(),
        Line::Cells(cells) => {
            let padded = cells.iter().zip(widths);
            let padded: Vec<String> = padded
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            padded.join("  ").trim_end().to_owned()
        }
    };
    table.iter().map(line).collect()
}
