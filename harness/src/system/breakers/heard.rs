//! Which breakers were heard of, and what there was instead of the others.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use squall_record::{BreakerReport, RunEvent};
use tokio_util::sync::CancellationToken;

use crate::hub::EventHub;

/// When somebody must have said something of every breaker, from when they are
/// first read: streams speak twice a second, and the load has begun.
const HEARD_WITHIN: Duration = Duration::from_secs(3);

/// What is known of one breaker of one instance.
#[derive(Debug, Default, Clone)]
struct Known {
    /// It had a state, the instance's or the scenario's word.
    had_state: bool,
    /// The instance itself said so.
    said: bool,
    /// Why nothing is known, at last.
    why: Option<String>,
}

/// All breakers of a run, by breaker and instance.
#[derive(Debug, Default)]
pub(super) struct Heard(Mutex<BTreeMap<String, BTreeMap<String, Known>>>);

impl Heard {
    /// Takes a report into account.
    pub(super) fn hear(&self, report: &BreakerReport) {
        let mut all = self.lock();
        let instances = all.entry(report.breaker.clone()).or_default();
        let known = instances.entry(report.instance.clone()).or_default();
        known.had_state |= report.state.is_some();
        known.said |= report.state.is_some() && !report.assumed;
        if report.why.is_some() {
            known.why.clone_from(&report.why);
        }
    }

    /// Tells once, soon after the load began, of every breaker that nobody
    /// reported, and at the end what was there instead at last.
    pub(super) async fn tell(&self, hub: &EventHub, stop: &CancellationToken) {
        let soon = tokio::time::sleep(HEARD_WITHIN);
        if stop.run_until_cancelled(soon).await.is_some() {
            for text in self.unheard() {
                hub.emit(RunEvent::Note { text }).await;
            }
            stop.cancelled().await;
        }
        for report in self.last_words() {
            hub.emit(RunEvent::Breaker(report)).await;
        }
        for text in self.on_trust() {
            hub.emit(RunEvent::Note { text }).await;
        }
    }

    /// One sentence for each breaker of which no instance gave a state.
    fn unheard(&self) -> Vec<String> {
        let all = self.lock();
        let unheard = all
            .iter()
            .filter(|(_, instances)| instances.values().all(|known| !known.had_state));
        unheard
            .map(|(breaker, instances)| {
                let mut reasons = instances.iter().filter_map(|(instance, known)| {
                    let why = known.why.as_ref()?;
                    Some(format!("{instance}: {why}"))
                });
                let why = reasons.next();
                let why = why.unwrap_or_else(|| "its process does not run".to_owned());
                let more = match reasons.count() {
                    0 => String::new(),
                    more => format!("; nor did {more} more"),
                };
                format!("nobody has reported the breaker `{breaker}` so far: {why}{more}")
            })
            .collect()
    }

    /// What stood in the way of those that never gave a state.
    fn last_words(&self) -> Vec<BreakerReport> {
        let all = self.lock();
        let mut reports = Vec::new();
        for (breaker, instances) in all.iter() {
            for (instance, known) in instances.iter().filter(|(_, known)| !known.had_state) {
                let Some(why) = &known.why else { continue };
                reports.push(BreakerReport {
                    breaker: breaker.clone(),
                    instance: instance.clone(),
                    state: None,
                    has_volume: false,
                    error_percent: 0,
                    calls: 0,
                    why: Some(why.clone()),
                    assumed: false,
                });
            }
        }
        reports
    }

    /// One sentence for each breaker whose state was the scenario's word all
    /// along.
    fn on_trust(&self) -> Vec<String> {
        let all = self.lock();
        let on_trust = all.iter().filter(|(_, instances)| {
            let mut known = instances.values();
            known.all(|known| !known.said) && instances.values().any(|known| known.had_state)
        });
        on_trust
            .map(|(breaker, _)| {
                format!(
                    "no line of output ever spoke of the breaker `{breaker}`: that it starts \
                     closed is the scenario's word; look at its patterns"
                )
            })
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, BTreeMap<String, Known>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use squall_scenario::BreakerState;

    use super::*;

    fn report(breaker: &str, instance: &str, why: Option<&str>, assumed: bool) -> BreakerReport {
        BreakerReport {
            breaker: breaker.to_owned(),
            instance: instance.to_owned(),
            state: why.is_none().then_some(BreakerState::Closed),
            has_volume: false,
            error_percent: 0,
            calls: 0,
            why: why.map(str::to_owned),
            assumed,
        }
    }

    #[test]
    fn only_what_nobody_reported_is_told() {
        let heard = Heard::default();
        let why = "its stream has no command `cache`";
        for (breaker, instance, why, assumed) in [
            ("cache", "catalog-0", Some(why), false),
            ("cache", "catalog-1", Some(why), false),
            ("catalog", "gateway-0", Some("connection refused"), false),
            ("catalog", "gateway-0", None, false),
            ("catalog", "gateway-1", Some("connection refused"), false),
            ("mail", "api", None, true),
        ] {
            heard.hear(&report(breaker, instance, why, assumed));
        }
        assert_eq!(
            heard.unheard(),
            [
                "nobody has reported the breaker `cache` so far: catalog-0: its stream has no command \
              `cache`; nor did 1 more"
            ]
        );
        let last: Vec<_> = heard.last_words();
        assert_eq!(last.len(), 3, "{last:?}");
        assert!(last.iter().all(|report| report.state.is_none()));
        let trusted = heard.on_trust();
        assert_eq!(trusted.len(), 1);
        assert!(trusted[0].contains("`mail`"));
        heard.hear(&report("mail", "api", None, false));
        assert!(heard.on_trust().is_empty());
    }
}
