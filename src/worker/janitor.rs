//! Keeps a queue tidy: retention, locks that hold nothing, ids remembered long enough, and a full audit.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Result;
use crate::event::{Event, EventKind};
use crate::store::Audited;
use crate::worker::lane::Lane;
use crate::worker::recoverer;
use crate::worker::shared::Shared;

/// How often it comes round.
pub(crate) const INTERVAL: Duration = Duration::from_secs(60);

/// One round over a queue.
pub(crate) async fn tidy(shared: Arc<Shared>, lane: Arc<Lane>) -> Result<()> {
    shared.store.register(lane.keys.queue()).await?;
    shared.store.trim(&lane.keys).await?;
    shared.store.sweep(&lane.keys).await?;
    shared.store.tend(&lane.keys).await?;
    shared.store.sweep_batches(&lane.keys).await?;
    let audited = shared.store.audit(&lane.keys, &lane.auditor).await?;
    if audited != Audited::default() {
        let Audited { orphaned, readmitted, recounted } = audited;
        let found = format!(
            "the audit let go of {orphaned} ids without a record, put {readmitted} lost jobs back into line, and set the \
             number of claims of {recounted} workers or keys right"
        );
        let queue = Some(lane.keys.queue().clone());
        shared.emit(|| Event { queue, ..Event::new(EventKind::Alert).message(found) });
    }
    recoverer::adopt(&shared, &lane).await
}
