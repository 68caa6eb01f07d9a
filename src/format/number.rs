//! Decimal numbers from their digits: exact or not at all, and never through a binary float.

use rust_decimal::Decimal;

use super::value::Value;

/// What a double keeps of any number, and all that a spreadsheet shows.
pub(super) const SHEET_DIGITS: usize = 15;

/// A number as it is written: `digits × 10^exponent`, without zeros at either end of the digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Digits {
    is_negative: bool,
    digits: String,
    exponent: i64,
}

impl Digits {
    /// Reads `[+-]1234[.56][e[+-]7]`; `None` for anything else.
    pub fn read(text: &str) -> Option<Self> {
        let (is_negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, power) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, read_power(power)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let point_alone = mantissa.ends_with('.');
        if whole.is_empty() || point_alone || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let digits = [whole, fraction].concat();
        let kept = digits.trim_end_matches('0');
        let exponent = power - i64::try_from(fraction.len()).ok()? + i64::try_from(digits.len() - kept.len()).ok()?;
        Some(Self { is_negative, digits: kept.trim_start_matches('0').to_owned(), exponent })
    }

    /// The number, where 28 digits hold it exactly.
    pub fn exact(&self) -> Option<Decimal> {
        if self.digits.is_empty() {
            return Some(Decimal::ZERO);
        }
        let mut mantissa: i128 = self.digits.parse().ok()?;
        if self.exponent > 0 {
            mantissa = mantissa.checked_mul(10_i128.checked_pow(u32::try_from(self.exponent).ok()?)?)?;
        }
        let scale = u32::try_from(-self.exponent.min(0)).ok()?;
        let signed = if self.is_negative { -mantissa } else { mantissa };
        Decimal::try_from_i128_with_scale(signed, scale).ok()
    }

    /// The number as a spreadsheet shows it: to 15 digits, and to 28 after the point; `None` where it is too large.
    pub fn as_shown(&self) -> Option<Decimal> {
        let mut rounded = self.clone();
        let surplus = i64::try_from(rounded.digits.len().saturating_sub(SHEET_DIGITS)).ok()?;
        rounded.drop_last(surplus);
        rounded.drop_last(-rounded.exponent - i64::from(Decimal::MAX_SCALE));
        rounded.exact().map(|number| number.normalize())
    }

    /// Rounds the last `count` digits away, half away from zero.
    fn drop_last(&mut self, count: i64) {
        let Ok(count) = usize::try_from(count) else { return };
        if count == 0 {
            return;
        }
        if count > self.digits.len() {
            self.digits.clear();
            return;
        }
        let dropped = self.digits.split_off(self.digits.len() - count);
        self.exponent += count as i64;
        if dropped.as_bytes()[0] >= b'5' {
            let raised = self.digits.parse::<i128>().unwrap_or_default() + 1;
            self.digits = raised.to_string();
        }
    }
}

/// An exponent; far beyond what any number needs, so that sums of it cannot overflow.
fn read_power(text: &str) -> Option<i64> {
    let power: i64 = text.parse().ok()?;
    (power.abs() < 1_000_000).then_some(power)
}

/// The value of a number in a text that has a type for numbers: an integer where it is one and fits, else a decimal.
pub(super) fn exact_value(text: &str) -> Option<Value> {
    let is_whole = !text.contains(['.', 'e', 'E']);
    match text.parse() {
        Ok(integer) if is_whole => Some(Value::Integer(integer)),
        _ => Digits::read(text)?.exact().map(Value::Decimal),
    }
}

/// How many digits a number has between its first and its last that is not zero.
pub(super) fn significant_digits(number: Decimal) -> usize {
    number.normalize().mantissa().unsigned_abs().to_string().trim_end_matches('0').len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(text: &str) -> Option<String> {
        Digits::read(text)?.exact().map(|number| number.to_string())
    }

    #[test]
    fn numbers_are_read_digit_by_digit() {
        let table = [
            ("0", "0"),
            ("-0", "0"),
            ("1234.50", "1234.5"),
            ("-0.00000001", "-0.00000001"),
            ("1000000000000000.01", "1000000000000000.01"),
            ("19.999999999999998", "19.999999999999998"),
            ("1e3", "1000"),
            ("12.5E-3", "0.0125"),
            ("9007199254740993", "9007199254740993"),
            ("0.1000000000000000000000000001", "0.1000000000000000000000000001"),
        ];
        for (text, number) in table {
            assert_eq!(exact(text).as_deref(), Some(number), "{text}");
        }
        for text in ["", "-", ".5", "5.", "1,5", "1 000", "0x1", "1e", "1e9999999999", "inf", "NaN", "1_000", "１"] {
            assert_eq!(Digits::read(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_28_digits_do_not_hold_is_refused_rather_than_rounded() {
        for text in ["1e29", "1e-29", "0.12345678901234567890123456789", "99999999999999999999999999999"] {
            assert_eq!(exact(text), None, "{text}");
        }
    }

    #[test]
    fn sheets_show_15_digits() {
        let shown = |text: &str| Digits::read(text).unwrap().as_shown().map(|number| number.to_string());
        let table = [
            ("0.30000000000000004", "0.3"),
            ("1234.5599999999999", "1234.56"),
            ("-2.2250738585072014E-5", "-0.000022250738585072"),
            ("1.1102230246251565E-16", "0.0000000000000001110223024625"),
            ("1E-300", "0"),
            ("999999999999999.9", "1000000000000000"),
            ("25000", "25000"),
        ];
        for (text, number) in table {
            assert_eq!(shown(text).as_deref(), Some(number), "{text}");
        }
        assert_eq!(shown("1E+300"), None);
    }

    #[test]
    fn significant_digits_are_counted_without_zeros_at_the_ends() {
        let table = [("0", 0), ("100", 1), ("1234.50", 5), ("-0.0012", 2), ("1000000000000000.01", 18)];
        for (text, digits) in table {
            assert_eq!(significant_digits(text.parse().unwrap()), digits, "{text}");
        }
    }

    #[test]
    fn fuzz_a_number_is_exact_or_refused() {
        use crate::fuzz::{fuzz, text_of};
        use proptest::prelude::*;

        let pieces = &[
            "0",
            "1",
            "99",
            "9007199254740993",
            "99999999999999999999999999999",
            ".",
            "-",
            "+",
            "e",
            "E2",
            "e-9",
            "e999999",
            "e-999999",
            "_",
        ];
        fuzz(prop_oneof![text_of(pieces, 6), "-?[0-9]{1,40}(\\.[0-9]{1,40})?(e-?[0-9]{1,7})?"], |text| {
            let Some(digits) = Digits::read(&text) else { return Ok(()) };
            if let Some(number) = digits.exact() {
                let again = Digits::read(&number.to_string()).and_then(|digits| digits.exact());
                prop_assert_eq!(again, Some(number.normalize()));
            }
            if let Some(shown) = digits.as_shown() {
                prop_assert!(significant_digits(shown) <= SHEET_DIGITS, "{}", shown);
            }
            let _ = exact_value(&text);
            Ok(())
        });
    }
}
