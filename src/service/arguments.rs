//! Arguments that several requests have.

use std::fmt;

use serde::{Serialize, Serializer};

/// The id of a property, an investor or a period: a whole number or a text, which are the same id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowId(String);

/// An exact amount. There is no way to make one from a floating point number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amount(String);

macro_rules! from_texts_and_whole_numbers {
    ($($type:ident)*) => {$(
        impl From<&str> for $type {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $type {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl From<u64> for $type {
            fn from(number: u64) -> Self {
                Self(number.to_string())
            }
        }

        impl From<u32> for $type {
            fn from(number: u32) -> Self {
                Self(number.to_string())
            }
        }

        // What a bare number in a program is.
        impl From<i32> for $type {
            fn from(number: i32) -> Self {
                Self(number.to_string())
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
    )*};
}

from_texts_and_whole_numbers!(RowId Amount);

#[cfg(feature = "db")]
impl From<rust_decimal::Decimal> for Amount {
    fn from(amount: rust_decimal::Decimal) -> Self {
        Self(amount.to_string())
    }
}
