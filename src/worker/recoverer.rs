//! Takes back the claims of workers that died or fell silent.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::error::Result;
use crate::event::{Event, EventKind};
use crate::job::{JobId, ProcessEnd};
use crate::worker::lane::Lane;
use crate::worker::shared::Shared;

/// How often it looks: six times a lease, at most once a second.
pub(crate) fn interval(lease: Duration) -> Duration {
    (lease / 6).max(Duration::from_secs(1))
}

/// How soon it asks again while this worker cannot judge others.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// The other workers whose lease has ended, asked when all had their chance to renew theirs.
async fn overdue(shared: &Shared, lane: &Lane) -> Result<Vec<String>> {
    loop {
        let before = lane.is_steady();
        let mut silent = shared.store.overdue(&lane.keys).await?;
        // Its own claims are this worker's to renew, however late it is.
        silent.retain(|worker| **worker != *shared.worker);
        if silent.is_empty() || (before && lane.is_steady()) {
            return Ok(silent);
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// One look over a queue.
pub(crate) async fn recover(shared: Arc<Shared>, lane: Arc<Lane>) -> Result<()> {
    let silent = overdue(&shared, &lane).await?;
    if !silent.is_empty() {
        let marks: Vec<String> = silent.iter().map(|worker| format!("|{worker}|")).collect();
        sweep(&shared, &lane, |claim| marks.iter().any(|mark| claim.contains(mark))).await?;
        shared.store.forget(&lane.keys, &silent).await?;
    }
    lane.looked_over.store(true, Ordering::Release);
    Ok(())
}

/// Gives the claims of workers that the queue does not know a lease of grace; when that has ended they are silent ones.
pub(crate) async fn adopt(shared: &Shared, lane: &Lane) -> Result<()> {
    let known = shared.store.holders(&lane.keys).await?;
    let marks: Vec<String> = known.iter().map(|held| format!("|{}|", held.worker)).collect();
    sweep(shared, lane, |claim| !marks.iter().any(|mark| claim.contains(mark))).await
}

/// Takes back those active claims that `lost` says, page by page, but for this worker's own. The script asks for the
/// lease of each again.
async fn sweep(shared: &Shared, lane: &Lane, lost: impl Fn(&str) -> bool) -> Result<()> {
    let (mut cursor, own) = (0, format!("|{}|", shared.worker));
    loop {
        let (next, page) = shared.store.active_page(&lane.keys, cursor).await?;
        let claims: Vec<_> = page.into_iter().filter(|(_, claim)| !claim.contains(&own) && lost(claim)).collect();
        take_back(shared, lane, &claims).await?;
        cursor = next;
        if cursor == 0 {
            return Ok(());
        }
    }
}

async fn take_back(shared: &Shared, lane: &Lane, claims: &[(JobId, String)]) -> Result<()> {
    let recovered = shared.store.take_back(&lane.keys, (&shared.worker, shared.lease_ms()), claims).await?;
    for job in recovered {
        let kind = match job.to.as_str() {
            "dead" => EventKind::Dead,
            "cancelled" => EventKind::Cancelled,
            _ => EventKind::Recovered,
        };
        let code = (kind == EventKind::Dead).then(|| "crash_loop".to_owned());
        let times = if job.crashes == 1 { "once".to_owned() } else { format!("{} times", job.crashes) };
        let message = format!("{}; that happened to it {times}", ProcessEnd::of_worker(job.end));
        shared.emit(|| Event { code, ..Event::of_job(kind, lane.keys.queue(), &job.id).message(message) });
    }
    Ok(())
}
