//! Breakers behind a metric in exposition text: resilience4j, Envoy.

use squall_scenario::BreakerState;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{BREAKERS_EVERY, Reporter, Seen, Unseen};
use crate::system::answer::answer;
use crate::system::exposition::{Series, exposed, missing, series};
use crate::system::log_lines::quotable;

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
            let seen = match timeout(BREAKERS_EVERY, self.read()).await {
                Ok(seen) => seen,
                Err(_elapsed) => Err(Unseen::Unreadable(format!(
                    "GET {} was not answered within {}",
                    self.path,
                    squall_scenario::format_duration(BREAKERS_EVERY)
                ))),
            };
            self.reporter.report(seen.map(Seen::only)).await;
        }
    }

    async fn read(&self) -> Result<BreakerState, Unseen> {
        let path = &self.path;
        let url = format!("http://{}{path}", self.reporter.instance.address());
        let answer = answer(&self.client, &url)
            .await
            .map_err(|why| Unseen::Unreadable(format!("GET {path}: {why}")))?;
        if answer.status != 200 {
            let status = answer.status;
            return Err(Unseen::Unreadable(format!("GET {path} answered {status}")));
        }
        let text = exposed(&answer);
        let found = series(&text, &self.name, &self.labels);
        let absent = |why| Unseen::Absent(format!("GET {path} {why}"));
        if found.is_empty() {
            return Err(absent(missing(&text, &self.name, &self.labels)));
        }
        state(&found).map_err(|why| absent(format!("has `{}`, but {why}", self.name)))
    }
}

/// The state that the series of one breaker say.
///
/// Series with a `state` label are resilience4j's: one for each state, and the
/// one that holds has the value 1. Without it they are Envoy's: 0 is closed,
/// and anything else is open.
///
/// # Errors
/// They say none, or several; in words.
fn state(series: &[Series]) -> Result<BreakerState, String> {
    let labelled = || {
        let series = series.iter();
        series.filter_map(|one| Some((one.label("state")?, one.value)))
    };
    if labelled().next().is_none() {
        if series.is_empty() || series.iter().any(|one| one.value.is_nan()) {
            return Err("its value is no number".to_owned());
        }
        return Ok(match series.iter().any(|one| one.value != 0.0) {
            true => BreakerState::Open,
            false => BreakerState::Closed,
        });
    }
    let mut states = labelled().filter(|(_, value)| *value == 1.0);
    let Some((name, _)) = states.next() else {
        return Err("no series of it with a `state` has the value 1".to_owned());
    };
    if let Some((other, _)) = states.find(|(other, _)| *other != name) {
        let (name, other) = (quotable(name), quotable(other));
        return Err(format!(
            "it is {name} and {other} at once: name the breaker with `labels`"
        ));
    }
    match name.to_ascii_lowercase().as_str() {
        "open" | "forced_open" => Ok(BreakerState::Open),
        "half_open" => Ok(BreakerState::HalfOpen),
        // Calls pass in the other two, whatever is counted.
        "closed" | "disabled" | "metrics_only" => Ok(BreakerState::Closed),
        _ => Err(format!("{:?} is no state that is known", quotable(name))),
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
        said(text, name, labels).ok()
    }

    fn said(text: &str, name: &str, labels: &[(&str, &str)]) -> Result<BreakerState, String> {
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

    #[test]
    fn what_says_no_state_or_two_is_no_reading() {
        let nan = said("x_open NaN\n", "x_open", &[]).unwrap_err();
        assert!(nan.contains("no number"), "{nan}");
        // Two breakers, and no label that names one.
        let metric = "resilience4j_circuitbreaker_state";
        let two = said(RESILIENCE4J, metric, &[]).unwrap_err();
        assert!(two.contains("open and closed at once"), "{two}");
        let none = RESILIENCE4J.replace(" 1.0", " 0.0");
        let none = said(&none, metric, &[("name", "stock")]).unwrap_err();
        assert!(none.contains("has the value 1"), "{none}");
        let other = said("x{state=\"ajar\"} 1\n", "x", &[]).unwrap_err();
        assert!(other.contains("\"ajar\""), "{other}");
    }
}
