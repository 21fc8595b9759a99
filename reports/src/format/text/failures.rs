//! Why arrivals failed, in lines: one reason each, over all routes.

use squall_judge::quantity::{clock, grouped};
use squall_judge::verdict::{ErrorSummary, FailureOrigin};
use squall_record::{BadKind, DropCause, terminal_text};

use crate::format::course;

/// Most reasons that are listed.
const REASONS_MAX: usize = 6;
/// Most routes that are named for a reason.
const ROUTES_MAX: usize = 3;

/// One reason and where it was met.
struct Reason<'a> {
    kind: (Option<BadKind>, Option<DropCause>),
    origin: FailureOrigin,
    example: Option<&'a str>,
    count: u64,
    first_us: i64,
    last_us: i64,
    routes: Vec<(&'a str, u64)>,
}

/// The reasons, the most frequent first.
pub(super) fn lines(errors: &[ErrorSummary]) -> Vec<String> {
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
                reason.routes.push(route);
            }
            None => reasons.push(Reason {
                kind: (error.kind, error.dropped),
                origin: error.origin,
                example,
                count: error.count,
                first_us: error.first_us,
                last_us: error.last_us,
                routes: vec![route],
            }),
        }
    }
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.count));
    let mut lines: Vec<String> = reasons.iter().take(REASONS_MAX).map(Reason::line).collect();
    if reasons.len() > REASONS_MAX {
        let more = reasons.len() - REASONS_MAX;
        lines.push(format!("and {more} more reasons, in the other reports"));
    }
    lines
}

impl Reason<'_> {
    fn line(&self) -> String {
        let example = self
            .example
            .map_or_else(String::new, |text| format!(": {}", terminal_text(text)));
        format!(
            "{} {} between {} and {} ({}), {}{example}",
            grouped(self.count),
            word(self.kind),
            clock(self.first_us),
            clock(self.last_us),
            self.places(),
            course::by(self.origin),
        )
    }

    fn places(&self) -> String {
        let mut routes = self.routes.clone();
        routes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        if let [(route, _)] = routes.as_slice() {
            return terminal_text(route);
        }
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

/// How a terminal calls a kind of failure.
fn word((kind, dropped): (Option<BadKind>, Option<DropCause>)) -> String {
    let word = match kind {
        None => match dropped {
            Some(cause) => return format!("never sent, as {cause},"),
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
    };
    word.to_owned()
}

#[cfg(test)]
mod tests {
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
        }
    }

    #[test]
    fn one_reason_on_many_routes_is_one_line() {
        let errors = [
            error(BadKind::Timeout, "d", 1, "no answer"),
            error(BadKind::Status, "a", 7, "503"),
            error(BadKind::Timeout, "c", 2, "no answer"),
            error(BadKind::Timeout, "a", 4, "no answer"),
            error(BadKind::Timeout, "b", 3, "no answer"),
        ];
        assert_eq!(
            lines(&errors),
            [
                "10 timed out between 1.0s and 3.0s (4 a, 3 b, 2 c, 1 elsewhere), by the system: no answer",
                "7 wrong status between 1.0s and 3.0s (a), by the system: 503",
            ]
        );
    }

    #[test]
    fn many_reasons_are_cut_and_counted() {
        let errors: Vec<_> = (1..=9)
            .map(|count| error(BadKind::Status, "a", count, &format!("{count}")))
            .collect();
        let lines = lines(&errors);
        assert_eq!(lines.len(), REASONS_MAX + 1);
        assert_eq!(
            lines[REASONS_MAX],
            "and 3 more reasons, in the other reports"
        );
    }
}
