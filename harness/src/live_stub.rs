//! stub
use squall_reports::Interval;
use squall_scenario::*;
#[derive(Debug)]
pub struct AbortGuard;
impl AbortGuard {
    pub fn new(_: &AbortRule) -> Self {
        Self
    }
    pub fn feed(&mut self, _: &Interval) -> Option<(String, String)> {
        None
    }
}
pub fn check_gates(_: &[Located<Gate>], _: &[Interval]) -> (bool, String) {
    (true, "stub".into())
}
