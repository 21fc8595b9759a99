//! A calibration in words.

use squall_judge::calibrate::calibrate;
use squall_reports::calibration_text;
use squall_scenario::BreakerChange;

use crate::synthetic::withheld::{quiet, without_the_fault};
use crate::synthetic::{breaker_gate, success};

#[test]
fn the_false_alarms_are_told_in_words() {
    let gates = vec![
        success(99.0),
        breaker_gate("recommendations", BreakerChange::Opens, Some(8)),
    ];
    let runs = [1, 2, 3].map(|seed| without_the_fault(seed, gates.clone(), &quiet));
    let found = calibrate(&runs).unwrap();
    insta::assert_snapshot!(calibration_text(&found));
}
