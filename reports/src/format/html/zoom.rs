//! What the page's small script needs, and the policy that admits nothing but
//! that script and the page's own style.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest, Sha256};
use squall_judge::quantity::Quantity;
use squall_judge::verdict::{Verdict, WindowKind};

use super::timeline::Point;

/// The page's style.
pub(super) const STYLE: &str = include_str!("../../../templates/report.css");
/// Zooms the timeline; everything it shows stands in the page without it.
pub(super) const SCRIPT: &str = include_str!("../../../templates/report.js");
/// Most windows that can be jumped to; the others can be dragged over.
const WINDOWS_MAX: usize = 12;

#[derive(Serialize)]
struct Zoom<'a> {
    seconds: Vec<Second>,
    windows: Vec<(&'a str, i64, i64)>,
}

/// Start and end, p50 and p99 (`null` among the failures), arrivals, good and
/// failed ones; times in microseconds.
type Second = (i64, i64, Option<u64>, Option<u64>, u64, u64, u64);

/// The points of the timeline and its windows as JSON that cannot end the
/// element it stands in.
pub(super) fn data(points: &[Point], verdict: &Verdict) -> String {
    let seconds = points.iter().map(second).collect();
    let jumps = verdict
        .windows
        .iter()
        .filter(|window| !matches!(window.kind, WindowKind::Hold | WindowKind::WholeRun));
    let windows = jumps
        .filter_map(|window| {
            let (first, last) = (window.ranges.first()?, window.ranges.last()?);
            Some((window.name.as_str(), first.start_us, last.end_us))
        })
        .take(WINDOWS_MAX)
        .collect();
    // Numbers and strings of a struct are always JSON.
    serde_json::to_string(&Zoom { seconds, windows })
        .unwrap_or_default()
        .replace('<', "\\u003c")
}

fn second(point: &Point) -> Second {
    let quantile = |q| match point.slice.quantile(q) {
        Some(Quantity::Micros(us)) => Some(us),
        _ => None,
    };
    let counts = &point.slice.counts;
    (
        point.start_us,
        point.end_us,
        quantile(0.5),
        quantile(0.99),
        counts.scheduled,
        counts.good,
        counts.failed(),
    )
}

/// The content security policy of a page with this `style`, and this `script`
/// if any: nothing is loaded, nothing is sent, nothing else runs.
pub(crate) fn policy(style: &str, script: Option<&str>) -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    let script = script.map_or_else(String::new, |script| {
        format!("; script-src 'sha256-{}'", hash(script))
    });
    format!(
        "default-src 'none'; style-src 'sha256-{}'{script}; base-uri 'none'; form-action 'none'",
        hash(style)
    )
}
