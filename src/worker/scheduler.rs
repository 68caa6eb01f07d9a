//! Fires the schedules of the worker's queues.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Result;
use crate::schedules;
use crate::worker::lane::Lane;
use crate::worker::shared::Shared;

/// How often it looks, at least.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);
/// And at most, where a tick is close.
const CLOSE: Duration = Duration::from_millis(5);

/// Fires what is due, and goes on at once for a tick that comes before the next look.
pub(crate) async fn fire(shared: Arc<Shared>, lane: Arc<Lane>) -> Result<()> {
    let tell = |event| shared.emit(|| event);
    loop {
        let next = schedules::round(&shared.store, &lane.keys, &shared.worker, &tell).await?;
        let Some(next) = next.filter(|next| *next < INTERVAL) else { return Ok(()) };
        tokio::time::sleep(next.max(CLOSE)).await;
    }
}
