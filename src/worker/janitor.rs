//! Keeps a queue tidy: retention, locks that hold nothing, ids remembered long enough, and a full audit.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::error::Result;
use crate::event::{Event, EventKind};
use crate::heal;
use crate::mover;
use crate::repair::Repair;
use crate::worker::lane::Lane;
use crate::worker::recoverer;
use crate::worker::shared::Shared;

/// How often it comes round.
pub(crate) const INTERVAL: Duration = Duration::from_secs(60);

/// How long it waits for the queue to be known under the prefix.
const REGISTERING: Duration = Duration::from_secs(2);

/// One round over a queue.
pub(crate) async fn tidy(shared: Arc<Shared>, lane: Arc<Lane>) -> Result<()> {
    // In a cluster the list of queues is on another node, which may be away.
    if let Ok(registered) = timeout(REGISTERING, shared.store.register(lane.keys.queue())).await {
        registered?;
    }
    shared.store.trim(&lane.keys).await?;
    shared.store.sweep_batches(&lane.keys).await?;
    let repairs = heal::keep_whole(&shared.store, &lane.keys, &lane.auditor).await?;
    if !repairs.is_empty() {
        let made = |repair: &Repair| format!("{} {}", repair.repair.as_str(), repair.repaired);
        let found = format!("the audit put right: {}", repairs.iter().map(made).collect::<Vec<_>>().join(", "));
        let queue = Some(lane.keys.queue().clone());
        shared.emit(|| Event { queue, ..Event::new(EventKind::Alert).message(found) });
    }
    recoverer::adopt(&shared, &lane).await?;
    mover::keep_on(&shared.store, &lane.keys).await
}
