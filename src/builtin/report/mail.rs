//! The mail that tells of a report.

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::NaiveDate;
use serde_json::{Value, json};

use super::figures::{long_day, period};
use super::name::{digest, of_attachment};
use super::payload::Order;
use crate::builtin::storage::{Storage, Stored, trouble};
use crate::job::JobId;
use crate::processor::ProcessError;

/// The largest file that goes with the mail: a payload has at most 1 MiB, and base64 makes four bytes of three.
const ATTACHMENT_MAX_BYTES: u64 = 700_000;

/// The id of the job that sends the mail: the same for every run of the report.
pub(super) fn id(job: &JobId) -> String {
    format!("report-{}", &digest(job)[..32])
}

/// What the mail tells of.
pub(super) struct Letter<'a> {
    pub order: &'a Order,
    pub to: &'a str,
    pub name: &'a str,
    pub file: &'a Stored,
    pub made_on: NaiveDate,
}

impl Letter<'_> {
    /// The payload for the queue `email`: with the file where it is small enough, else with its name, not where it is.
    pub async fn payload(&self, storage: &Storage) -> Result<Value, ProcessError> {
        let Self { order, to, name, file, made_on } = self;
        let (report, period) = (order.report.title(), period(order.start, order.end));
        let mut context = json!({
            "reportName": report,
            "period": period,
            "format": order.format.words(),
            "size": size_words(file.size_bytes),
            "generatedOn": long_day(*made_on),
        });
        let mut attachments = json!([]);
        if file.size_bytes <= ATTACHMENT_MAX_BYTES {
            let content = STANDARD.encode(read(storage, name).await?);
            let filename = of_attachment(order);
            context["attachment"] = json!(filename);
            attachments =
                json!([{"filename": filename, "content": content, "contentType": order.format.content_type()}]);
        } else {
            context["location"] = json!(name);
        }
        Ok(json!({
            "to": to,
            "subject": format!("Your report is ready: {report}, {period}"),
            "template": "report-ready",
            "tenantId": order.tenant,
            "context": context,
            "attachments": attachments,
        }))
    }
}

async fn read(storage: &Storage, name: &str) -> Result<Vec<u8>, ProcessError> {
    let mut opened = storage.open_file(name).await?;
    let read = tokio::task::spawn_blocking(move || {
        let mut content = Vec::new();
        opened.file.read_to_end(&mut content).map(|_| content).map_err(|error| trouble(&opened.path, &error))
    });
    read.await.unwrap_or_else(|error| Err(ProcessError::transient("storage_failed", error.to_string())))
}

/// `850 bytes`, `12.3 kB`, `1.2 MB`.
fn size_words(bytes: u64) -> String {
    let tenths = |unit: u64| {
        let tenths = (bytes * 10).div_ceil(unit);
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} kB", tenths(1_000)),
        _ => format!("{} MB", tenths(1_000_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_as_people_say_them() {
        let table = [(0, "0 bytes"), (999, "999 bytes"), (1_000, "1.0 kB"), (12_301, "12.4 kB"), (1_250_000, "1.3 MB")];
        for (bytes, words) in table {
            assert_eq!(size_words(bytes), words);
        }
    }

    #[test]
    fn the_mail_of_a_job_has_one_id() {
        let job = |id: &str| JobId::new(id).unwrap();
        assert_eq!(id(&job("a")), id(&job("a")));
        assert_ne!(id(&job("a")), id(&job("b")));
        assert!(JobId::new(&id(&job(&"x".repeat(128)))).is_ok());
    }
}
