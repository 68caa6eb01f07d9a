//! How a total is shared out: exactly, by largest remainder.

use num_bigint::BigUint;

/// The parts of `total` by `weights`, each the floor or the ceiling of its exact quota, and together the total. What the
/// floors leave goes, a unit each, to the largest remainders; among equal ones to the earlier (Hamilton's method, so the
/// order of the weights must be the same every time). `None` where no weight is above zero.
pub(super) fn split(total: u64, weights: &[BigUint]) -> Option<Vec<u64>> {
    let sum: BigUint = weights.iter().sum();
    if sum == BigUint::ZERO {
        return None;
    }
    let mut parts = Vec::with_capacity(weights.len());
    let mut remainders = Vec::with_capacity(weights.len());
    for (index, weight) in weights.iter().enumerate() {
        let product = weight * total;
        let (quotient, remainder) = (&product / &sum, &product % &sum);
        // The quotient is at most the total.
        parts.push(u64::try_from(quotient).ok()?);
        remainders.push((remainder, index));
    }
    remainders.sort_by(|(a, first), (b, second)| b.cmp(a).then(first.cmp(second)));
    let left = total - parts.iter().sum::<u64>();
    for (_, index) in remainders.into_iter().take(usize::try_from(left).ok()?) {
        parts[index] += 1;
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn weights(weights: &[u64]) -> Vec<BigUint> {
        weights.iter().map(|weight| BigUint::from(*weight)).collect()
    }

    #[test]
    fn r54_parts_always_add_up() {
        let table: [(u64, &[u64], &[u64]); 8] = [
            (10_000, &[1, 1, 1], &[3_334, 3_333, 3_333]),
            (10_000, &[1; 7], &[1_429, 1_429, 1_429, 1_429, 1_428, 1_428, 1_428]),
            (1, &[1, 1, 1], &[1, 0, 0]),
            (100, &[1, 2], &[33, 67]),
            (5, &[0, 1], &[0, 5]),
            (0, &[1, 2], &[0, 0]),
            // Remainders .5 and .5: the earlier one.
            (3, &[1, 1], &[2, 1]),
            (
                100_000_000_000_000_000,
                &[3_333, 3_333, 3_334],
                &[33_330_000_000_000_000, 33_330_000_000_000_000, 33_340_000_000_000_000],
            ),
        ];
        for (total, given, expected) in table {
            assert_eq!(split(total, &weights(given)).unwrap(), expected, "{total} over {given:?}");
        }
        assert_eq!(split(10_000, &weights(&[1; 11])).unwrap().iter().sum::<u64>(), 10_000);
        assert_eq!(split(1, &weights(&[])), None);
        assert_eq!(split(1, &weights(&[0, 0])), None);
    }

    proptest! {
        #[test]
        fn r54_every_part_is_its_quota_rounded_and_the_sum_is_the_total(
            total in 0..u64::MAX / 2,
            given in prop::collection::vec(0..u64::MAX, 1..40),
        ) {
            prop_assume!(given.iter().any(|weight| *weight > 0));
            let given = weights(&given);
            let sum: BigUint = given.iter().sum();
            let parts = split(total, &given).unwrap();
            prop_assert_eq!(parts.iter().map(|part| u128::from(*part)).sum::<u128>(), u128::from(total));
            for (part, weight) in parts.iter().zip(&given) {
                let floor = weight * total / &sum;
                let part = BigUint::from(*part);
                prop_assert!(part == floor || part == floor + 1_u32);
            }
        }
    }
}
