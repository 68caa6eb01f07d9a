//! A job that is yet to be enqueued.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::error::{Error, FieldProblem, Result};
use crate::job::record::{PAYLOAD_DEPTH, PAYLOAD_MAX_BYTES, Stored};
use crate::job::{BatchName, JobId, Priority};
use crate::retry::Backoff;

/// The longest unique key or order key.
const KEY_MAX_BYTES: usize = 512;
/// A hundred years: what is further away is a slip of the pen.
pub(crate) const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// A key that at most one live job of a queue may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unique {
    /// The key, at most 512 bytes.
    pub key: String,
    /// How long the key is held from now on even when the job ends sooner; `None`: while the job lives.
    pub window: Option<Duration>,
}

/// A job to enqueue: a payload and what differs from the defaults.
///
/// ```
/// use ireva_queue::{NewJob, Priority};
/// let job = NewJob::new(&serde_json::json!({"to": "ada@example.com"}))?.priority(Priority::High).attempts(3);
/// assert_eq!(job.payload().get(), r#"{"to":"ada@example.com"}"#);
/// # Ok::<(), ireva_queue::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct NewJob {
    pub(crate) id: JobId,
    pub(crate) id_is_chosen: bool,
    pub(crate) payload: Box<RawValue>,
    pub(crate) priority: Priority,
    pub(crate) start: Start,
    pub(crate) attempts: Option<u32>,
    pub(crate) backoff: Option<Backoff>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) ttl: Option<Duration>,
    pub(crate) unique: Option<Unique>,
    pub(crate) order_key: Option<String>,
    pub(crate) unless_queued: bool,
    pub(crate) batch: Option<BatchName>,
    pub(crate) awaited: bool,
    pub(crate) revives: Option<JobId>,
}

/// When a new job may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    Now,
    /// So long after the server accepted it.
    After(Duration),
    /// At an instant, in milliseconds since 1970.
    AtMs(i64),
}

impl NewJob {
    /// A job whose payload is `payload` as JSON.
    ///
    /// # Errors
    /// `Invalid` when it cannot be written as JSON, is over 1 MiB, or nests deeper than 64.
    pub fn new(payload: &impl Serialize) -> Result<Self> {
        let payload = serde_json::value::to_raw_value(payload)
            .map_err(|error| Error::invalid(format!("payload cannot be written as JSON: {error}")))?;
        Self::from_raw(payload)
    }

    /// A job whose payload is the JSON text `payload`, kept byte for byte (but for white space around it).
    ///
    /// # Errors
    /// `Invalid` when it is not JSON, over 1 MiB, or nests deeper than 64.
    pub fn from_json(payload: String) -> Result<Self> {
        check_payload(&payload)?;
        let payload =
            RawValue::from_string(payload).map_err(|error| Error::invalid(format!("payload is not JSON: {error}")))?;
        Ok(Self::with(payload))
    }

    /// A job whose payload is JSON that was read already.
    ///
    /// # Errors
    /// `Invalid` when it is over 1 MiB or nests deeper than 64.
    pub fn from_raw(payload: Box<RawValue>) -> Result<Self> {
        check_payload(payload.get())?;
        Ok(Self::with(payload))
    }

    fn with(payload: Box<RawValue>) -> Self {
        Self {
            id: JobId::generate(),
            id_is_chosen: false,
            payload,
            priority: Priority::Normal,
            start: Start::Now,
            attempts: None,
            backoff: None,
            timeout: None,
            ttl: None,
            unique: None,
            order_key: None,
            unless_queued: false,
            batch: None,
            awaited: false,
            revives: None,
        }
    }

    /// Enqueues under this id; the same id again changes nothing and is answered as a duplicate.
    pub fn id(mut self, id: JobId) -> Self {
        self.id = id;
        self.id_is_chosen = true;
        self
    }

    /// Its priority; normal unless said.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// Starts no sooner than `delay` after the server accepted it.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.start = if delay.is_zero() { Start::Now } else { Start::After(delay) };
        self
    }

    /// Starts no sooner than `at`, by the server's clock; an instant that is past means now.
    pub fn at(mut self, at: DateTime<Utc>) -> Self {
        self.start = Start::AtMs(at.timestamp_millis());
        self
    }

    /// How often it may run in all, at least once.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts.max(1));
        self
    }

    /// The wait between attempts after transient errors.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = Some(backoff);
        self
    }

    /// How long one attempt may take.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How long after its arrival it is still worth starting; after that it is buried as `expired`.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Refuses it as a duplicate while another live job of the queue holds `key`.
    pub fn unique(mut self, key: impl Into<String>) -> Self {
        self.unique = Some(Unique { key: key.into(), window: None });
        self
    }

    /// Holds its unique key for `window` at least; nothing without [`NewJob::unique`].
    pub fn unique_for(mut self, window: Duration) -> Self {
        if let Some(unique) = &mut self.unique {
            unique.window = Some(window);
        }
        self
    }

    /// Keeps its place behind jobs of the same order key of this queue: they start in the order in which they came, priorities
    /// and retries apart, also where the queue has several partitions. In a queue of one partition all jobs do, so there it
    /// changes nothing.
    pub fn order_key(mut self, key: impl Into<String>) -> Self {
        self.order_key = Some(key.into());
        self
    }

    /// Adds it only where the queue holds no job that waits or runs; else it is answered as a duplicate of one of those.
    pub fn unless_queued(mut self) -> Self {
        self.unless_queued = true;
        self
    }

    /// Counts it in a batch of its queue, which must be open: see [`Batches`](crate::Batches).
    pub fn batch(mut self, batch: BatchName) -> Self {
        self.batch = Some(batch);
        self
    }

    /// Keeps the result for an hour, for somebody who waits for it.
    pub fn awaited(mut self) -> Self {
        self.awaited = true;
        self
    }

    /// The id that it has, or will have.
    pub fn job_id(&self) -> &JobId {
        &self.id
    }

    /// The payload as it will be stored.
    pub fn payload(&self) -> &RawValue {
        &self.payload
    }

    /// The unique key that it asks for.
    pub fn unique_key(&self) -> Option<&str> {
        self.unique.as_ref().map(|unique| unique.key.as_str())
    }

    /// Whether it is counted in a batch and holds a unique key, which no queue of several partitions can have.
    pub(crate) fn has_key_in_batch(&self) -> bool {
        self.batch.is_some() && self.unique.is_some()
    }

    /// Whether it is added only where no job of the queue waits or runs.
    pub fn asks_for_empty_queue(&self) -> bool {
        self.unless_queued
    }

    /// What decides the partition that it belongs to: its batch, so that one script counts the batch; its unique key, so that
    /// one script finds the holder; its order key; or else its id, so that one script knows the id again.
    pub(crate) fn partition_key(&self) -> &str {
        let batch = self.batch.as_ref().map(BatchName::as_str);
        batch.or(self.unique_key()).or(self.order_key.as_deref()).unwrap_or(self.id.as_str())
    }

    /// Checks what the builder cannot: lengths and spans.
    ///
    /// # Errors
    /// `Invalid`, naming the field.
    pub fn check(&self) -> Result<()> {
        let keys = [("unique", "unique key", self.unique_key()), ("orderKey", "order key", self.order_key.as_deref())];
        for (field, what, key) in keys {
            if key.is_some_and(|key| key.is_empty() || key.len() > KEY_MAX_BYTES) {
                return Err(Error::invalid(format!("{what} must have 1 to {KEY_MAX_BYTES} bytes")).about(field));
            }
        }
        let delay = if let Start::After(delay) = self.start { Some(delay) } else { None };
        let window = self.unique.as_ref().and_then(|unique| unique.window);
        let spans = [("delay", delay), ("timeout", self.timeout), ("ttl", self.ttl), ("uniqueFor", window)];
        for (name, span) in spans {
            if span.is_some_and(|span| span > LONGEST) {
                return Err(Error::invalid_fields(vec![FieldProblem::new(name, "is longer than 100 years")]));
            }
        }
        for (name, span) in [("timeout", self.timeout), ("ttl", self.ttl)] {
            if span.is_some_and(|span| span < Duration::from_millis(1)) {
                return Err(Error::invalid_fields(vec![FieldProblem::new(name, "must be 1ms or more")]));
            }
        }
        Ok(())
    }

    /// The JSON object that is stored behind the arrival time.
    pub(crate) fn to_record(&self) -> Result<String> {
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let stored = Stored {
            payload: &self.payload,
            priority: self.priority,
            attempts: self.attempts,
            backoff: self.backoff,
            timeout_ms: self.timeout.map(millis),
            ttl_ms: self.ttl.map(millis),
            unique: self.unique.as_ref().map(|unique| unique.key.clone()),
            order_key: self.order_key.clone(),
            batch: self.batch.clone(),
            awaited: self.awaited,
            revives: self.revives.clone(),
        };
        serde_json::to_string(&stored).map_err(|error| Error::internal(format!("record: {error}")))
    }
}

fn check_payload(payload: &str) -> Result<()> {
    if payload.len() > PAYLOAD_MAX_BYTES {
        return Err(Error::invalid(format!("payload has {} bytes, more than {PAYLOAD_MAX_BYTES}", payload.len())));
    }
    // Counted on the text, before anything recurses into it.
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in payload.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > PAYLOAD_DEPTH {
            return Err(Error::invalid(format!("payload nests deeper than {PAYLOAD_DEPTH}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Record;

    #[test]
    fn a_record_leaves_out_what_equals_its_default() {
        let job = NewJob::from_json(r#"{"a":1e-7}"#.to_owned()).unwrap();
        assert_eq!(job.to_record().unwrap(), r#"{"payload":{"a":1e-7}}"#);
    }

    #[test]
    fn every_field_round_trips() {
        let job = NewJob::from_json("[1]".to_owned())
            .unwrap()
            .priority(Priority::Low)
            .attempts(7)
            .backoff("fixed:3s".parse().unwrap())
            .timeout(Duration::from_millis(1500))
            .ttl(Duration::from_secs(60))
            .unique("k")
            .order_key("o")
            .batch("b".parse().unwrap())
            .awaited();
        let record = Record::decode(&format!("5{}", job.to_record().unwrap())).unwrap();
        assert_eq!(record.payload().get(), "[1]");
        assert_eq!((record.priority, record.attempts), (Priority::Low, Some(7)));
        assert_eq!(record.backoff, Some("fixed:3s".parse().unwrap()));
        assert_eq!((record.timeout, record.ttl), (Some(Duration::from_millis(1500)), Some(Duration::from_secs(60))));
        assert_eq!((record.unique.as_deref(), record.awaited), (Some("k"), true));
        assert_eq!(record.order_key.as_deref(), Some("o"));
        assert_eq!(record.batch, Some("b".parse().unwrap()));
    }

    #[test]
    fn keys_are_bounded() {
        let job = || NewJob::new(&1).unwrap();
        let fields = |job: NewJob| job.check().unwrap_err().fields()[0].field.clone();
        assert_eq!((fields(job().unique("")), fields(job().order_key(""))), ("unique".into(), "orderKey".into()));
        assert!(job().order_key("k".repeat(KEY_MAX_BYTES)).check().is_ok());
        assert_eq!(fields(job().order_key("k".repeat(KEY_MAX_BYTES + 1))), "orderKey");
    }

    #[test]
    fn what_needs_one_partition_decides_it() {
        let job = NewJob::new(&1).unwrap().id(JobId::new("mine-1").unwrap());
        assert_eq!(job.partition_key(), "mine-1");
        let ordered = job.order_key("o");
        assert_eq!(ordered.partition_key(), "o");
        let unique = ordered.unique("u");
        assert_eq!(unique.partition_key(), "u");
        assert_eq!(unique.batch("b".parse().unwrap()).partition_key(), "b");
    }

    #[test]
    fn payloads_are_bounded_in_size_and_depth() {
        assert!(NewJob::from_json(format!("\"{}\"", "x".repeat(PAYLOAD_MAX_BYTES - 2))).is_ok());
        assert!(NewJob::from_json(format!("\"{}\"", "x".repeat(PAYLOAD_MAX_BYTES - 1))).is_err());
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(NewJob::from_json(nested(PAYLOAD_DEPTH)).is_ok());
        assert!(NewJob::from_json(nested(PAYLOAD_DEPTH + 1)).is_err());
        assert!(NewJob::from_json("[".repeat(100_000)).is_err());
        assert!(NewJob::from_json(r#""[[[\"{{{""#.to_owned()).is_ok());
        assert!(NewJob::from_json(String::new()).is_err());
    }
}
