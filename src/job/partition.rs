//! The partitions of a queue, and which of them a job belongs to.

use std::fmt;

use crate::error::{Error, Result};

/// More would be a lane of every worker each, and a question of every command each.
pub(crate) const PARTITIONS_MAX: u16 = 64;

/// How many partitions a queue has. With its number alone it says where each job belongs, so it also names the layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Partitions(u16);

/// Where the jobs of a queue are: its partitions and, while their number changes, those that it had before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Layout {
    /// To which jobs are added.
    pub now: Partitions,
    /// From which jobs are still being moved.
    pub was: Option<Partitions>,
}

/// One partition of a queue: the third of eight, say. The only one of a queue is the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Partition {
    number: u16,
    of: u16,
}

impl Partitions {
    /// What every queue has to begin with.
    pub(crate) const ONE: Self = Self(1);

    /// So many.
    ///
    /// # Errors
    /// `Invalid` for none, and for more than 64.
    pub(crate) fn new(count: u16) -> Result<Self> {
        match count {
            1..=PARTITIONS_MAX => Ok(Self(count)),
            _ => Err(Error::invalid(format!("a queue has 1 to {PARTITIONS_MAX} partitions, not {count}"))),
        }
    }

    /// Each of them, in their order.
    pub(crate) fn each(self) -> impl Iterator<Item = Partition> + Clone {
        (1..=self.0).map(move |number| Partition { number, of: self.0 })
    }

    /// The one that `key` belongs to: its place among them, from 0.
    ///
    /// It is the FNV-1a hash of 64 bits of the key, mixed as by the finalizer of SplitMix64 (FNV alone leaves the low bits of
    /// short keys alike), modulo their number. Jobs are stored by it, so it stays the same for ever.
    pub(crate) fn place_of(self, key: &str) -> usize {
        let fnv = key
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        let mixed = (fnv ^ (fnv >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % u64::from(self.0)) as usize
    }

    /// The partition that `key` belongs to.
    pub(crate) fn of(self, key: &str) -> Partition {
        Partition { number: self.place_of(key) as u16 + 1, of: self.0 }
    }

    /// Their number in words: `8 partitions`.
    pub(crate) fn told(self) -> String {
        if self.is_one() { "1 partition".to_owned() } else { format!("{} partitions", self.0) }
    }

    /// Their number.
    pub(crate) fn count(self) -> u16 {
        self.0
    }

    /// Whether there is but the queue itself.
    pub(crate) fn is_one(self) -> bool {
        self == Self::ONE
    }
}

impl Layout {
    /// What every queue has to begin with.
    pub(crate) const ONE: Self = Self { now: Partitions::ONE, was: None };

    /// Every place that may hold jobs: those that are being left first, so that a job that moves meanwhile is met.
    pub(crate) fn places(self) -> impl Iterator<Item = Partition> + Clone {
        self.was.into_iter().chain([self.now]).flat_map(Partitions::each)
    }

    /// Where what goes by `key` may be: where it was before its partition changed, then where it is added.
    pub(crate) fn places_of<'a>(self, key: &'a str) -> impl Iterator<Item = Partition> + 'a {
        self.was.into_iter().chain([self.now]).map(|partitions| partitions.of(key))
    }
}

impl Partition {
    /// The queue itself, where it has no others.
    pub(crate) const WHOLE: Self = Self { number: 1, of: 1 };

    /// Which one it is, from 1, and of how many.
    pub(crate) fn number(self) -> (u16, u16) {
        (self.number, self.of)
    }

    /// Those that it is one of.
    pub(crate) fn among(self) -> Partitions {
        Partitions(self.of)
    }

    /// Whether it is all of the queue.
    pub(crate) fn is_whole(self) -> bool {
        self == Self::WHOLE
    }
}

/// As it stands in the names of its keys: `3/8`.
impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_belongs_where_it_always_belonged() {
        let table = [
            ("", [1, 0, 3, 27]),
            ("a", [0, 1, 0, 56]),
            ("order-42", [1, 0, 7, 15]),
            ("tenant/ada@example.com", [0, 0, 0, 8]),
            ("01KAQ8Z3V7X9Y2N4M6P8R0S1T3", [1, 0, 3, 11]),
            ("naïve ключ", [0, 0, 0, 32]),
        ];
        for (key, places) in table {
            let found = [2, 3, 8, 64].map(|count| Partitions::new(count).unwrap().place_of(key));
            assert_eq!(found, places, "{key:?} of 2, 3, 8 and 64 partitions");
            assert_eq!(Partitions::ONE.place_of(key), 0);
        }
    }

    #[test]
    fn keys_that_differ_little_are_spread_evenly() {
        for count in [2_u16, 3, 8, 64] {
            let mut held = vec![0_usize; usize::from(count)];
            (0..64_000).for_each(|n| held[Partitions::new(count).unwrap().place_of(&format!("order-{n}"))] += 1);
            let mean = 64_000 / usize::from(count);
            assert!(held.iter().all(|held| held.abs_diff(mean) < mean / 7), "{count}: {held:?}");
        }
    }

    #[test]
    fn while_their_number_changes_both_layouts_hold_jobs() {
        let (now, was) = (Partitions::new(2).unwrap(), Partitions::ONE);
        let layout = Layout { now, was: Some(was) };
        let told =
            |places: &mut dyn Iterator<Item = Partition>| places.map(|place| place.to_string()).collect::<Vec<_>>();
        assert_eq!(told(&mut layout.places()), ["1/1", "1/2", "2/2"]);
        assert_eq!(told(&mut layout.places_of("")), ["1/1", "2/2"]);
        assert_eq!(told(&mut Layout::ONE.places()), ["1/1"]);
    }

    #[test]
    fn a_queue_has_a_bounded_number_of_them() {
        assert!(Partitions::new(0).is_err() && Partitions::new(65).is_err());
        let names: Vec<_> = Partitions::new(3).unwrap().each().map(|partition| partition.to_string()).collect();
        assert_eq!(names, ["1/3", "2/3", "3/3"]);
        assert!(Partitions::ONE.each().all(Partition::is_whole));
    }
}
