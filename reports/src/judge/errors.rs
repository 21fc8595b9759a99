//! Failures by kind and route, with when they began and ended.

use std::collections::BTreeMap;

use crate::verdict::ErrorSummary;
use crate::{ALL_BAD_KINDS, BadKind, Outcome, Record, Sample};

/// Every kind of failure that occurred, the most frequent first.
pub(super) fn summarize(record: &Record) -> Vec<ErrorSummary> {
    let mut found: BTreeMap<(String, Option<BadKind>), ErrorSummary> = BTreeMap::new();
    for interval in record
        .intervals
        .iter()
        .filter(|interval| interval.start_us >= 0)
    {
        for route in &interval.routes {
            let kinds = ALL_BAD_KINDS
                .iter()
                .map(|kind| (Some(*kind), route.counts.of(*kind)));
            for (kind, count) in kinds.chain([(None, route.counts.dropped)]) {
                if count == 0 {
                    continue;
                }
                let summary =
                    found
                        .entry((route.route.clone(), kind))
                        .or_insert_with(|| ErrorSummary {
                            kind,
                            route: route.route.clone(),
                            count: 0,
                            first_us: interval.start_us,
                            last_us: interval.end_us,
                            example: example(&record.samples, &route.route, kind),
                        });
                summary.count = summary.count.saturating_add(count);
                summary.last_us = interval.end_us;
            }
        }
    }
    let mut summaries: Vec<_> = found.into_values().collect();
    summaries.sort_by_key(|summary| std::cmp::Reverse(summary.count));
    summaries
}

/// The most frequent text of the samples of a kind.
fn example(samples: &[Sample], route: &str, kind: Option<BadKind>) -> Option<String> {
    let wanted = kind.map_or(Outcome::Dropped, Outcome::Bad);
    let mut texts: BTreeMap<String, u32> = BTreeMap::new();
    for sample in samples
        .iter()
        .filter(|s| s.route == route && s.outcome == wanted)
    {
        let status = sample.status.map(|status| format!("status {status}"));
        let parts: Vec<String> = status.into_iter().chain(sample.detail.clone()).collect();
        if !parts.is_empty() {
            *texts.entry(parts.join(", ")).or_default() += 1;
        }
    }
    texts
        .into_iter()
        .max_by_key(|(_, count)| *count)
        .map(|(text, _)| text)
}
