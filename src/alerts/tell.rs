//! Tells one sink: through a queue where it is well, else directly.

use std::time::Duration;

use crate::alert::{AlertCarrier, AlertEvent, AlertName, AlertNotice, AlertSink, AlertTold};
use crate::alerts::watch::Watch;
use crate::breaker::BreakerState;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, EventKind};
use crate::job::{JobId, QueueName};
use crate::processor::Outlet;

/// No sink is waited for longer; each has a limit of its own below it.
const LIMIT: Duration = Duration::from_secs(60);

/// How a sink can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Redis is away.
    Alone,
    /// Not through a queue: that has failed.
    Directly,
    /// Whichever way is well.
    AnyWay,
}

/// What a sink that was told said, and the job that tells it, where one does.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub said: String,
    pub job: Option<(QueueName, JobId)>,
}

impl Told {
    pub(super) fn said(said: impl Into<String>) -> Self {
        Self { said: said.into(), job: None }
    }
}

impl Watch {
    /// Tells a sink of a notice; what it said.
    ///
    /// # Errors
    /// Why it was not taken.
    pub(super) async fn tell(&self, sink: &AlertName, notice: &AlertNotice, reach: Reach) -> Result<Told> {
        match self.sinks.get(sink) {
            None => Err(Error::new(ErrorKind::Config, format!("sink {sink} is not configured here"))),
            Some(None) => {
                self.log(notice, reach != Reach::Alone).await;
                Ok(Told::said("logged"))
            }
            Some(Some(sink)) => self.tell_people(sink.as_ref(), notice, reach).await,
        }
    }

    async fn tell_people(&self, sink: &dyn AlertSink, notice: &AlertNotice, reach: Reach) -> Result<Told> {
        let carrier = sink.carrier(notice)?.filter(|_| reach == Reach::AnyWay);
        let Some(carrier) = carrier else { return tell_directly(sink, notice).await };
        let is_sick = is_about(&carrier, notice) || self.is_sick(&carrier.queue, carrier.service.as_ref()).await;
        match sink.tells_directly() {
            true if is_sick => tell_directly(sink, notice).await,
            true => match self.hand_over(&carrier).await {
                Ok(told) => Ok(told),
                Err(_) => tell_directly(sink, notice).await,
            },
            // A test that says "taken" of what nobody sends would be worse than none.
            false if notice.test && is_sick => Err(Error::new(ErrorKind::Config, nobody_sends(&carrier.queue))),
            // It has no way but the queue, well or not.
            false => self.hand_over(&carrier).await,
        }
    }

    async fn hand_over(&self, carrier: &AlertCarrier) -> Result<Told> {
        let id = carrier.job.job_id().clone();
        let handed = self.client.hand_over(&carrier.queue, vec![carrier.job.clone()]).await?;
        handed.into_iter().next().unwrap_or_else(|| Err(Error::internal("no answer for the job")))?;
        let said = format!("handed to queue {} as job {id}", carrier.queue);
        Ok(Told { said, job: Some((carrier.queue.clone(), id)) })
    }

    /// Whether a queue is not to be trusted with a notice: nobody runs its jobs, or what they need is down.
    pub(super) async fn is_sick(&self, queue: &QueueName, service: Option<&String>) -> bool {
        let queue = self.client.queue(queue.clone());
        let (stats, breakers) = tokio::join!(queue.stats(), self.store.breakers());
        let is_down = |service: &String| {
            let breakers = breakers.as_ref().map(|(_, breakers)| breakers.as_slice()).unwrap_or_default();
            let mut known = breakers.iter().flatten().filter(|breaker| breaker.dependency == *service);
            known.any(|breaker| breaker.state != BreakerState::Closed)
        };
        stats.map_or(true, |stats| stats.paused || stats.workers == 0) || service.is_some_and(is_down)
    }

    /// The log, and the events of the queues that it is about.
    async fn log(&self, notice: &AlertNotice, redis: bool) {
        for told in &notice.alerts {
            let kind = match told.event {
                AlertEvent::Firing | AlertEvent::Repeated => EventKind::AlertFiring,
                AlertEvent::Recovered => EventKind::AlertRecovered,
            };
            let word = if told.event == AlertEvent::Repeated { "still firing: " } else { "" };
            let test = if notice.test { "test: " } else { "" };
            let message = format!("{test}{}: {word}{}", told.alert, told.message);
            self.emit(&Event { queue: told.queue.clone(), ..Event::new(kind).message(message) });
            let Some(queue) = told.queue.as_ref().filter(|_| redis && !notice.test) else { continue };
            let keys = self.store.keys(queue);
            let about = format!("alert={} {}: {word}{}", told.alert, told.severity, told.message);
            // A queue that is gone is not made anew for this; and an alert stands whether or not it can be written down.
            if matches!(self.store.is_known(&keys).await, Ok(true)) {
                let _ = self.store.mark(&keys, kind.as_str(), &about, &self.by).await;
            }
        }
    }
}

async fn tell_directly(sink: &dyn AlertSink, notice: &AlertNotice) -> Result<Told> {
    let told = tokio::time::timeout(LIMIT, sink.tell(notice)).await;
    let told = told.unwrap_or_else(|_| Err(Error::new(ErrorKind::Timeout, "timeout: the sink did not end")));
    told.map(Told::said)
}

/// Whether the queue that would carry a notice is what it is about.
fn is_about(carrier: &AlertCarrier, notice: &AlertNotice) -> bool {
    let about = |told: &AlertTold| {
        // An alert about no queue and no service is about the server.
        (told.subject.is_empty() && !notice.test)
            || told.subject == carrier.queue.as_str()
            || carrier.service.as_ref() == Some(&told.subject)
    };
    notice.alerts.iter().any(about)
}

/// Why a sink that needs a queue is not told.
pub(super) fn nobody_sends(queue: &QueueName) -> String {
    format!(
        "queue {queue} is paused, has no worker, or its service is down, and nothing is set here to send it directly"
    )
}
