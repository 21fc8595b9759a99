//! Breakers behind a metric in exposition text: resilience4j, Envoy.

use squall_scenario::BreakerState;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{BREAKERS_EVERY, Reporter, Seen};
use crate::system::answer::answer;
use crate::system::exposition::{Series, series};

/// Polls one instance.
pub(super) struct MetricsWatcher {
    pub(super) reporter: Reporter,
    pub(super) client: reqwest::Client,
    pub(super) path: String,
    pub(super) name: String,
    pub(super) labels: Vec<(String, String)>,
}

impl MetricsWatcher {
    pub(super) async fn watch(mut self) {
        let mut ticks = interval(BREAKERS_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let seen = timeout(BREAKERS_EVERY, self.read()).await;
            self.reporter
                .report(seen.ok().flatten().map(Seen::only))
                .await;
        }
    }

    async fn read(&self) -> Option<BreakerState> {
        let url = format!("http://{}{}", self.reporter.instance.address(), self.path);
        let (status, body) = answer(&self.client, &url).await.ok()?;
        if status != 200 {
            return None;
        }
        let text = String::from_utf8_lossy(&body);
        state(&series(&text, &self.name, &self.labels))
    }
}

/// The state that the series of one breaker say; `None` without any.
///
/// Series with a `state` label are resilience4j's: one for each state, and the
/// one that holds has the value 1. Without it they are Envoy's: 0 is closed,
/// and anything else is open.
fn state(series: &[Series]) -> Option<BreakerState> {
    let mut states = series
        .iter()
        .filter_map(|one| Some((one.label("state")?, one.value)))
        .peekable();
    if states.peek().is_none() {
        let first = series.first()?;
        let open = std::iter::once(first)
            .chain(series)
            .any(|one| one.value != 0.0);
        return Some(if open {
            BreakerState::Open
        } else {
            BreakerState::Closed
        });
    }
    let (name, _) = states.find(|(_, value)| *value == 1.0)?;
    match name.to_ascii_lowercase().as_str() {
        "open" | "forced_open" => Some(BreakerState::Open),
        "half_open" => Some(BreakerState::HalfOpen),
        // Calls pass in the other two, whatever is counted.
        "closed" | "disabled" | "metrics_only" => Some(BreakerState::Closed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESILIENCE4J: &str = "\
# TYPE resilience4j_circuitbreaker_state gauge
resilience4j_circuitbreaker_state{group=\"none\",name=\"payments\",state=\"closed\",} 0.0
resilience4j_circuitbreaker_state{group=\"none\",name=\"payments\",state=\"half_open\",} 0.0
resilience4j_circuitbreaker_state{group=\"none\",name=\"payments\",state=\"open\",} 1.0
resilience4j_circuitbreaker_state{group=\"none\",name=\"stock\",state=\"closed\",} 1.0
resilience4j_circuitbreaker_state{group=\"none\",name=\"stock\",state=\"open\",} 0.0
";

    fn read(text: &str, name: &str, labels: &[(&str, &str)]) -> Option<BreakerState> {
        let labels: Vec<_> = labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        state(&series(text, name, &labels))
    }

    #[test]
    fn resilience4j_says_its_state_in_a_label() {
        let metric = "resilience4j_circuitbreaker_state";
        let payments = read(RESILIENCE4J, metric, &[("name", "payments")]);
        assert_eq!(payments, Some(BreakerState::Open));
        let stock = read(RESILIENCE4J, metric, &[("name", "stock")]);
        assert_eq!(stock, Some(BreakerState::Closed));
        assert_eq!(read(RESILIENCE4J, metric, &[("name", "none")]), None);
        let half = RESILIENCE4J.replace("half_open\",} 0.0", "half_open\",} 1.0");
        let half = half.replace("\"open\",} 1.0", "\"open\",} 0.0");
        let half = read(&half, metric, &[("name", "payments")]);
        assert_eq!(half, Some(BreakerState::HalfOpen));
    }

    #[test]
    fn envoy_says_it_in_the_value() {
        let metric = "envoy_cluster_circuit_breakers_default_cx_open";
        for (value, state) in [("0", BreakerState::Closed), ("1", BreakerState::Open)] {
            let text = format!("{metric}{{envoy_cluster_name=\"stock\"}} {value}\n");
            assert_eq!(
                read(&text, metric, &[("envoy_cluster_name", "stock")]),
                Some(state)
            );
        }
        assert_eq!(read("", metric, &[]), None);
    }
}
