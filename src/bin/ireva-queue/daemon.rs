//! Commands that run until they are told to stop: signals, and what the service manager wants to hear.

use std::cell::Cell;
use std::convert::Infallible;
use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use ireva_queue::Client;
use tokio::sync::oneshot;

use crate::exit::Stop;
use crate::signals::Signals;
use crate::systemd::Notifier;

/// Redis has so long to answer before it counts as away.
const PING_LIMIT: Duration = Duration::from_secs(1);

/// It is asked this often.
const PING_EVERY: Duration = Duration::from_secs(1);
/// A silence is worth a word when it is this long.
const AWAY: Duration = Duration::from_secs(5);

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

/// Says that we are ready as soon as Redis has answered, and from then on that we are alive: a service that can be asked
/// is of use without Redis too, and a restart would not bring that back. All the time it says whether Redis answers.
async fn watch(client: &Client, notifier: &Notifier) -> Infallible {
    if notifier.is_silent() {
        return std::future::pending().await;
    }
    let heard = Cell::new(None);
    let asking = async {
        loop {
            if matches!(tokio::time::timeout(PING_LIMIT, client.ping()).await, Ok(Ok(()))) {
                heard.set(Some(Instant::now()));
            }
            tokio::time::sleep(PING_EVERY).await;
        }
    };
    let telling = async {
        let (began, mut is_first) = (Instant::now(), true);
        let mut ticks = tokio::time::interval(notifier.interval());
        loop {
            ticks.tick().await;
            let silence = heard.get().unwrap_or(began).elapsed();
            notifier.status(&match heard.get() {
                Some(_) if silence < AWAY => "redis answers".to_owned(),
                Some(_) => format!("redis away for {}s", silence.as_secs()),
                None => "waiting for redis".to_owned(),
            });
            if heard.get().is_some() {
                if std::mem::take(&mut is_first) {
                    notifier.ready();
                }
                notifier.alive();
            }
        }
    };
    tokio::select! {
        never = asking => never,
        never = telling => never,
    }
}
