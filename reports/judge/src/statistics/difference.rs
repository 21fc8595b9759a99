//! The difference of two shares.
//!
//! Newcombe 1998, method 10: the score (Wilson) intervals of both, combined.

/// Normal deviate of a two-sided 95 % interval.
const Z: f64 = 1.959_963_984_540_054;

/// Interval at 95 % for the share of `b` minus that of `a`, each given as part
/// and whole; `None` when a whole is empty. Real numbers, as a correction for
/// bursts divides both.
#[must_use]
pub fn difference_interval(a: (f64, f64), b: (f64, f64)) -> Option<(f64, f64)> {
    if a.1 <= 0.0 || b.1 <= 0.0 {
        return None;
    }
    let (share_a, share_b) = (a.0 / a.1, b.0 / b.1);
    let ((low_a, high_a), (low_b, high_b)) =
        (score_interval(share_a, a.1), score_interval(share_b, b.1));
    let difference = share_b - share_a;
    Some((
        difference - (share_b - low_b).hypot(high_a - share_a),
        difference + (high_b - share_b).hypot(share_a - low_a),
    ))
}

/// Wilson's score interval at 95 % of a share of `n`, a real number above 0.
#[must_use]
pub fn score_interval(share: f64, n: f64) -> (f64, f64) {
    let square = Z * Z / n;
    let middle = share + square / 2.0;
    let reach = (share * (1.0 - share) * square + square * square / 4.0).sqrt();
    let scale = 1.0 + square;
    ((middle - reach) / scale, (middle + reach) / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Newcombe 1998, table II, method 10: 56/70 - 48/80, 9/10 - 3/10 and
    /// 10/10 - 0/20.
    #[test]
    fn it_agrees_with_the_published_table() {
        for (a, b, low, high) in [
            ((48.0, 80.0), (56.0, 70.0), 0.0524, 0.3339),
            ((3.0, 10.0), (9.0, 10.0), 0.1705, 0.8090),
            ((0.0, 20.0), (10.0, 10.0), 0.6791, 1.0),
        ] {
            let (found_low, found_high) = difference_interval(a, b).unwrap();
            assert!((found_low - low).abs() < 1e-4, "{a:?} {b:?}: {found_low}");
            assert!(
                (found_high - high).abs() < 1e-4,
                "{a:?} {b:?}: {found_high}"
            );
        }
        assert_eq!(difference_interval((0.0, 0.0), (1.0, 1.0)), None);
    }
}
