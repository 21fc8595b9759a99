//! Decisions by hash: chance that does not depend on who asks first.
//!
//! A shared random stream would make one connection's decisions depend on how
//! many others were served before. Here each decision is a function of what it
//! is about, so the same seed gives the same decision for the nth chunk of the
//! nth connection, however the machine schedules them.

use squall_scenario::Share;
use squall_scenario::seed::{nth, sub_seed, unit_interval};

/// The seed of one toxic on one direction of the nth connection of a proxy.
#[must_use]
pub(crate) fn flow_seed(seed: u64, toxic: &str, connection: u64, to_target: bool) -> u64 {
    nth(nth(sub_seed(seed, toxic), connection), u64::from(to_target))
}

/// Whether the nth connection of a proxy is in the share that a toxic hits; one
/// answer for both its directions. A larger share hits whom a smaller one hits,
/// and more.
#[must_use]
pub(crate) fn is_hit(seed: u64, toxic: &str, connection: u64, share: Share) -> bool {
    let stream = nth(sub_seed(seed, "share"), sub_seed(seed, toxic));
    unit_interval(nth(stream, connection)) < share.get()
}

/// The `n`th decision of a flow as a number in `[0, 1)`.
#[must_use]
pub(crate) fn unit(flow_seed: u64, n: u64) -> f64 {
    unit_interval(nth(flow_seed, n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_depend_on_every_part_of_the_key() {
        let base = flow_seed(1, "slow", 0, true);
        assert_eq!(base, flow_seed(1, "slow", 0, true));
        for other in [
            flow_seed(2, "slow", 0, true),
            flow_seed(1, "slow#1", 0, true),
            flow_seed(1, "slow", 1, true),
            flow_seed(1, "slow", 0, false),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn a_share_hits_as_many_as_it_says_and_grows_by_adding() {
        let hit = |seed, toxic, share| -> Vec<u64> {
            let share = Share::new(share).unwrap();
            let all = 0..10_000;
            all.filter(|n| is_hit(seed, toxic, *n, share)).collect()
        };
        assert!(hit(1, "slow", 0.0).is_empty());
        assert_eq!(hit(1, "slow", 1.0).len(), 10_000);
        let (few, more) = (hit(1, "slow", 0.2), hit(1, "slow", 0.5));
        // Five standard deviations of 2000 and 5000 are 200 and 250.
        assert!((1800..2200).contains(&few.len()), "{}", few.len());
        assert!((4750..5250).contains(&more.len()), "{}", more.len());
        assert!(few.iter().all(|n| more.binary_search(n).is_ok()));
        assert_eq!(few, hit(1, "slow", 0.2));
        assert_ne!(few, hit(2, "slow", 0.2));
        assert_ne!(few, hit(1, "slow#1", 0.2));
    }

    #[test]
    fn units_are_spread_evenly() {
        let seed = flow_seed(42, "slow", 7, false);
        let mut tenths = [0_u32; 10];
        for n in 0..10_000 {
            let value = unit(seed, n);
            assert!((0.0..1.0).contains(&value));
            tenths[(value * 10.0) as usize] += 1;
        }
        // 1000 expected per tenth; 5 standard deviations are 150.
        assert!(tenths.iter().all(|n| (850..1150).contains(n)), "{tenths:?}");
    }
}
