//! Who gets how much: decided from the order and the holdings alone.

use std::collections::BTreeMap;

use num_bigint::BigUint;
use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};

use super::payload::{Method, Order, Override};
use super::shares::split;
use crate::builtin::fields::shown;
use crate::builtin::portfolio::{Money, Stored};
use crate::processor::ProcessError;

use chrono::NaiveDate;

/// What an investor holds of the property: one investment.
#[derive(Debug, Clone)]
pub(super) struct Holding {
    pub investor: String,
    pub name: String,
    pub email: Option<String>,
    pub amount: Stored,
    pub invested_on: NaiveDate,
    pub exited_on: Option<NaiveDate>,
}

/// What an investor gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub investor: String,
    pub name: String,
    pub email: Option<String>,
    /// The weight of the share, or what it was overridden with.
    pub weight: String,
    pub amount: Money,
}

/// An investor with the weight of all that it holds.
struct Holder {
    investor: String,
    name: String,
    email: Option<String>,
    weight: BigUint,
}

/// The lines, by investor id; together exactly the total.
///
/// Overridden investors get their amount, or their rate of the total rounded half up to the minor unit; the others share
/// the rest. Equal remainders are served in the order of the ids.
///
/// # Errors
/// Permanent ones: what in the order or the holdings has to change.
pub(super) fn lines(order: &Order, total: Money, holdings: Vec<Holding>) -> Result<Vec<Line>, ProcessError> {
    let holders = holders(order, total, holdings)?;
    if holders.is_empty() {
        return Err(no_investors(order));
    }
    if let Some(stranger) = order.overrides.keys().find(|id| !holders.iter().any(|holder| holder.investor == **id)) {
        let why = format!(
            "overrideRates names investor {}, who holds nothing of property {}",
            shown(stranger),
            order.property
        );
        return Err(ProcessError::permanent("override_invalid", why));
    }
    let mut amounts = overridden(order, total, &holders)?;
    let given: i128 = amounts.iter().flatten().map(|amount| i128::from(amount.minor())).sum();
    let rest = u64::try_from(i128::from(total.minor()) - given).map_err(|_| {
        let sum = Money::from_minor(i64::try_from(given).unwrap_or(i64::MAX), total.currency());
        ProcessError::permanent("override_invalid", format!("overrideRates give {sum}, more than totalAmount {total}"))
    })?;
    share_out(order, total, rest, &holders, &mut amounts)?;
    let line = |(holder, amount): (Holder, Option<Money>)| Line {
        weight: match order.overrides.get(&holder.investor) {
            Some(Override::Amount(digits)) => format!("amount {digits}"),
            Some(Override::Rate(rate)) => format!("rate {}", rate.normalize()),
            None => holder.weight.to_string(),
        },
        investor: holder.investor,
        name: holder.name,
        email: holder.email,
        amount: amount.unwrap_or(Money::from_minor(0, total.currency())),
    };
    Ok(holders.into_iter().zip(amounts).map(line).collect())
}

fn no_investors(order: &Order) -> ProcessError {
    let when = match order.days {
        Some((first, last)) if order.method == Method::TimeWeighted => format!("between {first} and {last}"),
        _ => format!("on {}", order.date),
    };
    let why = format!(
        "nobody holds anything of property {} {when}: check distributionDate and the investments",
        order.property
    );
    ProcessError::permanent("no_investors", why)
}

/// Investors by id, with the weight that the method gives them.
fn holders(order: &Order, total: Money, holdings: Vec<Holding>) -> Result<Vec<Holder>, ProcessError> {
    let mut holders: BTreeMap<String, Holder> = BTreeMap::new();
    for holding in holdings {
        let amount = holding.amount.of(total.currency());
        let amount = amount.map_err(|error| ProcessError::permanent("data_corrupt", error.to_string()))?;
        let amount = BigUint::from(amount.minor().unsigned_abs());
        let weight = match (order.method, order.days) {
            (Method::TimeWeighted, Some(days)) => amount * days_held(&holding, days),
            (Method::Fixed, _) => BigUint::from(u32::from(held_on(&holding, order.date))),
            _ => amount * u32::from(held_on(&holding, order.date)),
        };
        if weight == BigUint::ZERO {
            continue;
        }
        match holders.get_mut(&holding.investor) {
            // Equal parts are by head, not by investment.
            Some(_) if order.method == Method::Fixed => {}
            Some(holder) => holder.weight += weight,
            None => {
                let Holding { investor, name, email, .. } = holding;
                holders.insert(investor.clone(), Holder { investor, name, email, weight });
            }
        }
    }
    Ok(holders.into_values().collect())
}

fn held_on(holding: &Holding, day: NaiveDate) -> bool {
    holding.invested_on <= day && holding.exited_on.is_none_or(|exited_on| exited_on > day)
}

/// The days from `first` to `last`, both included, on which it was held.
fn days_held(holding: &Holding, (first, last): (NaiveDate, NaiveDate)) -> u32 {
    let from = holding.invested_on.max(first);
    let until = holding.exited_on.and_then(|exited_on| exited_on.pred_opt()).unwrap_or(last).min(last);
    u32::try_from((until - from).num_days() + 1).unwrap_or(0)
}

/// What the overridden investors get; `None` for the others.
fn overridden(order: &Order, total: Money, holders: &[Holder]) -> Result<Vec<Option<Money>>, ProcessError> {
    let amount = |holder: &Holder| {
        let amount = match order.overrides.get(&holder.investor) {
            None => return Ok(None),
            Some(Override::Amount(digits)) => Money::parse(digits, total.currency()),
            Some(Override::Rate(rate)) => {
                let exact = Decimal::from(total.minor()) * rate;
                let minor = exact.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero).to_i64();
                Ok(Money::from_minor(minor.unwrap_or(i64::MAX), total.currency()))
            }
        };
        match amount {
            Ok(amount) if amount.minor() >= 0 => Ok(Some(amount)),
            Ok(amount) => Err(format!("{amount} is less than 0")),
            Err(error) => Err(error.to_string()),
        }
        .map_err(|why| {
            ProcessError::permanent("override_invalid", format!("overrideRates.{}: {why}", shown(&holder.investor)))
        })
    };
    holders.iter().map(amount).collect()
}

/// Gives the rest to those without an amount.
fn share_out(
    order: &Order,
    total: Money,
    rest: u64,
    holders: &[Holder],
    amounts: &mut [Option<Money>],
) -> Result<(), ProcessError> {
    let open: Vec<usize> = (0..holders.len()).filter(|index| amounts[*index].is_none()).collect();
    let weights: Vec<BigUint> = open.iter().map(|index| holders[*index].weight.clone()).collect();
    let Some(parts) = split(rest, &weights) else {
        if rest == 0 {
            return Ok(());
        }
        let left = Money::from_minor(i64::try_from(rest).unwrap_or(i64::MAX), total.currency());
        let why = format!(
            "overrideRates cover every investor of property {} and leave {left} of totalAmount {total} to nobody",
            order.property
        );
        return Err(ProcessError::permanent("override_invalid", why));
    };
    for (index, part) in open.into_iter().zip(parts) {
        amounts[index] = Some(Money::from_minor(i64::try_from(part).unwrap_or(i64::MAX), total.currency()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::payload::read;
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn holding(investor: &str, minor: i64, from: &str, until: Option<&str>) -> Holding {
        Holding {
            investor: investor.to_owned(),
            name: format!("Investor {investor}"),
            email: Some(format!("{investor}@example.com")),
            amount: Stored::Minor(minor),
            invested_on: day(from),
            exited_on: until.map(day),
        }
    }

    fn portfolio() -> Vec<Holding> {
        vec![
            holding("b", 20_000, "2023-01-01", None),
            holding("a", 10_000, "2023-01-01", None),
            holding("a", 10_000, "2024-01-16", None),
            holding("c", 30_000, "2023-01-01", Some("2024-01-11")),
            holding("d", 50_000, "2024-02-01", None),
        ]
    }

    fn shares(more: &str) -> Result<Vec<(String, i64)>, String> {
        let payload = format!(
            r#"{{"propertyId":1,"periodId":"202401","distributionDate":"2024-01-31","totalAmount":"100.01"{more}}}"#
        );
        let total = Money::parse("100.01", "NGN".parse().unwrap()).unwrap();
        let lines = lines(&read(&payload).unwrap(), total, portfolio()).map_err(|error| error.to_string())?;
        assert_eq!(lines.iter().map(|line| line.amount.minor()).sum::<i64>(), 10_001, "{lines:?}");
        Ok(lines.into_iter().map(|line| (line.investor, line.amount.minor())).collect())
    }

    fn pairs(pairs: &[(&str, i64)]) -> Vec<(String, i64)> {
        pairs.iter().map(|(id, amount)| ((*id).to_owned(), *amount)).collect()
    }

    #[test]
    fn each_method_shares_by_its_own_weights() {
        assert_eq!(
            shares("").unwrap(),
            pairs(&[("a", 5_001), ("b", 5_000)]),
            "who held something on the day, a tie to the first id"
        );
        assert_eq!(shares(r#","calculationMethod":"fixed""#).unwrap(), pairs(&[("a", 5_001), ("b", 5_000)]));
        // a: 100 x 31 + 100 x 16 days, b: 200 x 31, c: 300 x 10; together 13,900.
        let timed = shares(r#","calculationMethod":"time-weighted""#).unwrap();
        assert_eq!(timed, pairs(&[("a", 3_382), ("b", 4_461), ("c", 2_158)]));
    }

    #[test]
    fn overrides_come_first_and_the_rest_is_shared() {
        assert_eq!(shares(r#","overrideRates":{"a":"10.00"}"#).unwrap(), pairs(&[("a", 1_000), ("b", 9_001)]));
        // 12.5 % of 100.01 is 12.50125.
        assert_eq!(shares(r#","overrideRates":{"b":"12.5%"}"#).unwrap(), pairs(&[("a", 8_751), ("b", 1_250)]));
        assert_eq!(shares(r#","overrideRates":{"a":"100","b":"0.01"}"#).unwrap(), pairs(&[("a", 10_000), ("b", 1)]));
        let table = [
            (r#"{"a":"100.02"}"#, "give 100.02, more than totalAmount 100.01"),
            (r#"{"a":"1","b":"1"}"#, "leave 98.01 of totalAmount 100.01 to nobody"),
            (r#"{"z":"1"}"#, "investor z, who holds nothing of property 1"),
            (r#"{"a":"-1"}"#, "overrideRates.a: -1.00 is less than 0"),
            (r#"{"a":"1.001"}"#, "overrideRates.a: 1.001 has more decimals than NGN"),
        ];
        for (overrides, part) in table {
            let said = shares(&format!(r#","overrideRates":{overrides}"#)).unwrap_err();
            assert!(said.contains(part), "{overrides}: {said}");
        }
    }

    #[test]
    fn nobody_to_pay_says_when() {
        let payload = r#"{"propertyId":1,"periodId":"202001","distributionDate":"2020-01-31","totalAmount":1}"#;
        let total = Money::from_minor(100, "NGN".parse().unwrap());
        let said = lines(&read(payload).unwrap(), total, portfolio()).unwrap_err();
        assert_eq!(
            (said.code(), said.message().contains("property 1 on 2020-01-31")),
            ("no_investors", true),
            "{said}"
        );
    }
}
