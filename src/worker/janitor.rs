//! Keeps a queue tidy: retention, locks that hold nothing, ids remembered long enough, and a full audit.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Result;
use crate::worker::lane::Lane;
use crate::worker::recoverer;
use crate::worker::shared::Shared;

/// How often it comes round.
pub(crate) const INTERVAL: Duration = Duration::from_secs(60);

/// One round over a queue.
pub(crate) async fn tidy(shared: Arc<Shared>, lane: Arc<Lane>) -> Result<()> {
    shared.store.register(lane.keys.queue()).await?;
    // Claims whose worker has no lease at all get one of grace, and are taken back when that has ended too.
    recoverer::sweep(&shared, &lane, |_| true).await
}
