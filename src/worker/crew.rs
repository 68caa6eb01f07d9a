//! The actors of a worker's lanes, which come and go with them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};
use crate::job::Partition;
use crate::store::{Connection, Patience, QueueKeys, Store};
use crate::worker::craft::Craft;
use crate::worker::finisher::{Ended, finisher};
use crate::worker::lane::{Ends, Lane};
use crate::worker::shared::Shared;
use crate::worker::{actor, courier, heartbeat, janitor, promoter, recoverer, scheduler};

/// Ends that may wait for the finisher of a lane; beyond that, slots wait.
const ENDS_WAITING: usize = 2_000;

/// A lane that has no actors yet.
pub(crate) struct Newcomer {
    pub lane: Arc<Lane>,
    inbox: mpsc::Receiver<Ended>,
}

impl Newcomer {
    /// For a place of a queue. Its keepers end with the first of the tokens at the latest, its finisher with the second, its
    /// beat with the third.
    pub(crate) fn new(
        place: (QueueKeys, Partition),
        craft: &Arc<Craft>,
        [stop, closed, ended]: [&CancellationToken; 3],
    ) -> Self {
        let ends = Ends { keepers: stop.child_token(), finisher: closed.child_token(), beat: ended.child_token() };
        let (sender, inbox) = mpsc::channel(ENDS_WAITING);
        Self { lane: Arc::new(Lane::new(place, Arc::clone(craft), sender, ends)), inbox }
    }
}

/// Who works beside the slots: the heart, and for each lane a finisher and its keepers.
pub(crate) struct Crew {
    pub actors: JoinSet<()>,
    finishers: JoinSet<()>,
    /// To the heart.
    beats: mpsc::UnboundedSender<Arc<Lane>>,
    heart: JoinHandle<()>,
}

impl Crew {
    /// The heart begins to beat.
    pub(crate) fn start(shared: &Arc<Shared>) -> Result<Self> {
        let (beats, lanes) = mpsc::unbounded_channel();
        let heart = tokio::spawn(start_heart(shared, lanes)?);
        Ok(Self { actors: JoinSet::new(), finishers: JoinSet::new(), beats, heart })
    }

    /// Gives a lane its actors.
    pub(crate) fn take_on(&mut self, shared: &Arc<Shared>, Newcomer { lane, inbox }: Newcomer) {
        // Those of lanes that are gone.
        while self.actors.try_join_next().is_some() || self.finishers.try_join_next().is_some() {}
        // The heart outlives all others; were it gone, the leases would end.
        let _ = self.beats.send(Arc::clone(&lane));
        self.finishers.spawn(finisher(Arc::clone(shared), Arc::clone(&lane), inbox));
        self.keep(shared, &lane, ("promoter", promoter::INTERVAL), promoter::promote);
        self.keep(shared, &lane, ("recoverer", recoverer::interval(shared.lease)), recoverer::recover);
        self.keep(shared, &lane, ("scheduler", scheduler::INTERVAL), scheduler::fire);
        self.keep(shared, &lane, ("courier", courier::INTERVAL), courier::deliver);
        self.keep(shared, &lane, ("janitor", janitor::INTERVAL), janitor::tidy);
    }

    fn keep<F, Fut>(
        &mut self,
        shared: &Arc<Shared>,
        lane: &Arc<Lane>,
        (name, interval): (&'static str, Duration),
        step: F,
    ) where
        F: Fn(Arc<Shared>, Arc<Lane>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send,
    {
        let (shared, lane) = (Arc::clone(shared), Arc::clone(lane));
        self.actors.spawn(async move {
            let step = || step(Arc::clone(&shared), Arc::clone(&lane));
            actor::every(&shared, (name, interval), &lane.ends.keepers, step).await;
        });
    }

    /// Sees the finishers of closed lanes to their end, and ends all others but the heart, which is given back.
    pub(crate) async fn finish(mut self) -> JoinHandle<()> {
        while self.finishers.join_next().await.is_some() {}
        self.actors.shutdown().await;
        self.heart
    }
}

/// The heartbeat on its thread; the future ends with it.
fn start_heart(
    shared: &Arc<Shared>,
    lanes: mpsc::UnboundedReceiver<Arc<Lane>>,
) -> Result<impl Future<Output = ()> + use<>> {
    let (beats, heart) = tokio::sync::oneshot::channel::<()>();
    let shared = Arc::clone(shared);
    let connection = Connection::new(shared.redis.clone(), Patience::Pressing(shared.lease / 3));
    let store = Store { connection, ..shared.store.clone() };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::internal(format!("the heartbeat has no runtime: {error}")))?;
    std::thread::Builder::new()
        .name("heartbeat".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                let ended = shared.ended.clone();
                tokio::select! {
                    () = heartbeat::heartbeat(shared, store, lanes) => {}
                    () = ended.cancelled() => {}
                }
            });
            drop(beats);
        })
        .map_err(|error| Error::internal(format!("the heartbeat has no thread: {error}")))?;
    Ok(async {
        let _ = heart.await;
    })
}
