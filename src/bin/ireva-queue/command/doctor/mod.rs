//! `doctor`: what is wrong, what it means, and what mends it.

mod services;

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use ireva_queue::doctor::{CODES, Service, ServiceState};
use ireva_queue::{Doctor, Examination, Finding, JobId, QueueName};

use crate::context::Context;
use crate::exit::Code;
use crate::output::{Answer, counted};
use crate::view::Findings;

/// Find out what is wrong, and what mends it
///
/// Looks at the server (version, rights, memory, persistence, replicas,
/// sentinels, clock), at the queues (why jobs wait, what fails, what is stuck),
/// at the workers, and tries the services that the processors need: mail,
/// database, directories, addresses. Each finding has a stable code, what it
/// means and the command that mends it. Exit code 1 where anything wants to be
/// done; notes do not count.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue doctor
  ireva-queue doctor email
  ireva-queue doctor --fix
  ireva-queue doctor --bundle report.json")]
pub struct Args {
    /// Only this queue, its workers and its services
    #[arg(value_name = "QUEUE")]
    queue: Option<QueueName>,

    /// Mend what needs no decision, and say what was done: unique keys and ids
    /// that hold nothing, wrong counts, ended jobs beyond what is to be kept
    #[arg(long)]
    fix: bool,

    /// Write a report for others to this file, as JSON: configuration, findings,
    /// statistics, workers, events, dead letters by code; no secret, no payload
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,

    /// List every code with its meaning and what mends it; asks nobody
    #[arg(long, conflicts_with_all = ["queue", "fix", "bundle"])]
    codes: bool,
}

/// Examines.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    if args.codes {
        return Ok(Answer::list(CODES.to_vec()));
    }
    let (client, config) = (context.client()?, context.config()?);
    let mut doctor = Doctor::new(client);
    if let Some(queue) = args.queue.clone() {
        doctor = doctor.queue(queue);
    }
    let mut examination = doctor.examine_with(services::all(config, args.queue.as_ref())).await?;
    if args.fix {
        doctor.fix(&mut examination).await?;
    }
    if let Some(path) = &args.bundle {
        let bundle = doctor.bundle(&examination, context.explained().values).await?;
        let text = serde_json::to_vec_pretty(&bundle).context("cannot write the report")?;
        write_private(path, &text).with_context(|| format!("cannot write {}", path.display()))?;
        context.ui.note(&format!("the report is in {}", path.display()));
    }
    tell(&examination, context);
    let code = if examination.is_open() { Code::Failed } else { Code::Done };
    Ok(Answer::of(Findings(examination.findings)).code(code))
}

/// Says on stderr how it stands in all.
fn tell(examination: &Examination, context: &Context) {
    let open = examination.findings.iter().filter(|finding| finding.is_open()).count();
    let fixed: Vec<&Finding> = examination.findings.iter().filter(|finding| finding.fixed.is_some()).collect();
    for finding in &fixed {
        let done = finding.fixed.as_deref().unwrap_or_default();
        context.ui.note(&format!("{} {}: {done}", finding.code, finding.about));
    }
    if open == 0 {
        let is_tried = |service: &&Service| service.state != ServiceState::Unconfigured;
        let tried = examination.services().iter().filter(is_tried).count();
        let looked_at = [(examination.queues(), "queue"), (examination.workers(), "worker"), (tried, "service")];
        let looked_at = looked_at.map(|(count, thing)| counted(count as u64, thing)).join(", ");
        let verdict = if fixed.is_empty() { "nothing is wrong" } else { "nothing else is wrong" };
        context.ui.note(&format!("the server answers; {looked_at}: {verdict}"));
    }
}

/// Writes a file for its owner alone, whole or not at all.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut under_way = path.as_os_str().to_owned();
    under_way.push(format!(".{}", JobId::generate()));
    let under_way = PathBuf::from(under_way);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&under_way)?;
    let written = file.write_all(bytes).and_then(|()| std::fs::rename(&under_way, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&under_way);
    }
    written
}
