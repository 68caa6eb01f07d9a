//! A range of attempts, such as `3..`.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// How many attempts a job has had: `3`, `3..` (three or more), `..2` (two or fewer), `2..4`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts {
    least: u32,
    most: u32,
}

impl Attempts {
    /// Whether so many are meant.
    pub fn holds(self, attempts: u32) -> bool {
        (self.least..=self.most).contains(&attempts)
    }
}

impl fmt::Display for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.least, self.most) {
            (least, most) if least == most => write!(f, "{least}"),
            (0, most) => write!(f, "..{most}"),
            (least, u32::MAX) => write!(f, "{least}.."),
            (least, most) => write!(f, "{least}..{most}"),
        }
    }
}

impl FromStr for Attempts {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = |text: &str, usual: u32| if text.is_empty() { Some(usual) } else { text.parse().ok() };
        let range = match text.split_once("..") {
            Some(("", "")) => None,
            Some((least, most)) => number(least, 0).zip(number(most, u32::MAX)),
            None => text.parse().ok().map(|exactly| (exactly, exactly)),
        };
        match range {
            Some((least, most)) if least <= most => Ok(Self { least, most }),
            _ => Err(Error::invalid("write it like 3, 3.. (or more), ..2 (or fewer) or 2..4")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_its_ends_and_is_written_as_it_was() {
        let held = |text: &str| (0..6).filter(|n| text.parse::<Attempts>().unwrap().holds(*n)).collect::<Vec<_>>();
        assert_eq!((held("3"), held("4.."), held("..1"), held("2..3")), (vec![3], vec![4, 5], vec![0, 1], vec![2, 3]));
        for text in ["3", "4..", "..1", "2..3", "0"] {
            assert_eq!(text.parse::<Attempts>().unwrap().to_string(), text);
        }
        for text in ["", "..", "x", "-1", "4..2", "1...2"] {
            assert!(text.parse::<Attempts>().is_err(), "{text:?}");
        }
    }
}
