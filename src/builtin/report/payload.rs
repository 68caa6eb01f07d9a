//! What a report is asked for with.

use chrono::NaiveDate;

use crate::builtin::fields::{Fields, shown};
use crate::builtin::portfolio::DEFAULT_TENANT;
use crate::error::Result;
use crate::format::Format;

/// The longest address (RFC 5321, section 4.5.3.1).
const ADDRESS_MAX_BYTES: usize = 254;
/// The portfolio of all that a tenant holds; its own id means the same.
const WHOLE_PORTFOLIO: &str = "all";

/// Which report it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReportType {
    InvestorStatement,
    PropertyPerformance,
    RoiSummary,
    PortfolioValuation,
    TransactionHistory,
    TaxDocument,
}

impl ReportType {
    pub fn as_str(self) -> &'static str {
        TYPES.iter().find(|(_, known)| *known == self).map_or("report", |(name, _)| name)
    }

    /// What it is called on paper.
    pub fn title(self) -> &'static str {
        match self {
            Self::InvestorStatement => "Investor statement",
            Self::PropertyPerformance => "Property performance",
            Self::RoiSummary => "Return on investment",
            Self::PortfolioValuation => "Portfolio valuation",
            Self::TransactionHistory => "Transaction history",
            Self::TaxDocument => "Tax document",
        }
    }

    /// Whether it looks at what investors hold and were paid.
    pub fn is_about_investors(self) -> bool {
        self != Self::PortfolioValuation
    }

    /// Whether it lists entries of the ledger also where it is not detailed.
    pub fn lists_entries(self) -> bool {
        matches!(self, Self::InvestorStatement | Self::TransactionHistory | Self::TaxDocument)
    }

    /// The parameters that it needs, and those that it also takes.
    fn parameters(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Self::InvestorStatement => (&["userId", "startDate", "endDate"], &["propertyId"]),
            Self::PropertyPerformance => (&["propertyId", "startDate", "endDate"], &[]),
            Self::RoiSummary | Self::TransactionHistory => {
                (&["startDate", "endDate"], &["userId", "propertyId", "portfolioId"])
            }
            Self::PortfolioValuation => (&["portfolioId", "endDate"], &["startDate"]),
            Self::TaxDocument => (&["userId", "startDate", "endDate"], &[]),
        }
    }
}

/// What a report is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReportFormat {
    Pdf,
    Table(Format),
}

impl ReportFormat {
    /// What the file's name ends with.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Pdf => ".pdf",
            Self::Table(format) => format.ending(),
        }
    }

    /// The name for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Pdf => "PDF",
            Self::Table(Format::Excel) => "Excel",
            Self::Table(Format::Json) => "JSON",
            Self::Table(_) => "CSV",
        }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Table(format) => format.content_type(),
        }
    }
}

/// A report as it was asked for, all of it checked that can be without the database.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub report: ReportType,
    pub format: ReportFormat,
    pub tenant: String,
    pub investor: Option<String>,
    pub property: Option<String>,
    /// First day; none where the report is about one day.
    pub start: Option<NaiveDate>,
    /// Last day.
    pub end: NaiveDate,
    pub charts: bool,
    pub detailed: bool,
    pub requested_by: Option<String>,
    /// Whom to tell when it is there.
    pub notify: Option<String>,
}

impl Order {
    /// The first day; where the report is about one day only, a day before all others.
    pub fn first_day(&self) -> NaiveDate {
        self.start.unwrap_or_else(|| NaiveDate::from_ymd_opt(1, 1, 1).unwrap_or_default())
    }
}

const TYPES: [(&str, ReportType); 6] = [
    ("investor-statement", ReportType::InvestorStatement),
    ("property-performance", ReportType::PropertyPerformance),
    ("roi-summary", ReportType::RoiSummary),
    ("portfolio-valuation", ReportType::PortfolioValuation),
    ("transaction-history", ReportType::TransactionHistory),
    ("tax-document", ReportType::TaxDocument),
];

const FORMATS: [(&str, ReportFormat); 4] = [
    ("pdf", ReportFormat::Pdf),
    ("csv", ReportFormat::Table(Format::Csv)),
    ("excel", ReportFormat::Table(Format::Excel)),
    ("json", ReportFormat::Table(Format::Json)),
];

/// The parameters that say whom and when a report is about.
const SCOPE: [&str; 5] = ["userId", "propertyId", "portfolioId", "startDate", "endDate"];

/// Reads a payload; the error (`Invalid`) names every problem in one sentence, and their fields.
pub(super) fn read(payload: &str) -> Result<Order> {
    let mut fields = Fields::read("report", payload)?;
    let report = fields.word_that_must_be("reportType", &TYPES);
    let format = fields.word_that_must_be("format", &FORMATS);
    let tenant = fields.id("tenantId").unwrap_or_else(|| DEFAULT_TENANT.to_owned());
    let parameters = parameters(&mut fields, report, &tenant);
    let requested_by = fields.id("requestedBy");
    let notify = notify(&mut fields);
    let order = (|| {
        let parameters = parameters?;
        Some(Order {
            report: report?,
            format: format?,
            tenant,
            investor: parameters.investor,
            property: parameters.property,
            start: parameters.start,
            end: parameters.end?,
            charts: parameters.charts,
            detailed: parameters.detailed,
            requested_by,
            notify,
        })
    })();
    fields.finish(order)
}

struct Parameters {
    investor: Option<String>,
    property: Option<String>,
    start: Option<NaiveDate>,
    end: Option<NaiveDate>,
    charts: bool,
    detailed: bool,
}

fn parameters(fields: &mut Fields, report: Option<ReportType>, tenant: &str) -> Option<Parameters> {
    let mut inner = fields.object("parameters")?;
    if let Some(report) = report {
        check_scope(&mut inner, report);
    }
    let (investor, property) = (inner.id("userId"), inner.id("propertyId"));
    if let Some(portfolio) = inner.id("portfolioId")
        && portfolio != WHOLE_PORTFOLIO
        && portfolio != tenant
    {
        let known = if tenant == WHOLE_PORTFOLIO { tenant.to_owned() } else { format!("all or {tenant}") };
        inner.problem(format!(
            "portfolioId must be {known}, which is all that the tenant holds, not {}",
            shown(&portfolio)
        ));
    }
    let (start, end) = (inner.date("startDate"), inner.date("endDate"));
    if let (Some(start), Some(end)) = (start, end)
        && end < start
    {
        inner.problem(format!("endDate {end} is before startDate {start}: swap them"));
    }
    let (charts, detailed) = (inner.flag("includeCharts"), inner.flag("detailed"));
    fields.close("parameters", inner);
    Some(Parameters { investor, property, start, end, charts, detailed })
}

/// What the report needs must be there, and what it would not look at must not.
fn check_scope(parameters: &mut Fields, report: ReportType) {
    let (needed, taken) = report.parameters();
    for name in SCOPE {
        match parameters.holds(name) {
            false if needed.contains(&name) => parameters.problem(format!("{name} is missing")),
            true if !needed.contains(&name) && !taken.contains(&name) => {
                let all = [needed, taken].concat().join(", ");
                parameters.problem(format!("{name} is not used by {}, which takes {all}", report.as_str()));
            }
            _ => {}
        }
    }
}

/// The address to tell; needed as soon as somebody shall be told.
fn notify(fields: &mut Fields) -> Option<String> {
    let wanted = fields.flag("notifyOnComplete");
    match fields.text("email") {
        Some(address) if !is_address(&address) => {
            fields.problem(format!("email must be an address such as investor@example.com, not {}", shown(&address)));
            None
        }
        Some(address) => Some(address).filter(|_| wanted),
        None => {
            if wanted {
                fields.problem("email is missing: notifyOnComplete needs an address");
            }
            None
        }
    }
}

/// One `@` between two parts without spaces, controls and what addresses are listed and wrapped with.
fn is_address(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.contains(|char: char| char.is_whitespace() || char.is_control() || "<>,;:\"@".contains(char))
    };
    text.len() <= ADDRESS_MAX_BYTES && text.split_once('@').is_some_and(|(user, host)| is_part(user) && is_part(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENTED: &str = r#"{"reportType":"investor-statement","format":"pdf","parameters":{"userId":456,"startDate":"2024-01-01","endDate":"2024-01-31","includeCharts":true},"notifyOnComplete":true,"email":"investor@example.com"}"#;

    fn problems(payload: &str) -> String {
        read(payload).unwrap_err().to_string()
    }

    #[test]
    fn the_documented_payload_is_read() {
        let order = read(DOCUMENTED).unwrap();
        assert_eq!((order.report, order.format), (ReportType::InvestorStatement, ReportFormat::Pdf));
        assert_eq!((order.investor.as_deref(), order.tenant.as_str()), (Some("456"), "default"));
        assert_eq!(order.start.unwrap().to_string() + " " + &order.end.to_string(), "2024-01-01 2024-01-31");
        assert_eq!((order.notify.as_deref(), order.charts), (Some("investor@example.com"), true));
        let quiet = DOCUMENTED.replace("\"notifyOnComplete\":true,", "");
        assert_eq!(read(&quiet).unwrap().notify, None, "an address alone tells nobody");
    }

    #[test]
    fn what_each_type_needs_and_lacks_is_named_at_once() {
        let table = [
            ("investor-statement", "userId startDate endDate"),
            ("property-performance", "propertyId startDate endDate"),
            ("roi-summary", "startDate endDate"),
            ("portfolio-valuation", "portfolioId endDate"),
            ("transaction-history", "startDate endDate"),
            ("tax-document", "userId startDate endDate"),
        ];
        for (report, needed) in table {
            let said = problems(&format!(r#"{{"reportType":"{report}","format":"csv","parameters":{{}}}}"#));
            for name in SCOPE {
                let missing = said.contains(&format!("parameters.{name} is missing"));
                assert_eq!(missing, needed.split(' ').any(|needed| needed == name), "{report} {name}: {said}");
            }
        }
    }

    #[test]
    fn what_is_wrong_is_named_at_once() {
        let said = problems("{}");
        for part in ["reportType is missing", "format is missing", "parameters is missing"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        let edit = |from: &str, to: &str| problems(&DOCUMENTED.replace(from, to));
        let table = [
            (edit("investor-statement", "statement"), "reportType must be one of investor-statement, property-"),
            (edit("\"pdf\"", "\"docx\""), "format must be one of pdf, csv, excel, json"),
            (edit("2024-01-31", "2023-12-31"), "endDate 2023-12-31 is before startDate 2024-01-01: swap them"),
            (edit("456", "\"a b\""), "parameters.userId must be an id"),
            (
                edit("\"userId\":456", "\"userId\":456,\"portfolioId\":1"),
                "portfolioId is not used by investor-statement",
            ),
            (edit("includeCharts", "includeChart"), "unknown field parameters.includeChart"),
            (edit("investor@example.com", "nobody"), "email must be an address"),
            (edit("investor@example.com", "a@b@c"), "email must be an address"),
            (edit(",\"email\":\"investor@example.com\"", ""), "email is missing: notifyOnComplete needs"),
            (edit("{\"userId\"", "[{\"userId\"").replace("true}", "true}]"), "report is not valid"),
        ];
        for (said, part) in table {
            assert!(said.contains(part), "{part}: {said}");
        }
    }

    #[test]
    fn a_portfolio_is_all_that_a_tenant_holds() {
        let of = |id: &str| {
            read(&format!(
                r#"{{"reportType":"portfolio-valuation","format":"csv","tenantId":"acme","parameters":{{"portfolioId":"{id}","endDate":"2024-06-30"}}}}"#
            ))
        };
        assert!(of("all").is_ok() && of("acme").is_ok());
        assert!(of("7").unwrap_err().to_string().contains("portfolioId must be all or acme"));
    }

    #[test]
    fn the_schema_names_what_is_read_and_its_examples_are_taken() {
        let schema: serde_json::Value = serde_json::from_str(super::super::SCHEMA).unwrap();
        for example in schema["examples"].as_array().unwrap() {
            assert!(read(&example.to_string()).is_ok(), "{example}");
        }
        let words = |field: &str| -> Vec<String> {
            let words = schema["properties"][field]["enum"].as_array().unwrap();
            words.iter().map(|word| word.as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(words("reportType"), TYPES.map(|(name, _)| name));
        assert_eq!(words("format"), FORMATS.map(|(name, _)| name));
        for (index, (name, report)) in TYPES.iter().enumerate() {
            let rule = &schema["allOf"][index];
            assert_eq!(rule["if"]["properties"]["reportType"]["const"], *name);
            let of = &rule["then"]["properties"]["parameters"];
            let (needed, taken) = report.parameters();
            assert_eq!(of["required"], serde_json::json!(needed), "{name}");
            for field in SCOPE {
                let never = !needed.contains(&field) && !taken.contains(&field);
                assert_eq!(of["properties"][field] == serde_json::json!(false), never, "{name} {field}");
            }
        }
        let fields = schema["properties"].as_object().unwrap();
        let inner = fields["parameters"]["properties"].as_object().unwrap();
        assert!(fields.values().chain(inner.values()).all(|field| field["description"].is_string()));
    }
}
