//! Takes back the claims of workers that died or fell silent.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::event::{Event, EventKind};
use crate::job::JobId;
use crate::worker::lane::Lane;
use crate::worker::shared::Shared;

/// Claims taken back in one call.
const BATCH: usize = 500;

/// How often it looks: six times a lease, at most once a second.
pub(crate) fn interval(lease: Duration) -> Duration {
    (lease / 6).max(Duration::from_secs(1))
}

/// After a reconnect the others get this long to say that they are there: while Redis was away nobody could.
const AFTER_RECONNECT: Duration = Duration::from_secs(2);

/// A call that took longer may have waited for a server that answered nobody meanwhile.
const PROMPT: Duration = Duration::from_secs(1);

/// The workers whose lease has ended, asked when the others had their chance to renew theirs: right after an outage every
/// lease looks as if it had ended.
pub(crate) async fn overdue(shared: &Shared, lane: &Lane) -> Result<Vec<String>> {
    let generation = || shared.store.connection.generation();
    loop {
        let (before, asked) = (generation(), Instant::now());
        let silent = shared.store.overdue(&lane.keys).await?;
        let seen = lane.recovered_at.swap(generation(), Ordering::AcqRel);
        let same = before == generation() && (seen == 0 || seen == before);
        if silent.is_empty() || (same && asked.elapsed() < PROMPT) {
            return Ok(silent);
        }
        tokio::time::sleep(AFTER_RECONNECT).await;
    }
}

/// One look over a queue.
pub(crate) async fn recover(shared: Arc<Shared>, lane: Arc<Lane>) -> Result<()> {
    let silent = overdue(&shared, &lane).await?;
    if silent.is_empty() {
        return Ok(());
    }
    let marks: Vec<String> = silent.iter().map(|worker| format!("|{worker}|")).collect();
    sweep(&shared, &lane, |claim| marks.iter().any(|mark| claim.contains(mark))).await?;
    shared.store.forget(&lane.keys, &silent).await
}

/// Takes back those active claims that `lost` says, page by page. The script asks for the lease of each again.
pub(crate) async fn sweep(shared: &Shared, lane: &Lane, lost: impl Fn(&str) -> bool) -> Result<()> {
    let mut cursor = 0;
    loop {
        let (next, page) = shared.store.active_page(&lane.keys, cursor).await?;
        let claims: Vec<_> = page.into_iter().filter(|(_, claim)| lost(claim)).collect();
        for batch in claims.chunks(BATCH) {
            take_back(shared, lane, batch).await?;
        }
        cursor = next;
        if cursor == 0 {
            return Ok(());
        }
    }
}

async fn take_back(shared: &Shared, lane: &Lane, claims: &[(JobId, String)]) -> Result<()> {
    let recovered = shared.store.recover(&lane.keys, (&shared.worker, shared.lease_ms()), claims).await?;
    for job in recovered {
        let kind = match job.to.as_str() {
            "dead" => EventKind::Dead,
            "cancelled" => EventKind::Cancelled,
            _ => EventKind::Recovered,
        };
        let code = (kind == EventKind::Dead).then(|| "crash_loop".to_owned());
        let message = format!("its worker died or fell silent, for the {}. time", job.crashes);
        shared.emit(|| Event { code, ..Event::of_job(kind, lane.keys.queue(), &job.id).message(message) });
    }
    Ok(())
}
