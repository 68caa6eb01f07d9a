//! Everything about a job.

use chrono::SecondsFormat;
use ireva_queue::JobState;
use ireva_queue::job::{Crash, Failure};
use ireva_queue::stats::{Child, JobDetails, JobSummary, Progress};

use crate::output::{Cell, Tone};
use crate::view::explanation;
use crate::view::job_summary::waits;
use crate::view::{Block, Column, View};

impl View for JobDetails {
    const COLUMNS: &'static [Column] = JobSummary::COLUMNS;
    const PLAIN_CARD: bool = true;

    fn cells(&self) -> Vec<Cell> {
        self.summary.cells()
    }

    fn name(&self) -> String {
        self.summary.name()
    }

    fn card(&self) -> Option<Vec<Block>> {
        let mut blocks = standing(self);
        blocks.extend(options(self));
        blocks.extend(story(self));
        let payload = self.payload.as_ref().map(|payload| payload.get().to_owned());
        let passages = [
            ("payload", payload),
            ("stored bytes", self.raw.clone()),
            ("result", self.result.as_ref().map(|result| result.get().to_owned())),
            ("children", children(self)),
            ("failures", failures(&self.failures)),
            ("crashed", crashed(&self.crashed)),
            ("log", self.log.clone()),
        ];
        blocks.extend(passages.into_iter().filter_map(|(label, text)| Some(Block::Passage(label, text?))));
        blocks.extend(self.explanation.iter().flat_map(explanation::passages));
        Some(blocks)
    }
}

/// Where it stands.
fn standing(job: &JobDetails) -> Vec<Block> {
    let summary = &job.summary;
    vec![
        Block::Field("id", Cell::text(summary.id.as_str())),
        Block::Field("queue", Cell::text(summary.queue.as_str())),
        Block::Field("state", Cell::state(summary.state)),
        Block::Field(if waits(summary.state) { "due" } else { "since" }, Cell::at(summary.since)),
        Block::Field("enqueued", Cell::maybe_at(summary.enqueued_at)),
        Block::Field("priority", Cell::text(summary.priority.as_str())),
        Block::Field("attempt", Cell::count(summary.attempt)),
    ]
}

/// What the producer asked for; what it left to the queue is left out.
fn options(job: &JobDetails) -> Vec<Block> {
    let fields = [
        ("max attempts", job.max_attempts.map(Cell::count)),
        ("backoff", job.backoff.as_ref().map(Cell::text)),
        ("timeout", job.timeout_ms.map(|timeout_ms| Cell::millis(Some(timeout_ms)))),
        ("ttl", job.ttl_ms.map(|ttl_ms| Cell::millis(Some(ttl_ms)))),
        ("unique", job.unique.as_ref().map(Cell::text)),
        ("order key", job.order_key.as_ref().map(Cell::text)),
        ("partition", job.partition.as_ref().map(Cell::text)),
        ("batch", job.batch.as_ref().map(Cell::text)),
        ("revives", job.revives.as_ref().map(|id| Cell::text(id.as_str()))),
    ];
    fields.into_iter().filter_map(|(label, cell)| Some(Block::Field(label, cell?))).collect()
}

/// What happened to it; what did not happen is left out.
fn story(job: &JobDetails) -> Vec<Block> {
    let counted = |count: u32, tone| (count > 0).then(|| Cell::count(count).tone(tone));
    // What no attempt of its own says: it expired, its workers died, a service said to wait.
    let cause = job.summary.last_error.as_ref().filter(|error| job.failures.last() != Some(*error));
    let fields = [
        ("cause", cause.map(|error| Cell::text(format!("{}: {}", error.code, error.message)))),
        ("worker", job.worker.as_ref().map(Cell::text)),
        ("fence", job.fence.map(|fence| Cell::text(fence.to_string()))),
        ("progress", job.progress.as_ref().map(|progress| Cell::text(so_far(progress)))),
        ("failed", counted(job.failed, Tone::Warn)),
        ("crashes", counted(job.crashes, Tone::Bad)),
        ("snoozed", counted(job.snoozed, Tone::Plain)),
        ("revived", counted(job.revived, Tone::Plain)),
    ];
    fields.into_iter().filter_map(|(label, cell)| Some(Block::Field(label, cell?))).collect()
}

/// How far it says it is.
fn so_far(progress: &Progress) -> String {
    let Progress { done, total, unit, at } = progress;
    let of = total.map_or_else(String::new, |total| format!(" of {total}"));
    let share = total.filter(|total| *total > 0).map_or_else(String::new, |total| {
        format!(" ({} %)", u128::from(*done).saturating_mul(100) / u128::from(total))
    });
    let at = at.to_rfc3339_opts(SecondsFormat::Secs, true);
    format!("{done}{of} {unit}{share} at {at}")
}

/// The jobs that it hands over, and where each stands.
fn children(job: &JobDetails) -> Option<String> {
    let absent = if job.summary.state == JobState::Completed { "not kept" } else { "not there" };
    let line = |child: &Child| {
        let state = child.state.map_or(absent, JobState::as_str);
        format!("{:<8} {state:<10} {} in {}", child.channel, child.id, child.queue)
    };
    let lines: Vec<_> = job.children.iter().map(line).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn failures(failures: &[Failure]) -> Option<String> {
    let line = |failure: &Failure| {
        let at = failure.at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let Failure { attempt, class, code, message, duration_ms, worker, .. } = failure;
        let message = message.replace('\n', " ");
        format!("{at}  attempt {attempt}  {class} {code}  {duration_ms} ms  {worker}  {message}")
    };
    let lines: Vec<_> = failures.iter().map(line).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// Each crash with what the job had said last.
fn crashed(crashes: &[Crash]) -> Option<String> {
    let line = |crash: &Crash| {
        let at = crash.at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let Crash { attempt, code, worker, log, .. } = crash;
        let said: String = log.lines().map(|line| format!("\n  | {line}")).collect();
        format!("{at}  attempt {attempt}  {code}  {worker}  {}{said}", crash.told())
    };
    let lines: Vec<_> = crashes.iter().map(line).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}
