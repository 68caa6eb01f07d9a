//! Commands that run until they are told to stop: signals, and what the service manager wants to hear.

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context as _, Result};
use ireva_queue::Client;
use tokio::sync::oneshot;

use crate::exit::Stop;
use crate::signals::Signals;
use crate::systemd::Notifier;

/// Redis has so long to answer before it counts as away.
const PING_LIMIT: Duration = Duration::from_secs(1);

/// What a service listens to, and whom it tells.
pub struct Daemon {
    notifier: Notifier,
    signals: Signals,
}

impl Daemon {
    /// From now on signals are heard here.
    ///
    /// # Errors
    /// When the service manager that the environment names cannot be reached, or signals cannot be listened for.
    pub fn begin() -> Result<Self> {
        let notifier = Notifier::from_env().context("cannot reach the service manager at NOTIFY_SOCKET")?;
        Ok(Self { notifier, signals: Signals::listen()? })
    }

    /// Runs what `start` makes of the news that it is to stop, until that ends. The first signal is that news.
    ///
    /// # Errors
    /// `Interrupted` at the second signal.
    pub async fn run<Run: Future>(
        mut self,
        client: &Client,
        start: impl FnOnce(oneshot::Receiver<()>) -> Run,
    ) -> Result<Run::Output> {
        let (stop, stopped) = oneshot::channel();
        let mut stop = Some(stop);
        let mut running = pin!(start(stopped));
        let mut watchdog = pin!(watch(client, &self.notifier));
        loop {
            tokio::select! {
                ended = &mut running => return Ok(ended),
                never = &mut watchdog => match never {},
                () = self.signals.next() => {}
            }
            self.notifier.stopping();
            match stop.take() {
                Some(stop) => _ = stop.send(()),
                None => return Err(Stop::interrupted().into()),
            }
        }
    }
}

/// Says that we are ready as soon as Redis has answered, and from then on that we are alive.
async fn watch(client: &Client, notifier: &Notifier) -> Infallible {
    let mut ticks = tokio::time::interval(notifier.interval().unwrap_or(Duration::from_secs(1)));
    loop {
        ticks.tick().await;
        if matches!(tokio::time::timeout(PING_LIMIT, client.ping()).await, Ok(Ok(()))) {
            break;
        }
    }
    notifier.ready();
    loop {
        notifier.alive();
        ticks.tick().await;
    }
}
