//! The state of the queues at one instant.

use axum::extract::State;

use super::Api;
use super::partly::Partly;
use super::path::InQueue;
use super::problem::Problem;
use super::route::Route;
use crate::Scope;
use crate::stats::QueueStats;

pub(super) fn routes() -> Vec<Route> {
    let counts = "Counts per state, the age of the oldest pending job, what happened in the last minute and hour, the \
                  failure rate, limits and workers. In a cluster of which a node is away the answer leaves out what \
                  that has, and Ireva-Unreached names it.";
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

async fn every(State(api): State<Api>) -> Result<Partly<Vec<QueueStats>>, Problem> {
    let client = api.client.of_what_answers();
    Ok(Partly(client.inspector().stats().await?, client))
}

async fn one(State(api): State<Api>, InQueue { queue }: InQueue) -> Result<Partly<QueueStats>, Problem> {
    let client = api.client.of_what_answers();
    Ok(Partly(client.queue(queue).stats().await?, client))
}
