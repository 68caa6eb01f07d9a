//! Acts on many jobs: on the selected ones of a queue, how long they may take, and what is told when that was not enough.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::gate::Caller;
use super::path::InQueue;
use super::problem::{Problem, Refusal};
use super::query::Query;
use super::route::Route;
use super::rules::Pace;
use super::selecting::{SelectionQuery, StatesQuery};
use super::{Answered, Api};
use crate::config::Rate;
use crate::stats::BulkReport;
use crate::{ActOptions, BulkAct, Error, Result, Scope};

pub(super) fn routes() -> Vec<Route> {
    let which = "Name jobs (id), select them (state, code, payload, …), or say all=true. What was done stays done when it \
                 is broken off, and the same request goes on with the rest.";
    let act = |verb: &'static str, act: BulkAct, summary: &str, more: &str| {
        let handler = move |caller: Caller,
                            State(api): State<Api>,
                            InQueue { queue }: InQueue,
                            Query(states): Query<StatesQuery>,
                            Query(selection): Query<SelectionQuery>,
                            Query(how): Query<ActQuery>| async move {
            // States say which ones are meant, too.
            let mut selection = match (how.all, states.state.is_empty()) {
                (false, false) => selection.read(how.limit)?,
                (all, _) => selection.read_for_act(all, how.limit)?,
            };
            selection.states = states.state;
            let queue = api.client.queue(queue);
            queue.must_exist().await?;
            let (options, progress) = (how.options(&caller)?, Progress::default());
            let bulk = queue.bulk();
            carry_out(&api, &progress, bulk.run(act, &selection, &options, &mut |done| progress.note(done))).await
        };
        Route::post(format!("/api/queues/{{queue}}/bulk/{verb}"), &format!("{verb}Jobs"), handler)
            .does(summary, &format!("{more} {which}"))
            .scope(Scope::Admin)
            .takes::<InQueue>()
            .takes::<StatesQuery>()
            .takes::<SelectionQuery>()
            .takes::<ActQuery>()
            .may_refuse()
            .pace(Pace::Own)
            .answers::<BulkReport>("How many were changed")
    };
    vec![
        act(
            "cancel",
            BulkAct::Cancel,
            "Cancel the selected jobs of a queue",
            "Waiting ones at once; for active ones their workers are told within a second. For an hour it can be undone.",
        ),
        act(
            "retry",
            BulkAct::Retry,
            "Run the selected failed jobs of a queue again",
            "Dead ones from the start, retrying ones now.",
        ),
        act("promote", BulkAct::Promote, "Let the selected scheduled and retrying jobs of a queue run now", ""),
        act(
            "delete",
            BulkAct::Remove,
            "Delete the selected jobs of a queue",
            "Active ones are never deleted. For an hour it can be undone.",
        ),
    ]
}

/// How an act on many jobs goes about it.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
pub(super) struct ActQuery {
    /// All of them
    pub all: bool,
    /// Only count
    dry_run: bool,
    /// At most so many, oldest first
    #[param(minimum = 1, maximum = 100_000_000)]
    pub limit: Option<u64>,
    /// At most so many in a span of time, such as 10/s
    rate: Option<String>,
    /// Why, for the audit
    reason: Option<String>,
}

impl ActQuery {
    /// How it is done, by whom and why.
    ///
    /// # Errors
    /// 400 where the rate is none.
    pub(super) fn options(self, caller: &Caller) -> Result<ActOptions, Problem> {
        let rate = self.rate.map(|text| text.parse::<Rate>()).transpose();
        let rate = rate.map_err(|error: Error| error.about("rate"))?;
        Ok(ActOptions {
            rate_per_sec: rate.map(|rate| 1e6 / rate.interval_us() as f64),
            dry_run: self.dry_run,
            by: Some(caller.by()),
            reason: self.reason,
            ..ActOptions::default()
        })
    }
}

/// How many jobs an act has changed so far.
#[derive(Debug, Default)]
pub(super) struct Progress(AtomicU64);

impl Progress {
    /// What the act tells it.
    pub(super) fn note(&self, done: u64) {
        self.0.store(done, Ordering::Relaxed);
    }
}

/// Carries an act out within the time for such acts.
pub(super) async fn carry_out<T>(api: &Api, progress: &Progress, act: impl Future<Output = Result<T>>) -> Answered<T> {
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
