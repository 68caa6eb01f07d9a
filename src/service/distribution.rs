//! Distributions of what a property earned.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Serialize, Serializer};

use super::{Amount, QueueService, RowId, Submission};

/// How the total is shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CalculationMethod {
    /// By the amounts held on the day of the distribution.
    #[default]
    ProRata,
    /// By the amounts and the days that they were held in the period.
    TimeWeighted,
    /// Equal parts.
    Fixed,
}

/// What an investor gets in place of a share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Override {
    /// This much.
    Amount(Amount),
    /// This part of the total, in percent: `5` or `2.5`.
    Percent(Amount),
}

impl Serialize for Override {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Amount(amount) => amount.serialize(serializer),
            Self::Percent(percent) => serializer.serialize_str(&format!("{percent}%")),
        }
    }
}

/// What is to be said of a distribution beside property and total.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Distribution {
    /// For which period; a period of a property is distributed once.
    pub period_id: RowId,
    /// The day that decides who holds what.
    pub distribution_date: NaiveDate,
    /// How the total is shared out.
    pub calculation_method: CalculationMethod,
    /// Who started it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initiated_by: Option<RowId>,
    /// Which currency the total is in; the property's is the only right one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Whose property; the tenant `default` where nobody says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<RowId>,
    /// First and last day of a period whose id does not say them.
    #[serde(flatten)]
    pub days: Option<Days>,
    /// What some investors get in place of a share.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub override_rates: BTreeMap<RowId, Override>,
    /// Compute it, store nothing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// First and last day of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Days {
    /// The first.
    #[serde(rename = "periodStart")]
    pub start: NaiveDate,
    /// The last.
    #[serde(rename = "periodEnd")]
    pub end: NaiveDate,
}

impl Distribution {
    /// A distribution for a period, by what is held on `distribution_date`.
    pub fn new(period_id: impl Into<RowId>, distribution_date: NaiveDate) -> Self {
        Self {
            period_id: period_id.into(),
            distribution_date,
            calculation_method: CalculationMethod::default(),
            initiated_by: None,
            currency: None,
            tenant_id: None,
            days: None,
            override_rates: BTreeMap::new(),
            dry_run: false,
        }
    }

    /// Names who started it.
    pub fn initiated_by(self, who: impl Into<RowId>) -> Self {
        Self { initiated_by: Some(who.into()), ..self }
    }

    /// Shares it out by another method than pro rata.
    pub fn method(self, calculation_method: CalculationMethod) -> Self {
        Self { calculation_method, ..self }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    property_id: RowId,
    total_amount: Amount,
    #[serde(flatten)]
    distribution: Distribution,
}

impl QueueService {
    /// Pays out `total_amount` among the investors of a property, once for each period.
    pub fn schedule_roi_distribution(
        &self,
        property_id: impl Into<RowId>,
        total_amount: impl Into<Amount>,
        distribution: Distribution,
    ) -> Submission<'_> {
        let payload = Payload { property_id: property_id.into(), total_amount: total_amount.into(), distribution };
        Submission::new(self, "roi-distribution", &payload)
    }
}
