//! Amounts of money: whole minor units of a currency.

use std::fmt;

use rust_decimal::Decimal;
use serde::{Serialize, Serializer};
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo, PgValueRef};
use sqlx::sqlite::{SqliteArgumentsBuffer, SqliteTypeInfo, SqliteValueRef};
use sqlx::{Decode, Encode, Postgres, Sqlite, Type};

use super::Currency;
use crate::error::{Error, Result};

/// An amount of money, exact: at most some 92 quadrillion of a currency with two decimals. Written as its digits
/// (`25000.00`), also in JSON, where it is a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money {
    minor: i64,
    currency: Currency,
}

/// The number that `text` writes, with an exponent as JSON numbers may have one; nothing where it would have to be rounded.
pub(in crate::builtin) fn exact(text: &str) -> Option<Decimal> {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return Decimal::from_str_exact(text).ok() };
    let (mantissa, exponent) = (Decimal::from_str_exact(mantissa).ok()?.normalize(), exponent.parse::<i32>().ok()?);
    if mantissa.is_zero() {
        return Some(mantissa);
    }
    let scale = i64::from(mantissa.scale()) - i64::from(exponent);
    match u32::try_from(scale) {
        Ok(scale) => Decimal::try_from_i128_with_scale(mantissa.mantissa(), scale).ok(),
        Err(_) => {
            let factor = 10_i128.checked_pow(u32::try_from(-scale).ok()?)?;
            Decimal::try_from_i128_with_scale(mantissa.mantissa().checked_mul(factor)?, 0).ok()
        }
    }
}

impl Money {
    /// So many minor units (kobo, cents) of a currency.
    pub fn from_minor(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// The amount that `text` writes: digits with an optional sign, decimals and exponent, as JSON numbers have them.
    ///
    /// # Errors
    /// `Invalid` when it is no number, has more decimals than the currency, or is too large.
    pub fn parse(text: &str, currency: Currency) -> Result<Self> {
        let shown = || text.chars().take(60).collect::<String>();
        let number = exact(text).ok_or_else(|| Error::invalid(format!("{:?} is not an amount", shown())))?;
        let fits = number.normalize().scale() <= u32::from(currency.decimals());
        if !fits {
            let decimals = currency.decimals();
            return Err(Error::invalid(format!("{} has more decimals than {currency}, which has {decimals}", shown())));
        }
        Self::from_decimal(number, currency).ok_or_else(|| Error::invalid(format!("{} is too large", shown())))
    }

    /// The amount of a number that has no more decimals than the currency; nothing where it has, or is too large.
    pub fn from_decimal(number: Decimal, currency: Currency) -> Option<Self> {
        let mut number = number.normalize();
        if number.scale() > u32::from(currency.decimals()) {
            return None;
        }
        number.rescale(u32::from(currency.decimals()));
        let whole = number.scale() == u32::from(currency.decimals());
        i64::try_from(number.mantissa()).ok().filter(|_| whole).map(|minor| Self { minor, currency })
    }

    /// In minor units.
    pub fn minor(self) -> i64 {
        self.minor
    }

    /// Its currency.
    pub fn currency(self) -> Currency {
        self.currency
    }

    /// As a decimal number, with the decimals of its currency.
    pub fn to_decimal(self) -> Decimal {
        Decimal::new(self.minor, u32::from(self.currency.decimals()))
    }

    /// The sum; nothing where it is too large or the currencies differ.
    pub fn plus(self, other: Self) -> Option<Self> {
        let minor = self.minor.checked_add(other.minor).filter(|_| self.currency == other.currency)?;
        Some(Self { minor, ..self })
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.to_decimal(), f)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Type<Sqlite> for Money {
    fn type_info() -> SqliteTypeInfo {
        <i64 as Type<Sqlite>>::type_info()
    }
}

impl Encode<'_, Sqlite> for Money {
    fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Sqlite>::encode_by_ref(&self.minor, buffer)
    }
}

impl Type<Postgres> for Money {
    fn type_info() -> PgTypeInfo {
        <Decimal as Type<Postgres>>::type_info()
    }
}

impl Encode<'_, Postgres> for Money {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Postgres>::encode_by_ref(&self.to_decimal(), buffer)
    }
}

/// An amount as a database holds it, without its currency.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stored {
    /// SQLite: minor units.
    Minor(i64),
    /// PostgreSQL: a number.
    Number(Decimal),
}

impl Stored {
    /// The amount in its currency.
    ///
    /// # Errors
    /// `Corrupt` when it has more decimals than the currency or is too large.
    pub(crate) fn of(self, currency: Currency) -> Result<Money> {
        match self {
            Self::Minor(minor) => Ok(Money { minor, currency }),
            Self::Number(number) => Money::from_decimal(number, currency).ok_or_else(|| {
                Error::corrupt(format!("the database holds {number}, which is no amount of {currency}"))
            }),
        }
    }
}

impl Type<Sqlite> for Stored {
    fn type_info() -> SqliteTypeInfo {
        <i64 as Type<Sqlite>>::type_info()
    }
}

impl<'r> Decode<'r, Sqlite> for Stored {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        <i64 as Decode<Sqlite>>::decode(value).map(Self::Minor)
    }
}

impl Type<Postgres> for Stored {
    fn type_info() -> PgTypeInfo {
        <Decimal as Type<Postgres>>::type_info()
    }
}

impl<'r> Decode<'r, Postgres> for Stored {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        <Decimal as Decode<Postgres>>::decode(value).map(Self::Number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str, currency: &str) -> Result<String> {
        Money::parse(text, currency.parse().unwrap()).map(|money| money.to_string())
    }

    #[test]
    fn amounts_are_read_from_their_digits() {
        let table = [
            ("25000", "NGN", "25000.00"),
            ("25000.5", "NGN", "25000.50"),
            ("0.10", "USD", "0.10"),
            ("2.5e4", "NGN", "25000.00"),
            ("1250E-1", "USD", "125.00"),
            ("0e99", "USD", "0.00"),
            ("-12.34", "USD", "-12.34"),
            ("1000", "JPY", "1000"),
            ("1000.000", "JPY", "1000"),
            ("1.234", "KWD", "1.234"),
            ("1000000000000000", "NGN", "1000000000000000.00"),
            ("10000000000.12", "USD", "10000000000.12"),
        ];
        for (text, currency, expected) in table {
            assert_eq!(money(text, currency).unwrap(), expected, "{text} {currency}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused_by_name() {
        let table = [
            ("", "NGN", "not an amount"),
            ("NaN", "NGN", "not an amount"),
            ("1,000", "NGN", "not an amount"),
            ("0.001", "NGN", "more decimals than NGN, which has 2"),
            ("0.00000001", "USD", "more decimals"),
            ("1.5", "JPY", "which has 0"),
            ("1e30", "NGN", "not an amount"),
            ("1.00000000000000000000000000000049e2", "NGN", "not an amount"),
            ("1e", "NGN", "not an amount"),
            ("100000000000000000", "NGN", "too large"),
        ];
        for (text, currency, part) in table {
            let error = money(text, currency).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn amounts_are_strings_in_json() {
        let money = Money::from_minor(2_500_050, "NGN".parse().unwrap());
        assert_eq!(serde_json::to_string(&money).unwrap(), "\"25000.50\"");
    }

    #[test]
    fn fuzz_an_amount_is_exact_or_refused() {
        use crate::fuzz::{fuzz, text_of};
        use proptest::prelude::*;

        let pieces = &[
            "0",
            "1",
            "99",
            "9007199254740993",
            "9223372036854775807",
            ".",
            "-",
            "+",
            "e",
            "E2",
            "e-2",
            "e99999999999",
            ",",
            "_",
            " ",
            "NaN",
        ];
        let codes = prop::sample::select(vec!["NGN", "JPY", "BHD", "USD"]);
        fuzz(
            (prop_oneof![text_of(pieces, 6), "-?[0-9]{1,20}(\\.[0-9]{0,4})?(e-?[0-9]{1,3})?"], codes),
            |(text, code)| {
                let currency = Currency::new(code).unwrap();
                let Ok(amount) = Money::parse(&text, currency) else { return Ok(()) };
                prop_assert_eq!(Money::parse(&amount.to_string(), currency).unwrap().minor(), amount.minor());
                prop_assert_eq!(Some(amount.to_decimal().normalize()), exact(&text).map(|number| number.normalize()));
                prop_assert_eq!(Money::from_minor(amount.minor(), currency).to_string(), amount.to_string());
                Ok(())
            },
        );
    }
}
