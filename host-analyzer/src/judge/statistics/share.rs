//! Shares of things that are counted: an exact interval, and a test of two.

use super::bootstrap::{CONFIDENCE, Interval};
use statrs::distribution::{Beta, ContinuousCDF, Discrete, Hypergeometric};

/// The exact 95 % interval of a share (Clopper and Pearson 1934), given so many of all: the shares with which so few, or
/// so many, are no rarer than 2.5 %. With none of all it is a bound.
pub fn share_interval(part: u64, of: u64) -> Interval {
    let part = part.min(of);
    let tail = (1.0 - CONFIDENCE) / 2.0;
    let quantile = |one: u64, other: u64, at: f64| {
        Beta::new(one as f64, other as f64).map_or(f64::NAN, |beta| beta.inverse_cdf(at))
    };
    Interval {
        low: if part == 0 { 0.0 } else { quantile(part, of - part + 1, tail) },
        high: if part == of { 1.0 } else { quantile(part + 1, of - part, 1.0 - tail) },
    }
}

/// The two-sided p-value of Fisher's exact test that two shares are the same: so many of all, of one and of the other.
///
/// The sum is our own: `statrs::stats_tests::fishers_exact` is 0 for 35 of 35 000 against none.
pub fn share_test([part, of]: [u64; 2], [other_part, other_of]: [u64; 2]) -> f64 {
    let parts = part + other_part;
    if parts == 0 || parts == of + other_of {
        return 1.0;
    }
    let Ok(dealt) = Hypergeometric::new(of + other_of, parts, of) else { return 1.0 };
    let chance = |deal| dealt.ln_pmf(deal).exp();
    let seen = chance(part);
    let deals = parts.saturating_sub(other_of)..=parts.min(of);
    // As rare as what was seen, or rarer.
    let rarer = deals.map(chance).filter(|chance| *chance <= seen * (1.0 + 1e-7));
    rarer.sum::<f64>().min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use statrs::distribution::Binomial;

    /// R's `binom.test`.
    #[test]
    fn exact_intervals_have_known_answers() {
        for ((part, of), (low, high)) in [
            ((0, 40), (0.0, 0.0881)),
            ((40, 40), (0.9119, 1.0)),
            ((2, 40), (0.0061, 0.1692)),
            ((7, 20), (0.1539, 0.5922)),
        ] {
            let found = share_interval(part, of);
            assert!(
                (found.low - low).abs() < 1e-4 && (found.high - high).abs() < 1e-4,
                "{found:?}"
            );
        }
        // The rule of three: with none of n, about 3.7 / n (two-sided).
        assert!((share_interval(0, 140_000).high * 140_000.0 - 3.689).abs() < 1e-3);
    }

    /// Over all counts that a share can give, weighted by how often it does: the interval holds it in at least 95 %.
    #[test]
    fn an_interval_holds_the_share_as_often_as_it_says() {
        for of in [5_000, 35_000] {
            for share in [1e-5, 1e-4, 0.001, 0.0123, 0.3, 0.999] {
                let counts = Binomial::new(share, of).unwrap();
                let (mean, deviation) =
                    (share * of as f64, (share * (1.0 - share) * of as f64).sqrt());
                let near =
                    |sign: f64| (mean + sign * (12.0 * deviation + 12.0)).clamp(0.0, of as f64);
                let held = (near(-1.0) as u64..=near(1.0) as u64)
                    .filter(|part| share_interval(*part, of).holds(share));
                let coverage: f64 = held.map(|part| counts.pmf(part)).sum();
                assert!((0.95..=1.0 + 1e-9).contains(&coverage), "{share} of {of}: {coverage}");
            }
        }
    }

    /// Computed from the hypergeometric distribution in exact integers.
    #[test]
    fn the_test_has_known_answers() {
        for (one, other, p) in [
            ([3, 8], [4, 54], 0.039707),
            ([0, 5_000], [0, 5_000], 1.0),
            ([8, 5_000], [0, 5_000], 0.00779064),
            ([35, 35_000], [0, 35_000], 5.77148e-11),
        ] {
            let found = share_test(one, other);
            assert!((found / p - 1.0).abs() < 1e-4, "{one:?} {other:?}: {found}");
        }
    }
}
