//! Why a queue cannot have so many partitions.

use crate::config::Setting;
use crate::error::{Error, Result};
use crate::job::{Partitions, QueueName};
use crate::store::{Course, Hindrance, Store};

/// Refuses a number of partitions that the queue cannot have with what is set and `changes` to that, before any of it is
/// written.
pub(crate) async fn check(store: &Store, queue: &QueueName, count: u16, changes: &[Setting]) -> Result<()> {
    Partitions::new(count)?;
    let (course, mut settings) = (store.course(queue).await?, store.settings(&store.keys(queue)).await?.settings);
    for change in changes {
        match change {
            Setting::Key(field) => settings.key.clone_from(field),
            Setting::KeyConcurrency(limit) => settings.key_concurrency = *limit,
            Setting::KeyRate(rate) => settings.key_rate = *rate,
            Setting::Concurrency(limit) => settings.concurrency = *limit,
            Setting::MaxLength(limit) => settings.max_length = *limit,
            _ => {}
        }
    }
    let keyed = settings.key.is_some() || settings.key_concurrency.is_some() || settings.key_rate.is_some();
    let hindrance = match () {
        () if course.is_moving() => {
            let on = course.next.unwrap_or(course.layout.now);
            (on.count() != count).then_some(Hindrance::Moving)
        }
        () if course.layout.now.count() == count => None,
        () if count > 1 && keyed => Some(Hindrance::Key),
        () if settings.concurrency.is_some_and(|limit| limit < count.into()) => Some(Hindrance::Concurrency),
        () if settings.max_length.is_some_and(|limit| limit < count.into()) => Some(Hindrance::MaxLength),
        () => keyed_batch(store, queue, &course, count).await?,
    };
    hindrance.map_or(Ok(()), |hindrance| Err(refused(queue, count, &course, hindrance)))
}

/// Jobs that have a batch and a unique key are refused by several partitions; what a queue of one holds of them would go with
/// its batch, and leave its key to others. Those that are added behind this look, until the queue is closed, are not seen.
pub(super) async fn keyed_batch(
    store: &Store,
    queue: &QueueName,
    course: &Course,
    count: u16,
) -> Result<Option<Hindrance>> {
    let begins = course.layout.now.is_one() && count > 1 && !course.is_moving();
    Ok((begins && store.has_keys_in_batches(&store.keys(queue)).await?).then_some(Hindrance::BatchKey))
}

/// Names what is in the way, and what to do.
pub(super) fn refused(queue: &QueueName, count: u16, course: &Course, hindrance: Hindrance) -> Error {
    let why = match hindrance {
        Hindrance::Moving => {
            let on = course.next.unwrap_or(course.layout.now);
            format!(
                "its jobs are still being moved to {} (queues set {queue} --partitions {} goes on with that)",
                on.told(),
                on.count()
            )
        }
        Hindrance::Key => {
            format!(
                "it has limits per key, and the jobs of a key may be in several partitions (queues set {queue} --key none --key-concurrency none --key-rate none lifts them)"
            )
        }
        Hindrance::Concurrency => {
            format!(
                "its concurrency is less than {count}, and each partition must be able to run a job (queues set {queue} --concurrency N)"
            )
        }
        Hindrance::BatchKey => {
            "it holds jobs that have both a batch and a unique key, which are refused in several partitions: let them end \
              first, and add no others"
                .to_owned()
        }
        Hindrance::MaxLength => {
            format!(
                "its maxLength is less than {count}, and each partition must be able to hold a job (queues set {queue} --max-length N)"
            )
        }
    };
    let asked = Partitions::new(count).map_or_else(|_| format!("{count} partitions"), Partitions::told);
    Error::refused(format!("queue {queue} cannot have {asked}: {why}"))
}
