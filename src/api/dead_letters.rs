//! The dead letters of a queue: list, group, revive, delete.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::body::JsonText;
use super::bulk::{ActQuery, Progress, carry_out};
use super::enqueue::Accepted;
use super::gate::Caller;
use super::jobs::{LINK, USUAL_LIMIT, link_to};
use super::path::{ByQueueAndId, InQueue, OneJob};
use super::problem::Problem;
use super::query::Query;
use super::route::Route;
use super::rules::Pace;
use super::selecting::SelectionQuery;
use super::{Answered, Api};
use crate::service::QueueService;
use crate::stats::{BulkReport, DeadGroup, DeadLetter, Enqueued, Skipped};
use crate::{ActOptions, BulkAct, DeadLetters, Error, GroupBy, JobState, NewJob, Scope, Selection, span_from_text};

pub(super) fn routes() -> Vec<Route> {
    let which = "Name jobs (id), select them (class, code, error, olderThan, newerThan), or say all=true. What was done \
                 stays done when it is broken off, and the same request goes on with the rest.";
    let replaced = "The body is the payload of a new job, which takes the letter's place and its other options.";
    let example = json!({"to": "ada@example.com", "subject": "Welcome", "template": "welcome-email"});
    let bulk = |route: Route| {
        route.scope(Scope::Admin).takes::<InQueue>().takes::<SelectionQuery>().may_refuse().pace(Pace::Own)
    };
    let listing = |route: Route| route.scope(Scope::Read).takes::<InQueue>().takes::<SelectionQuery>();
    vec![
        listing(Route::get("/api/queues/{queue}/dead-letters", "listDeadLetters", list))
            .does("List dead letters, oldest first", "")
            .takes::<ListQuery>()
            .answers_list::<DeadLetter>("The dead letters", &[LINK]),
        listing(Route::get("/api/queues/{queue}/dead-letters/groups", "groupDeadLetters", groups))
            .does("Count dead letters by what they share", "")
            .takes::<GroupQuery>()
            .answers_list::<DeadGroup>("The groups, the most frequent first", &[]),
        bulk(Route::post("/api/queues/{queue}/dead-letters/retry", "retryDeadLetters", retry))
            .does("Revive dead letters: they run again with all their attempts", which)
            .takes::<ActQuery>()
            .takes::<ReviveQuery>()
            .answers::<BulkReport>("How many were revived"),
        bulk(Route::delete("/api/queues/{queue}/dead-letters", "deleteDeadLetters", delete))
            .does("Delete dead letters for good", which)
            .takes::<ActQuery>()
            .answers::<BulkReport>("How many were deleted"),
        Route::post("/api/queues/{queue}/dead-letters/{id}/replace", "replaceDeadLetter", replace)
            .does("Revive a dead letter with another payload", replaced)
            .scope(Scope::Admin)
            .takes::<ByQueueAndId>()
            .takes::<DelayQuery>()
            .body("The payload", Value::schema(), example)
            .may_refuse()
            .accepts(),
    ]
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// At most so many
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<u64>,
    /// Leave out so many first
    #[param(minimum = 0, maximum = 100_000_000, default = 0)]
    offset: Option<u64>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct GroupQuery {
    /// What they share: code, class, or error (numbers and ids made alike)
    #[serde(default)]
    #[param(inline)]
    by: By,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum By {
    #[default]
    Code,
    Class,
    Error,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ReviveQuery {
    /// They wait this long before they start, such as 10m
    delay: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct DelayQuery {
    /// It waits this long before it starts, such as 10m
    delay: Option<String>,
}

async fn list(
    State(api): State<Api>,
    InQueue { queue }: InQueue,
    uri: Uri,
    Query(selection): Query<SelectionQuery>,
    Query(query): Query<ListQuery>,
) -> Result<(HeaderMap, Json<Vec<DeadLetter>>), Problem> {
    let (offset, limit) = (query.offset.unwrap_or_default(), query.limit.unwrap_or(USUAL_LIMIT));
    let page = api.client.dead_letters(queue).list(&selection.read(None)?, offset, limit).await?;
    let next = page.more.then(|| offset + page.items.len() as u64);
    Ok((link_to(&uri, next), Json(page.items)))
}

async fn groups(
    State(api): State<Api>,
    InQueue { queue }: InQueue,
    Query(selection): Query<SelectionQuery>,
    Query(GroupQuery { by }): Query<GroupQuery>,
) -> Answered<Vec<DeadGroup>> {
    let by = match by {
        By::Code => GroupBy::Code,
        By::Class => GroupBy::Class,
        By::Error => GroupBy::Error,
    };
    Ok(Json(api.client.dead_letters(queue).groups(&selection.read(None)?, by).await?))
}

async fn retry(
    caller: Caller,
    State(api): State<Api>,
    InQueue { queue }: InQueue,
    Query(selection): Query<SelectionQuery>,
    Query(act): Query<ActQuery>,
    Query(revive): Query<ReviveQuery>,
) -> Answered<BulkReport> {
    let selection = selection.read_for_act(act.all, act.limit)?;
    let options = ActOptions { delay: span("delay", revive.delay)?, ..act.options(&caller)? };
    let (letters, bulk) = (api.client.dead_letters(queue.clone()), api.client.queue(queue).bulk());
    let progress = Progress::default();
    let act = async {
        let (selection, missing) = present(&letters, selection).await?;
        let report = bulk.run(BulkAct::Retry, &selection, &options, &mut |done| progress.note(done)).await?;
        Ok(with_missing(report, missing))
    };
    carry_out(&api, &progress, act).await
}

async fn delete(
    caller: Caller,
    State(api): State<Api>,
    InQueue { queue }: InQueue,
    Query(selection): Query<SelectionQuery>,
    Query(act): Query<ActQuery>,
) -> Answered<BulkReport> {
    let selection = selection.read_for_act(act.all, act.limit)?;
    let (letters, bulk) = (api.client.dead_letters(queue.clone()), api.client.queue(queue).bulk());
    let (progress, options) = (Progress::default(), act.options(&caller)?);
    let act = async {
        let (selection, missing) = present(&letters, selection).await?;
        let report = bulk.run(BulkAct::Remove, &selection, &options, &mut |done| progress.note(done)).await?;
        Ok(with_missing(report, missing))
    };
    carry_out(&api, &progress, act).await
}

/// The selection among the dead letters without the named jobs that are no dead letters, and why each is not.
///
/// # Errors
/// Why the first is not, where none of those that were named is left.
async fn present(letters: &DeadLetters, mut selection: Selection) -> crate::Result<(Selection, Vec<Skipped>)> {
    selection.states = vec![JobState::Dead];
    if selection.ids.is_empty() {
        return Ok((selection, Vec::new()));
    }
    let (mut ids, mut missing) = (Vec::new(), Vec::new());
    for (id, refusal) in letters.look_up(&selection.ids).await? {
        match refusal {
            None => ids.push(id),
            Some(error) => missing.push((id, error)),
        }
    }
    selection.ids = ids;
    if selection.ids.is_empty() && !missing.is_empty() {
        return Err(missing.swap_remove(0).1);
    }
    let skipped = missing.into_iter().map(|(id, error)| Skipped { id, reason: error.to_string() });
    Ok((selection, skipped.collect()))
}

fn with_missing(mut report: BulkReport, missing: Vec<Skipped>) -> BulkReport {
    report.skipped.extend(missing);
    report
}

async fn replace(
    State(api): State<Api>,
    InQueue { queue }: InQueue,
    letter: OneJob,
    Query(DelayQuery { delay }): Query<DelayQuery>,
    JsonText(payload): JsonText,
) -> Result<Accepted, Problem> {
    let delay = span("delay", delay)?;
    let payload = NewJob::from_json(payload)?.payload().get().to_owned();
    QueueService::check(&queue, &payload)?;
    let letters = api.client.dead_letters(queue.clone());
    let id = letters.revive_edited(letter.id(), payload, delay).await?;
    Ok(Accepted(Enqueued { id, queue, duplicate: false }))
}

fn span(field: &str, text: Option<String>) -> Result<Option<std::time::Duration>, Error> {
    text.map(|text| span_from_text(&text)).transpose().map_err(|error| error.about(field))
}
