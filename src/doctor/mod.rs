//! Finds out what is wrong: with the server, the queues, the workers, and the services that processors need.
//!
//! `facts.rs` gathers, in a handful of quick questions a queue, whatever its length; the files beside it judge, each one
//! area, from facts alone. Every finding has a code of the table [`CODES`], which says what it means and what mends it.
//!
//! What is gathered for another area (alerts, say) goes into `Facts`; a file of its own judges it and has a
//! line in `judge`; its codes have rows in the table.

mod acl;
mod alerts;
mod backlog;
mod breakers;
mod bundle;
mod cluster;
mod code;
mod facts;
mod finding;
mod fix;
mod memory;
mod queues;
mod server;
mod services;
mod workers;

pub use acl::AclUser;
pub use bundle::{Bundle, BundledEvent, BundledWorker, DeadCause};
pub use code::{CODES, Code, CodeInfo};
pub use finding::{Area, Cause, Finding, Severity};
pub use services::{Service, ServiceState};

use std::pin::Pin;

use crate::client::Client;
use crate::error::{ErrorKind, Result};
use crate::job::QueueName;
use facts::Facts;

/// Examines everything under a prefix, or one queue.
///
/// ```no_run
/// # async fn example(client: &ireva_queue::Client) -> ireva_queue::Result<()> {
/// use ireva_queue::Doctor;
///
/// let doctor = Doctor::new(client);
/// let mut examination = doctor.examine().await?;
/// doctor.fix(&mut examination).await?;
/// for finding in examination.findings.iter().filter(|finding| finding.is_open()) {
///     println!("{}: {} ({})", finding.code, finding.message, finding.remedy);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Doctor {
    client: Client,
    queue: Option<QueueName>,
}

/// What an examination came to.
#[derive(Debug)]
pub struct Examination {
    /// Everything that was found, the worst first.
    pub findings: Vec<Finding>,
    facts: Facts,
}

impl Client {
    /// What is wrong with the server, the queues and the workers, the worst first; a server that does not answer is a
    /// finding, too. Services of processors are not tried here: see [`Doctor::examine_with`].
    ///
    /// # Errors
    /// None of the server's; a defect of this crate.
    pub async fn doctor(&self) -> Result<Vec<Finding>> {
        Ok(Doctor::new(self).examine().await?.findings)
    }
}

impl Doctor {
    /// Looks at all that `client` sees.
    pub fn new(client: &Client) -> Self {
        Self { client: client.clone(), queue: None }
    }

    /// Looks at one queue, its workers and the services that its processor needs; at the server only where it does not
    /// answer.
    pub fn queue(self, queue: QueueName) -> Self {
        Self { queue: Some(queue), ..self }
    }

    /// Looks.
    ///
    /// # Errors
    /// `NotFound` when the one queue has never been used. A server that does not answer is no error but a finding.
    pub async fn examine(&self) -> Result<Examination> {
        self.examine_with(std::future::ready(Vec::new())).await
    }

    /// Looks while `services` are tried by the one who knows where they are.
    ///
    /// # Errors
    /// As for [`Doctor::examine`].
    pub async fn examine_with(&self, services: impl Future<Output = Vec<Service>>) -> Result<Examination> {
        let (config, client) = (self.client.config(), self.client.of_what_answers());
        // Boxed: what is asked is nested so deep that whoever awaits this would have to raise its recursion limit.
        let gather: Pin<Box<dyn Future<Output = _> + Send>> =
            Box::pin(facts::gather(client.store(), config, self.queue.as_ref()));
        let (gathered, mut services) = tokio::join!(gather, services);
        if let Some(queue) = &self.queue {
            services.retain(|service| service.serves(queue));
        }
        let (facts, absence) = match gathered {
            Ok(facts) => {
                let absence = facts.absent.as_ref().map(server::judge_absence);
                (Facts { services, ..facts }, absence)
            }
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Internal) => return Err(error),
            Err(error) => (Facts { services, ..Facts::default() }, Some(server::judge_absence(&error))),
        };
        let mut findings: Vec<_> = absence.into_iter().chain(judge(&facts, self.queue.is_some())).collect();
        findings.sort_by(|a, b| (a.severity, a.code, &a.about).cmp(&(b.severity, b.code, &b.about)));
        Ok(Examination { findings, facts })
    }
}

/// All areas in turn.
fn judge(facts: &Facts, is_of_one_queue: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(server) = facts.server.as_ref().filter(|_| !is_of_one_queue) {
        match &server.cluster {
            Some(look) => findings.extend(cluster::judge(server, look, &facts.unreached)),
            None => {
                findings.extend(server::judge(server, &facts.queues));
                findings.extend(memory::judge(server));
            }
        }
    }
    findings.extend(cluster::judge_unreached(&facts.unreached));
    for (queue, error) in &facts.unreadable {
        findings.push(Finding::of_queue(Code::QueueUnreadable, queue, error.to_string()));
    }
    for queue in &facts.queues {
        findings.extend(queues::judge(queue, &facts.workers, facts.server.as_ref()));
    }
    findings.extend(workers::judge(&facts.workers));
    findings.extend(services::judge(&facts.services, &facts.queues));
    findings.extend(facts.alerts.iter().flat_map(alerts::judge));
    findings.extend(breakers::judge(&facts.breakers, &facts.queues, is_of_one_queue));
    findings
}

impl Examination {
    /// The services as they were tried.
    pub fn services(&self) -> &[Service] {
        &self.facts.services
    }

    /// How many queues were looked at.
    pub fn queues(&self) -> usize {
        self.facts.queues.len() + self.facts.unreadable.len()
    }

    /// How many workers were looked at.
    pub fn workers(&self) -> usize {
        self.facts.workers.len()
    }

    /// Whether something wants to be done.
    pub fn is_open(&self) -> bool {
        self.findings.iter().any(Finding::is_open)
    }
}
