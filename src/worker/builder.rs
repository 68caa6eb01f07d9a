//! Builds a worker.

use std::sync::Arc;
use std::time::Duration;

use crate::alert::AlertSinks;
use crate::breaker::BreakerRule;
use crate::client::Client;
use crate::config::{Rate, WorkerConfig};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::job::{LONGEST, QueueName};
use crate::processor::Registry;
use crate::worker::runner::Worker;

/// The largest weight of a queue.
const WEIGHT_MAX: u32 = 1_000;
/// A Redis that gives no answer for so long is given up.
const GIVE_UP_AFTER: Duration = Duration::from_secs(300);
/// Anything shorter would end workers for a server that only restarts, or is slow.
const GIVE_UP_MIN: Duration = Duration::from_secs(10);

/// How many jobs run at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Concurrency {
    /// So many over all queues of the worker.
    Shared(usize),
    /// So many for each queue.
    PerQueue(Vec<(QueueName, usize)>),
}

/// Hears every step of a job's life.
pub(crate) type Listener = Arc<dyn Fn(&Event) + Send + Sync>;

/// Builds a [`Worker`].
pub struct WorkerBuilder {
    pub(crate) client: Client,
    pub(crate) registry: Registry,
    pub(crate) concurrency: Concurrency,
    pub(crate) weights: Vec<(QueueName, u32)>,
    pub(crate) lease: Duration,
    pub(crate) grace: Duration,
    pub(crate) timeout: Duration,
    pub(crate) rate: Option<Rate>,
    pub(crate) until_empty: bool,
    pub(crate) max_jobs: Option<u64>,
    pub(crate) breaker: Option<BreakerRule>,
    pub(crate) alerts: Option<AlertSinks>,
    pub(crate) give_up_after: Option<Duration>,
    pub(crate) invocation: Option<String>,
    pub(crate) listener: Option<Listener>,
}

impl WorkerBuilder {
    pub(crate) fn new(client: &Client, registry: Registry) -> Self {
        let WorkerConfig { concurrency, lease } = client.config().worker;
        Self {
            client: client.clone(),
            registry,
            concurrency: Concurrency::Shared(concurrency),
            weights: Vec::new(),
            lease,
            grace: Duration::from_secs(30),
            timeout: Duration::from_secs(300),
            rate: None,
            until_empty: false,
            max_jobs: None,
            breaker: Some(BreakerRule::default()),
            alerts: None,
            give_up_after: Some(GIVE_UP_AFTER),
            invocation: None,
            listener: None,
        }
    }

    /// How many jobs run at once; by default as configured.
    pub fn concurrency(mut self, concurrency: Concurrency) -> Self {
        self.concurrency = concurrency;
        self
    }

    /// How the slots that queues share are shared while all of them have work: a queue of weight 3 starts three jobs for each
    /// of a queue of weight 1, which is what queues have that are not named. Where each queue has slots of its own there is
    /// nothing to share.
    pub fn weights(mut self, weights: Vec<(QueueName, u32)>) -> Self {
        self.weights = weights;
        self
    }

    /// How long it may stay silent before others take its claims; at least 4 s.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// How long running jobs get at shutdown; 30 s unless said.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// How long an attempt may take where the job says nothing; 5 minutes unless said.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Starts at most so many jobs in a span of time in this worker alone; `queues set --rate` limits all together.
    pub fn rate(mut self, rate: Rate) -> Self {
        self.rate = Some(rate);
        self
    }

    /// Ends when nothing is pending, scheduled within a second, retrying within a second or running here. A paused queue
    /// counts as empty, and so does one whose service is down.
    pub fn until_empty(mut self, until_empty: bool) -> Self {
        self.until_empty = until_empty;
        self
    }

    /// Ends after so many jobs.
    pub fn max_jobs(mut self, max_jobs: u64) -> Self {
        self.max_jobs = Some(max_jobs);
        self
    }

    /// When the services that processors need are left alone for a while; by default after five failures in a row. `None`:
    /// never.
    pub fn breaker(mut self, rule: Option<BreakerRule>) -> Self {
        self.breaker = rule;
        self
    }

    /// Evaluates alerts beside the jobs, where no other worker does just then, and tells these sinks. Without it this worker
    /// leaves that to others.
    pub fn alerts(mut self, sinks: AlertSinks) -> Self {
        self.alerts = Some(sinks);
        self
    }

    /// Ends, with `NotNow`, when Redis has given no answer for so long, so that a supervisor can start it anew; at least
    /// 10 s, and 5 minutes unless said. Any answer counts, also that Redis is loading or refuses. Running jobs get the grace
    /// period. `None`: it waits for ever.
    pub fn give_up_after(mut self, silence: Option<Duration>) -> Self {
        self.give_up_after = silence;
        self
    }

    /// Which start of a service this is, as a supervisor names it (systemd: `INVOCATION_ID`), so that it can tell how the
    /// process ended ([`Inspector::worker_ended`](crate::Inspector::worker_ended)).
    pub fn invocation(mut self, invocation: Option<String>) -> Self {
        self.invocation = invocation;
        self
    }

    /// Hands every step of a job's life to `listener`. It is called on the worker's threads and must not block.
    pub fn on_event(mut self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.listener = Some(Arc::new(listener));
        self
    }

    /// The worker.
    ///
    /// # Errors
    /// `Invalid` when no queue has a processor, a queue of [`Concurrency::PerQueue`] or with a weight has none, or a number is out of
    /// bounds.
    pub fn build(self) -> Result<Worker> {
        if self.registry.queues().next().is_none() {
            return Err(Error::invalid("a worker needs at least one queue with a processor"));
        }
        if self.lease < WorkerConfig::LEASE_MIN || self.lease > Duration::from_secs(24 * 3600) {
            return Err(Error::invalid("lease must be 4s or more, and a day at most"));
        }
        let numbers = match &self.concurrency {
            Concurrency::Shared(number) => vec![*number],
            Concurrency::PerQueue(queues) => {
                if let Some((queue, _)) = queues.iter().find(|(queue, _)| self.registry.get(queue).is_none()) {
                    return Err(Error::invalid(format!(
                        "concurrency names queue {queue}, which has no processor here"
                    )));
                }
                if let Some(queue) = self.registry.queues().find(|name| queues.iter().all(|(queue, _)| queue != *name))
                {
                    return Err(Error::invalid(format!(
                        "concurrency does not say how many jobs of queue {queue} run at once"
                    )));
                }
                queues.iter().map(|(_, number)| *number).collect()
            }
        };
        if numbers.iter().any(|number| !(1..=WorkerConfig::CONCURRENCY_MAX).contains(number)) {
            return Err(Error::invalid(format!("concurrency must be from 1 to {}", WorkerConfig::CONCURRENCY_MAX)));
        }
        if let Some((queue, _)) = self.weights.iter().find(|(queue, _)| self.registry.get(queue).is_none()) {
            return Err(Error::invalid(format!("a weight is given to queue {queue}, which has no processor here")));
        }
        if self.weights.iter().any(|(_, weight)| !(1..=WEIGHT_MAX).contains(weight)) {
            return Err(Error::invalid(format!("a weight must be from 1 to {WEIGHT_MAX}")));
        }
        if self.timeout.is_zero() {
            return Err(Error::invalid("timeout must be longer than nothing"));
        }
        if self.give_up_after.is_some_and(|silence| silence < GIVE_UP_MIN) {
            return Err(Error::invalid("a worker may give up after 10s or more"));
        }
        if self.timeout > LONGEST || self.grace > LONGEST {
            return Err(Error::invalid("timeout and grace must be a hundred years at most"));
        }
        Worker::new(self)
    }
}
