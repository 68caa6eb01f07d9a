//! What reports look up in their data.

use chrono::NaiveDate;

use super::chart::{Chart, Form, of_money};
use super::data::{Data, Holding, Investor, Property};
use super::figures::{Sums, month_of, months_until, short_month};
use super::payload::Order;
use crate::builtin::portfolio::Money;
use crate::error::{Error, Result};

/// Months of the chart of distributions.
const MONTHS: u32 = 12;

impl Data {
    /// The investor that the report is about.
    ///
    /// # Errors
    /// `Internal`, where it is about none.
    pub fn investor(&self) -> Result<&Investor> {
        self.investor.as_ref().ok_or_else(|| Error::internal("a report of an investor was read without one"))
    }

    /// The name of a property.
    pub fn name_of(&self, property: &str) -> String {
        self.properties.get(property).map_or_else(|| property.to_owned(), |property| property.name.clone())
    }

    /// What a property is taken to be worth on a day: its latest valuation, else its price; none before it was acquired.
    pub fn worth(&self, property: &Property, on: NaiveDate) -> Option<Money> {
        let worth = || self.valuations.latest(&property.id, on).map_or(property.price, |latest| latest.value);
        (property.acquired_on <= on).then(worth)
    }

    /// What investors received of distributions on some days, with the property that it came from.
    pub fn distributed(&self, is_in: impl Fn(NaiveDate) -> bool) -> impl Iterator<Item = (&str, Money)> {
        let paid =
            self.flows.iter().filter(move |flow| flow.of_investors && flow.kind == "distribution" && is_in(flow.on));
        paid.map(|flow| (flow.property.as_str(), flow.amount))
    }
}

impl Holding {
    /// Whether it is held at the end of a day; all of them began before the report ends.
    pub fn is_held_on(&self, day: NaiveDate) -> bool {
        self.exited_on.is_none_or(|exited| exited > day)
    }
}

/// Charts of what was distributed in each of the last twelve months; one for each currency.
pub(super) fn monthly(order: &Order, data: &Data) -> Result<Vec<Chart>> {
    let months = months_until(order.end, MONTHS);
    let currencies = Sums::over(data.distributed(|_| true).map(|(_, amount)| amount))?;
    let mut charts = Vec::new();
    for currency in currencies.currencies() {
        let mut points = Vec::new();
        for month in &months {
            let sums = Sums::over(data.distributed(|on| month_of(on) == *month).map(|(_, amount)| amount))?;
            points.push((short_month(*month), sums.of(currency)));
        }
        let title = format!("Distributions of the last twelve months, {currency}");
        charts.extend(of_money(&title, Form::Bars, currency, &points));
    }
    Ok(charts)
}
