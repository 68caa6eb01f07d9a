//! Judges the services that processors need; who knows the configuration tries them and tells here how it went.

use serde::Serialize;

use crate::doctor::code::Code;
use crate::doctor::facts::QueueFacts;
use crate::doctor::finding::{Finding, Severity};
use crate::job::QueueName;
use crate::processor::ProcessError;

/// A schema behind this version is a finding of its own.
const OUTDATED: &str = "database_outdated";

/// A service, and how it went when it was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// What it is called: `mail`, `database`, `import directory`.
    pub name: &'static str,
    /// The variable that says where it is.
    pub variable: &'static str,
    /// The queues whose processors need it.
    pub queues: Vec<QueueName>,
    /// How it went.
    #[serde(flatten)]
    pub state: ServiceState,
}

/// How it went when a service was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "state")]
pub enum ServiceState {
    /// Nothing says where it is.
    Unconfigured,
    /// It did.
    Well {
        /// What it said, and where it is.
        said: String,
    },
    /// It did not.
    Failed {
        /// The stable code word of the error, as jobs would get it.
        code: String,
        /// What went wrong.
        message: String,
    },
}

impl Service {
    /// A service of these queues, as it was found; `None`: nothing says where it is.
    pub fn new(
        (name, variable): (&'static str, &'static str),
        queues: &[&str],
        tried: Option<Result<String, ProcessError>>,
    ) -> Self {
        let state = match tried {
            None => ServiceState::Unconfigured,
            Some(Ok(said)) => ServiceState::Well { said },
            Some(Err(error)) => {
                ServiceState::Failed { code: error.code().to_owned(), message: error.message().to_owned() }
            }
        };
        let queues = queues.iter().filter_map(|queue| QueueName::new(queue).ok()).collect();
        Self { name, variable, queues, state }
    }

    /// Whether a processor of that queue needs it.
    pub fn serves(&self, queue: &QueueName) -> bool {
        self.queues.contains(queue)
    }
}

/// What is to be said of services. A queue that is in use feels the want of its own more than others.
pub(super) fn judge(services: &[Service], queues: &[QueueFacts]) -> Vec<Finding> {
    let mut findings: Vec<_> = services.iter().filter_map(|service| failed(service, queues)).collect();
    let unset = services.iter().filter(|service| service.state == ServiceState::Unconfigured);
    let names: Vec<_> = unset.map(|service| format!("{} ({})", service.name, service.variable)).collect();
    if !names.is_empty() {
        let message = format!("not configured here: {}", names.join(", "));
        findings.push(Finding::new(Code::ServiceUnconfigured, "services", message));
    }
    findings
}

fn failed(service: &Service, queues: &[QueueFacts]) -> Option<Finding> {
    let ServiceState::Failed { code, message } = &service.state else { return None };
    let is_used = |facts: &&QueueFacts| service.serves(&facts.stats.queue);
    let used_by = queues.iter().find(is_used).map(|facts| facts.stats.queue.clone());
    let severity = if used_by.is_some() { Severity::Critical } else { Severity::Warning };
    let names: Vec<_> = service.queues.iter().map(QueueName::as_str).collect();
    let felt = if names.is_empty() { String::new() } else { format!(" (needed by {})", names.join(", ")) };
    let (word, remedy) = match code.as_str() {
        OUTDATED => (Code::DatabaseOutdated, None),
        _ => (
            Code::ServiceFailed,
            Some(format!(
                "check {} and the service itself; jobs that fail for it are tried again by themselves",
                service.variable
            )),
        ),
    };
    let found = Finding::new(word, service.name, format!("{code}: {message}{felt}")).severity(severity);
    let found = Finding { queue: used_by, ..found };
    Some(match remedy {
        Some(remedy) => found.remedy(remedy),
        None => found,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::queues::tests::queue;

    #[test]
    fn a_failed_service_is_worst_where_its_queue_is_in_use() {
        let refused = || ProcessError::transient("connection_refused", "mail.example:25: connection refused");
        let services = [
            Service::new(("mail", "SMTP_URL"), &["email"], Some(Err(refused()))),
            Service::new(("database", "DATABASE_URL"), &["report-generation"], Some(Ok("is there".to_owned()))),
            Service::new(("chat", "SLACK_URL"), &["notification"], None),
            Service::new(("push", "PUSH_URL"), &["notification"], None),
        ];
        let findings = judge(&services, &[queue("email")]);
        let told: Vec<_> = findings.iter().map(|finding| (finding.code, finding.severity)).collect();
        assert_eq!(told, [(Code::ServiceFailed, Severity::Critical), (Code::ServiceUnconfigured, Severity::Note)]);
        assert_eq!(findings[0].queue.as_ref().map(QueueName::as_str), Some("email"));
        assert_eq!(findings[1].message, "not configured here: chat (SLACK_URL), push (PUSH_URL)");
        assert_eq!(judge(&services, &[])[0].severity, Severity::Warning);
    }

    #[test]
    fn an_old_schema_has_its_own_code() {
        let old = Err(ProcessError::transient(OUTDATED, "two steps behind"));
        let service = Service::new(("database", "DATABASE_URL"), &["data-export"], Some(old));
        let findings = judge(&[service], &[]);
        assert_eq!((findings[0].code, findings[0].remedy.as_str()), (Code::DatabaseOutdated, "ireva-queue db migrate"));
    }
}
