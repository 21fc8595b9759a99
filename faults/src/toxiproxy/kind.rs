//! The types of toxics that Toxiproxy has, their attributes, and what this crate
//! does for each.

use std::fmt::Write;
use std::time::Duration;

use squall_scenario::inject::{
    Bandwidth, Delay, Direction, LimitData, Meanwhile, Reset, Slicer, SlowClose, Timeout,
};
use squall_scenario::{ByteCount, OnBytes};

use super::error::ApiError;
use super::json::{Mismatch, Place, Raw};

/// Attributes that a type has at most.
const ATTRIBUTES_MAX: usize = 3;

/// A type of toxic.
#[derive(Debug)]
pub(super) struct Kind {
    /// Its word in the API.
    pub(super) word: &'static str,
    /// What its errors call it, and its numbers.
    go: (&'static str, &'static str),
    /// Its attributes, in the order in which they are written. All are whole
    /// numbers, and 0 when absent.
    keys: &'static [&'static str],
    /// Values that nothing can be done with: what to write instead.
    refuse: fn(&Attributes) -> Option<&'static str>,
    /// What is injected; `None` where nothing is to be done.
    inject: fn(&Attributes, Direction) -> Option<OnBytes>,
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.word == other.word
    }
}

/// Every type there is.
pub(super) static KINDS: [Kind; 8] = [
    Kind {
        word: "latency",
        go: ("toxics.LatencyToxic", "int64"),
        keys: &["latency", "jitter"],
        refuse: |_| None,
        inject: |given, direction| {
            let delay = Delay::of(given.ms(0), given.ms(1), direction);
            Some(OnBytes::Delay(delay))
        },
    },
    Kind {
        word: "bandwidth",
        go: ("toxics.BandwidthToxic", "int64"),
        keys: &["rate"],
        refuse: |given| (given.values[0] < 0).then_some("rate cannot be negative"),
        inject: |given, direction| {
            // A KB is 1000 bytes.
            let rate = ByteCount(given.whole(0).saturating_mul(1000));
            Some(OnBytes::Bandwidth(Bandwidth { rate, direction }))
        },
    },
    Kind {
        word: "slow_close",
        go: ("toxics.SlowCloseToxic", "int64"),
        keys: &["delay"],
        refuse: |_| None,
        inject: |given, direction| {
            let by = given.ms(0);
            Some(OnBytes::SlowClose(SlowClose { by, direction }))
        },
    },
    Kind {
        word: "timeout",
        go: ("toxics.TimeoutToxic", "int64"),
        keys: &["timeout"],
        refuse: |_| None,
        inject: |given, direction| {
            let after = given.ms(0);
            Some(OnBytes::Timeout(Timeout { after, direction }))
        },
    },
    Kind {
        word: "reset_peer",
        go: ("toxics.ResetToxic", "int64"),
        keys: &["timeout"],
        refuse: |_| None,
        inject: |given, direction| {
            Some(OnBytes::Reset(Reset {
                after: given.ms(0),
                meanwhile: Meanwhile::Hold,
                direction,
            }))
        },
    },
    Kind {
        word: "slicer",
        go: ("toxics.SlicerToxic", "int"),
        keys: &["average_size", "size_variation", "delay"],
        refuse: |given| {
            if given.values[0] < 1 {
                return Some("average_size must be at least 1");
            }
            (given.values[1] < 0).then_some("size_variation cannot be negative")
        },
        inject: |given, direction| {
            Some(OnBytes::Slicer(Slicer {
                size: ByteCount(given.whole(0)),
                variation: ByteCount(given.whole(1)),
                pause: Duration::from_micros(given.whole(2)),
                direction,
            }))
        },
    },
    Kind {
        word: "limit_data",
        go: ("toxics.LimitDataToxic", "int64"),
        keys: &["bytes"],
        refuse: |_| None,
        inject: |given, direction| {
            let bytes = ByteCount(given.whole(0));
            Some(OnBytes::LimitData(LimitData { bytes, direction }))
        },
    },
    Kind {
        word: "noop",
        go: ("toxics.NoopToxic", "int64"),
        keys: &[],
        refuse: |_| None,
        inject: |_, _| None,
    },
];

/// The attributes of a toxic, with its type.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Attributes {
    pub(super) kind: &'static Kind,
    values: [i64; ATTRIBUTES_MAX],
}

impl Attributes {
    /// Those of a type, all 0; `None` where there is no such type.
    pub(super) fn of(word: &str) -> Option<Self> {
        let kind = KINDS.iter().find(|kind| kind.word == word)?;
        let values = [0; ATTRIBUTES_MAX];
        Some(Self { kind, values })
    }

    /// Takes over what is given and leaves the rest.
    pub(super) fn merge(&mut self, given: Raw<'_>, place: Place) -> Result<(), Mismatch> {
        let (go_type, integer) = self.kind.go;
        let of = go_type.strip_prefix("toxics.").unwrap_or(go_type);
        let (keys, values) = (self.kind.keys, &mut self.values);
        given.each_field(place, go_type, keys, |name, value| {
            let mut fields = keys.iter().zip(values.iter_mut());
            match fields.find(|(key, _)| **key == name) {
                Some((_, field)) => {
                    value.integer_into(field, Place::Attribute { of, name }, integer)
                }
                None => Ok(()),
            }
        })
    }

    /// Whether something can be done with them.
    pub(super) fn check(&self) -> Result<(), ApiError> {
        (self.kind.refuse)(self).map_or(Ok(()), |why| Err(ApiError::bad_body(why)))
    }

    /// What is injected into the bytes of a direction.
    pub(super) fn inject(&self, direction: Direction) -> Option<OnBytes> {
        (self.kind.inject)(self, direction)
    }

    /// Appends them as JSON.
    pub(super) fn push(&self, out: &mut String) {
        out.push('{');
        for (nth, (key, value)) in self.kind.keys.iter().zip(self.values).enumerate() {
            let comma = if nth == 0 { "" } else { "," };
            // Writing to a string never fails.
            let _ = write!(out, "{comma}\"{key}\":{value}");
        }
        out.push('}');
    }

    /// Nothing is negative that takes time or has a size.
    fn whole(&self, nth: usize) -> u64 {
        self.values[nth].max(0).unsigned_abs()
    }

    fn ms(&self, nth: usize) -> Duration {
        Duration::from_millis(self.whole(nth))
    }
}
