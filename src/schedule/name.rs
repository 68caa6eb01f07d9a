//! The name of a schedule.

use crate::job::name;

name! {
    /// A schedule's name: `[A-Za-z0-9][A-Za-z0-9_.-]{0,63}`.
    ///
    /// The rule keeps a name whole inside the ids of its jobs and in shell words. Cloning is free.
    ScheduleName, "schedule", "_.-", 64
}

#[cfg(test)]
mod tests {
    use super::ScheduleName;

    #[test]
    fn names_keep_to_the_rule() {
        for good in ["nightly", "a", "9", "roi.monthly_v2-eu", &"s".repeat(64)] {
            assert_eq!(ScheduleName::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "-a", "a@b", "a b", "a:b", "a/b", "é", "a\n", &"s".repeat(65)] {
            assert!(ScheduleName::new(bad).is_err(), "{bad:?}");
        }
    }
}
