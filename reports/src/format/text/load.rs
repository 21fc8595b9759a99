//! What a load met, for a run in which nothing was broken.

use squall_judge::quantity::{Quantity, bytes, grouped, micros, percent, significant};
use squall_judge::verdict::{SliceStats, Verdict, WindowKind, WindowStats};
use squall_record::{Record, terminal_text};

use super::{Page, Tone};
use crate::format::course;

/// Most routes that are listed.
const ROUTES_MAX: usize = 12;

impl Page {
    /// How much was asked and sent, and how it was answered: as a whole, where
    /// the rate stayed, and by route.
    pub(super) fn load(&mut self, record: &Record, verdict: &Verdict) {
        self.heading("Load");
        let of_kind = |kind| verdict.windows.iter().find(|window| window.kind == kind);
        let sent = |window: &&WindowStats| window.all.counts.scheduled > 0;
        let Some(whole) = of_kind(WindowKind::WholeRun).filter(sent) else {
            return self.line("  nothing was asked of the target");
        };
        self.paragraph(&volume(whole), 2);
        let mut rows = vec![("whole run".to_owned(), &whole.all)];
        let hold = of_kind(WindowKind::Hold)
            .filter(|hold| !hold.ranges.is_empty() && hold.ranges != whole.ranges);
        rows.extend(hold.map(|hold| ("while the rate stayed".to_owned(), &hold.all)));
        if whole.routes.len() > 1 {
            let routes = whole.routes.iter().take(ROUTES_MAX);
            rows.extend(routes.map(|route| (terminal_text(&route.route), route)));
        }
        self.figures(&rows);
        if whole.routes.len() > ROUTES_MAX {
            let more = whole.routes.len() - ROUTES_MAX;
            self.paragraph(&format!("and {more} more routes, in the other reports"), 2);
        }
        self.paragraph(
            "Times count from when a request was due; failures are infinitely slow.",
            2,
        );
        if rows.iter().any(|(_, slice)| slice.p999.is_none()) {
            self.paragraph("n/a: too few arrivals to tell.", 2);
        }
        if let Some(cached) = course::cached(verdict) {
            self.paragraph(&terminal_text(&cached), 2);
        }
        let parts = verdict.parts.named();
        let parts = parts.map(|(name, stats)| format!("{name} {}", course::part(stats)));
        let parts: Vec<_> = parts.collect();
        if !parts.is_empty() {
            self.paragraph(&format!("Of these times: {}.", parts.join("; ")), 2);
        }
        self.histogram(record, whole);
        if let Some(outages) = course::outages_of(whole) {
            self.paragraph(&outages, 2);
        }
        if let Some(users) = whole.users {
            self.paragraph(&users.to_string(), 2);
        }
    }

    fn figures(&mut self, rows: &[(String, &SliceStats)]) {
        let widest = rows.iter().map(|(name, _)| name.chars().count()).max();
        let width = widest.unwrap_or(0).min(32);
        let head = format!(
            "  {:<width$} {:>8} {:>9} {:>8} {:>8} {:>8} {:>8} {:>8}",
            "", "success", "failed", "p50", "p90", "p99", "p99.9", "max"
        );
        let head = self.tone(Tone::Faint, &head);
        self.line(&head);
        for (name, slice) in rows {
            let name: String = name.chars().take(width).collect();
            let show = |quantity: Option<Quantity>| {
                quantity.map_or_else(|| "n/a".to_owned(), |quantity| quantity.to_string())
            };
            self.line(&format!(
                "  {name:<width$} {:>8} {:>9} {:>8} {:>8} {:>8} {:>8} {:>8}",
                slice.success.map_or_else(|| "n/a".to_owned(), percent),
                grouped(slice.counts.failed()),
                show(slice.p50),
                show(slice.p90),
                show(slice.p99),
                show(slice.p999),
                show(slice.max),
            ));
        }
    }
}

/// What was asked, what of it was sent, and what was answered well.
fn volume(whole: &WindowStats) -> String {
    let counts = &whole.all.counts;
    let length_us = whole.ranges.iter().map(|range| range.length_us()).sum();
    let sent = counts.scheduled.saturating_sub(counts.dropped);
    let mut text = format!(
        "asked {} requests in {} ({}/s), sent {}, answered well {} ({}/s)",
        grouped(counts.scheduled),
        micros(length_us),
        significant(whole.all.rate),
        match sent == counts.scheduled {
            true => "all".to_owned(),
            false => grouped(sent),
        },
        match counts.good == counts.scheduled {
            true => "all".to_owned(),
            false => grouped(counts.good),
        },
        significant(whole.all.goodput),
    );
    if counts.bytes > 0 && length_us > 0 {
        #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
        let each_second = counts.bytes as f64 / (length_us as f64 / 1e6);
        text.push_str(&format!(
            ", bodies of {} ({}/s)",
            bytes(counts.bytes),
            bytes(each_second as u64)
        ));
    }
    if counts.unfinished > 0 {
        text.push_str(&format!(
            "; {} were not settled when the run ended",
            grouped(counts.unfinished)
        ));
    }
    text
}
