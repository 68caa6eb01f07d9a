//! Evaluates alerts beside the jobs: one worker at a time, as the turn goes.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::alert::AlertSinks;
use crate::alerts::Alerter;
use crate::worker::shared::Shared;

/// At the end, what is being told is told within this.
const LAST_WORDS: Duration = Duration::from_secs(7);

/// Begins, where the worker was given sinks.
pub(crate) fn start(shared: &Arc<Shared>, sinks: Option<AlertSinks>) -> Option<JoinHandle<()>> {
    let alerter = Alerter::new(&shared.client, sinks?).named(Arc::clone(&shared.worker));
    let (tells, stops) = (Arc::clone(shared), shared.stop.clone());
    Some(tokio::spawn(async move {
        let alerter = alerter.on_event(move |event| tells.emit(|| event.clone()));
        alerter.run(stops.cancelled_owned()).await;
    }))
}

/// Waits for its last words.
pub(crate) async fn finish(alerter: Option<JoinHandle<()>>, shared: &Shared) {
    let Some(mut alerter) = alerter else { return };
    tokio::select! {
        _ = tokio::time::timeout(LAST_WORDS, &mut alerter) => {}
        () = shared.give_up.cancelled() => {}
    }
    alerter.abort();
}
