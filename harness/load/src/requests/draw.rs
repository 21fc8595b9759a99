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
            DataSource::Uniform { .. }
            | DataSource::Pick(_)
            | DataSource::Count { .. }
            | DataSource::Column(_)
            | DataSource::Uuid => None,
        };
        let stream = match source {
            // The columns of a table draw alike.
            DataSource::Column(column) => &column.table,
            DataSource::Uniform { .. }
            | DataSource::Zipf { .. }
            | DataSource::Pick(_)
            | DataSource::Count { .. }
            | DataSource::Uuid => name,
        };
        Self {
            name: name.to_owned(),
            seed: sub_seed(seed, &format!("data/{stream}")),
            source: source.clone(),
            zipf,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What it picks from, where that is a list.
    pub(super) fn choices(&self) -> Option<&[String]> {
        self.source.choices()
    }

    /// Whether what it draws are UUIDs.
    pub(super) const fn is_uuid(&self) -> bool {
        matches!(self.source, DataSource::Uuid)
    }

    /// The UUID that arrival `number` draws.
    pub(super) fn uuid(&self, number: u64) -> [u8; UUID_BYTES] {
        let high = nth(self.seed, number);
        let low = nth(sub_seed(self.seed, "low"), number);
        uuid_text(u128::from(high) << 64 | u128::from(low))
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
            DataSource::Column(column) if column.in_turn => number % column.rows.max(1),
            DataSource::Column(column) => (unit_interval(value) * column.rows as f64) as u64,
            DataSource::Uuid => value,
        }
    }

    /// The same in words.
    pub(super) fn text(&self, number: u64) -> String {
        if self.is_uuid() {
            return String::from_utf8_lossy(&self.uuid(number)).into_owned();
        }
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

/// Length of a UUID in words.
pub(super) const UUID_BYTES: usize = 36;

/// 128 random bits as a UUID of version 4 (RFC 9562 §5.4), without formatting.
fn uuid_text(bits: u128) -> [u8; UUID_BYTES] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let version = bits & !(0xf << 76) | 0x4 << 76;
    let bits = version & !(0x3 << 62) | 0x2 << 62;
    let mut text = [b'-'; UUID_BYTES];
    let places = (0..UUID_BYTES).filter(|at| ![8, 13, 18, 23].contains(at));
    for (digit, at) in places.enumerate() {
        text[at] = DIGITS[(bits >> (124 - 4 * digit)) as usize & 0xf];
    }
    text
}

#[cfg(test)]
mod tests {
    use squall_scenario::Column;

    use super::*;

    #[test]
    fn uuids_are_of_version_four_and_differ() {
        let draw = Draw::new("id", &DataSource::Uuid, 7);
        let first = draw.text(1);
        assert_eq!(first, draw.text(1));
        assert_ne!(first, draw.text(2));
        let parts: Vec<_> = first.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12], "{first}");
        assert_eq!(&first[14..15], "4");
        assert!("89ab".contains(&first[19..20]), "{first}");
        let zero = String::from_utf8(uuid_text(0).to_vec()).unwrap();
        assert_eq!(zero, "00000000-0000-4000-8000-000000000000");
    }

    #[test]
    fn the_columns_of_a_table_draw_the_same_row() {
        let column = |name: &str, in_turn| {
            let values = (0..50).map(|row| format!("{name}{row}")).collect();
            DataSource::Column(Column {
                table: "account".to_owned(),
                path: "accounts.csv".to_owned(),
                sha256: String::new(),
                rows: 50,
                in_turn,
                values,
            })
        };
        let [user, word] = ["user", "word"]
            .map(|name| Draw::new(&format!("account.{name}"), &column(name, false), 3));
        let rows: Vec<_> = (0..500).map(|n| user.number(n)).collect();
        for n in 0..500 {
            assert_eq!(user.text(n)[4..], word.text(n)[4..]);
        }
        assert!((0..50).all(|row| rows.contains(&row)), "every row is drawn");
        let turn = Draw::new("account.user", &column("user", true), 3);
        assert_eq!([0, 1, 49, 50, 51].map(|n| turn.number(n)), [0, 1, 49, 0, 1]);
    }
}
