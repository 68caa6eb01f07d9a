//! What the columns of a table are called and hold.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

use super::kind::Kind;

/// A column: its name for programs, its title for people, and what its cells hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The name, as in `total_amount`: the key in JSON, and the header that is read back.
    pub name: String,
    /// The title, as in `Total amount`: the header where [`Heading::Titles`](super::Heading::Titles) is asked for.
    pub title: String,
    /// What the cells hold.
    pub kind: Kind,
}

impl Column {
    /// A column whose title is its name.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        let name = name.into();
        Self { title: name.clone(), name, kind }
    }

    /// The same column with a title.
    pub fn titled(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }
}

/// A currency by its code of three capital letters (ISO 4217).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// A checked code.
    ///
    /// # Errors
    /// `Invalid` unless it is three capital letters.
    pub fn new(code: &str) -> Result<Self> {
        match <[u8; 3]>::try_from(code.as_bytes()) {
            Ok(letters) if letters.iter().all(u8::is_ascii_uppercase) => Ok(Self(letters)),
            _ => Err(Error::invalid(format!("currency {code:?} is not three capital letters such as EUR"))),
        }
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("three capital letters")
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Currency {
    type Err = Error;

    fn from_str(code: &str) -> Result<Self> {
        Self::new(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn currencies_are_three_capital_letters() {
        assert_eq!(Currency::new("EUR").unwrap().to_string(), "EUR");
        for bad in ["", "EU", "eur", "EURO", "E\"]", "€€€", "E1R"] {
            assert!(Currency::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_column_is_titled_by_its_name_unless_said() {
        let column = Column::new("total_amount", Kind::Decimal { scale: 2 });
        assert_eq!(column.title, "total_amount");
        assert_eq!(column.titled("Total amount").title, "Total amount");
    }
}
