//! `queues set --partitions`: moves the jobs, and says what goes on where it ends early.

use std::time::Duration;

use anyhow::Result;
use ireva_queue::config::Setting;
use ireva_queue::{ErrorKind, Moved, Queue};

use crate::context::Context;
use crate::exit::{Code, Stop, code_of};
use crate::output::counted;

/// How long a command that ends early asks whether its change is on.
const LAST_LOOK: Duration = Duration::from_secs(1);

/// Sets `changes`, with `count` partitions among them, and moves the jobs to those that they belong to then. Ctrl-C leaves the
/// rest to the workers.
pub async fn run(queue: &Queue, count: u16, changes: &[Setting], context: &Context) -> Result<()> {
    let name = queue.name();
    let bar = context.ui.progress(&format!("moving jobs of {name}"), Some(0));
    let moved = {
        let mut tell = |moved: Moved| bar.set_of(moved.moved, moved.moved + moved.left);
        context.interrupt.or(queue.set_and_move(changes, &mut tell)).await
    };
    drop(bar);
    match moved {
        Some(Ok(Some(moved))) if !moved.done => {
            tell_of_running(queue, &moved, context).await;
            Ok(())
        }
        Some(Ok(_)) => Ok(()),
        // That was not begun, or says itself what is on.
        Some(Err(error)) if matches!(error.kind(), ErrorKind::Refused | ErrorKind::Invalid) => Err(error.into()),
        Some(Err(error)) => {
            let goes_on = what_goes_on(queue, count).await;
            let error = anyhow::Error::from(error);
            Err(Stop::new(code_of(&error), format!("{error:#}; {goes_on}")).into())
        }
        None => {
            let goes_on = what_goes_on(queue, count).await;
            Err(Stop::new(Code::Interrupted, format!("interrupted: {goes_on}")).into())
        }
    }
}

/// What becomes of a change whose command ends before it.
async fn what_goes_on(queue: &Queue, count: u16) -> String {
    let (name, change) = (queue.name(), format!("the change to {}", counted(count.into(), "partition")));
    let goes_on = format!("the workers of {name} go on with it, and so does the same command again");
    let Ok(Ok(now)) = tokio::time::timeout(LAST_LOOK, queue.in_force()).await else {
        return format!("{change} may have begun (queues get {name} tells); if so, {goes_on}");
    };
    let has = now.settings.partitions;
    match (now.partitions_was, now.partitions_next) {
        (None, None) if has == count => format!("{change} is done; the same command again sets what is left"),
        (None, None) => format!("{change} was not begun: queue {name} has {}", counted(has.into(), "partition")),
        _ => format!("{change} is on: {goes_on}"),
    }
}

/// Says what is left to the workers: jobs that run where they were.
async fn tell_of_running(queue: &Queue, moved: &Moved, context: &Context) {
    let (name, running) = (queue.name(), counted(moved.running, "job"));
    let concurrency = queue.settings().await.ok().and_then(|settings| settings.concurrency);
    let count = concurrency.map(|most| {
        format!(
            ", and count in its concurrency of {most} until they end (ireva-queue queues set {name} --concurrency N gives the others room)"
        )
    });
    let count = count.unwrap_or_default();
    context.ui.note(&format!("{running} of {name} run where they were{count}; the workers move what becomes of them"));
}
