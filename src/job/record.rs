//! What the producer wrote: the stored form of a job, read and written here alone.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::job::{BatchName, JobId, Priority};
use crate::retry::Backoff;

/// The largest payload that is accepted, in bytes.
pub const PAYLOAD_MAX_BYTES: usize = 1024 * 1024;

/// How deeply a payload may nest.
pub const PAYLOAD_DEPTH: usize = 64;

/// A stored job: arrival time and the producer's JSON object, payload byte for byte inside.
///
/// Stored as `<arrival in microseconds since 1970>{"payload":…,…}`; a field that equals its default is left out. Where keys
/// limit the queue, `@<field>=<key>` may stand before the object. The payload is not parsed here: [`Record::payload`] lends the bytes as they were written.
#[derive(Debug, Clone)]
pub struct Record {
    payload: Box<RawValue>,
    /// When the queue accepted the job, in microseconds since 1970 by the server's clock.
    pub arrival_us: i64,
    /// How urgent it was written to be.
    pub priority: Priority,
    /// How often it may run before it is buried; `None`: as the queue's retry policy says.
    pub attempts: Option<u32>,
    /// The wait between attempts after transient errors; `None`: as the queue's retry policy says.
    pub backoff: Option<Backoff>,
    /// How long one attempt may take; `None`: as the worker says.
    pub timeout: Option<Duration>,
    /// How long after its arrival the job is still worth starting; `None`: for ever.
    pub ttl: Option<Duration>,
    /// The unique key that it holds while it lives.
    pub unique: Option<String>,
    /// Jobs of the same order key keep their order, also where their queue has several partitions.
    pub order_key: Option<String>,
    /// The batch that it is counted in.
    pub batch: Option<BatchName>,
    /// Whether somebody waits for the result.
    pub awaited: bool,
    /// The dead letter that this job was made from, when it is an edited revival.
    pub revives: Option<JobId>,
}

/// The JSON object inside a record, by its stored names.
#[derive(Serialize, Deserialize)]
pub(crate) struct Stored<'a> {
    #[serde(borrow)]
    pub payload: &'a RawValue,
    #[serde(default, skip_serializing_if = "Priority::is_default")]
    pub priority: Priority,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique: Option<String>,
    #[serde(default, rename = "orderKey", skip_serializing_if = "Option::is_none")]
    pub order_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchName>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub awaited: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revives: Option<JobId>,
}

impl Record {
    /// Reads a stored record.
    ///
    /// # Errors
    /// `Corrupt` when it is not a time followed by a JSON object with a payload.
    pub fn decode(text: &str) -> Result<Self> {
        let brace = text.find('{').ok_or_else(|| Error::corrupt("the record holds no JSON object"))?;
        let arrival_us = arrival_of(&text[..brace])
            .ok_or(())
            .map_err(|_| Error::corrupt("the record does not begin with a time"))?;
        let stored: Stored<'_> = serde_json::from_str(&text[brace..])
            .map_err(|error| Error::corrupt(format!("the record is not readable: {error}")))?;
        let Stored {
            payload,
            priority,
            attempts,
            backoff,
            timeout_ms,
            ttl_ms,
            unique,
            order_key,
            batch,
            awaited,
            revives,
        } = stored;
        Ok(Self {
            payload: payload.to_owned(),
            arrival_us,
            priority,
            attempts,
            backoff,
            timeout: timeout_ms.map(Duration::from_millis),
            ttl: ttl_ms.map(Duration::from_millis),
            unique,
            order_key,
            batch,
            awaited,
            revives,
        })
    }

    /// The payload as it was written.
    pub fn payload(&self) -> &RawValue {
        &self.payload
    }

    /// What decides the partition that job `id` belongs to, as when it was new.
    pub(crate) fn partition_key<'a>(&'a self, id: &'a str) -> &'a str {
        let batch = self.batch.as_ref().map(BatchName::as_str);
        batch.or(self.unique.as_deref()).or(self.order_key.as_deref()).unwrap_or(id)
    }

    /// The same of a job that counts in no batch any more, as it has ended: its unique key is asked for where that belongs.
    pub(crate) fn partition_key_when_ended<'a>(&'a self, id: &'a str) -> &'a str {
        self.unique.as_deref().unwrap_or_else(|| self.partition_key(id))
    }

    /// When the queue accepted the job.
    pub fn arrived_at(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.arrival_us).unwrap_or_default()
    }
}

/// The time in front of a record, or of what is left of one; behind it, where keys limit the queue, stands the key.
pub(crate) fn arrival_of(head: &str) -> Option<i64> {
    let end = head.find(['{', '@']).unwrap_or(head.len());
    head[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_comes_back_byte_for_byte() {
        let payload = r#"{"n":9007199254740993, "f":19.999999999999998,"e":[],"o":{},"s":"a\/b\u0041"}"#;
        let record = Record::decode(&format!("1764000000123456{{\"payload\":{payload},\"attempts\":3}}")).unwrap();
        assert_eq!(record.payload().get(), payload);
        assert_eq!((record.arrival_us, record.attempts), (1_764_000_000_123_456, Some(3)));
        assert_eq!(record.priority, Priority::Normal);
        let keyed = Record::decode("1764000000123456@tenant.id=a%7Bb{\"payload\":[1]}").unwrap();
        assert_eq!((keyed.arrival_us, keyed.payload().get()), (1_764_000_000_123_456, "[1]"));
        assert_eq!(arrival_of("1764000000123456@tenant"), Some(1_764_000_000_123_456));
    }

    #[test]
    fn what_is_no_record_is_refused_with_its_reason() {
        for bad in ["", "x", "12", "x{\"payload\":1}", "12{\"payload\":1", "12{\"other\":1}", "12[1]"] {
            let error = Record::decode(bad).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Corrupt, "{bad:?}");
        }
    }

    #[test]
    fn fuzz_a_record_is_read_whole_or_refused() {
        use crate::fuzz::{fuzz, text_of};
        use proptest::prelude::*;

        let pieces = &[
            "1764000000123456",
            "@tenant.id=a",
            "{",
            "}",
            "\"payload\":",
            "\"attempts\":3",
            "\"ttlMs\":",
            "\"backoff\":\"5s\"",
            "\"unique\":\"k\"",
            ",",
            "[",
            "]",
            "\\u0000",
            "\"",
            "1e400",
            "-0",
            "null",
            "\n",
        ];
        let loose = text_of(pieces, 16);
        let whole =
            (any::<i64>(), text_of(pieces, 6)).prop_map(|(at, payload)| format!("{at}{{\"payload\":{payload}}}"));
        fuzz(prop_oneof![loose, whole], |text| {
            let Ok(record) = Record::decode(&text) else { return Ok(()) };
            prop_assert!(text.contains(record.payload().get()));
            prop_assert!(serde_json::from_str::<&RawValue>(record.payload().get()).is_ok());
            let again = Record::decode(&format!("{}{{\"payload\":{}}}", record.arrival_us, record.payload())).unwrap();
            prop_assert_eq!((again.payload().get(), again.arrival_us), (record.payload().get(), record.arrival_us));
            // Whatever the time, it can be shown.
            let _ = record.arrived_at();
            Ok(())
        });
    }
}
