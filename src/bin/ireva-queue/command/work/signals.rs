//! A worker under signals and a service manager.

use std::time::Duration;

use anyhow::Result;
use ireva_queue::{Stopper, Worker, WorkerReport};

use crate::signals::Signals;
use crate::systemd::Notifier;

/// After a second signal nothing may hold us up for longer.
const HURRY: Duration = Duration::from_secs(1);

/// Runs `worker` until it ends: the first signal stops it in order, the second at once. Whether there was a second.
pub async fn run(worker: Worker, notifier: &Notifier) -> Result<(WorkerReport, bool)> {
    let mut signals = Signals::listen()?;
    let stopper = worker.stopper();
    let mut running = std::pin::pin!(worker.run());
    let mut watchdog = std::pin::pin!(watch(&stopper, notifier));
    let mut told = 0;
    loop {
        tokio::select! {
            report = &mut running => return Ok((report?, told > 1)),
            never = &mut watchdog => match never {},
            () = signals.next() => told += 1,
        }
        notifier.stopping();
        if told == 1 {
            stopper.stop();
            continue;
        }
        stopper.stop_now();
        return match tokio::time::timeout(HURRY, &mut running).await {
            Ok(report) => Ok((report?, true)),
            Err(_) => Err(crate::exit::Stop::interrupted().into()),
        };
    }
}

/// Says that we are ready as soon as Redis has answered, then that we are alive as long as the worker does its work, and
/// all the time what it is at.
async fn watch(stopper: &Stopper, notifier: &Notifier) -> std::convert::Infallible {
    let mut ticks = tokio::time::interval(notifier.interval());
    let mut is_first = true;
    loop {
        ticks.tick().await;
        notifier.status(&stopper.health().to_string());
        if !stopper.is_ready() {
            continue;
        }
        if std::mem::take(&mut is_first) {
            notifier.ready();
        }
        notifier.alive();
    }
}
