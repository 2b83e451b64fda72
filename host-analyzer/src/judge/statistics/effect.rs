//! How large a difference is, whatever its unit.

/// Cliff's delta, from −1 (every value of `new` is less than every one of `base`) to 1 (every one is
/// greater): the share of pairs in which `new` is greater, less the share in which it is less.
pub fn dominance(base: &[f64], new: &[f64]) -> f64 {
    let pairs = base.iter().flat_map(|base| new.iter().map(move |new| new.total_cmp(base) as i64));
    pairs.sum::<i64>() as f64 / (base.len() * new.len()).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dominance_is_one_where_all_are_greater_and_nothing_where_they_are_alike() {
        assert_eq!(dominance(&[1.0, 2.0], &[3.0, 4.0]), 1.0);
        assert_eq!(dominance(&[3.0, 4.0], &[1.0, 2.0]), -1.0);
        assert_eq!(dominance(&[1.0, 2.0], &[2.0, 1.0]), 0.0);
    }
}
