//! Evaluates alerts: beside a worker, or where none runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::alert::AlertSinks;
use crate::alerts::round::is_away;
use crate::alerts::watch::{Listener, Watch};
use crate::client::Client;
use crate::error::{ErrorKind, Result};
use crate::event::{Event, EventKind};
use crate::job::JobId;

/// A trouble that lasts is said this seldom.
const WARN_EVERY: Duration = Duration::from_secs(5);
/// Told to stop, it gives its turn back within this.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Evaluates the alerts of all queues under a prefix until it is told to stop. Any number may run, beside workers too: one
/// of them has the turn, the others stand by.
pub struct Alerter {
    client: Client,
    sinks: AlertSinks,
    by: Arc<str>,
    listener: Option<Listener>,
}

/// What an alerter did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AlerterReport {
    /// Whether it had the turn, last.
    pub evaluated: bool,
    /// Alerts that began to fire.
    pub fired: u64,
    /// Alerts that were over.
    pub recovered: u64,
    /// Notices that sinks took.
    pub told: u64,
    /// Times that a sink did not take one; it is tried again.
    pub not_told: u64,
}

impl Alerter {
    /// One that tells these sinks. How often it looks, and the rules of the profile file, are those of the client's
    /// configuration.
    pub fn new(client: &Client, sinks: AlertSinks) -> Self {
        let by = format!("alerter-{}-{}", std::process::id(), JobId::generate());
        Self { client: client.clone(), sinks, by: by.into(), listener: None }
    }

    /// The same under the name of a worker.
    pub(crate) fn named(self, by: Arc<str>) -> Self {
        Self { by, ..self }
    }

    /// Hands what fires, what is over and what hinders it to `listener`, which must not block.
    pub fn on_event(mut self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.listener = Some(Arc::new(listener));
        self
    }

    /// Runs until `stop` is done; an outage of Redis is told and waited out. Dropping the future loses nothing: another goes
    /// on when the turn is over.
    pub async fn run(self, stop: impl Future<Output = ()>) -> AlerterReport {
        let watch = Watch::new(&self.client, self.sinks, (self.by, self.listener));
        let told_to_stop = CancellationToken::new();
        let stopping = async {
            stop.await;
            watch.take_leave();
            told_to_stop.cancel();
        };
        tokio::join!(stopping, looks(&watch, &told_to_stop), watch.deliveries(&told_to_stop));
        let evaluated = watch.has_turn();
        if evaluated {
            let back = watch.store.alert_turn((&watch.by, watch.weight()), 0, false);
            // Whoever does not get it back waits for its end.
            let _ = tokio::time::timeout(LAST_WORDS, back).await;
        }
        report(&watch, evaluated)
    }

    /// Looks once, delivers what is due, gives the turn back: for who is called again and again. How long a number has been
    /// out of bounds is remembered in between.
    ///
    /// # Errors
    /// `Unreachable` and its like.
    pub async fn once(self) -> Result<AlerterReport> {
        let watch = Watch::new(&self.client, self.sinks, (self.by, self.listener));
        let looked = watch.round().await;
        let evaluated = match &looked {
            Ok(evaluated) => *evaluated,
            // The rest of a cluster was looked at.
            Err(error) if error.kind() == ErrorKind::Unreachable && watch.has_turn() => true,
            Err(_) => return looked.map(|_| report(&watch, false)),
        };
        if evaluated {
            let stop = CancellationToken::new();
            tokio::select! {
                delivered = watch.deliver(&stop, false) => delivered?,
                never = keeps_turn(&watch) => match never {},
            }
            watch.store.alert_turn((&watch.by, watch.weight()), 0, false).await?;
        }
        looked.map(|_| report(&watch, evaluated))
    }
}

fn report(watch: &Watch, evaluated: bool) -> AlerterReport {
    let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let counts = &watch.counts;
    AlerterReport {
        evaluated,
        fired: count(&counts.fired),
        recovered: count(&counts.recovered),
        told: count(&counts.told),
        not_told: count(&counts.not_told),
    }
}

/// Keeps the turn while sinks are told, so that no other tells them too.
async fn keeps_turn(watch: &Watch) -> std::convert::Infallible {
    loop {
        tokio::time::sleep(watch.interval).await;
        // One that is lost leaves two.
        let _ = watch.take_turn(true).await;
    }
}

/// Looks again and again.
async fn looks(watch: &Watch, stop: &CancellationToken) {
    let mut warned = None::<Instant>;
    loop {
        let began = Instant::now();
        let outcome = tokio::select! {
            () = stop.cancelled() => return,
            outcome = watch.round() => outcome,
        };
        let outcome = match outcome {
            Err(error) if is_away(&error) => {
                watch.is_away(began, &error);
                // The worker says so itself.
                Ok(())
            }
            outcome => {
                let back = watch.is_back().await;
                outcome.and(back)
            }
        };
        if let Err(error) = outcome
            && warned.is_none_or(|at| at.elapsed() >= WARN_EVERY)
        {
            warned = Some(Instant::now());
            watch.emit(&Event::new(EventKind::Alert).message(format!("a look at the alerts failed: {error}")));
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(watch.interval) => {}
        }
    }
}
