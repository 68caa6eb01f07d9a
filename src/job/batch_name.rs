//! The name of a batch.

use crate::job::name;

name! {
    /// A batch's name, by which the jobs of one queue are counted together: `[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}`.
    ///
    /// The rule keeps a name whole inside a key, a script argument and a shell word. Cloning is free.
    BatchName, "batch", "_.:-", 64
}

#[cfg(test)]
mod tests {
    use super::BatchName;

    #[test]
    fn names_that_would_break_a_key_or_a_script_are_refused() {
        for good in ["payout-2026-11", "a", "7:x_.-"] {
            assert_eq!(BatchName::new(good).unwrap().as_str(), good);
        }
        let long = "x".repeat(65);
        for bad in ["", "-a", "a|b", "a b", "a{b}", "ä", "a/b", &long] {
            assert!(BatchName::new(bad).is_err(), "{bad:?}");
        }
    }
}
