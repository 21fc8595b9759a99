//! What the network bears, learned from the segments that came.
//!
//! Two exponentially weighted averages, of which the lower counts: a fast one
//! that follows a drop, and a slow one that does not follow a spike. So do
//! dash.js ("ewma", half-lives of 3 s and 8 s), hls.js and Shaka Player; a
//! sample weighs as long as it took, and its first weights are corrected for
//! the nothing that was there before (Kingma and Ba 2014, section 3).

use std::time::Duration;

/// Half-life of the fast average, in seconds of downloading.
const FAST_HALF_LIFE_S: f64 = 3.0;
/// Half-life of the slow one.
const SLOW_HALF_LIFE_S: f64 = 8.0;
/// A download is not taken to be shorter: what comes out of some buffer along
/// the way says nothing of the network. As in hls.js.
const SAMPLE_MIN: Duration = Duration::from_millis(50);

/// An estimate of the throughput.
#[derive(Debug, Clone)]
pub(super) struct Throughput {
    fast: Average,
    slow: Average,
}

impl Throughput {
    /// One that knows nothing.
    pub(super) const fn new() -> Self {
        Self {
            fast: Average::new(FAST_HALF_LIFE_S),
            slow: Average::new(SLOW_HALF_LIFE_S),
        }
    }

    /// So many bytes came within so much time.
    pub(super) fn sample(&mut self, bytes: u64, took: Duration) {
        let seconds = took.max(SAMPLE_MIN).as_secs_f64();
        let kbps = bytes as f64 * 8.0 / 1_000.0 / seconds;
        self.fast.sample(seconds, kbps);
        self.slow.sample(seconds, kbps);
    }

    /// The estimate in kilobits per second; none before the first sample.
    pub(super) fn kbps(&self) -> Option<f64> {
        Some(self.fast.value()?.min(self.slow.value()?))
    }
}

#[derive(Debug, Clone)]
struct Average {
    half_life_s: f64,
    sum: f64,
    weight_s: f64,
}

impl Average {
    const fn new(half_life_s: f64) -> Self {
        Self {
            half_life_s,
            sum: 0.0,
            weight_s: 0.0,
        }
    }

    fn sample(&mut self, weight_s: f64, value: f64) {
        let kept = 0.5_f64.powf(weight_s / self.half_life_s);
        self.sum = self.sum * kept + value * (1.0 - kept);
        self.weight_s += weight_s;
    }

    fn value(&self) -> Option<f64> {
        let known = 1.0 - 0.5_f64.powf(self.weight_s / self.half_life_s);
        (known > 0.0).then(|| self.sum / known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(s: f64) -> Duration {
        Duration::from_secs_f64(s)
    }

    #[test]
    fn a_constant_network_is_known_after_one_segment() {
        let mut throughput = Throughput::new();
        assert_eq!(throughput.kbps(), None);
        for _ in 0..20 {
            throughput.sample(250_000, seconds(1.0));
            let kbps = throughput.kbps().unwrap();
            assert!((kbps - 2_000.0).abs() < 1e-6, "{kbps}");
        }
    }

    #[test]
    fn a_drop_is_followed_faster_than_a_spike() {
        let after = |then_bytes: u64| {
            let mut throughput = Throughput::new();
            for _ in 0..10 {
                throughput.sample(500_000, seconds(1.0));
            }
            for _ in 0..3 {
                throughput.sample(then_bytes, seconds(1.0));
            }
            throughput.kbps().unwrap() / 4_000.0
        };
        // Half a half-life of the fast average is half of the way down, and of the
        // slow one a good fifth of the way up.
        let (down, up) = (after(0), after(1_000_000));
        assert!((0.45..0.55).contains(&down), "{down}");
        assert!((1.2..1.4).contains(&up), "{up}");
    }

    #[test]
    fn what_came_out_of_a_buffer_is_no_network_of_gigabits() {
        let mut throughput = Throughput::new();
        throughput.sample(125_000, Duration::ZERO);
        assert!((throughput.kbps().unwrap() - 20_000.0).abs() < 1e-6);
    }
}
