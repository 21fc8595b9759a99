//! What the faults changed, by their cycles.

use squall_judge::verdict::Verdict;
use squall_record::terminal_text;

use super::{Page, Tone};
use crate::format::effects::{Effect, LEGEND, Row};

impl Page {
    pub(super) fn effects(&mut self, verdict: &Verdict) {
        if verdict.effects.is_empty() {
            return;
        }
        self.heading("What the fault changed");
        for effect in &verdict.effects {
            let effect = Effect::of(effect);
            let name = self.tone(Tone::Strong, &terminal_text(&effect.fault));
            self.line(&format!("  {name}: {}", effect.cycles));
            for problem in &effect.problems {
                self.paragraph(&format!("it proves nothing: {problem}"), 4);
            }
            // The other reports have the routes one by one.
            for route in effect.routes.iter().take(1) {
                self.table(&route.rows);
            }
        }
        self.paragraph(LEGEND, 4);
    }

    fn table(&mut self, rows: &[Row]) {
        let widest =
            |cell: fn(&Row) -> &str| rows.iter().map(|row| cell(row).chars().count()).max();
        let effect = widest(|row| &row.effect).unwrap_or(0).max(6);
        let head = format!(
            "    {:<8} {:>9} {:>9}  {:<effect$}  {:>6}",
            "", "without", "with", "effect", "p"
        );
        let head = self.tone(Tone::Faint, &head);
        self.line(&head);
        for row in rows {
            let Row {
                metric,
                without,
                with,
                p,
                ..
            } = row;
            let tone = if row.worse { Tone::Open } else { Tone::Faint };
            let finding = self.tone(tone, &row.finding);
            let (size, start) = (
                &row.effect,
                format!("    {metric:<8} {without:>9} {with:>9}"),
            );
            self.line(&format!("{start}  {size:<effect$}  {p:>6}  {finding}"));
        }
    }
}
