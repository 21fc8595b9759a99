//! How near a gate was to failing, in words.

use squall_judge::quantity::significant;

/// How much of an allowance is left, in words.
pub(super) fn margin_text(margin: f64) -> String {
    if margin < -9.0 {
        return format!("{}x over", significant(1.0 - margin));
    }
    let rounded = (margin.abs() * 100.0).round() / 100.0;
    if margin < 0.0 {
        format!("{} over", percent_plain(rounded))
    } else {
        format!("{} to spare", percent_plain(rounded))
    }
}

fn percent_plain(share: f64) -> String {
    format!("{:.0}%", share * 100.0)
}
