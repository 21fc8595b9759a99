//! The plan as a text for people.

use std::fmt;

use crate::plan::{Plan, PlanCycles, PlanGate};
use crate::samples::{CONFIDENCE, samples_for_quantile};
use crate::units::format_duration;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.scenario)?;
        let seed = self
            .seed
            .map_or("a seed chosen at the start".to_owned(), |seed| {
                format!("seed {seed}")
            });
        writeln!(
            f,
            "{seed}, warm-up {}, load {}, {}, {} instances",
            format_duration(self.warm_up),
            format_duration(self.duration),
            self.arrivals_text(),
            self.instances
        )?;
        if !self.closed.is_empty() {
            writeln!(
                f,
                "closed loop: {}; the target decides how many arrivals there are, and what \
                 it holds up is not sent: quantiles hide waiting",
                self.closed.join(", ")
            )?;
        }
        writeln!(f, "\ntimeline")?;
        for step in &self.steps {
            writeln!(f, "  {:>8}  {}", format_duration(step.at), step.what)?;
        }
        list(f, "journeys", &self.journeys)?;
        self.write_windows(f)?;
        self.write_gates(f)?;
        list(f, "probes", &self.probes)?;
        for overlap in &self.overlaps {
            writeln!(
                f,
                "\nnote: {} and {} act on {} together from {} to {}, in file order",
                overlap.first,
                overlap.second,
                overlap.on,
                format_duration(overlap.from),
                format_duration(overlap.until)
            )?;
        }
        for cycles in &self.cycles {
            writeln!(f, "\n{}", about(cycles))?;
        }
        if !self.variants.is_empty() {
            writeln!(f, "\nvariants that must fail: {}", self.variants.join(", "))?;
        }
        Ok(())
    }
}

/// A heading with a line for each, where there is any.
fn list(f: &mut fmt::Formatter<'_>, heading: &str, lines: &[String]) -> fmt::Result {
    if !lines.is_empty() {
        writeln!(f, "\n{heading}")?;
    }
    lines.iter().try_for_each(|line| writeln!(f, "  {line}"))
}

impl Plan {
    fn arrivals_text(&self) -> String {
        match (self.closed.is_empty(), self.arrivals > 0.0) {
            (true, _) => format!("about {:.0} arrivals", self.arrivals),
            (false, true) => format!("about {:.0} arrivals and a closed loop", self.arrivals),
            (false, false) => "closed loop".to_owned(),
        }
    }

    /// Arrivals on a route, or of all routes.
    fn cell(&self, route: Option<&str>, arrivals: f64) -> String {
        let is_closed = match route {
            Some(route) => self.closed.iter().any(|name| name == route),
            None => !self.closed.is_empty(),
        };
        match is_closed {
            true => "-".to_owned(),
            false => format!("{arrivals:.0}"),
        }
    }

    fn write_windows(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self
            .windows
            .iter()
            .map(|window| window.name.chars().count());
        let width = names.max().unwrap_or(0).max("windows".len() + 2);
        write!(
            f,
            "\n{:width$}  {:>8}  {:>8}  {:>9}",
            "windows", "from", "to", "arrivals"
        )?;
        let requests = self.windows.first().map_or(&[][..], |w| &w.requests);
        // With one request its column would repeat the one of all.
        let columns = if requests.len() > 1 {
            requests.len()
        } else {
            0
        };
        for (name, _) in &requests[..columns] {
            write!(f, "  {name:>9}")?;
        }
        writeln!(f)?;
        for window in &self.windows {
            write!(
                f,
                "  {:inner$}  {:>8}  {:>8}  {:>9}",
                window.name,
                format_duration(window.start),
                format_duration(window.end),
                self.cell(None, window.arrivals),
                inner = width.saturating_sub(2)
            )?;
            for (name, arrivals) in &window.requests[..columns] {
                let width = name.chars().count().max(9);
                write!(f, "  {:>width$}", self.cell(Some(name), *arrivals))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }

    fn write_gates(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.gates.is_empty() {
            return writeln!(f, "\nno gates: this run can prove nothing");
        }
        writeln!(f, "\ngates")?;
        let widest = |text: fn(&PlanGate) -> &str| {
            let widths = self.gates.iter().map(|gate| text(gate).chars().count());
            widths.max().unwrap_or(0)
        };
        let gate_width = widest(|gate| &gate.gate);
        let when_width = widest(|gate| &gate.when);
        for gate in &self.gates {
            let line = format!(
                "  {:gate_width$}  {:when_width$}  {}",
                gate.gate,
                gate.when,
                basis(gate)
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// What the cycles of a fault could show, in a paragraph.
fn about(cycles: &PlanCycles) -> String {
    let order = cycles.fault_first.as_ref().map_or_else(
        || "drawn with the seed of the run".to_owned(),
        |first| {
            let words = first.iter().map(|first| match first {
                true => "with, without",
                false => "without, with",
            });
            words.collect::<Vec<_>>().join(" | ")
        },
    );
    let digits = if cycles.smallest_p < 0.001 { 6 } else { 3 };
    let smallest_p = format!("{:.digits$}", cycles.smallest_p);
    let needed = samples_for_quantile(0.99, CONFIDENCE);
    #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
    let arrivals = match (cycles.closed_users, cycles.arrivals) {
        (0, arrivals) if arrivals < needed as f64 => {
            format!("about {arrivals:.0}; too few for a p99, which needs {needed}")
        }
        (0, arrivals) => format!("about {arrivals:.0}"),
        (users, arrivals) => {
            let noun = if users == 1 { "user" } else { "users" };
            let open = match arrivals > 0.0 {
                true => format!("about {arrivals:.0}, and "),
                false => String::new(),
            };
            format!(
                "{open}as many as {users} {noun} of a closed loop make: the target decides; a \
                 p99 needs {needed}"
            )
        }
    };
    format!(
        "cycles of {}: {} of a period with and one without, {} each, one every {}\n  \
         order: {order}\n  p can be as small as {smallest_p}\n  arrivals in a period: {arrivals}",
        cycles.fault,
        cycles.cycles,
        format_duration(cycles.period),
        format_duration(cycles.every),
    )
}

/// What a gate is judged on.
fn basis(gate: &PlanGate) -> String {
    if gate.closed {
        let needed = gate.samples_needed;
        let needed = needed.map(|needed| format!(", needs {needed} samples"));
        return format!("closed loop{}", needed.unwrap_or_default());
    }
    let Some(samples) = gate.samples else {
        return String::new();
    };
    let mut text = format!("about {samples} samples");
    if let Some(needed) = gate.samples_needed {
        let enough = if gate.is_provable() { "needs" } else { "NEEDS" };
        text.push_str(&format!(", {enough} {needed}"));
    }
    if let Some(failures) = gate.failures_tolerated {
        text.push_str(&format!(", tolerates {failures} failures"));
    }
    text
}
