//! What an examination found.

use std::fmt;

use serde::Serialize;

use crate::doctor::code::Code;
use crate::job::QueueName;
use crate::retry::ErrorClass;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Jobs do not run, or may be lost.
    Critical,
    /// Something is not as it should be.
    Warning,
    /// Good to know; nothing is wrong.
    Note,
}

impl Severity {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Area {
    /// Redis.
    Server,
    /// A queue.
    Queue,
    /// A worker.
    Worker,
    /// A service that processors need.
    Service,
    /// Who is told of what is wrong.
    Alert,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Its stable word.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What kind of thing it is about.
    pub area: Area,
    /// The thing: `redis`, a queue, a worker, a service.
    pub about: String,
    /// The queue that it is about, or that feels it.
    pub queue: Option<QueueName>,
    /// What was found, with its numbers.
    pub message: String,
    /// What that means.
    pub meaning: &'static str,
    /// What mends it.
    pub remedy: String,
    /// Errors behind it, the most frequent first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// Whether [`Doctor::fix`](crate::Doctor::fix) mends it.
    pub fixable: bool,
    /// What was done about it.
    pub fixed: Option<String>,
}

/// Errors that share a code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    /// The code.
    pub code: String,
    /// The class.
    pub class: ErrorClass,
    /// How many of the jobs that were looked at have it.
    pub count: u64,
    /// What the latest of them said; left out where it must not be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} × {} ({})", self.count, self.code, self.class)?;
        self.example.as_ref().map_or(Ok(()), |example| write!(f, ": {example}"))
    }
}

impl Finding {
    /// A finding of the table's severity and remedy.
    pub(crate) fn new(code: Code, about: impl Into<String>, message: impl Into<String>) -> Self {
        let (info, about) = (code.info(), about.into());
        Self {
            code,
            severity: info.severity,
            area: info.area,
            queue: None,
            message: message.into(),
            meaning: info.meaning,
            remedy: info.remedy.replace("{about}", &about),
            about,
            causes: Vec::new(),
            fixable: false,
            fixed: None,
        }
    }

    /// About the server.
    pub(crate) fn server(code: Code, message: impl Into<String>) -> Self {
        Self::new(code, "redis", message)
    }

    /// About a queue.
    pub(crate) fn of_queue(code: Code, queue: &QueueName, message: impl Into<String>) -> Self {
        Self { queue: Some(queue.clone()), ..Self::new(code, queue.as_str(), message) }
    }

    /// The same, this bad.
    pub(crate) fn severity(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    /// The same, mended by this.
    pub(crate) fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: remedy.into(), ..self }
    }

    /// The same with the errors behind it.
    pub(crate) fn causes(self, causes: &[Cause]) -> Self {
        Self { causes: causes.to_vec(), ..self }
    }

    /// The same, which this crate can mend.
    pub(crate) fn fixable(self) -> Self {
        Self { fixable: true, ..self }
    }

    /// Whether it wants something to be done: what was mended, and what is only good to know, does not.
    pub fn is_open(&self) -> bool {
        self.severity != Severity::Note && self.fixed.is_none()
    }
}

/// `1 job`, `1,200 jobs`.
pub(super) fn many(count: u64, thing: &str) -> String {
    format!("{} {thing}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// `1,234,567`.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

/// A span in its two largest units, as people say it: `3m 20s`.
pub(super) fn about_ms(span_ms: u64) -> String {
    let secs = span_ms / 1000;
    match secs {
        0 => format!("{span_ms}ms"),
        1..60 => format!("{secs}s"),
        60..3600 => format!("{}m {}s", secs / 60, secs % 60),
        3600..86_400 => format!("{}h {}m", secs / 3600, secs % 3600 / 60),
        _ => format!("{}d {}h", secs / 86_400, secs % 86_400 / 3600),
    }
}

/// Bytes in the largest unit that leaves a whole number before the point: `1.5 GiB`.
pub(super) fn about_bytes(bytes: u64) -> String {
    let units = [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", bytes as f64 / *unit as f64),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remedy_names_what_the_finding_is_about() {
        let finding = Finding::of_queue(Code::QueuePaused, &QueueName::new("email").unwrap(), "x");
        assert_eq!(finding.remedy, "ireva-queue queues resume email");
        assert!(finding.is_open() && !finding.severity(Severity::Note).is_open());
    }

    #[test]
    fn numbers_are_said_as_people_say_them() {
        assert_eq!((many(1, "job"), many(0, "job")), ("1 job".to_owned(), "0 jobs".to_owned()));
        assert_eq!([999, 1_000, 1_234_567].map(grouped), ["999", "1,000", "1,234,567"]);
        let spans = [(5, "5ms"), (59_000, "59s"), (200_000, "3m 20s"), (7_260_000, "2h 1m"), (90_000_000, "1d 1h")];
        for (ms, text) in spans {
            assert_eq!(about_ms(ms), text);
        }
        assert_eq!((about_bytes(512), about_bytes(3 << 29)), ("512 B".to_owned(), "1.5 GiB".to_owned()));
    }
}
