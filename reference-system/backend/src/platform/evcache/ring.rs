//! Consistent hashing in ketama's manner: each node stands at 160 points of a circle, and a key
//! belongs to the first node at or after its own point.

use crate::dataset::seed::{FNV_BASIS, fnv1a, mix};
use crate::platform::discovery::directory::Instance;

/// Points of one node.
const POINTS_PER_NODE: u64 = 160;

/// The nodes of one zone on their circle.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ring {
    nodes: Vec<Instance>,
    /// Points in order, each with the place of its node.
    points: Vec<(u64, usize)>,
}

impl Ring {
    /// A ring of these nodes. Points follow from names, so a node that comes back at another
    /// address still owns the same keys.
    pub(crate) fn new(nodes: Vec<Instance>) -> Self {
        let mut points: Vec<(u64, usize)> = nodes
            .iter()
            .enumerate()
            .flat_map(|(place, node)| {
                let base = fnv1a(FNV_BASIS, node.name.as_bytes());
                (0..POINTS_PER_NODE).map(move |n| (mix(base.wrapping_add(mix(n))), place))
            })
            .collect();
        points.sort_unstable();
        Self { nodes, points }
    }

    /// The node of a key; none if the ring is empty.
    pub(crate) fn node(&self, key: &str) -> Option<&Instance> {
        let at = mix(fnv1a(FNV_BASIS, key.as_bytes()));
        let next = self.points.partition_point(|(point, _)| *point < at);
        let (_, place) = self.points.get(next).or_else(|| self.points.first())?;
        self.nodes.get(*place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn ring(names: &[&str]) -> Ring {
        let nodes = names
            .iter()
            .map(|name| Instance {
                name: (*name).to_owned(),
                address: "127.0.0.1:1".parse().unwrap(),
                zone: String::new(),
                load: 0,
            })
            .collect();
        Ring::new(nodes)
    }

    fn owners(ring: &Ring) -> Vec<String> {
        (0..10_000)
            .map(|n| ring.node(&format!("title:{n}")).unwrap().name.clone())
            .collect()
    }

    #[test]
    fn keys_spread_evenly_over_nodes() {
        let mut shares: HashMap<String, usize> = HashMap::new();
        for owner in owners(&ring(&["cache-0", "cache-1", "cache-2", "cache-3"])) {
            *shares.entry(owner).or_default() += 1;
        }
        assert_eq!(shares.len(), 4);
        assert!(
            shares.values().all(|share| (1_700..3_300).contains(share)),
            "{shares:?}"
        );
    }

    #[test]
    fn a_node_that_leaves_moves_only_its_own_keys() {
        let before = owners(&ring(&["cache-0", "cache-1", "cache-2"]));
        let after = owners(&ring(&["cache-0", "cache-2"]));
        for (before, after) in before.iter().zip(&after) {
            assert!(before == "cache-1" || before == after);
        }
    }

    #[test]
    fn an_empty_ring_has_no_node() {
        assert!(Ring::default().node("a").is_none());
    }
}
