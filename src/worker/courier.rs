//! Hands the jobs on completion of batches over to other queues, and repeats it until each is taken.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{ErrorKind, Result};
use crate::processor::Outlet;
use crate::worker::lane::Lane;
use crate::worker::shared::Shared;

/// How often it looks into the outbox.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);

/// Hands over what lies there. Whoever dies in between leaves it there: it comes again under the same id, and changes
/// nothing where it was taken.
pub(crate) async fn deliver(shared: Arc<Shared>, lane: Arc<Lane>) -> Result<()> {
    let (mut away, mut failed) = (BTreeSet::new(), None);
    for outgoing in shared.store.outgoing(&lane.keys).await? {
        // In a cluster the node of one queue may be away while those of others are not.
        if away.contains(&outgoing.queue) {
            continue;
        }
        let handed = match shared.client.hand_over(&outgoing.queue, vec![outgoing.job]).await {
            Ok(handed) => handed,
            Err(error) => {
                away.insert(outgoing.queue);
                failed = failed.or(Some(error));
                continue;
            }
        };
        match handed.into_iter().next() {
            Some(Ok(_)) => shared.store.gone_out(&lane.keys, &outgoing.id).await?,
            Some(Err(error)) if error.kind() == ErrorKind::Full => {
                shared.warn_seldom(&error, "the job on completion of a batch waits");
            }
            Some(Err(error)) => return Err(error),
            None => {}
        }
    }
    failed.map_or(Ok(()), Err)
}
