//! The arrivals of a window, of one route or all, summed up.

use hdrhistogram::Histogram;
use squall_record::histogram::{count_above, merge, new_histogram, rank, value_at_rank};
use squall_record::{Counts, Interval, RouteInterval};
use squall_scenario::{CONFIDENCE, samples_for_quantile};

use crate::dispersion::Bin;
use crate::quantity::Quantity;
use crate::verdict::SliceStats;
use crate::window::Window;

/// Counts and response times of a set of arrivals.
#[derive(Debug, Clone)]
pub struct Slice {
    /// What became of the arrivals.
    pub counts: Counts,
    /// Response times of good answers.
    pub response: Histogram<u64>,
    /// The same without the generator's lag, where it was asked for; where an
    /// interval has none, its response times stand in for it.
    unlagged: Option<Histogram<u64>>,
    /// Number of intervals.
    pub(crate) intervals: u64,
    /// Their length in microseconds.
    pub(crate) length_us: u64,
    /// Arrivals of each interval that speak against a claim, for the
    /// dispersion.
    pub bins: Vec<Bin>,
    /// Response time from which on the claim counts an arrival as bad, and
    /// whether the limit itself is too slow; failures always are.
    slow: Option<(u64, bool)>,
}

impl Slice {
    /// Nothing yet; for judging, which may have to look behind the lag.
    pub(crate) fn to_judge() -> Self {
        Self {
            unlagged: Some(new_histogram()),
            ..Self::to_show()
        }
    }

    /// Bytes that its histograms and bins take.
    pub(crate) fn bytes(&self) -> usize {
        let histogram = |h: &Histogram<u64>| h.distinct_values() * size_of::<u64>();
        histogram(&self.response)
            + self.unlagged.as_ref().map_or(0, histogram)
            + self.bins.capacity() * size_of::<Bin>()
    }

    /// Nothing yet; for tables and charts.
    pub fn to_show() -> Self {
        Self {
            counts: Counts::default(),
            response: new_histogram(),
            unlagged: None,
            intervals: 0,
            length_us: 0,
            bins: Vec::new(),
            slow: None,
        }
    }

    /// Counts answers beyond `limit_us` as bad in the bins too; at the limit
    /// with `strict`. For a claim about response times.
    pub fn against(mut self, limit_us: Option<u64>, strict: bool) -> Self {
        self.slow = limit_us.map(|limit_us| (limit_us, strict));
        self
    }

    /// Sums up the intervals of `window`.
    pub fn gather(mut self, intervals: &[Interval], window: &Window, route: Option<&str>) -> Self {
        for interval in intervals
            .iter()
            .filter(|interval| window.contains(interval))
        {
            self.add(interval, route);
        }
        self
    }

    /// Sums up the intervals of `window` by route, in the order they appear,
    /// and all of them together.
    pub(super) fn by_route(intervals: &[Interval], window: &Window) -> (Self, Vec<(String, Self)>) {
        let mut all = Self::to_show();
        let mut routes: Vec<(String, Self)> = Vec::new();
        for interval in intervals
            .iter()
            .filter(|interval| window.contains(interval))
        {
            all.stretch(interval);
            for entry in &interval.routes {
                let known = routes.iter().position(|(name, _)| *name == entry.route);
                let at = known.unwrap_or_else(|| {
                    routes.push((entry.route.clone(), Self::to_show()));
                    routes.len() - 1
                });
                if let Some((_, slice)) = routes.get_mut(at) {
                    slice.counts.add(&entry.counts);
                    slice.add_times(entry);
                }
            }
        }
        for (_, slice) in &mut routes {
            (slice.intervals, slice.length_us) = (all.intervals, all.length_us);
            all.counts.add(&slice.counts);
            // Both are histograms of ours, so this cannot be refused.
            let _ = merge(&mut all.response, &slice.response);
        }
        (all, routes)
    }

    fn stretch(&mut self, interval: &Interval) {
        self.intervals += 1;
        let length_us = interval.end_us.saturating_sub(interval.start_us);
        self.length_us = self
            .length_us
            .saturating_add(u64::try_from(length_us).unwrap_or(0));
    }

    fn add_times(&mut self, entry: &RouteInterval) {
        let Some(response) = &entry.response else {
            return;
        };
        response.add_to(&mut self.response);
        if let Some(total) = &mut self.unlagged {
            entry.unlagged.as_ref().unwrap_or(response).add_to(total);
        }
    }

    /// Adds one interval, of one route or all.
    pub fn add(&mut self, interval: &Interval, route: Option<&str>) {
        self.stretch(interval);
        let mut bin = Counts::default();
        let mut slow = 0_u64;
        let wanted = interval
            .routes
            .iter()
            .filter(|entry| route.is_none_or(|name| name == entry.route));
        for entry in wanted {
            bin.add(&entry.counts);
            self.add_times(entry);
            if let (Some((limit_us, strict)), Some(response)) = (self.slow, &entry.response) {
                slow = slow.saturating_add(response.count_above(limit_us, strict));
            }
        }
        self.bins.push(Bin {
            start_us: interval.start_us,
            bad: bin.failed().saturating_add(slow),
            n: bin.settled(),
        });
        self.counts.add(&bin);
    }

    /// Good answers whose response time the record has lost.
    pub(crate) fn missing_times(&self) -> u64 {
        self.counts.good.saturating_sub(self.response.len())
    }

    /// Response time at quantile `q` over all settled arrivals, failures being
    /// infinitely slow; `None` without arrivals.
    pub fn quantile(&self, q: f64) -> Option<Quantity> {
        let n = self.counts.settled();
        (n > 0).then(|| self.at_rank(rank(q, n)))
    }

    /// The same, where there are enough arrivals to tell at all.
    pub fn quantile_if_known(&self, q: f64) -> Option<Quantity> {
        let enough = self.counts.settled() >= samples_for_quantile(q, CONFIDENCE);
        (enough && self.missing_times() == 0).then(|| self.quantile(q))?
    }

    /// Response time of the arrival of that rank, from 1; failures come last.
    #[must_use]
    pub fn at_rank(&self, rank: u64) -> Quantity {
        value_at_rank(&self.response, rank).map_or(Quantity::Never, Quantity::Micros)
    }

    /// Settled arrivals that failed or took longer than the limit.
    pub(crate) fn slower(&self, limit_us: u64, strict: bool) -> u64 {
        count_above(&self.response, limit_us, strict).saturating_add(self.counts.failed())
    }

    /// The same if the generator had never been late or at its limits. An answer that missed
    /// `within` only by the lag is given the benefit of the doubt.
    pub(crate) fn slower_unlagged(&self, limit_us: u64, strict: bool) -> u64 {
        let unlagged = self.unlagged.as_ref().unwrap_or(&self.response);
        count_above(unlagged, limit_us, strict).saturating_add(self.failed_unlagged())
    }

    /// Failures that the generator's lag and limits do not explain.
    pub(crate) fn failed_unlagged(&self) -> u64 {
        self.counts.failed_unexcused()
    }

    /// Mean response time of good answers in microseconds, with and without
    /// the generator's lag.
    pub fn means_us(&self) -> (f64, f64) {
        let unlagged = self.unlagged.as_ref().unwrap_or(&self.response);
        (self.response.mean(), unlagged.mean())
    }

    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    /// `count` by the length of the intervals in seconds; 0 without any.
    #[must_use]
    pub fn per_second(&self, count: u64) -> f64 {
        if self.length_us == 0 {
            return 0.0;
        }
        count as f64 / (self.length_us as f64 / 1e6)
    }

    /// Good over settled; `None` without settled arrivals.
    #[must_use]
    pub fn success(&self) -> Option<f64> {
        share(self.counts.good, self.counts.settled())
    }

    pub(crate) fn stats(&self, route: &str) -> SliceStats {
        SliceStats {
            route: route.to_owned(),
            counts: self.counts,
            rate: self.per_second(self.counts.scheduled),
            goodput: self.per_second(self.counts.good),
            success: self.success(),
            p50: self.quantile_if_known(0.5),
            p90: self.quantile_if_known(0.9),
            p99: self.quantile_if_known(0.99),
            p999: self.quantile_if_known(0.999),
            max: (!self.response.is_empty()).then(|| Quantity::Micros(self.response.max())),
        }
    }
}

/// `part` of `whole`; `None` of nothing.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(super) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
