//! The state of the queues at one instant.

use axum::Json;
use axum::extract::State;

use super::path::InQueue;
use super::route::Route;
use super::{Answered, Api};
use crate::Scope;
use crate::stats::QueueStats;

pub(super) fn routes() -> Vec<Route> {
    let counts = "Counts per state, the age of the oldest pending job, what happened in the last minute and hour, the \
                  failure rate, limits and workers.";
    vec![
        Route::get("/api/jobs/stats", "stats", every)
            .does("Show how the queues stand", counts)
            .scope(Scope::Read)
            .answers_list::<QueueStats>("The queues, by name", &[]),
        Route::get("/api/jobs/stats/{queue}", "queueStats", one)
            .does("Show how a queue stands", counts)
            .scope(Scope::Read)
            .takes::<InQueue>()
            .answers::<QueueStats>("The queue"),
    ]
}

async fn every(State(api): State<Api>) -> Answered<Vec<QueueStats>> {
    Ok(Json(api.service.queue_statistics(None).await?))
}

async fn one(State(api): State<Api>, InQueue { queue }: InQueue) -> Answered<QueueStats> {
    Ok(Json(api.client.queue(queue).stats().await?))
}
