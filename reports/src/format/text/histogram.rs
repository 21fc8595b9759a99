//! How the response times of a load are spread, as bars.

use squall_judge::quantity::{grouped, micros, percent};
use squall_judge::verdict::WindowStats;
use squall_record::Record;

use super::{Page, Tone};
use crate::format::distribution::{gather, steps};

/// Longest bar.
const BAR_CHARACTERS: u64 = 40;

impl Page {
    /// A line for each step of the response times, and one for what failed: that
    /// has none, and is no part of any step.
    pub(super) fn histogram(&mut self, record: &Record, whole: &WindowStats) {
        let steps = steps(&gather(&record.intervals, &whole.ranges));
        let counts = &whole.all.counts;
        let settled = counts.settled();
        if steps.is_empty() || settled == 0 {
            return;
        }
        let rows = steps.iter().map(|step| {
            let name = format!("up to {}", micros(step.up_to_us));
            (name, step.count, Tone::Good)
        });
        let failed = counts.failed();
        let failed = (failed > 0).then(|| ("failed".to_owned(), failed, Tone::Bad));
        let rows: Vec<_> = rows.chain(failed).collect();
        let most = rows.iter().map(|(_, count, _)| *count).max().unwrap_or(1);
        let head = self.tone(Tone::Faint, "  response times, of all that settled");
        self.line("");
        self.line(&head);
        for (name, count, tone) in &rows {
            // What is there is seen, however little it is.
            let length = (count * BAR_CHARACTERS).div_ceil(most.max(1));
            let mark = if self.style.ascii { "#" } else { "\u{25a0}" };
            let bar = mark.repeat(usize::try_from(length).unwrap_or(0));
            let space = " ".repeat(usize::try_from(BAR_CHARACTERS - length).unwrap_or(0));
            let bar = self.tone(*tone, &bar);
            #[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
            let share = percent(*count as f64 / settled as f64);
            self.line(&format!(
                "  {name:>13} {bar}{space} {:>9} {share:>8}",
                grouped(*count)
            ));
        }
    }
}
