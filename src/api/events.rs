//! What happens in a queue, as it happens: a stream of events for browsers and curl (server-sent events).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName};
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse, Sse};
use futures_util::stream;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::IntoParams;

use super::Api;
use super::gate::Caller;
use super::problem::{Problem, Refusal};
use super::query::Query;
use super::route::Route;
use super::rules::Pace;
use crate::{EventId, Events, QueueEvent, QueueName, Scope};

const LAST_EVENT_ID: &str = "last-event-id";
/// How long one look for events waits, and how often it is asked whether the caller's token still holds.
const LOOK: Duration = Duration::from_secs(2);
/// A silent stream says so often that it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A browser comes back after this.
const COME_BACK: Duration = Duration::from_secs(2);

pub(super) fn routes() -> Vec<Route> {
    let description = "Failures, burials, recoveries, acts of operators; all steps of jobs where the queue is set to tell \
                       them. Each event has its id, its data is JSON. Browsers that lost the connection go on behind the \
                       last event that they saw; where events behind it are no longer kept, an event gap comes first.";
    let mut follow = Route::get("/api/jobs/events", "followEvents", follow);
    let schema = follow.refer::<QueueEvent>();
    vec![
        follow
            .does("Follow what happens in a queue", description)
            .scope(Scope::Read)
            .takes::<EventsQuery>()
            .takes_header("Last-Event-ID", "Go on behind this event")
            .pace(Pace::Own)
            .may_miss()
            .answer("200", "The data of each event", "text/event-stream", schema, &[]),
    ]
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct EventsQuery {
    /// The queue
    queue: QueueName,
    /// Go on behind this event, for clients that cannot send Last-Event-ID
    after: Option<String>,
}

async fn follow(
    caller: Caller,
    State(api): State<Api>,
    headers: HeaderMap,
    Query(EventsQuery { queue, after }): Query<EventsQuery>,
) -> Result<impl IntoResponse, Problem> {
    let header = headers.get(LAST_EVENT_ID).map(|id| id.to_str().unwrap_or_default().trim().to_owned());
    let (name, last) = if header.is_some() { ("Last-Event-ID", header) } else { ("after", after) };
    let after = last.filter(|text| !text.is_empty()).map(|text| text.parse::<EventId>());
    let after = after.transpose().map_err(|error| error.about(name))?;
    let places = api.streams.clone();
    let place = places
        .try_acquire_owned()
        .map_err(|_| Problem::new(Refusal::TooManyStreams, "close one of them, or come again later").retry_after(10))?;
    let events = api.client.events(&queue, after).await?;
    let mut waiting = VecDeque::from([Event::default().retry(COME_BACK)]);
    if events.has_gap() {
        let data = json!({"queue": queue, "after": after}).to_string();
        waiting.push_back(Event::default().event("gap").data(data));
    }
    let following = Following { api, caller, events, waiting, _place: place };
    let stream = stream::unfold(following, Following::next);
    // A proxy that gathers answers would hold events back.
    let at_once = [(HeaderName::from_static("x-accel-buffering"), "no")];
    Ok((at_once, Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))))
}

/// One stream; dropping it gives its place and its connection back.
struct Following {
    api: Api,
    caller: Caller,
    events: Events,
    waiting: VecDeque<Event>,
    _place: OwnedSemaphorePermit,
}

impl Following {
    /// The next event; `None` ends the stream: the server stops, or the caller may no longer look.
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some((Ok(event), self));
            }
            let stop = self.api.settings.stop.clone();
            let looked = tokio::select! {
                looked = self.events.next(LOOK) => looked,
                () = stop.cancelled() => return None,
            };
            match looked {
                Ok(events) => self.waiting.extend(events.iter().filter_map(told)),
                // The next look goes on where this one stopped, at the pace of reconnecting.
                Err(error) if error.is_transient() => {}
                Err(error) => {
                    tracing::warn!(%error, "a stream of events ended");
                    return None;
                }
            }
            match self.caller.still_may(&self.api, Scope::Read).await {
                Ok(false) => return None,
                // Who cannot be asked about is not let go on, unless it passes.
                Err(error) if !error.is_transient() => return None,
                _ => {}
            }
        }
    }
}

fn told(event: &QueueEvent) -> Option<Event> {
    let data = serde_json::to_string(event).ok()?;
    Some(Event::default().id(event.id.to_string()).data(data))
}
