//! Moves due jobs into line while no fetch does it: when every slot is busy, or the queue is paused.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::error::Result;
use crate::worker::lane::Lane;
use crate::worker::shared::Shared;

/// How often it looks.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);
/// Jobs in one call.
const BATCH: usize = 500;

/// Promotes until nothing more is due.
pub(crate) async fn promote(shared: Arc<Shared>, lane: Arc<Lane>) -> Result<()> {
    let quiet = lane.drained.load(Ordering::Acquire) && !lane.paused.load(Ordering::Acquire);
    // A fetch that found nothing to come has just looked, and will again within a second.
    if quiet && !lane.unfetched_for(2 * INTERVAL) {
        return Ok(());
    }
    while shared.store.promote(&lane.keys, BATCH).await? >= BATCH {}
    Ok(())
}
