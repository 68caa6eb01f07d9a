//! Figures as people read them, and the sums, shares and ratios that reports are made of. Nothing here is a float.

use std::collections::BTreeMap;

use chrono::{Datelike, Months, NaiveDate};
use rust_decimal::{Decimal, RoundingStrategy};

use crate::builtin::portfolio::{Currency, Money};
use crate::error::{Error, Result};
use crate::format::Value;

/// Digits of a ratio after the point: 0.073214 is 7.3214 %.
const RATIO_DIGITS: u32 = 6;
const MINUS: char = '\u{2212}';
/// What stands where there is nothing to say.
pub(super) const NOTHING: &str = "\u{2013}";

/// Sums by currency: amounts of different ones are never added up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sums(BTreeMap<Currency, Money>);

impl Sums {
    /// Adds an amount to the sum of its currency.
    ///
    /// # Errors
    /// `Corrupt`, where the sum is beyond what an amount can be.
    pub fn add(&mut self, amount: Money) -> Result<()> {
        let sum = self.of(amount.currency());
        let sum = sum.plus(amount).ok_or_else(|| beyond(amount.currency()))?;
        self.0.insert(amount.currency(), sum);
        Ok(())
    }

    /// The sum of these amounts.
    ///
    /// # Errors
    /// As of [`Sums::add`].
    pub fn over(amounts: impl IntoIterator<Item = Money>) -> Result<Self> {
        let mut sums = Self::default();
        amounts.into_iter().try_for_each(|amount| sums.add(amount))?;
        Ok(sums)
    }

    /// The sum in a currency, which is zero where nothing was added.
    pub fn of(&self, currency: Currency) -> Money {
        self.0.get(&currency).copied().unwrap_or(Money::from_minor(0, currency))
    }

    /// The currencies that something was added in.
    pub fn currencies(&self) -> impl Iterator<Item = Currency> {
        self.0.keys().copied()
    }
}

fn beyond(currency: Currency) -> Error {
    Error::corrupt(format!("amounts of {currency} add up to more than an amount can be"))
}

/// What is left of an amount when another one is taken away.
///
/// # Errors
/// `Corrupt`, where the difference is beyond what an amount can be.
pub(super) fn less(amount: Money, other: Money) -> Result<Money> {
    let negative = other.minor().checked_neg().map(|minor| Money::from_minor(minor, other.currency()));
    negative.and_then(|negative| amount.plus(negative)).ok_or_else(|| beyond(amount.currency()))
}

/// The part of a whole as a ratio; none where there is no whole.
pub(super) fn ratio(part: Money, whole: Money) -> Option<Decimal> {
    let is_sound = whole.minor() > 0 && part.currency() == whole.currency();
    is_sound.then(|| (part.to_decimal() / whole.to_decimal()).round_dp(RATIO_DIGITS))
}

/// `value × part / whole`, rounded to the nearest minor unit, halves to the even one.
pub(super) fn share(value: Money, part: Money, whole: Money) -> Option<Money> {
    if whole.minor() <= 0 || part.currency() != whole.currency() {
        return None;
    }
    let (product, divisor) = (i128::from(value.minor()) * i128::from(part.minor()), i128::from(whole.minor()));
    let (quotient, twice) = (product.div_euclid(divisor), 2 * product.rem_euclid(divisor));
    let up = twice > divisor || (twice == divisor && quotient % 2 != 0);
    i64::try_from(quotient + i128::from(up)).ok().map(|minor| Money::from_minor(minor, value.currency()))
}

/// `1,234.50`.
pub(super) fn grouped(number: Decimal) -> String {
    let text = number.abs().to_string();
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let mut shown = String::with_capacity(text.len() + text.len() / 3 + 1);
    if number.is_sign_negative() && !number.is_zero() {
        shown.push(MINUS);
    }
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    if let Some(fraction) = fraction {
        shown.push('.');
        shown.push_str(fraction);
    }
    shown
}

/// `1,234.50 NGN`.
pub(super) fn amount(money: Money) -> String {
    format!("{} {}", grouped(money.to_decimal()), money.currency())
}

/// `7.32 %`.
pub(super) fn percent(ratio: Decimal) -> String {
    let mut hundredfold =
        (ratio * Decimal::ONE_HUNDRED).round_dp_with_strategy(2, RoundingStrategy::MidpointNearestEven);
    hundredfold.rescale(2);
    format!("{} %", grouped(hundredfold))
}

/// `31 Jan 2024`, for tables.
pub(super) fn day(date: NaiveDate) -> String {
    date.format("%-d %b %Y").to_string()
}

/// `31 January 2024`, for sentences.
pub(super) fn long_day(date: NaiveDate) -> String {
    date.format("%-d %B %Y").to_string()
}

/// `Jan 2024`, for the month that begins on this day.
pub(super) fn short_month(first: NaiveDate) -> String {
    first.format("%b %Y").to_string()
}

/// The first day of a day's month.
pub(super) fn month_of(date: NaiveDate) -> NaiveDate {
    date.with_day(1).unwrap_or(date)
}

/// The months before and with a day's, by their first days.
pub(super) fn months_until(date: NaiveDate, count: u32) -> Vec<NaiveDate> {
    let last = month_of(date);
    (0..count).rev().filter_map(|back| last.checked_sub_months(Months::new(back))).collect()
}

/// The days of a report in words: `January 2024`, `2024`, `1 January 2024 to 15 March 2024`, `as of 30 June 2024`.
pub(super) fn period(start: Option<NaiveDate>, end: NaiveDate) -> String {
    let Some(start) = start else { return format!("as of {}", long_day(end)) };
    let ends_month = end.succ_opt().is_some_and(|next| next.day() == 1);
    let is_whole = start.day() == 1 && ends_month && start.year() == end.year();
    match is_whole {
        true if start.month() == end.month() => start.format("%B %Y").to_string(),
        true if (start.month(), end.month()) == (1, 12) => start.format("%Y").to_string(),
        _ if start == end => long_day(end),
        _ => format!("{} to {}", long_day(start), long_day(end)),
    }
}

/// A word of the ledger as it begins a line: `Rent`, `Late fee`.
pub(super) fn kind_words(kind: &str) -> String {
    let plain = kind.replace(['-', '_'], " ");
    let mut letters = plain.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// An amount as a cell.
pub(super) fn cell(money: Money) -> Value {
    Value::Decimal(money.to_decimal())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naira(minor: i64) -> Money {
        Money::from_minor(minor, "NGN".parse().unwrap())
    }

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn amounts_are_shown_with_separators_and_every_digit() {
        let table = [
            (0, "0.00 NGN"),
            (-5, "\u{2212}0.05 NGN"),
            (99_999, "999.99 NGN"),
            (123_450, "1,234.50 NGN"),
            (-100_000_000, "\u{2212}1,000,000.00 NGN"),
            (i64::MAX, "92,233,720,368,547,758.07 NGN"),
        ];
        for (minor, shown) in table {
            assert_eq!(amount(naira(minor)), shown);
        }
        assert_eq!(amount(Money::from_minor(1_000, "JPY".parse().unwrap())), "1,000 JPY");
        assert_eq!(percent("0.073214".parse().unwrap()), "7.32 %");
        assert_eq!(percent(Decimal::new(-12, 0)), "\u{2212}1,200.00 %");
    }

    #[test]
    fn currencies_are_never_added_up() {
        let dollar: Currency = "USD".parse().unwrap();
        let sums = Sums::over([naira(100), Money::from_minor(7, dollar), naira(-30)]).unwrap();
        assert_eq!((sums.of(naira(0).currency()), sums.of(dollar).minor()), (naira(70), 7));
        assert_eq!(sums.currencies().count(), 2);
        assert!(Sums::over([naira(i64::MAX), naira(1)]).is_err());
        assert!(less(naira(i64::MIN), naira(1)).is_err() && less(naira(1), naira(i64::MIN)).is_err());
        assert_eq!(less(naira(5), naira(7)).unwrap(), naira(-2));
    }

    #[test]
    fn shares_are_rounded_to_the_nearest_minor_unit() {
        let table = [(100, 1, 3, 33), (200, 1, 3, 67), (5, 1, 2, 2), (15, 1, 2, 8), (-5, 1, 2, -2), (7, 3, 3, 7)];
        for (value, part, whole, expected) in table {
            assert_eq!(
                share(naira(value), naira(part), naira(whole)),
                Some(naira(expected)),
                "{value} × {part}/{whole}"
            );
        }
        assert_eq!(share(naira(1), naira(1), naira(0)), None);
        assert_eq!(ratio(naira(1), naira(3)).unwrap().to_string(), "0.333333");
        assert_eq!(ratio(naira(1), Money::from_minor(3, "USD".parse().unwrap())), None);
    }

    #[test]
    fn periods_have_the_name_that_people_give_them() {
        let table = [
            (Some("2024-01-01"), "2024-01-31", "January 2024"),
            (Some("2024-02-01"), "2024-02-29", "February 2024"),
            (Some("2024-01-01"), "2024-12-31", "2024"),
            (Some("2024-01-01"), "2024-06-30", "1 January 2024 to 30 June 2024"),
            (Some("2023-12-01"), "2024-12-31", "1 December 2023 to 31 December 2024"),
            (Some("2024-01-02"), "2024-01-02", "2 January 2024"),
            (None, "2024-06-30", "as of 30 June 2024"),
        ];
        for (start, end, words) in table {
            assert_eq!(period(start.map(date), date(end)), words);
        }
        let months = months_until(date("2024-01-31"), 3);
        assert_eq!(
            months.iter().map(|month| short_month(*month)).collect::<Vec<_>>().join(" "),
            "Nov 2023 Dec 2023 Jan 2024"
        );
        assert_eq!(kind_words("late-fee"), "Late fee");
    }
}
