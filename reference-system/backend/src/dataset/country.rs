//! The 190 countries the service is sold in, and sets of them as bits.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// ISO 3166-1 alpha-2 codes of the members of the United Nations without CN, KP and SY, sorted.
pub(crate) const COUNTRIES: [&str; 190] = [
    "AD", "AE", "AF", "AG", "AL", "AM", "AO", "AR", "AT", "AU", "AZ", "BA", "BB", "BD", "BE", "BF",
    "BG", "BH", "BI", "BJ", "BN", "BO", "BR", "BS", "BT", "BW", "BY", "BZ", "CA", "CD", "CF", "CG",
    "CH", "CI", "CL", "CM", "CO", "CR", "CU", "CV", "CY", "CZ", "DE", "DJ", "DK", "DM", "DO", "DZ",
    "EC", "EE", "EG", "ER", "ES", "ET", "FI", "FJ", "FM", "FR", "GA", "GB", "GD", "GE", "GH", "GM",
    "GN", "GQ", "GR", "GT", "GW", "GY", "HN", "HR", "HT", "HU", "ID", "IE", "IL", "IN", "IQ", "IR",
    "IS", "IT", "JM", "JO", "JP", "KE", "KG", "KH", "KI", "KM", "KN", "KR", "KW", "KZ", "LA", "LB",
    "LC", "LI", "LK", "LR", "LS", "LT", "LU", "LV", "LY", "MA", "MC", "MD", "ME", "MG", "MH", "MK",
    "ML", "MM", "MN", "MR", "MT", "MU", "MV", "MW", "MX", "MY", "MZ", "NA", "NE", "NG", "NI", "NL",
    "NO", "NP", "NR", "NZ", "OM", "PA", "PE", "PG", "PH", "PK", "PL", "PT", "PW", "PY", "QA", "RO",
    "RS", "RU", "RW", "SA", "SB", "SC", "SD", "SE", "SG", "SI", "SK", "SL", "SM", "SN", "SO", "SR",
    "SS", "ST", "SV", "SZ", "TD", "TG", "TH", "TJ", "TL", "TM", "TN", "TO", "TR", "TT", "TV", "TZ",
    "UA", "UG", "US", "UY", "UZ", "VC", "VE", "VN", "VU", "WS", "YE", "ZA", "ZM", "ZW",
];

/// Where a country stands in [`COUNTRIES`], if the service is sold there.
pub(crate) fn country_index(code: &str) -> Option<usize> {
    COUNTRIES.binary_search(&code).ok()
}

/// A set of countries: one bit each, written as 48 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct CountrySet([u64; 3]);

impl CountrySet {
    /// Adds the country at this place in [`COUNTRIES`].
    pub(crate) fn insert(&mut self, index: usize) {
        self.0[index / 64] |= 1 << (index % 64);
    }

    /// Every country.
    pub(crate) fn all() -> Self {
        let mut set = Self::default();
        (0..COUNTRIES.len()).for_each(|index| set.insert(index));
        set
    }

    /// Whether the country at this place in [`COUNTRIES`] is in the set.
    pub(crate) fn has(&self, index: usize) -> bool {
        self.0
            .get(index / 64)
            .is_some_and(|word| word & (1 << (index % 64)) != 0)
    }

    /// Whether the country of this code is in the set; an unknown code never is.
    pub(crate) fn contains(&self, code: &str) -> bool {
        country_index(code).is_some_and(|index| self.has(index))
    }
}

impl Serialize for CountrySet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!(
            "{:016x}{:016x}{:016x}",
            self.0[2], self.0[1], self.0[0]
        ))
    }
}

impl<'de> Deserialize<'de> for CountrySet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let word = |range| {
            text.get(range)
                .and_then(|digits| u64::from_str_radix(digits, 16).ok())
                .ok_or_else(|| serde::de::Error::custom("a country set has 48 hexadecimal digits"))
        };
        Ok(Self([word(32..48)?, word(16..32)?, word(0..16)?]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_are_sorted_and_unique() {
        assert!(COUNTRIES.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn a_set_survives_being_written_and_read() {
        let mut set = CountrySet::default();
        for code in ["AD", "JP", "US", "ZW"] {
            set.insert(country_index(code).unwrap());
        }
        let text = serde_json::to_string(&set).unwrap();
        let read: CountrySet = serde_json::from_str(&text).unwrap();
        assert_eq!(read, set);
        assert!(read.contains("US") && !read.contains("GB") && !read.contains("CN"));
    }

    #[test]
    fn everywhere_means_every_country() {
        assert!(
            COUNTRIES
                .iter()
                .all(|code| CountrySet::all().contains(code))
        );
    }
}
