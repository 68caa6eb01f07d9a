//! Moves due jobs into line while no fetch does it: when every slot is busy, or the queue is paused.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Result;
use crate::worker::lane::Lane;
use crate::worker::shared::Shared;

/// How often it looks.
pub(crate) const INTERVAL: Duration = Duration::from_millis(500);
/// Jobs in one call.
const BATCH: usize = 500;

/// Promotes until nothing more is due.
pub(crate) async fn promote(shared: Arc<Shared>, lane: Arc<Lane>) -> Result<()> {
    // A fetch promotes as well; but one that takes little moves no more than a batch.
    if !lane.unfetched_for(INTERVAL) && lane.table.load().ready == 0 {
        return Ok(());
    }
    while shared.store.promote(&lane.keys, BATCH).await? >= BATCH {}
    Ok(())
}
