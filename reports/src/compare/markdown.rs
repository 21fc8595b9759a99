//! A comparison as Markdown: a comment on a change, or a step summary.

use super::rows;
use super::{ComparedRun, RunComparison};
use crate::format::markdown_text;

impl RunComparison {
    /// The comparison as Markdown. What chance explains is left out of the
    /// tables of figures where everything in a window is the same.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut lines = vec![
            "## squall compare".to_owned(),
            String::new(),
            rows::tally(self),
            String::new(),
            format!("- A: {}", run(&self.a)),
            format!("- B: {}", run(&self.b)),
        ];
        let notes = self.notes.iter();
        lines.extend(notes.map(|note| format!("- {}", markdown_text(note))));
        lines.push(format!("- {}", rows::margins(&self.margins)));
        for window in &self.windows {
            lines.push(format!("\n### {}\n", markdown_text(&window.window)));
            lines.push("| route | figure | A | B | B against A | |".to_owned());
            lines.push("|---|---|---:|---:|---:|---|".to_owned());
            for route in &window.routes {
                lines.extend(route.figures.iter().map(|figure| {
                    format!(
                        "| {} | {} | {} | {} | {} | {} |",
                        markdown_text(&route.route),
                        figure.metric,
                        rows::bounded(figure.a),
                        rows::bounded(figure.b),
                        rows::difference(figure),
                        rows::verdict(figure, &self.margins)
                    )
                }));
            }
        }
        lines.extend(self.markdown_costs());
        lines.join("\n") + "\n"
    }

    fn markdown_costs(&self) -> Vec<String> {
        let mut lines = vec![
            "\n### What each run took\n".to_owned(),
            "| | A | B | B against A |".to_owned(),
            "|---|---:|---:|---:|".to_owned(),
        ];
        lines.extend(self.costs.iter().map(|cost| {
            let [a, b, ratio] = rows::cost(cost);
            format!("| {} | {a} | {b} | {ratio} |", markdown_text(&cost.name))
        }));
        if !self.breaches.is_empty() {
            lines.push("\n### Failed gates\n".to_owned());
        }
        lines.extend(self.breaches.iter().map(|breach| {
            let side = match breach.failed {
                [true, true] => "A and B",
                [true, false] => "only A",
                _ => "only B",
            };
            format!("- {side}: {}", markdown_text(&breach.gate))
        }));
        lines
    }
}

fn run(run: &ComparedRun) -> String {
    let variant = run
        .variant
        .as_ref()
        .map_or(String::new(), |variant| format!(" ({variant})"));
    format!(
        "{} {}, seed {}: {}",
        markdown_text(&run.run_id),
        markdown_text(&format!("{}{variant}", run.scenario)),
        run.seed,
        run.outcome
    )
}
