//! CDN steering: which edges a player should use, best first.

use crate::dataset::seed::mix;
use crate::platform::discovery::balancer::rendezvous;
use crate::platform::discovery::directory::Instance;

/// Requests in flight at which an edge counts half.
const LOAD_HALF: f64 = 16.0;

/// Edges for a title. An idle backend sends a title always to the same edge, which then caches it
/// once; the more an edge is working on, the more of its titles move to the next.
pub(crate) fn rank(title: u32, mut edges: Vec<Instance>) -> Vec<Instance> {
    edges.sort_by(|a, b| {
        score(title, b)
            .total_cmp(&score(title, a))
            .then(a.name.cmp(&b.name))
    });
    edges
}

fn score(title: u32, edge: &Instance) -> f64 {
    let affinity = mix(rendezvous(title.into(), &edge.name)) as f64 / u64::MAX as f64;
    affinity / (1.0 + f64::from(edge.load) / LOAD_HALF)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(loads: &[u32]) -> Vec<Instance> {
        loads
            .iter()
            .enumerate()
            .map(|(n, load)| Instance {
                name: format!("edge-{n}"),
                address: "127.0.0.1:1".parse().unwrap(),
                zone: String::new(),
                load: *load,
            })
            .collect()
    }

    fn first_choices(loads: &[u32]) -> usize {
        (1..=1_000)
            .filter(|title| rank(*title, edges(loads))[0].name == "edge-0")
            .count()
    }

    #[test]
    fn idle_edges_share_the_titles_and_keep_them() {
        assert_eq!(rank(5, edges(&[0, 0, 0])), rank(5, edges(&[0, 0, 0])));
        assert!((400..600).contains(&first_choices(&[0, 0])));
    }

    #[test]
    fn a_busy_edge_is_chosen_less() {
        assert!(first_choices(&[64, 0]) < 200);
        assert!(rank(1, Vec::new()).is_empty());
    }
}
