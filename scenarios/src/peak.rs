//! How much a load asks for where it asks for most.

use std::time::Duration;

use crate::load::{Load, Stage};

/// A stage of a load, and when it is.
struct Part<'l> {
    stage: &'l Stage,
    start: Duration,
    end: Duration,
}

impl Load {
    /// The highest rate of arrivals of this load and those beside it at one time, per
    /// second. Of a wave and of a replay their highest counts all the time that they
    /// last, so where several loads are this may be above what comes; closed loops have
    /// no rate.
    #[must_use]
    pub fn peak_of_all(&self) -> f64 {
        let loads: Vec<Vec<Part<'_>>> = self.each().map(parts).collect();
        let all = || loads.iter().flatten();
        let mut times: Vec<Duration> = all().flat_map(|part| [part.start, part.end]).collect();
        times.sort_unstable();
        times.dedup();
        let between = times.windows(2).map(|pair| {
            let inside = |part: &&Part<'_>| part.start <= pair[0] && pair[1] <= part.end;
            // Rates are linear there, so that the sum is highest at one of the ends.
            let sum_at =
                |at: Duration| -> f64 { all().filter(inside).map(|part| part.most_at(at)).sum() };
            sum_at(pair[0]).max(sum_at(pair[1]))
        });
        between.fold(0.0, f64::max)
    }
}

fn parts(load: &Load) -> Vec<Part<'_>> {
    let mut start = Duration::ZERO;
    let parts = load.shape.iter().map(|stage| {
        let end = start.saturating_add(stage.duration());
        let part = Part { stage, start, end };
        start = end;
        part
    });
    parts.collect()
}

impl Part<'_> {
    fn most_at(&self, at: Duration) -> f64 {
        match self.stage {
            Stage::Ramp { from, to, over } => {
                let share = match over.as_secs_f64() {
                    length if length > 0.0 => (at - self.start).as_secs_f64() / length,
                    _ => 1.0,
                };
                from.as_per_second() * (1.0 - share) + to.as_per_second() * share
            }
            Stage::Wave { .. } | Stage::Hold { .. } | Stage::Replay(_) | Stage::Closed { .. } => {
                self.stage.peak()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{Arrivals, LoadBeside};
    use crate::units::Rate;

    fn load(shape: Vec<Stage>) -> Load {
        let s = Duration::from_secs;
        Load {
            in_flight_max: 1,
            timeout: s(1),
            ..Load::plain(shape, vec![])
        }
    }

    fn hold(per_second: f64, seconds: u64) -> Stage {
        Stage::Hold {
            rate: Rate::per_second(per_second).unwrap(),
            duration: Duration::from_secs(seconds),
            arrivals: Arrivals::Even,
        }
    }

    fn ramp(from: f64, to: f64, seconds: u64) -> Stage {
        Stage::Ramp {
            from: Rate::per_second(from).unwrap(),
            to: Rate::per_second(to).unwrap(),
            over: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn loads_count_together_where_they_are_at_one_time() {
        let mut all = load(vec![hold(10.0, 10), ramp(10.0, 110.0, 10), hold(20.0, 10)]);
        let near = |is: f64, expected: f64| assert!((is - expected).abs() < 1e-9, "{is}");
        near(all.peak_of_all(), 110.0);
        // Halfway up the ramp a load ends that is beside it.
        let beside = |name: &str, shape| LoadBeside {
            name: name.to_owned(),
            load: load(shape),
        };
        all.beside.push(beside("a", vec![hold(80.0, 15)]));
        near(all.peak_of_all(), 140.0);
        all.beside
            .push(beside("b", vec![hold(0.0, 20), hold(115.0, 5)]));
        near(all.peak_of_all(), 225.0 - 90.0 + 5.0);
        let closed = Stage::Closed {
            users: 64,
            think: None,
            duration: Duration::from_secs(10),
        };
        near(load(vec![closed]).peak_of_all(), 0.0);
        near(load(vec![hold(7.0, 0)]).peak_of_all(), 0.0);
    }
}
