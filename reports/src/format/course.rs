//! How a fault was felt and survived, in the words that every report uses.

use squall_judge::quantity::{clock, grouped, micros, percent};
use squall_judge::verdict::{
    ALL_ORIGINS, Detection, ErrorSummary, FailureOrigin, PartStats, Recovery, TimeRange, Verdict,
    WindowKind, WindowStats,
};
use squall_record::{BadKind, DropCause};

/// Times of a range that counts from some moment, as one time or two.
fn span(range: TimeRange) -> String {
    let (start_us, end_us) = (range.start_us.max(0), range.end_us.max(0));
    let shown = |us: i64| micros(u64::try_from(us).unwrap_or(0));
    if start_us == end_us {
        shown(end_us)
    } else {
        format!("between {} and {}", shown(start_us), shown(end_us))
    }
}

/// Most routes that are named in a sentence.
const NAMED_MAX: usize = 12;

/// How often each route of the whole run was answered by its clients' caches: those
/// are in none of its other figures.
pub(super) fn cached(verdict: &Verdict) -> Option<String> {
    let whole = |window: &&WindowStats| window.kind == WindowKind::WholeRun;
    let whole = verdict.windows.iter().find(whole)?;
    let routes = whole.routes.iter();
    let hits = routes.map(|route| (&route.route, route.counts.cache.hits));
    let hits: Vec<_> = hits.filter(|(_, hits)| *hits > 0).collect();
    let named = hits.iter().take(NAMED_MAX);
    let named = named.map(|(route, hits)| format!("{route} {}", grouped(*hits)));
    let mut named: Vec<String> = named.collect();
    if hits.len() > NAMED_MAX {
        named.push(format!("{} more routes", hits.len() - NAMED_MAX));
    }
    let told = || {
        format!(
            "Out of clients' caches, with nothing sent: {}.",
            named.join(", ")
        )
    };
    (!named.is_empty()).then(told)
}

/// How long a part of response times took.
pub(super) fn part(stats: &PartStats) -> String {
    format!(
        "{} at the median, {} at p99, {} at most ({} of them)",
        stats.p50,
        stats.p99,
        stats.max,
        grouped(stats.count)
    )
}

/// When users felt a fault and which breakers reacted, one sentence each.
pub(super) fn detection(detection: &Detection) -> Vec<String> {
    let mut told = Vec::new();
    told.push(match detection.felt {
        None if detection.criterion.is_empty() => {
            "whether users felt it is unknown: there is no baseline".to_owned()
        }
        None => "not felt by users: nothing shows that arrivals got worse than in the baseline"
            .to_owned(),
        Some(felt) => {
            let shown = |us: i64| micros(u64::try_from(us).unwrap_or(0));
            let began = match felt.start_us {
                ..=0 => "at once".to_owned(),
                later => format!("{} after it was in force", shown(later)),
            };
            format!(
                "felt by users: the first bad second began {began} (confirmed after {})",
                shown(felt.end_us)
            )
        }
    });
    for breaker in &detection.breakers {
        let after = |at_us: i64| {
            let us = at_us.saturating_sub(detection.active_us);
            micros(u64::try_from(us).unwrap_or(0))
        };
        let closed = breaker.closed_us.map_or_else(
            || "was not seen to close for good".to_owned(),
            |at_us| format!("was closed for good at {}", clock(at_us)),
        );
        told.push(format!(
            "breaker {} opened {} after it was in force, at {}, and {closed}",
            breaker.breaker,
            after(breaker.opened_us),
            clock(breaker.opened_us)
        ));
    }
    told
}

/// When the baseline was back, counted from the removal and from the injection.
pub(super) fn recovery(recovery: &Recovery) -> String {
    let relapses = match recovery.relapses {
        0 => String::new(),
        1 => ", after one relapse".to_owned(),
        many => format!(", after {many} relapses"),
    };
    let injected = recovery.from_injection.map_or_else(String::new, |range| {
        format!(", {} after it was injected", span(range))
    });
    match recovery.took {
        Some(took) if took.end_us == 0 => {
            format!("the baseline was back as soon as it was gone{injected}{relapses}")
        }
        Some(took) => format!(
            "back at the baseline {} after it was gone{injected}{relapses}",
            span(took)
        ),
        None => format!(
            "not back at the baseline for good when the observation ended, {} after it was gone{relapses}",
            clock(
                recovery
                    .observed_until_us
                    .saturating_sub(recovery.cleared_us)
            )
        ),
    }
}

/// One sentence for each window that had an outage.
pub(super) fn outages(verdict: &Verdict) -> Vec<String> {
    verdict.windows.iter().filter_map(outages_of).collect()
}

/// The same for one window.
pub(super) fn outages_of(window: &WindowStats) -> Option<String> {
    let outages = window
        .outages
        .as_ref()
        .filter(|outages| outages.count > 0)?;
    let (longest, below) = (micros(outages.longest_us), percent(outages.below));
    let exact = micros(outages.resolution_us);
    Some(match outages.count {
        1 => format!(
            "{}: one outage of {longest} (less than {below} good, to the nearest {exact})",
            window.name
        ),
        many => format!(
            "{}: {} outages, {} together, the longest {longest} (less than {below} good, to the nearest {exact})",
            window.name,
            grouped(many),
            micros(outages.total_us)
        ),
    })
}

/// A kind of failure in a word; no kind is an arrival that was never sent.
pub(super) fn failure(kind: Option<BadKind>, dropped: Option<DropCause>) -> String {
    match (kind, dropped) {
        (Some(kind), _) => format!("{kind:?}").to_lowercase(),
        (None, Some(cause)) => format!("dropped: {cause}"),
        (None, None) => "dropped".to_owned(),
    }
}

/// What was said of a kind of failure, and an arrival of which it was said; empty
/// where nothing was.
pub(super) fn instance(error: &ErrorSummary) -> String {
    let sample = error.sample.as_ref().map(|sample| {
        let at = clock(sample.scheduled_us);
        format!("arrival {} at {at}, {}", sample.arrival, sample.request)
    });
    let parts: Vec<String> = error.example.clone().into_iter().chain(sample).collect();
    parts.join("; ")
}

/// Whose doing a failure was, in words.
pub(super) fn by(origin: FailureOrigin) -> String {
    format!("by the {origin}")
}

/// Whose doing the failures of a run were, in one line; `None` without any.
pub(super) fn origins(verdict: &Verdict) -> Option<String> {
    let parts: Vec<String> = ALL_ORIGINS
        .into_iter()
        .filter_map(|origin| {
            let own = verdict.errors.iter().filter(|e| e.origin == origin);
            let count = own.fold(0_u64, |sum, error| sum.saturating_add(error.count));
            (count > 0).then(|| format!("{} {}", grouped(count), by(origin)))
        })
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}
