//! Why arrivals failed, as a table: one reason a row, over all routes, with when it
//! was met and an arrival that met it.

use squall_judge::quantity::{clock, grouped};
use squall_judge::verdict::{ErrorSummary, FailureOrigin};
use squall_record::{BadKind, DropCause, Sample, terminal_text};

/// Most reasons that are listed.
const REASONS_MAX: usize = 6;
/// Most routes that are named for a reason.
const ROUTES_MAX: usize = 3;

/// What a terminal shows of why arrivals failed.
pub(super) struct Table {
    pub(super) head: String,
    pub(super) rows: Vec<Row>,
    /// How many reasons are left out.
    pub(super) more: usize,
}

/// One reason.
pub(super) struct Row {
    /// In the columns of the head.
    pub(super) cells: String,
    /// What was said, and where it can be looked up; empty where nothing was.
    pub(super) note: String,
}

/// One reason and where it was met.
struct Reason<'a> {
    kind: (Option<BadKind>, Option<DropCause>),
    origin: FailureOrigin,
    example: Option<&'a str>,
    sample: Option<&'a Sample>,
    count: u64,
    first_us: i64,
    last_us: i64,
    routes: Vec<(&'a str, u64)>,
}

/// The reasons, the most frequent first.
pub(super) fn table(errors: &[ErrorSummary]) -> Table {
    let mut reasons: Vec<Reason<'_>> = Vec::new();
    for error in errors {
        let example = error.example.as_deref();
        let route = (error.route.as_str(), error.count);
        let known = reasons.iter_mut().find(|reason| {
            (reason.kind, reason.origin, reason.example)
                == ((error.kind, error.dropped), error.origin, example)
        });
        match known {
            Some(reason) => {
                reason.count += error.count;
                reason.first_us = reason.first_us.min(error.first_us);
                reason.last_us = reason.last_us.max(error.last_us);
                reason.sample = reason.sample.or(error.sample.as_ref());
                reason.routes.push(route);
            }
            None => reasons.push(Reason {
                kind: (error.kind, error.dropped),
                origin: error.origin,
                example,
                sample: error.sample.as_ref(),
                count: error.count,
                first_us: error.first_us,
                last_us: error.last_us,
                routes: vec![route],
            }),
        }
    }
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.count));
    Table {
        head: cells(["count", "what", "first", "last", "by", "on"]),
        rows: reasons.iter().take(REASONS_MAX).map(Reason::row).collect(),
        more: reasons.len().saturating_sub(REASONS_MAX),
    }
}

fn cells([count, what, first, last, by, on]: [&str; 6]) -> String {
    format!("{count:>9}  {what:<17} {first:>8} {last:>8}  {by:<14}  {on}")
}

impl Reason<'_> {
    fn row(&self) -> Row {
        let (on, places) = match self.routes.as_slice() {
            [(route, _)] => (terminal_text(route), None),
            many => (format!("{} routes", many.len()), Some(self.places())),
        };
        let notes = [
            places,
            self.kind.1.map(|cause| format!("as {cause}")),
            self.example.map(terminal_text),
            self.sample.map(instance),
        ];
        // A drop is explained by its cause.
        let mut notes: Vec<_> = notes.into_iter().flatten().collect();
        notes.dedup_by(|later, earlier| earlier.strip_prefix("as ") == Some(later.as_str()));
        Row {
            cells: cells([
                &grouped(self.count),
                word(self.kind),
                &clock(self.first_us),
                &clock(self.last_us),
                &self.origin.to_string(),
                &on,
            ]),
            note: notes.join("; "),
        }
    }

    /// Where most of them were.
    fn places(&self) -> String {
        let mut routes = self.routes.clone();
        routes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let named = routes.iter().take(ROUTES_MAX);
        let mut places: Vec<String> = named
            .map(|(route, count)| format!("{} {}", grouped(*count), terminal_text(route)))
            .collect();
        if routes.len() > ROUTES_MAX {
            let rest = routes.iter().skip(ROUTES_MAX).map(|(_, count)| count);
            places.push(format!("{} elsewhere", grouped(rest.sum())));
        }
        places.join(", ")
    }
}

/// One arrival, so that it can be found in the samples and asked for again.
fn instance(sample: &Sample) -> String {
    format!(
        "for instance arrival {} at {}, {}",
        sample.arrival,
        clock(sample.scheduled_us),
        terminal_text(&sample.request)
    )
}

/// How a terminal calls a kind of failure.
const fn word((kind, dropped): (Option<BadKind>, Option<DropCause>)) -> &'static str {
    match kind {
        None => match dropped {
            Some(_) => "never sent",
            None => "dropped unsent",
        },
        Some(BadKind::Connect) => "could not connect",
        Some(BadKind::Timeout) => "timed out",
        Some(BadKind::Late) => "too late",
        Some(BadKind::Status) => "wrong status",
        Some(BadKind::Broken) => "broken connection",
        Some(BadKind::Malformed) => "malformed answer",
        Some(BadKind::Check) => "wrong answer",
        Some(BadKind::Dns) => "found no address",
        Some(BadKind::Tls) => "could not encrypt",
    }
}

#[cfg(test)]
mod tests {
    use squall_record::{Outcome, Parts};

    use super::*;

    fn error(kind: BadKind, route: &str, count: u64, example: &str) -> ErrorSummary {
        ErrorSummary {
            kind: Some(kind),
            dropped: None,
            route: route.to_owned(),
            count,
            origin: FailureOrigin::System,
            first_us: 1_000_000,
            last_us: 3_000_000,
            example: Some(example.to_owned()),
            sample: None,
        }
    }

    fn sample(arrival: u64, request: &str) -> Sample {
        Sample {
            arrival,
            route: "b".to_owned(),
            scheduled_us: 2_040_000,
            lag_us: 0,
            wait_us: 0,
            service_us: 0,
            response_us: 0,
            parts: Parts::default(),
            outcome: Outcome::Bad(BadKind::Timeout),
            status: None,
            address: None,
            request: request.to_owned(),
            dropped: None,
            detail: Some("no answer".to_owned()),
        }
    }

    fn lines(errors: &[ErrorSummary]) -> Vec<String> {
        let rows = table(errors).rows.into_iter();
        rows.flat_map(|row| [row.cells, row.note]).collect()
    }

    #[test]
    fn one_reason_on_many_routes_is_one_row() {
        let mut errors = [
            error(BadKind::Timeout, "d", 1, "no answer"),
            error(BadKind::Status, "a", 7, "503"),
            error(BadKind::Timeout, "c", 2, "no answer"),
            error(BadKind::Timeout, "a", 4, "no answer"),
            error(BadKind::Timeout, "b", 3, "no answer"),
        ];
        errors[4].sample = Some(sample(17, "GET /b\u{1b}[2J"));
        errors[4].first_us = 940_000;
        assert_eq!(
            lines(&errors),
            [
                "       10  timed out             0.9s     3.0s  system          4 routes",
                "4 a, 3 b, 2 c, 1 elsewhere; no answer; for instance arrival 17 at 2.0s, GET /b\\u{1b}[2J",
                "        7  wrong status          1.0s     3.0s  system          a",
                "503",
            ]
        );
    }

    #[test]
    fn a_drop_says_its_cause_once() {
        let cause = DropCause::Ports;
        let mut dropped = error(BadKind::Status, "a", 2, &cause.to_string());
        (dropped.kind, dropped.dropped) = (None, Some(cause));
        dropped.origin = FailureOrigin::Generator;
        assert_eq!(
            lines(&[dropped]),
            [
                "        2  never sent            1.0s     3.0s  generator       a",
                "as no local port was left",
            ]
        );
    }

    #[test]
    fn many_reasons_are_cut_and_counted() {
        let errors: Vec<_> = (1..=9)
            .map(|count| error(BadKind::Status, "a", count, &format!("{count}")))
            .collect();
        let table = table(&errors);
        assert_eq!((table.rows.len(), table.more), (REASONS_MAX, 3));
    }
}
