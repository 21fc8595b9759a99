//! The state of the screen: what a person chose to look at, and how.

use squall_judge::quantity::{self, Quantity, significant};

use crate::pointer::Targets;
use crate::views::{VIEWS, View};

/// How routes are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortBy {
    /// As in the scenario.
    Scenario,
    /// Most arrivals first.
    Rate,
    /// Least success first.
    Success,
    /// Slowest 99th percentile first.
    P99,
    /// Most failures first.
    Errors,
}

impl SortBy {
    /// The next one.
    #[must_use]
    pub const fn next(self) -> Self {
        match self {
            Self::Scenario => Self::Rate,
            Self::Rate => Self::Success,
            Self::Success => Self::P99,
            Self::P99 => Self::Errors,
            Self::Errors => Self::Scenario,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scenario => "scenario order",
            Self::Rate => "rate",
            Self::Success => "success",
            Self::P99 => "p99",
            Self::Errors => "failures",
        }
    }
}

/// How response times are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeUnit {
    /// In the unit that fits each.
    Fitting,
    /// All in milliseconds.
    Millis,
    /// All in seconds.
    Seconds,
}

impl TimeUnit {
    /// The next one.
    #[must_use]
    pub const fn next(self) -> Self {
        match self {
            Self::Fitting => Self::Millis,
            Self::Millis => Self::Seconds,
            Self::Seconds => Self::Fitting,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fitting => "times in the unit that fits each",
            Self::Millis => "all times in ms",
            Self::Seconds => "all times in s",
        }
    }

    /// So many microseconds with three significant digits, or as many as fit
    /// below one.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    pub fn write(self, us: u64) -> String {
        let (value, unit) = match self {
            Self::Fitting => return quantity::micros(us),
            Self::Millis => (us as f64 / 1e3, "ms"),
            Self::Seconds => (us as f64 / 1e6, "s"),
        };
        if value == 0.0 || value >= 1.0 {
            return format!("{}{unit}", significant(value));
        }
        let text = format!("{value:.4}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        format!("{text}{unit}")
    }

    /// A measured value; anything but a time has one form only.
    #[must_use]
    pub fn write_quantity(self, quantity: Quantity) -> String {
        match quantity {
            Quantity::Micros(us) => self.write(us),
            other => other.to_string(),
        }
    }
}

/// How much time the axis shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The whole plan, or the run where that took longer.
    Whole,
    /// This many microseconds.
    Micros(i64),
}

/// A line being typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// What it is for.
    pub purpose: Purpose,
    /// What was typed so far.
    pub text: String,
}

/// What a typed line is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To filter lists.
    Filter,
    /// To mark the present moment.
    Mark,
}

/// A question that waits for y or n.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// End the run now?
    Finish,
    /// Stop this fault?
    StopFault(String),
    /// Stop every fault?
    RecoverAll,
}

/// The list of keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Help {
    /// What it is searched for.
    pub search: String,
    /// Lines scrolled past.
    pub scroll: usize,
}

/// Where a replay is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    /// Where, in microseconds since time zero.
    pub at_us: i64,
    /// The end of the record.
    pub end_us: i64,
    /// How many times faster than it was.
    pub speed: f64,
    /// Whether it moves.
    pub playing: bool,
}

/// The state of the screen.
#[derive(Debug, Clone, PartialEq)]
pub struct Screen {
    /// The view.
    pub view: View,
    /// First line, or selected row, of each view's list.
    pub cursors: [usize; VIEWS.len()],
    /// Lists show only what holds this, case ignored.
    pub filter: String,
    /// A line being typed.
    pub prompt: Option<Prompt>,
    /// A question that waits.
    pub question: Option<Question>,
    /// The list of keys, when open.
    pub help: Option<Help>,
    /// How much time the axis shows.
    pub reach: Reach,
    /// End of the axis in microseconds; `None` follows the run.
    pub pan_us: Option<i64>,
    /// How routes are ordered.
    pub sort: SortBy,
    /// Whether tables show the whole run, as against its present window.
    pub whole_run: bool,
    /// Whether the selected route's histogram is open.
    pub detail: bool,
    /// A message until the next key.
    pub notice: Option<String>,
    /// Where a replay is.
    pub position: Option<Position>,
    /// Columns and rows.
    pub size: (u16, u16),
    /// How often the theme was changed.
    pub theme_steps: usize,
    /// How response times are written.
    pub unit: TimeUnit,
    /// Whether the mouse is taken from the terminal.
    pub mouse: bool,
    /// What a click meets, as it was drawn last.
    pub targets: Targets,
}

impl Default for Screen {
    fn default() -> Self {
        Self {
            view: View::Overview,
            cursors: [0; VIEWS.len()],
            filter: String::new(),
            prompt: None,
            question: None,
            help: None,
            reach: Reach::Whole,
            pan_us: None,
            sort: SortBy::Scenario,
            whole_run: false,
            detail: false,
            notice: None,
            position: None,
            size: (80, 24),
            theme_steps: 0,
            unit: TimeUnit::Fitting,
            mouse: false,
            targets: Targets::default(),
        }
    }
}

impl Screen {
    /// Row, or first line, of the present view's list.
    #[must_use]
    pub fn cursor(&self) -> usize {
        self.cursors[self.view as usize]
    }

    /// The same, to be moved.
    pub fn cursor_mut(&mut self) -> &mut usize {
        &mut self.cursors[self.view as usize]
    }

    /// Whether a list shows a line that holds these words.
    #[must_use]
    pub fn lets_pass(&self, words: &str) -> bool {
        self.filter.is_empty() || words.to_lowercase().contains(&self.filter.to_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_the_unit_that_was_chosen() {
        let cases = [
            (84, "84\u{b5}s", "0.084ms", "0.0001s"),
            (361_500, "362ms", "362ms", "0.3615s"),
            (1_200_000, "1.2s", "1200ms", "1.2s"),
            (75_000_000, "1m15s", "75000ms", "75s"),
            (0, "0s", "0ms", "0s"),
        ];
        for (us, fitting, millis, seconds) in cases {
            assert_eq!(TimeUnit::Fitting.write(us), fitting);
            assert_eq!(TimeUnit::Millis.write(us), millis);
            assert_eq!(TimeUnit::Seconds.write(us), seconds);
        }
        let share = Quantity::Share(0.5);
        assert_eq!(TimeUnit::Millis.write_quantity(share), "50%");
    }
}
