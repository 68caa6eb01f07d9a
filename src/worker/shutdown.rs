//! The end of a worker: fetch no more, let running jobs end, give back the rest.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::JoinSet;

use crate::worker::health::WorkerHealth;
use crate::worker::heartbeat::release;
use crate::worker::lane::Lane;
use crate::worker::shared::Shared;
use crate::worker::table::Stop;

/// How long processors that were broken off get to clean up behind them.
pub(crate) const CLEAN_UP: Duration = Duration::from_secs(3);
/// How long a worker that ends waits for Redis to take its last words.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(5);

/// Stops a worker. Cloning shares it.
#[derive(Clone)]
pub struct Stopper(pub(crate) Arc<Shared>);

impl Stopper {
    /// Fetches no more, lets running jobs end within the grace period, releases the rest.
    pub fn stop(&self) {
        self.0.stop.cancel();
    }

    /// Breaks running jobs off and releases them at once.
    pub fn stop_now(&self) {
        self.0.stop_now.cancel();
        self.0.stop.cancel();
    }

    /// Whether Redis has answered within the last lease, processors are not blocking their runtime, and jobs are asked
    /// for: what a watchdog goes by.
    pub fn is_ready(&self) -> bool {
        self.0.is_well()
    }

    /// What the worker is at.
    pub fn health(&self) -> WorkerHealth {
        self.0.health()
    }
}

impl std::fmt::Debug for Stopper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Stopper").field(&self.0.worker).finish()
    }
}

/// Waits for the slots: to their own end, for the grace period, and then for what was broken off to clean up.
pub(crate) async fn wind_down(shared: &Arc<Shared>, mut slots: JoinSet<()>, grace: Duration) {
    let releasing = async {
        let unstarted = |lane: &Lane| lane.table.take_unstarted(Duration::ZERO);
        let lanes = shared.lanes();
        let all = join_all(lanes.iter().map(|lane| release(shared, &shared.store, lane, unstarted(lane))));
        tokio::select! {
            _ = all => {}
            () = shared.give_up.cancelled() => {}
        }
    };
    let ending = async {
        let all = async { while slots.join_next().await.is_some() {} };
        tokio::pin!(all);
        tokio::select! {
            () = &mut all => return,
            () = tokio::time::sleep(grace) => {}
            () = shared.stop_now.cancelled() => {}
        }
        for lane in shared.lanes() {
            lane.table.stop_all(Stop::Shutdown);
        }
        // What cannot even be broken off is left to its lease.
        let _ = tokio::time::timeout(CLEAN_UP + Duration::from_secs(1), all).await;
    };
    tokio::join!(releasing, ending);
}

/// Sets the moment from which nothing waits for Redis any more: sooner when the worker is told to end at once.
pub(crate) fn give_up_after(shared: &Arc<Shared>, grace: Duration) {
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        tokio::select! {
            () = tokio::time::sleep(grace + CLEAN_UP + LAST_WORDS) => {}
            () = async {
                shared.stop_now.cancelled().await;
                tokio::time::sleep(LAST_WORDS).await;
            } => {}
            () = shared.ended.cancelled() => return,
        }
        shared.give_up.cancel();
    });
}
