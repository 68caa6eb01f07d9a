//! Reports.

use chrono::NaiveDate;
use serde::Serialize;

use super::{QueueService, RowId, Submission};

/// Which report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names of the reports say what they are")]
pub enum ReportType {
    InvestorStatement,
    PropertyPerformance,
    RoiSummary,
    PortfolioValuation,
    TransactionHistory,
    TaxDocument,
}

/// As which kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names of the formats say what they are")]
pub enum ReportFormat {
    Pdf,
    Csv,
    Excel,
    Json,
}

/// Of whom, of what and of when; each type of report says which it needs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportParameters {
    /// The investor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<RowId>,
    /// The property.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub property_id: Option<RowId>,
    /// The portfolio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub portfolio_id: Option<RowId>,
    /// The first day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_date: Option<NaiveDate>,
    /// The last day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_date: Option<NaiveDate>,
    /// With charts.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub include_charts: bool,
    /// With every line.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub detailed: bool,
}

/// What is to be done with a report, and for whom it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Tells `email` when the report is there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub notify_on_complete: bool,
    /// Whom to tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Who asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<RowId>,
    /// Whose data; the tenant `default` where nobody says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<RowId>,
}

impl Report {
    /// Tells this address when the report is there.
    pub fn notify(email: &str) -> Self {
        Self { notify_on_complete: true, email: Some(email.to_owned()), ..Self::default() }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    report_type: ReportType,
    format: ReportFormat,
    parameters: ReportParameters,
    #[serde(flatten)]
    report: Report,
}

impl QueueService {
    /// Makes a report, and says where it is in the job's result.
    pub fn generate_report(
        &self,
        report_type: ReportType,
        format: ReportFormat,
        parameters: ReportParameters,
        report: Report,
    ) -> Submission<'_> {
        Submission::new(self, "report-generation", &Payload { report_type, format, parameters, report })
    }
}
