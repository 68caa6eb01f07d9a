//! Tells one sink: through a queue where it is well, else directly.

use std::time::Duration;

use crate::alert::{AlertCarrier, AlertEvent, AlertName, AlertNotice, AlertSink, AlertTold};
use crate::alerts::watch::Watch;
use crate::breaker::BreakerState;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, EventKind};
use crate::processor::Outlet;

/// No sink is waited for longer; each has a limit of its own below it.
const LIMIT: Duration = Duration::from_secs(60);

impl Watch {
    /// Tells a sink of a notice; what it said. `redis`: whether Redis can be asked.
    ///
    /// # Errors
    /// Why it was not taken.
    pub(super) async fn tell(&self, sink: &AlertName, notice: &AlertNotice, redis: bool) -> Result<String> {
        match self.sinks.get(sink) {
            None => Err(Error::new(ErrorKind::Config, format!("sink {sink} is not configured here"))),
            Some(None) => {
                self.log(notice, redis).await;
                Ok("logged".to_owned())
            }
            Some(Some(sink)) => self.tell_people(sink.as_ref(), notice, redis).await,
        }
    }

    async fn tell_people(&self, sink: &dyn AlertSink, notice: &AlertNotice, redis: bool) -> Result<String> {
        let carrier = sink.carrier(notice)?.filter(|_| redis);
        if let Some(carrier) = &carrier
            && !self.is_sick(carrier, notice).await
            && let Ok(said) = self.hand_over(carrier).await
        {
            return Ok(said);
        }
        let direct = tokio::time::timeout(LIMIT, sink.tell(notice)).await;
        let direct = direct.unwrap_or_else(|_| Err(Error::new(ErrorKind::Timeout, "timeout: the sink did not end")));
        match (direct, &carrier) {
            // It has no way but the queue, well or not.
            (Err(error), Some(carrier)) if error.kind() == ErrorKind::Config => self.hand_over(carrier).await,
            (direct, _) => direct,
        }
    }

    async fn hand_over(&self, carrier: &AlertCarrier) -> Result<String> {
        let id = carrier.job.job_id().clone();
        let handed = self.client.hand_over(&carrier.queue, vec![carrier.job.clone()]).await?;
        handed.into_iter().next().unwrap_or_else(|| Err(Error::internal("no answer for the job")))?;
        Ok(format!("handed to queue {} as job {id}", carrier.queue))
    }

    /// Whether a queue is not to be trusted with a notice: it is what the notice is about, nobody runs its jobs, or what
    /// they need is down.
    async fn is_sick(&self, carrier: &AlertCarrier, notice: &AlertNotice) -> bool {
        let about = |told: &AlertTold| {
            // An alert about no queue and no service is about the server.
            (told.subject.is_empty() && !notice.test)
                || told.subject == carrier.queue.as_str()
                || carrier.service.as_ref() == Some(&told.subject)
        };
        if notice.alerts.iter().any(about) {
            return true;
        }
        let queue = self.client.queue(carrier.queue.clone());
        let (stats, breakers) = tokio::join!(queue.stats(), self.store.breakers());
        let is_down = |service: &String| {
            let breakers = breakers.as_ref().map(|(_, breakers)| breakers.as_slice()).unwrap_or_default();
            let mut known = breakers.iter().flatten().filter(|breaker| breaker.dependency == *service);
            known.any(|breaker| breaker.state != BreakerState::Closed)
        };
        stats.map_or(true, |stats| stats.paused || stats.workers == 0) || carrier.service.as_ref().is_some_and(is_down)
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
