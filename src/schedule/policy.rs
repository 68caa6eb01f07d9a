//! What becomes of ticks that nobody fired in time, and of a tick whose forerunner is still under way.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

macro_rules! words {
    ($name:ident $what:literal { $($variant:ident $word:literal,)* }) => {
        impl $name {
            /// Its word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(word: &str) -> Result<Self> {
                match word {
                    $($word => Ok(Self::$variant),)*
                    _ => {
                        let words = [$($word),*].join(", ");
                        Err(Error::invalid(format!(concat!($what, " {:?} is not one of {}"), word, words)))
                    }
                }
            }
        }
    };
}

/// What becomes of ticks that came while nobody fired them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Missed {
    /// They are dropped; only the last one is still fired, where it is not later than the grace (a minute unless said).
    Skip,
    /// One job stands for all of them, that of the last one.
    #[default]
    Once,
    /// Each is fired, the oldest first.
    All,
}

words!(Missed "missed" { Skip "skip", Once "once", All "all", });

/// What becomes of a tick while the job of the one before is not done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    /// No job is added.
    Skip,
    /// Its job is added all the same.
    #[default]
    Queue,
    /// Its job takes the place of the one before, which is cancelled: at once where it waits; where it runs its worker is
    /// told, and stops it within about a second.
    Replace,
}

words!(Overlap "overlap" { Skip "skip", Queue "queue", Replace "replace", });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for missed in [Missed::Skip, Missed::Once, Missed::All] {
            assert_eq!(missed.as_str().parse::<Missed>().unwrap(), missed);
        }
        for overlap in [Overlap::Skip, Overlap::Queue, Overlap::Replace] {
            assert_eq!(overlap.as_str().parse::<Overlap>().unwrap(), overlap);
        }
        let said = "twice".parse::<Missed>().unwrap_err().to_string();
        assert_eq!(said, "missed \"twice\" is not one of skip, once, all");
        assert_eq!((Missed::default(), Overlap::default()), (Missed::Once, Overlap::Queue));
    }
}
