//! Holm's correction for many tests at once.

/// The p-values of a family, increased so that the probability of any false finding in it is that of a single
/// test (Holm, "A simple sequentially rejective multiple test procedure").
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|one, other| p[*one].total_cmp(&p[*other]));
    let mut adjusted = vec![1.0; p.len()];
    let mut most: f64 = 0.0;
    for (rank, index) in order.into_iter().enumerate() {
        most = most.max(p[index] * (p.len() - rank) as f64).min(1.0);
        adjusted[index] = most;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, proptest};

    /// The example of Holm's method in R's `p.adjust`.
    #[test]
    fn holm_has_known_answers() {
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
        let known = [0.03, 0.06, 0.06, 0.02];
        assert!(adjusted.iter().zip(known).all(|(one, other)| (one - other).abs() < 1e-12));
        assert_eq!(holm(&[]), Vec::<f64>::new());
    }

    proptest! {
        #[test]
        fn holm_is_never_less_careful_than_no_correction(p in proptest::collection::vec(0.0f64..=1.0, 1..30)) {
            let adjusted = holm(&p);
            for (p, adjusted) in p.iter().zip(&adjusted) {
                prop_assert!(p <= adjusted && *adjusted <= 1.0);
            }
            // Nor more careful than Bonferroni.
            for (one, adjusted_one) in p.iter().zip(&adjusted) {
                prop_assert!(*adjusted_one <= (one * p.len() as f64).min(1.0).max(p.iter().copied().fold(0.0, f64::max)));
            }
        }
    }
}
