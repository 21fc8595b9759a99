//! How much of the traffic stays in the own zone, and where the rest goes.

/// How many instances of a zone are in the set, and how many of them are healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ZoneHealth {
    pub(super) healthy: usize,
    pub(super) is_own: bool,
}

/// Shares of the traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ZoneShares {
    /// What stays in the own zone, of `whole`.
    pub(super) own: u64,
    pub(super) whole: u64,
    /// What each zone gets of what does not stay; nothing for the own.
    pub(super) spilled: Vec<u64>,
}

/// Envoy's locality rule, which it calls zone aware routing: callers are taken to be spread evenly
/// over the zones that have instances; what the healthy instances of a zone can bear, beside what
/// its own callers ask of it, is for others, in proportion. None without an own zone among them,
/// or without anybody healthy.
pub(super) fn shares(zones: &[ZoneHealth], capacity_percentage: u32) -> Option<ZoneShares> {
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let healthy: u64 = zones.iter().map(|zone| number(zone.healthy)).sum();
    let own = zones.iter().find(|zone| zone.is_own)?;
    if healthy == 0 {
        return None;
    }
    // What one zone is asked for, and what each can bear, in the same unit.
    let whole = healthy.saturating_mul(100);
    let bears = |zone: &ZoneHealth| {
        let capacity = number(zone.healthy).saturating_mul(capacity_percentage.into());
        capacity.saturating_mul(number(zones.len()))
    };
    let spilled = zones.iter().map(|zone| match zone.is_own {
        true => 0,
        false => bears(zone).saturating_sub(whole),
    });
    Some(ZoneShares {
        own: bears(own).min(whole),
        whole,
        spilled: spilled.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first is the own.
    fn zones(healthy: &[usize]) -> Vec<ZoneHealth> {
        let zone = |(nth, healthy): (usize, &usize)| ZoneHealth {
            healthy: *healthy,
            is_own: nth == 0,
        };
        healthy.iter().enumerate().map(zone).collect()
    }

    fn own_percentage(healthy: &[usize], capacity: u32) -> u64 {
        let shares = shares(&zones(healthy), capacity).unwrap();
        shares.own * 100 / shares.whole
    }

    #[test]
    fn all_stays_while_the_own_zone_suffices() {
        for healthy in [&[3, 3, 3][..], &[9, 3, 3], &[1], &[2, 3, 3]] {
            assert_eq!(own_percentage(healthy, 140), 100, "{healthy:?}");
        }
    }

    #[test]
    fn beyond_that_it_spills_in_proportion() {
        // Of 7 one: it bears a fifth of all, and is asked for a third.
        assert_eq!(own_percentage(&[1, 3, 3], 140), 60);
        // Envoy's own example, without more capacity than is asked for: 2 of 8, 3 of 8, 3 of 8.
        assert_eq!(own_percentage(&[2, 3, 3], 100), 75);
        assert_eq!(own_percentage(&[0, 3, 3], 140), 0);
        let spilled = shares(&zones(&[1, 2, 4]), 100).unwrap().spilled;
        assert_eq!(spilled, [0, 0, 500], "2 of 7 have nothing to spare");
        let spilled = shares(&zones(&[0, 2, 4]), 100).unwrap().spilled;
        assert_eq!(spilled, [0, 0, 600]);
        let spilled = shares(&zones(&[0, 3, 4]), 140).unwrap().spilled;
        assert_eq!(spilled, [0, 560, 980]);
    }

    #[test]
    fn what_does_not_stay_has_somewhere_to_go() {
        for own in 0..6 {
            for second in 0..6 {
                for third in 0..6 {
                    let healthy = [own, second, third];
                    let Some(shares) = shares(&zones(&healthy), 100) else {
                        assert_eq!(healthy, [0, 0, 0]);
                        continue;
                    };
                    let spilled: u64 = shares.spilled.iter().sum();
                    assert!(shares.own == shares.whole || spilled > 0, "{healthy:?}");
                }
            }
        }
    }

    #[test]
    fn without_an_own_zone_there_is_no_preference() {
        let mut zones = zones(&[3, 3]);
        zones[0].is_own = false;
        assert_eq!(shares(&zones, 140), None);
        assert_eq!(shares(&[], 140), None);
    }
}
