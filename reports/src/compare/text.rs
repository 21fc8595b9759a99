//! A comparison as plain text.

use super::{Change, Figure, RouteComparison, RunComparison};
use crate::format::terminal_text;
use crate::quantity::{clock, grouped, significant};

impl RunComparison {
    /// The comparison for a terminal. A change that chance explains is marked
    /// `~`, one that it does not `better` or `WORSE`, and one that cannot be
    /// told `?`.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut lines = vec![
            format!("A  {}", terminal_text(&self.a)),
            format!("B  {}", terminal_text(&self.b)),
        ];
        for window in &self.windows {
            lines.push(String::new());
            lines.push(terminal_text(&window.window));
            lines.extend(window.routes.iter().flat_map(route));
        }
        lines.extend(self.rest());
        lines.join("\n") + "\n"
    }

    fn rest(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.recoveries.is_empty() {
            lines.extend([String::new(), "Back at the baseline after".to_owned()]);
        }
        for recovery in &self.recoveries {
            let [a, b] = recovery
                .took_us
                .map(|us| us.map_or_else(|| "never".to_owned(), clock));
            lines.push(format!("  {}: {a} -> {b}", terminal_text(&recovery.fault)));
        }
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
        if !self.cpu.is_empty() {
            lines.extend([String::new(), "CPU-seconds".to_owned()]);
        }
        for cpu in &self.cpu {
            let [a, b] = cpu
                .seconds
                .map(|s| s.map_or_else(|| "n/a".to_owned(), significant));
            lines.push(format!("  {}: {a} -> {b}", terminal_text(&cpu.process)));
        }
        lines
    }
}

fn route(route: &RouteComparison) -> [String; 2] {
    let [rate_a, rate_b] = route.rate.map(significant);
    let [bytes_a, bytes_b] = route.bytes.map(grouped);
    let first = format!(
        "  {}: {rate_a}/s -> {rate_b}/s, {bytes_a} -> {bytes_b} bytes",
        terminal_text(&route.route)
    );
    let second = format!(
        "    success {}   p50 {}   p99 {}",
        figure(&route.success),
        figure(&route.p50),
        figure(&route.p99)
    );
    [first, second]
}

fn figure(figure: &Figure) -> String {
    let show = |value: Option<crate::quantity::Quantity>| {
        value.map_or_else(|| "n/a".to_owned(), |value| value.to_string())
    };
    let mark = match figure.change {
        Change::Better => "better",
        Change::Worse => "WORSE",
        Change::Noise => "~",
        Change::Unknown => "?",
    };
    format!("{} -> {} {mark}", show(figure.a), show(figure.b))
}
