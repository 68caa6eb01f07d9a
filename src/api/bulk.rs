//! Acts on many jobs: how long they may take, and what is told when that was not enough.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::Json;

use super::problem::{Problem, Refusal};
use super::{Answered, Api};
use crate::stats::BulkReport;
use crate::{ActOptions, Result};

/// How many jobs an act has changed so far.
#[derive(Debug, Default)]
pub(super) struct Progress(AtomicU64);

impl Progress {
    /// What the act tells it.
    pub(super) fn note(&self, done: u64) {
        self.0.store(done, Ordering::Relaxed);
    }
}

/// How it is done, and who the audit says it was.
pub(super) fn options(dry_run: bool) -> ActOptions {
    ActOptions { dry_run, by: Some("REST API".to_owned()), ..ActOptions::default() }
}

/// Carries an act out within the time for such acts.
pub(super) async fn carry_out(
    api: &Api,
    progress: &Progress,
    act: impl Future<Output = Result<BulkReport>>,
) -> Answered<BulkReport> {
    let limit = api.settings.bulk_timeout;
    match tokio::time::timeout(limit, act).await {
        Ok(report) => Ok(Json(report?)),
        Err(_) => {
            let (secs, done) = (limit.as_secs(), progress.0.load(Ordering::Relaxed));
            let detail = format!("{done} jobs were changed within {secs} s; the same request goes on with the rest");
            Err(Problem::new(Refusal::TimeUp, detail))
        }
    }
}
