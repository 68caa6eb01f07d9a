//! What the file of a report is called, and when it was made: both follow from the order and the job.

use chrono::{DateTime, NaiveDate};
use sha2::{Digest, Sha256};

use super::payload::Order;
use crate::clock::local_now;
use crate::job::JobId;

/// A job's id beyond this is cut, and told apart by its digest.
const JOB_MAX_BYTES: usize = 64;
const CUT_BYTES: usize = 40;

/// Where the report is stored: `investor-statement-456-2024-01-01-2024-01-31-<job>.pdf`.
pub(super) fn of_file(order: &Order, job: &JobId) -> String {
    format!("{}-{}{}", stem(order), of_job(job), order.format.ending())
}

/// What it is called where no other report can be: `investor-statement-456-2024-01-01-2024-01-31.pdf`.
pub(super) fn of_attachment(order: &Order) -> String {
    format!("{}{}", stem(order), order.format.ending())
}

fn stem(order: &Order) -> String {
    let mut parts = vec![order.report.as_str().to_owned()];
    parts.extend(order.investor.clone());
    parts.extend(order.property.clone());
    if parts.len() == 1 {
        parts.push("all".to_owned());
    }
    parts.extend(order.start.map(|start| start.to_string()));
    parts.push(order.end.to_string());
    parts.join("-")
}

/// A job's id as a part of a file's name: another one for every job.
fn of_job(job: &JobId) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let mut name = String::new();
    for byte in job.as_str().bytes() {
        if is_plain(byte) {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    if name.len() > JOB_MAX_BYTES {
        name.truncate(CUT_BYTES);
        name.push('-');
        name.push_str(&digest(job)[..16]);
    }
    name
}

/// The SHA-256 of a job's id, in hexadecimal digits.
pub(super) fn digest(job: &JobId) -> String {
    Sha256::digest(job.as_str()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The day a report was asked for, which its job's id tells; where the producer chose another kind of id, the day it is
/// made.
pub(super) fn made_on(job: &JobId) -> NaiveDate {
    let told = ulid::Ulid::from_string(job.as_str())
        .ok()
        .and_then(|id| DateTime::from_timestamp_millis(id.timestamp_ms() as i64));
    let now = local_now();
    // A chosen id may look like one of ours, and tell of no time that this tool has seen.
    let first = DateTime::from_timestamp_millis(1_704_067_200_000).unwrap_or_default();
    let told = told.filter(|told| *told >= first && *told <= now + chrono::TimeDelta::days(1));
    told.unwrap_or(now).date_naive()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(report: &str, parameters: &str) -> Order {
        let payload = format!(r#"{{"reportType":"{report}","format":"excel","parameters":{{{parameters}}}}}"#);
        super::super::payload::read(&payload).unwrap()
    }

    #[test]
    fn every_job_has_a_file_of_its_own() {
        let dates = r#""startDate":"2024-01-01","endDate":"2024-01-31""#;
        let job = JobId::new("01M8GDT97Y84SVP35VYVCG3A2K").unwrap();
        let table = [
            ("investor-statement", format!("\"userId\":456,{dates}"), "investor-statement-456-2024-01-01-2024-01-31-"),
            ("roi-summary", dates.to_owned(), "roi-summary-all-2024-01-01-2024-01-31-"),
            ("roi-summary", format!("\"userId\":1,\"propertyId\":2,{dates}"), "roi-summary-1-2-2024-01-01-2024-01-31-"),
            (
                "portfolio-valuation",
                r#""portfolioId":"all","endDate":"2024-06-30""#.to_owned(),
                "portfolio-valuation-all-2024-06-30-",
            ),
        ];
        for (report, parameters, start) in table {
            let order = order(report, &parameters);
            assert_eq!(of_file(&order, &job), format!("{start}{job}.xlsx"));
            assert_eq!(of_attachment(&order), format!("{}.xlsx", start.trim_end_matches('-')));
        }
    }

    #[test]
    fn ids_that_are_no_names_become_some_and_stay_apart() {
        let names = ["a:b", "a@b", "a%3Ab", "a_b"].map(|id| JobId::new(id).map(|id| of_job(&id)));
        assert_eq!(names[0].as_deref().unwrap(), "a%3Ab");
        assert_eq!(names[1].as_deref().unwrap(), "a%40b");
        assert!(names[2].is_err(), "no id has a percent sign");
        let long = |end: &str| of_job(&JobId::new(&format!("{}{end}", "x".repeat(126))).unwrap());
        assert_ne!(long("a"), long("b"));
        assert_eq!(long("a").len(), CUT_BYTES + 17);
    }

    #[test]
    fn the_day_of_a_report_is_that_of_its_job() {
        let told = ulid::Ulid::from_parts(1_732_752_000_000, 7).to_string();
        assert_eq!(made_on(&JobId::new(&told).unwrap()).to_string(), "2024-11-28");
        let far = ulid::Ulid::from_parts(281_474_976_710_655, 7).to_string();
        for chosen in ["order-7", "ZZZZZZZZZZZZZZZZZZZZZZZZZZ", "0000000000000000000000000A", far.as_str()] {
            let days = (made_on(&JobId::new(chosen).unwrap()) - local_now().date_naive()).num_days();
            assert!(days.abs() <= 1, "{chosen}: {days} days from now");
        }
    }
}
