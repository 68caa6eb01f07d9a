//! Currencies and their minor units.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Currencies whose minor unit is not a hundredth, by ISO 4217 (amendment 176).
const EXCEPTIONS: [(u8, &[&str]); 4] = [
    (
        0,
        &[
            "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF",
            "XOF", "XPF",
        ],
    ),
    (3, &["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"]),
    (4, &["CLF", "UYW"]),
    (2, &[]),
];

/// A currency by its code of three capital letters (ISO 4217), such as `NGN`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

impl Currency {
    /// A checked code.
    ///
    /// # Errors
    /// `Invalid` unless it is three capital letters.
    pub fn new(code: &str) -> Result<Self> {
        let letters: Option<[u8; 3]> = code.as_bytes().try_into().ok();
        let letters = letters.filter(|letters| letters.iter().all(u8::is_ascii_uppercase));
        letters.map(Self).ok_or_else(|| {
            let shown: String = code.chars().take(20).collect();
            Error::invalid(format!("{shown:?} is not a currency: expected three capital letters such as NGN"))
        })
    }

    /// How many decimals its amounts have.
    pub fn decimals(self) -> u8 {
        let differs = EXCEPTIONS.iter().find(|(_, codes)| codes.contains(&self.as_str()));
        differs.map_or(2, |(decimals, _)| *decimals)
    }

    /// Its three letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for Currency {
    type Err = Error;

    fn from_str(code: &str) -> Result<Self> {
        Self::new(code)
    }
}

impl TryFrom<String> for Currency {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minor_units_are_those_of_the_standard() {
        for (code, decimals) in [("NGN", 2), ("USD", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("XOF", 0)] {
            assert_eq!(code.parse::<Currency>().unwrap().decimals(), decimals, "{code}");
        }
        for text in ["", "ngn", "NG", "NGNN", "N1N", "N\"]", "₦₦₦"] {
            assert!(text.parse::<Currency>().is_err(), "{text:?}");
        }
    }
}
