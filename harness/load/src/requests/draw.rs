//! What arrival n draws from one source of data: a function of the seed and n.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Zipf};
use squall_scenario::DataSource;
use squall_scenario::seed::{nth, sub_seed, unit_interval};

/// One source of data with its own stream of random numbers.
#[derive(Debug)]
pub(super) struct Draw {
    name: String,
    seed: u64,
    source: DataSource,
    zipf: Option<Zipf<f64>>,
}

impl Draw {
    pub(super) fn new(name: &str, source: &DataSource, seed: u64) -> Self {
        let zipf = match source {
            // The parser refuses parameters that are none of this distribution.
            DataSource::Zipf { over, skew } => Zipf::new(*over as f64, *skew).ok(),
            DataSource::Uniform { .. } | DataSource::Pick(_) | DataSource::Count { .. } => None,
        };
        Self {
            name: name.to_owned(),
            seed: sub_seed(seed, &format!("data/{name}")),
            source: source.clone(),
            zipf,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What it picks from, where that is a list.
    pub(super) fn choices(&self) -> Option<&[String]> {
        match &self.source {
            DataSource::Pick(choices) => Some(choices),
            DataSource::Uniform { .. } | DataSource::Zipf { .. } | DataSource::Count { .. } => None,
        }
    }

    /// The number that arrival `number` draws; of a list, the place of the value
    /// that it picks.
    pub(super) fn number(&self, number: u64) -> u64 {
        let value = nth(self.seed, number);
        match &self.source {
            DataSource::Uniform { from, to } => {
                let span = to.saturating_sub(*from).saturating_add(1);
                (from + (unit_interval(value) * span as f64) as u64).min(*to)
            }
            DataSource::Zipf { .. } => match self.zipf {
                Some(zipf) => zipf.sample(&mut ChaCha8Rng::seed_from_u64(value)) as u64,
                // The most popular is the limit of parameters that are none.
                None => 1,
            },
            DataSource::Pick(choices) => (unit_interval(value) * choices.len() as f64) as u64,
            DataSource::Count { from } => from.saturating_add(number),
        }
    }

    /// The same in words.
    pub(super) fn text(&self, number: u64) -> String {
        let drawn = self.number(number);
        match self.choices() {
            Some(choices) => {
                let index = usize::try_from(drawn).unwrap_or(usize::MAX);
                choices.get(index).cloned().unwrap_or_default()
            }
            None => drawn.to_string(),
        }
    }
}
