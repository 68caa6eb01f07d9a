//! Who is told of alerts, and how.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::alert::name::AlertName;
use crate::alert::notice::AlertNotice;
use crate::error::Result;
use crate::job::{NewJob, QueueName};

/// What a sink said when it had taken the notice, or why it has not.
pub type Telling<'a> = Pin<Box<dyn Future<Output = Result<String>> + Send + 'a>>;

/// A way to tell people, or their programs, of alerts.
///
/// ```
/// use ireva_queue::{AlertName, AlertNotice, AlertSink, AlertSinks, Telling};
///
/// struct Pager;
///
/// impl AlertSink for Pager {
///     fn kind(&self) -> &'static str {
///         "pager"
///     }
///
///     fn tell<'a>(&'a self, notice: &'a AlertNotice) -> Telling<'a> {
///         Box::pin(async move { Ok(format!("paged: {}", notice.headline())) })
///     }
/// }
///
/// let sinks = AlertSinks::new().with(AlertName::new("pager")?, Pager);
/// # drop(sinks);
/// # Ok::<(), ireva_queue::Error>(())
/// ```
///
/// A notice may come twice, under the same [id](AlertNotice::id), where whoever told it died before it could be crossed off.
/// Errors hold no secret: they are stored and shown.
pub trait AlertSink: Send + Sync + 'static {
    /// What kind of sink it is: `email`, `webhook`.
    fn kind(&self) -> &'static str;

    /// Tells. It ends by itself within a minute. `Config` where this sink cannot do it from here at all.
    fn tell<'a>(&'a self, notice: &'a AlertNotice) -> Telling<'a>;

    /// Whether [`tell`](Self::tell) can do it from here at all: a job that tells is only taken back where it can.
    fn tells_directly(&self) -> bool {
        true
    }

    /// The job that tells it in place of [`tell`](Self::tell), as long as its queue is well.
    ///
    /// # Errors
    /// What keeps a job from being made of it.
    fn carrier(&self, notice: &AlertNotice) -> Result<Option<AlertCarrier>> {
        let _ = notice;
        Ok(None)
    }
}

/// A job that tells of alerts.
#[derive(Debug, Clone)]
pub struct AlertCarrier {
    /// The queue whose workers run it.
    pub queue: QueueName,
    /// The job. Its id follows from the notice's, so that a repeat is a duplicate.
    pub job: NewJob,
    /// The service that those workers need, as its breaker names it.
    pub service: Option<String>,
}

/// The sinks by name. `log`, the worker's log and the events of queues, is always among them.
#[derive(Clone)]
pub struct AlertSinks(BTreeMap<AlertName, Option<Arc<dyn AlertSink>>>);

impl AlertSinks {
    /// The name of the sink that is always there.
    pub const LOG: &'static str = "log";

    /// None but `log`.
    pub fn new() -> Self {
        Self(BTreeMap::new()).log(AlertName::new(Self::LOG).expect("the name keeps to the rule of names"))
    }

    /// With a sink under this name, in place of one that has it.
    pub fn with(mut self, name: AlertName, sink: impl AlertSink) -> Self {
        self.0.insert(name, Some(Arc::new(sink)));
        self
    }

    /// With the log under this name, too.
    pub fn log(mut self, name: AlertName) -> Self {
        self.0.insert(name, None);
        self
    }

    /// The names, in their order.
    pub fn names(&self) -> impl Iterator<Item = &AlertName> {
        self.0.keys()
    }

    /// The sink of a name: `Some(None)` is the log.
    pub(crate) fn get(&self, name: &AlertName) -> Option<Option<&Arc<dyn AlertSink>>> {
        self.0.get(name).map(Option::as_ref)
    }

    /// How many there are beside logs.
    pub(crate) fn beside_logs(&self) -> usize {
        self.0.values().flatten().count()
    }
}

impl Default for AlertSinks {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for AlertSinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
