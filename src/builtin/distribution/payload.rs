//! What a distribution is asked for with.

use std::collections::BTreeMap;

use chrono::{Datelike, Months, NaiveDate};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::builtin::fields::{Fields, shown};
use crate::builtin::portfolio::{Currency, DEFAULT_TENANT, exact};
use crate::error::Result;

/// How the total is shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// By the amounts held on the day of the distribution.
    ProRata,
    /// By the amounts and the days that they were held in the period.
    TimeWeighted,
    /// Equal parts for all who hold something on the day of the distribution.
    Fixed,
}

impl Method {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ProRata => "pro-rata",
            Self::TimeWeighted => "time-weighted",
            Self::Fixed => "fixed",
        }
    }
}

/// What an investor gets in place of a share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Override {
    /// Exactly this much, by its digits.
    Amount(String),
    /// This part of the total, from 0 to 1.
    Rate(Decimal),
}

/// A distribution as it was asked for, all of it checked that can be without the database.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub tenant: String,
    pub property: String,
    pub period: String,
    pub date: NaiveDate,
    /// By its digits: what they mean depends on the currency.
    pub total: String,
    pub currency: Option<Currency>,
    pub method: Method,
    pub overrides: BTreeMap<String, Override>,
    /// First and last day of the period; only where the method needs them.
    pub days: Option<(NaiveDate, NaiveDate)>,
    pub initiated_by: Option<String>,
    pub dry_run: bool,
}

/// What the first four digits of a period are taken for.
const YEARS: std::ops::RangeInclusive<i32> = 1900..=2999;

const METHODS: [(&str, Method); 3] =
    [("pro-rata", Method::ProRata), ("time-weighted", Method::TimeWeighted), ("fixed", Method::Fixed)];

/// Reads a payload; the error (`Invalid`) names every problem in one sentence, and their fields.
pub(super) fn read(payload: &str) -> Result<Order> {
    let mut fields = Fields::read("distribution", payload)?;
    let (property, period) = (fields.id_that_must_be("propertyId"), fields.id_that_must_be("periodId"));
    let period = period.map(|period| one_spelling(&mut fields, period));
    let date = fields.date_that_must_be("distributionDate");
    let total = fields.digits_that_must_be("totalAmount");
    if let Some(total) = &total {
        positive(&mut fields, total);
    }
    let method = fields.word("calculationMethod", &METHODS).unwrap_or(Method::ProRata);
    let days = days(&mut fields, method, period.as_deref());
    let overrides = overrides(&mut fields);
    let tenant = fields.id("tenantId").unwrap_or_else(|| DEFAULT_TENANT.to_owned());
    let currency = currency(&mut fields);
    let (initiated_by, dry_run) = (fields.id("initiatedBy"), fields.flag("dryRun"));
    let order = (|| {
        Some(Order {
            tenant,
            property: property?,
            period: period?,
            date: date?,
            total: total?,
            currency,
            method,
            overrides,
            days,
            initiated_by,
            dry_run,
        })
    })();
    fields.finish(order)
}

fn positive(fields: &mut Fields, total: &str) {
    match exact(total) {
        Some(number) if number > Decimal::ZERO => {}
        Some(_) => fields.problem(format!("totalAmount must be more than 0, not {}", shown(total))),
        None => fields.problem(format!("totalAmount is not an amount: {}", shown(total))),
    }
}

fn currency(fields: &mut Fields) -> Option<Currency> {
    let text = fields.text("currency")?;
    text.parse().map_err(|error| fields.problem(format!("currency {error}"))).ok()
}

/// The days of the period: said outright, or by its name.
fn days(fields: &mut Fields, method: Method, period: Option<&str>) -> Option<(NaiveDate, NaiveDate)> {
    let (start, end) = (fields.date("periodStart"), fields.date("periodEnd"));
    match (start, end) {
        (Some(start), Some(end)) if start > end => {
            fields.problem(format!("periodStart {start} is after periodEnd {end}"));
            None
        }
        (Some(start), Some(end)) => {
            if let (Some(period), Some((first, last))) = (period, period.and_then(named_period))
                && (first, last) != (start, end)
            {
                fields.problem(format!(
                    "periodStart {start} and periodEnd {end} are not the days of periodId {}, {first} and {last}: leave them \
                     out, or give the period another id",
                    shown(period)
                ));
            }
            Some((start, end))
        }
        (None, None) if method != Method::TimeWeighted => None,
        (None, None) => {
            let named = period.and_then(named_period);
            if let (None, Some(period)) = (named, period) {
                fields.problem(format!(
                    "periodId {} does not say which days it has (202401, 2024-01, 2024-Q1 and 2024 do): \
                     give periodStart and periodEnd",
                    shown(period)
                ));
            }
            named
        }
        _ => {
            fields.problem("periodStart and periodEnd must come together");
            None
        }
    }
}

/// The spelling under which a period is kept: `2024-01` is `202401`, `2024Q1` is `2024-Q1`, so that neither is paid twice.
/// What looks like one of them and is none is wrong.
fn one_spelling(fields: &mut Fields, period: String) -> String {
    let Some((first, last)) = named_period(&period) else {
        let looks_like = |year: &str, rest: &str| {
            let rest = rest.strip_prefix('-').unwrap_or(rest);
            let (quarter, digits) =
                (rest.strip_prefix(['Q', 'q']), |text: &str| text.bytes().all(|b| b.is_ascii_digit()));
            year.parse().is_ok_and(|year: i32| YEARS.contains(&year))
                && (quarter.is_some_and(digits) || rest.len() == 2 && digits(rest))
        };
        if period.split_at_checked(4).is_some_and(|(year, rest)| looks_like(year, rest)) {
            fields.problem(format!("periodId {} is no month or quarter that there is", shown(&period)));
        }
        return period;
    };
    match (first.month(), last.month() - first.month()) {
        (month, 0) => format!("{}{month:02}", first.year()),
        (month, 2) => format!("{}-Q{}", first.year(), month / 3 + 1),
        _ => first.year().to_string(),
    }
}

/// First and last day of `202401`, `2024-01`, `2024-Q1`, `2024Q1` or `2024`.
fn named_period(period: &str) -> Option<(NaiveDate, NaiveDate)> {
    let (year, rest) = period.split_at_checked(4)?;
    let year: i32 = year.parse().ok().filter(|year| YEARS.contains(year))?;
    let rest = rest.trim_start_matches('-');
    let (month, months) = match (rest, rest.strip_prefix(['Q', 'q'])) {
        ("", _) => (1, 12),
        (_, Some(quarter)) => (quarter.parse::<u32>().ok().filter(|quarter| (1..=4).contains(quarter))? * 3 - 2, 3),
        (month, None) if month.len() == 2 => (month.parse().ok()?, 1),
        _ => return None,
    };
    let first = NaiveDate::from_ymd_opt(year, month, 1)?;
    Some((first, first.checked_add_months(Months::new(months))?.pred_opt()?))
}

/// `{"456": "1200.00"}`, `{"456": "5%"}`, `{"456": {"amount": …}}` or `{"456": {"rate": 0.05}}`.
fn overrides(fields: &mut Fields) -> BTreeMap<String, Override> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Given {
        amount: Option<Box<RawValue>>,
        rate: Option<Box<RawValue>>,
    }
    let expected =
        "an object of investor ids with an amount, a rate such as \"5%\", or {\"amount\":…} or {\"rate\":…} each";
    let given: BTreeMap<String, Box<RawValue>> = fields.value("overrideRates", expected).unwrap_or_default();
    let mut overrides = BTreeMap::new();
    for (investor, value) in given {
        let name = format!("overrideRates.{}", shown(&investor));
        let text = serde_json::from_str::<String>(value.get()).ok();
        let found = if let Some(percent) = text.as_deref().and_then(|text| text.strip_suffix('%')) {
            rate(fields, &name, percent, 100)
        } else if value.get().starts_with('{') {
            match serde_json::from_str::<Given>(value.get()) {
                Ok(Given { amount: Some(amount), rate: None }) => {
                    fields.as_digits(&name, &amount).map(Override::Amount)
                }
                Ok(Given { amount: None, rate: Some(part) }) => {
                    fields.as_digits(&name, &part).and_then(|digits| rate(fields, &name, &digits, 1))
                }
                _ => {
                    fields.problem(format!("{name} must hold either an amount or a rate"));
                    None
                }
            }
        } else {
            fields.as_digits(&name, &value).map(Override::Amount)
        };
        overrides.extend(found.map(|found| (investor, found)));
    }
    overrides
}

fn rate(fields: &mut Fields, name: &str, digits: &str, whole: u32) -> Option<Override> {
    let number = Decimal::from_str_exact(digits.trim()).ok().map(|number| number / Decimal::from(whole));
    let number = number.filter(|number| (Decimal::ZERO..=Decimal::ONE).contains(number));
    if number.is_none() {
        fields.problem(format!("{name} must be a part of the total from 0 to {whole}, not {}", shown(digits)));
    }
    number.map(Override::Rate)
}

impl Order {
    /// How the days of the period read in a mail: `January 2024`, or both ends.
    pub fn period_words(&self) -> String {
        match named_period(&self.period) {
            Some((first, last)) if first.month() == last.month() => first.format("%B %Y").to_string(),
            _ => self.period.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENTED: &str = r#"{"propertyId":123,"periodId":202401,"distributionDate":"2024-01-31","totalAmount":25000,"calculationMethod":"pro-rata"}"#;

    #[test]
    fn the_documented_body_is_read_as_it_stands() {
        let order = read(DOCUMENTED).unwrap();
        assert_eq!((order.property.as_str(), order.period.as_str(), order.total.as_str()), ("123", "202401", "25000"));
        assert_eq!((order.tenant.as_str(), order.method, order.dry_run), ("default", Method::ProRata, false));
        assert_eq!(order.period_words(), "January 2024");
    }

    #[test]
    fn periods_have_days() {
        let table = [
            ("202401", Some(("2024-01-01", "2024-01-31"))),
            ("2024-02", Some(("2024-02-01", "2024-02-29"))),
            ("2024-Q4", Some(("2024-10-01", "2024-12-31"))),
            ("2024Q1", Some(("2024-01-01", "2024-03-31"))),
            ("2023", Some(("2023-01-01", "2023-12-31"))),
            ("202413", None),
            ("2024-Q5", None),
            ("first", None),
            ("12", None),
        ];
        for (period, days) in table {
            let found = named_period(period).map(|(first, last)| (first.to_string(), last.to_string()));
            assert_eq!(found, days.map(|(first, last)| (first.to_owned(), last.to_owned())), "{period}");
        }
    }

    #[test]
    fn the_spellings_of_a_period_are_one() {
        let table = [
            ("202401", "202401"),
            ("2024-01", "202401"),
            ("2024-12", "202412"),
            ("2024-q4", "2024-Q4"),
            ("2024Q1", "2024-Q1"),
            ("2024", "2024"),
            ("spring", "spring"),
            ("123456", "123456"),
        ];
        for (period, kept) in table {
            let payload = DOCUMENTED.replace("202401", &format!("{period:?}"));
            assert_eq!(read(&payload).unwrap().period, kept, "{period}");
        }
        for period in ["202413", "2024-13", "2024-Q9", "2024Q0"] {
            let error = read(&DOCUMENTED.replace("202401", &format!("{period:?}"))).unwrap_err().to_string();
            assert!(error.contains(&format!("periodId {period} is no month or quarter")), "{error}");
        }
        let days = r#""periodStart":"2024-01-01","periodEnd":"2024-03-31"}"#;
        let error = read(&DOCUMENTED.replace('}', &format!(",{days}"))).unwrap_err().to_string();
        assert!(error.contains("are not the days of periodId 202401, 2024-01-01 and 2024-01-31"), "{error}");
    }

    #[test]
    fn overrides_are_amounts_or_rates() {
        let payload = DOCUMENTED.replace(
            '}',
            r#","overrideRates":{"1":"100.50","2":12.25,"3":"5%","4":{"rate":0.125},"5":{"amount":"7"}}}"#,
        );
        let overrides: Vec<_> = read(&payload).unwrap().overrides.into_values().collect();
        let rate = |text| Override::Rate(Decimal::from_str_exact(text).unwrap());
        let amount = |text: &str| Override::Amount(text.to_owned());
        assert_eq!(overrides, [amount("100.50"), amount("12.25"), rate("0.05"), rate("0.125"), amount("7")]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let table = [
            (r#""totalAmount":0"#, "totalAmount must be more than 0, not 0"),
            (r#""totalAmount":"-5""#, "totalAmount must be more than 0"),
            (r#""totalAmount":true"#, "totalAmount must be a number"),
            (
                r#""totalAmount":5,"calculationMethod":"all""#,
                "calculationMethod must be one of pro-rata, time-weighted, fixed",
            ),
            (r#""totalAmount":5,"currency":"naira""#, "is not a currency"),
            (r#""totalAmount":5,"calculationMethod":"time-weighted","periodId":"x""#, "give periodStart and periodEnd"),
            (r#""totalAmount":5,"periodStart":"2024-01-01""#, "must come together"),
            (r#""totalAmount":5,"overrideRates":{"1":"101%"}"#, "from 0 to 100"),
            (r#""totalAmount":5,"overrideRates":{"1":{}}"#, "either an amount or a rate"),
            (r#""totalAmount":5,"overrideRates":[1]"#, "overrideRates must be an object"),
            (r#""totalAmount":5,"amount":5"#, "unknown field amount"),
        ];
        for (given, part) in table {
            let period = if given.contains("periodId") { "" } else { r#""periodId":"202401","# };
            let payload = format!(r#"{{"propertyId":1,{period}"distributionDate":"2024-01-31",{given}}}"#);
            let said = read(&payload).unwrap_err().to_string();
            assert!(said.contains(part), "{given}: {said}");
        }
        assert!(read("{}").unwrap_err().to_string().contains("propertyId is missing; periodId is missing"));
    }
}
