//! One function per transition: each sends one script and reads its answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use redis::{Cmd, Value};

use crate::config::Durable;
use crate::error::{Error, Result};
use crate::job::{BatchName, JobId, KeyField, NewJob, Partitions, ProcessEnd, Start};
use crate::store::codec::{Reply, read};
use crate::store::scripts::{self, Script};
use crate::store::{Gate, QueueKeys, Store};

/// A job as a worker gets it: what is stored, not yet read.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub id: JobId,
    /// The worker's hold on it, compared whole by every script that ends it.
    pub claim: Arc<str>,
    pub record: String,
    /// Empty where nothing happened yet.
    pub history: String,
    pub crashes: u32,
}

impl Claimed {
    /// The fence, which is the first part of a claim.
    pub(crate) fn fence(&self) -> i64 {
        self.number(0)
    }

    /// When it was claimed, by the server's clock, which is its third part.
    pub(crate) fn claimed_ms(&self) -> i64 {
        self.number(2)
    }

    /// A part of the claim that is a number.
    fn number(&self, part: usize) -> i64 {
        // A search for each bar costs more than all of them are apart.
        let part = self.claim.as_bytes().split(|byte| *byte == b'|').nth(part);
        part.and_then(|part| std::str::from_utf8(part).ok()?.parse().ok()).unwrap_or_default()
    }
}

/// What a worker asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FetchCall<'a> {
    pub worker: &'a str,
    /// The number of this call: the same again gets the same answer.
    pub call: u64,
    /// Jobs that it can start now.
    pub slots: usize,
    /// More that it will finish within some milliseconds.
    pub prefetch: usize,
    pub lease_ms: u64,
    /// Whether it holds nothing at all.
    pub alone: bool,
}

/// What a worker gets.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// In how many ms to ask again: 0 where there is more, `None` where nobody knows.
    pub again_ms: Option<u64>,
    pub paused: bool,
    /// Rises with every change of the queue's settings.
    pub settings_version: u64,
    /// A job waits for a worker that holds nothing, and this worker shall be the one.
    pub run_empty: bool,
    pub jobs: Vec<Claimed>,
}

/// How a claim that is not (or no longer) the worker's stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nobody holds the job.
    Gone,
    /// Another claim holds it.
    Taken,
    /// An operator cancelled it.
    Cancelled,
}

/// The answer to an end of claims: those that were not the worker's, by their number in the call.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    pub others: Vec<(usize, Standing)>,
    /// Whether the call was sent twice, so that a claim that is gone may be this call's own doing.
    pub repeated: bool,
}

/// What the queue said to a new job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Accepted {
    Added,
    /// The id is taken.
    Duplicate,
    /// That job holds the unique key.
    Held(JobId),
    /// The queue holds as many jobs as it may.
    Full,
    /// Its batch takes no jobs: it is sealed, or there is none.
    Sealed,
}

/// A call of a producer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EnqueueCall<'a> {
    pub producer: &'a str,
    /// The producer's last number again gets the last answer.
    pub call: u64,
    /// Whether the queue is durable where nobody has set it.
    pub usual: Durable,
    /// The partitions before these, where they know nothing of the jobs.
    pub former: Option<Partitions>,
    /// Where payloads hold the key of their job, as far as the producer knows: it writes it in front of the records.
    pub key: Option<&'a KeyField>,
}

/// What the queue said to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answered {
    /// One for each job.
    pub accepted: Vec<Accepted>,
    /// Whether a replica must confirm it.
    pub durable: Durable,
    /// Where payloads hold the key of their job.
    pub key: Option<KeyField>,
}

/// How a claim ends.
pub(crate) enum End<'a> {
    Complete { result: &'a str },
    Retry { delay_ms: u64, history: &'a str },
    Snooze { delay_ms: u64, history: &'a str },
    Bury { history: &'a str },
    Release,
    Cancelled,
}

impl End<'_> {
    fn script(&self) -> &'static Script {
        match self {
            Self::Complete { .. } => &scripts::COMPLETE,
            Self::Retry { .. } => &scripts::RETRY,
            Self::Snooze { .. } => &scripts::SNOOZE,
            Self::Bury { .. } => &scripts::BURY,
            Self::Release => &scripts::RELEASE,
            Self::Cancelled => &scripts::CANCELLED,
        }
    }

    /// What scripts are told besides the claims: a column of each kind. Results only where there are any.
    fn arguments(ends: &[(&JobId, &str, Self)], command: &mut Cmd) {
        for (index, (.., end)) in ends.iter().enumerate() {
            match end {
                Self::Complete { result } if !result.is_empty() => command.arg(index).arg(result),
                Self::Retry { delay_ms, .. } | Self::Snooze { delay_ms, .. } => command.arg(*delay_ms),
                _ => command,
            };
        }
        for (.., end) in ends {
            match end {
                Self::Retry { history, .. } | Self::Snooze { history, .. } | Self::Bury { history } => {
                    command.arg(history)
                }
                Self::Complete { .. } | Self::Release | Self::Cancelled => command,
            };
        }
    }
}

/// Names claims as scripts read them: how many, their ids, then the claims.
fn named<'a>(command: &mut Cmd, claims: impl ExactSizeIterator<Item = (&'a JobId, &'a str)> + Clone) {
    command.arg(claims.len());
    for (id, _) in claims.clone() {
        command.arg(id.as_str());
    }
    for (_, claim) in claims {
        command.arg(claim);
    }
}

/// A claim to be taken back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fallen<'a> {
    pub id: &'a JobId,
    pub claim: &'a str,
    /// JSON with this crash; empty leaves what is there.
    pub history: &'a str,
}

/// A job that a recoverer took back.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub id: JobId,
    pub crashes: u32,
    /// `pending`, `dead` or `cancelled`.
    pub to: String,
    /// How the process of its worker ended, where that was told.
    pub end: Option<ProcessEnd>,
}

impl Store {
    /// Adds jobs, at most 300.
    pub(crate) async fn enqueue(&self, keys: &QueueKeys, call: EnqueueCall<'_>, jobs: &[&NewJob]) -> Result<Answered> {
        let mut command = scripts::ENQUEUE.on(keys, &self.clock);
        command.arg(call.producer).arg(call.call).arg(call.usual.as_str());
        command.arg(call.former.map_or_else(String::new, |former| Gate::OpenTo(former).word()));
        command.arg(jobs.len());
        for job in jobs {
            command.arg(job.id.as_str());
        }
        for job in jobs {
            let record = job.to_record()?;
            command.arg(match call.key {
                Some(key) => key.head(job.payload.get()) + &record,
                None => record,
            });
        }
        for (index, options) in jobs.iter().map(|job| options(job)).enumerate().filter(|(_, text)| !text.is_empty()) {
            command.arg(index).arg(options);
        }
        let answer = text(scripts::ENQUEUE.ask(&self.connection, &command).await?)?;
        answered(&answer, jobs.len()).ok_or_else(|| unexpected("enqueue"))
    }

    /// Claims jobs.
    pub(crate) async fn fetch(&self, keys: &QueueKeys, call: FetchCall<'_>) -> Result<Fetched> {
        let mut command = scripts::FETCH.on(keys, &self.clock);
        command.arg(call.worker).arg(call.call).arg(call.slots).arg(call.prefetch);
        command.arg(call.lease_ms).arg(u8::from(call.alone));
        let mut reply = Reply::new("fetch", scripts::FETCH.ask(&self.connection, &command).await?)?;
        let again = reply.number()?;
        let (again_ms, paused) = (u64::try_from(again).ok(), again == -2);
        let (settings_version, run_empty) = (reply.number()?.unsigned_abs(), reply.text()? == "1");
        let jobs = if reply.is_empty() { Vec::new() } else { claimed(&mut reply)? };
        Ok(Fetched { again_ms, paused, settings_version, run_empty, jobs })
    }

    /// Ends claims that all end the same way, at most 1,000.
    pub(crate) async fn end(
        &self,
        keys: &QueueKeys,
        worker: &str,
        ends: &[(&JobId, &str, End<'_>)],
    ) -> Result<Settled> {
        let Some((_, _, first)) = ends.first() else { return Ok(Settled::default()) };
        let script = first.script();
        let mut command = script.on(keys, &self.clock);
        command.arg(worker).arg(keys_of(ends.iter().map(|(_, claim, _)| *claim)));
        named(&mut command, ends.iter().map(|(id, claim, _)| (*id, *claim)));
        End::arguments(ends, &mut command);
        let answer = script.send(&self.connection, &command).await?;
        let others = if matches!(first, End::Cancelled) { Vec::new() } else { standings(list(answer.value)?)? };
        Ok(Settled { others, repeated: answer.repeated })
    }

    /// Extends the lease; how many claims the queue counts for the worker, and which of the named (at most 1,000) are not
    /// its own.
    pub(crate) async fn renew(
        &self,
        keys: &QueueKeys,
        worker: &str,
        lease_ms: u64,
        claims: &[(JobId, Arc<str>)],
    ) -> Result<(u64, Vec<(usize, Standing)>)> {
        let mut command = scripts::RENEW.on(keys, &self.clock);
        command.arg(worker).arg(lease_ms);
        named(&mut command, claims.iter().map(|(id, claim)| (id, &**claim)));
        let mut values = list(scripts::RENEW.ask(&self.connection, &command).await?)?;
        let counted = if values.is_empty() { return Err(unexpected("renew")) } else { number(values.remove(0))? };
        Ok((u64::try_from(counted).unwrap_or_default(), standings(values)?))
    }

    /// The workers whose lease has ended.
    pub(crate) async fn overdue(&self, keys: &QueueKeys) -> Result<Vec<String>> {
        let command = scripts::OVERDUE.on(keys, &self.clock);
        list(scripts::OVERDUE.ask(&self.connection, &command).await?)?.into_iter().map(text).collect()
    }

    /// Takes back claims of silent workers, at most 500; `lease_ms` is the grace for a worker without any lease.
    pub(crate) async fn recover(
        &self,
        keys: &QueueKeys,
        (worker, lease_ms): (&str, u64),
        claims: &[Fallen<'_>],
    ) -> Result<Vec<Recovered>> {
        let mut command = scripts::RECOVER.on(keys, &self.clock);
        command.arg(worker).arg(lease_ms);
        for Fallen { id, claim, history } in claims {
            command.arg(id.as_str()).arg(*claim).arg(*history);
        }
        let mut values = list(scripts::RECOVER.ask(&self.connection, &command).await?)?.into_iter();
        let mut recovered = Vec::new();
        while let (Some(id), Some(crashes), Some(to)) = (values.next(), values.next(), values.next()) {
            let crashes = u32::try_from(number(crashes)?).unwrap_or_default();
            recovered.push(Recovered { id: JobId::trusted(&text(id)?), crashes, to: text(to)?, end: None });
        }
        Ok(recovered)
    }

    /// Strikes out silent workers whose claims were all taken back.
    pub(crate) async fn forget(&self, keys: &QueueKeys, workers: &[String]) -> Result<()> {
        for page in workers.chunks(100) {
            let mut command = scripts::FORGET.on(keys, &self.clock);
            command.arg(page);
            scripts::FORGET.ask(&self.connection, &command).await?;
        }
        Ok(())
    }

    /// A worker that holds nothing any more gives up its lease. Whether it has; not where the queue counts claims of it.
    pub(crate) async fn sign_off(&self, keys: &QueueKeys, worker: &str) -> Result<bool> {
        let mut command = scripts::SIGN_OFF.on(keys, &self.clock);
        command.arg(worker);
        read("sign_off", scripts::SIGN_OFF.ask(&self.connection, &command).await?)
    }

    /// Ends the lease of a worker whose process has ended, so that its claims are taken back at once.
    pub(crate) async fn lapse(&self, keys: &QueueKeys, worker: &str) -> Result<()> {
        let mut command = scripts::LAPSE.on(keys, &self.clock);
        command.arg(worker);
        scripts::LAPSE.ask(&self.connection, &command).await.map(drop)
    }

    /// Leaves a wake-up token that was taken in vain to another worker.
    pub(crate) async fn pass_on(&self, keys: &QueueKeys) -> Result<()> {
        scripts::PASS_ON.ask(&self.connection, &scripts::PASS_ON.on(keys, &self.clock)).await.map(drop)
    }

    /// Moves what is due into line; how many, where `limit` or more means that there may be more.
    pub(crate) async fn promote(&self, keys: &QueueKeys, limit: usize) -> Result<usize> {
        let mut command = scripts::PROMOTE.on(keys, &self.clock);
        command.arg(limit);
        Ok(usize::try_from(number(scripts::PROMOTE.ask(&self.connection, &command).await?)?).unwrap_or_default())
    }
}

/// How many of these claims each key has, as the scripts that end claims are told: `key count key count …`.
fn keys_of<'a>(claims: impl Iterator<Item = &'a str>) -> String {
    let mut counts = BTreeMap::<&str, u32>::new();
    for claim in claims {
        let key = claim.rsplit('|').nth(1).unwrap_or_default();
        if !key.is_empty() {
            *counts.entry(key).or_default() += 1;
        }
    }
    counts.iter().map(|(key, count)| format!("{key} {count}")).collect::<Vec<_>>().join(" ")
}

/// The jobs that `fetch` has claimed.
fn claimed(reply: &mut Reply) -> Result<Vec<Claimed>> {
    let (mut claims, mut records) = (reply.list()?, reply.list()?);
    let (mut histories, mut crashes) = (reply.list()?, reply.list()?);
    let mut jobs = Vec::with_capacity(records.len());
    while !records.is_empty() {
        jobs.push(Claimed {
            id: JobId::trusted(&claims.text()?),
            claim: claims.text()?.into(),
            record: records.text()?,
            history: if histories.is_empty() { String::new() } else { histories.text()? },
            crashes: if crashes.is_empty() { 0 } else { crashes.text()?.parse().unwrap_or_default() },
        });
    }
    Ok(jobs)
}

/// The answer of `enqueue` to so many jobs; `None` where it has another shape.
fn answered(text: &str, jobs: usize) -> Option<Answered> {
    let (durable, words) = match text.strip_prefix('~') {
        None => (Durable::Off, text),
        Some(marked) => {
            let (mode, rest) = marked.split_once(' ')?;
            (mode.parse().ok()?, rest.split_once(' ')?.1)
        }
    };
    let (key, words) = match words.strip_prefix('@') {
        None => (None, words),
        Some(marked) => {
            let (field, words) = marked.split_once(' ')?;
            (KeyField::new(field).ok(), words)
        }
    };
    if words == "+" {
        return Some(Answered { accepted: vec![Accepted::Added; jobs], durable, key });
    }
    let accepted: Vec<_> = words
        .split(' ')
        .map(|word| match word.split_at_checked(1) {
            Some(("+", _)) => Accepted::Added,
            Some(("=", "")) => Accepted::Duplicate,
            Some(("=", holder)) => Accepted::Held(JobId::trusted(holder)),
            Some(("#", _)) => Accepted::Sealed,
            _ => Accepted::Full,
        })
        .collect();
    (accepted.len() == jobs).then_some(Answered { accepted, durable, key })
}

/// A new job's options as `enqueue` reads them; empty where nothing differs from the defaults.
pub(super) fn options(job: &NewJob) -> String {
    let plain = job.start == Start::Now && job.ttl.is_none() && !job.id_is_chosen && job.unique.is_none();
    let plain = plain && !job.unless_queued && job.batch.is_none();
    if plain && job.priority.is_default() {
        return String::new();
    }
    let due = match job.start {
        Start::Now => String::new(),
        Start::After(delay) => format!("+{}", delay.as_millis()),
        Start::AtMs(at_ms) => format!("@{at_ms}"),
    };
    let millis = |span: Option<std::time::Duration>| span.map(|span| span.as_millis().to_string()).unwrap_or_default();
    let level = job.priority.level();
    let chosen = if job.id_is_chosen { "1" } else { "" };
    let unless = if job.unless_queued { "1" } else { "" };
    let window = millis(job.unique.as_ref().and_then(|unique| unique.window));
    let key = job.unique.as_ref().map(|unique| unique.key.as_str()).unwrap_or_default();
    let batch = job.batch.as_ref().map(BatchName::as_str).unwrap_or_default();
    format!("{level}|{due}|{}|{chosen}|{unless}|{window}|{batch}|{key}", millis(job.ttl))
}

fn unexpected(script: &str) -> Error {
    Error::internal(format!("{script} gave an answer of another shape"))
}

fn list(value: Value) -> Result<Vec<Value>> {
    match value {
        Value::Array(values) => Ok(values),
        Value::Nil => Ok(Vec::new()),
        _ => Err(unexpected("a script")),
    }
}

fn text(value: Value) -> Result<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).map_err(|_| unexpected("a script")),
        Value::SimpleString(text) => Ok(text),
        Value::Int(number) => Ok(number.to_string()),
        Value::Nil => Ok(String::new()),
        _ => Err(unexpected("a script")),
    }
}

fn number(value: Value) -> Result<i64> {
    match value {
        Value::Int(number) => Ok(number),
        other => text(other)?.parse().map_err(|_| unexpected("a script")),
    }
}

fn standings(values: Vec<Value>) -> Result<Vec<(usize, Standing)>> {
    let mut others = Vec::with_capacity(values.len() / 2);
    let mut values = values.into_iter();
    while let (Some(index), Some(standing)) = (values.next(), values.next()) {
        let standing = match number(standing)? {
            0 => Standing::Gone,
            2 => Standing::Cancelled,
            _ => Standing::Taken,
        };
        others.push((usize::try_from(number(index)?).unwrap_or_default(), standing));
    }
    Ok(others)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_summed_up_by_their_keys() {
        let claims = ["1|2:3|4|w|acme|", "2|2:3|4|w||", "3|2:3|4|w|b|alone", "cancelled|4|2:3|4|w|acme|"];
        assert_eq!(keys_of(claims.into_iter()), "acme 2 b 1");
        assert_eq!(keys_of(["2|2:3|4|w||"].into_iter()), "");
    }

    #[test]
    fn the_answer_of_a_durable_queue_says_so() {
        use Accepted::{Added, Duplicate, Full, Held, Sealed};
        let read = |text: &str, jobs| answered(text, jobs).map(|answered| (answered.accepted, answered.durable));
        assert_eq!(read("+", 2), Some((vec![Added, Added], Durable::Off)));
        assert_eq!(read("~on 7 +", 2), Some((vec![Added, Added], Durable::On)));
        let each = vec![Added, Duplicate, Held(JobId::trusted("a")), Full, Sealed];
        assert_eq!(read("~auto 12 + = =a ! #", 5), Some((each, Durable::Auto)));
        let keyed = |text: &str| answered(text, 1).and_then(|answered| answered.key).map(String::from);
        assert_eq!(keyed("@tenant.id +").as_deref(), Some("tenant.id"));
        assert_eq!(keyed("~on 7 @tenantId =").as_deref(), Some("tenantId"));
        assert_eq!(keyed("+"), None);
        for other in ["~on", "~on 7", "~x 7 +", "+ +", ""] {
            assert_eq!(read(other, 3), None, "{other:?}");
        }
    }
}
