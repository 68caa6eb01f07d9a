//! Tells Redis how attempts ended: what ended while one call was under way goes together in the next.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::event::{Event, EventKind};
use crate::job::{JobId, QueueName};
use crate::processor::{ProcessError, Said};
use crate::store::{End, LogPart, Settled, Standing};
use crate::worker::lane::Lane;
use crate::worker::shared::Shared;

/// What processors said is written within this time or not at all.
const LOGGING: Duration = Duration::from_secs(2);
/// Ends in one round.
const ROUND: usize = 1_000;
/// Results and histories in one call.
const CALL_BYTES: usize = 8 << 20;

/// What becomes of a job.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// `result` is empty where none is kept.
    Complete {
        result: String,
    },
    Retry {
        delay: Duration,
        history: String,
    },
    Snooze {
        delay: Duration,
        history: String,
    },
    Bury {
        history: String,
    },
    Release,
    Cancelled,
    /// The claim is another's: nothing is written.
    Lost,
}

/// An attempt that is over.
#[derive(Debug)]
pub(crate) struct Ended {
    pub id: JobId,
    pub claim: Arc<str>,
    pub verdict: Verdict,
    pub attempt: u32,
    pub took: Option<Duration>,
    pub error: Option<ProcessError>,
    /// What its job's log may not hold yet.
    pub said: Said,
}

impl Ended {
    pub(crate) fn new(id: JobId, claim: Arc<str>, verdict: Verdict) -> Self {
        Self { id, claim, verdict, attempt: 0, took: None, error: None, said: Said::default() }
    }

    /// This end as an event.
    pub(crate) fn event(&self, kind: EventKind, queue: &QueueName, error: Option<&ProcessError>) -> Event {
        let delay = match &self.verdict {
            Verdict::Retry { delay, .. } | Verdict::Snooze { delay, .. } => Some(*delay),
            _ => None,
        };
        Event {
            attempt: (self.attempt > 0).then_some(self.attempt),
            duration: self.took,
            delay: delay.filter(|_| kind != EventKind::Failed),
            class: error.map(|error| error.class),
            code: error.map(|error| error.code.clone()),
            message: error.map(|error| error.message.clone()),
            ..Event::of_job(kind, queue, &self.id)
        }
    }

    fn kind(&self) -> EventKind {
        match self.verdict {
            Verdict::Complete { .. } => EventKind::Completed,
            Verdict::Retry { .. } => EventKind::Retrying,
            Verdict::Snooze { .. } => EventKind::Snoozed,
            Verdict::Bury { .. } => EventKind::Dead,
            Verdict::Release => EventKind::Released,
            Verdict::Cancelled => EventKind::Cancelled,
            Verdict::Lost => EventKind::LeaseLost,
        }
    }

    fn size_bytes(&self) -> usize {
        match &self.verdict {
            Verdict::Complete { result: text }
            | Verdict::Retry { history: text, .. }
            | Verdict::Snooze { history: text, .. }
            | Verdict::Bury { history: text } => text.len(),
            Verdict::Release | Verdict::Cancelled | Verdict::Lost => 0,
        }
    }

    /// What is left to write of what it said. Who lost the claim does not know what another has written behind its lines.
    fn last_words(&self) -> LogPart<'_> {
        let from = self.said.from.filter(|_| !matches!(self.verdict, Verdict::Lost));
        LogPart { id: &self.id, text: &self.said.text, from }
    }

    fn end(&self) -> Option<End<'_>> {
        let millis = |delay: &Duration| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        Some(match &self.verdict {
            Verdict::Complete { result } => End::Complete { result },
            Verdict::Retry { delay, history } => End::Retry { delay_ms: millis(delay), history },
            Verdict::Snooze { delay, history } => End::Snooze { delay_ms: millis(delay), history },
            Verdict::Bury { history } => End::Bury { history },
            Verdict::Release => End::Release,
            Verdict::Cancelled => End::Cancelled,
            Verdict::Lost => return None,
        })
    }
}

/// The finisher of one lane: runs until the lane is closed and nothing is left.
pub(crate) async fn finisher(shared: Arc<Shared>, lane: Arc<Lane>, mut inbox: mpsc::Receiver<Ended>) {
    let mut round = Vec::with_capacity(ROUND);
    loop {
        let count = tokio::select! {
            biased;
            count = inbox.recv_many(&mut round, ROUND) => count,
            () = lane.ends.finisher.cancelled() => {
                inbox.close();
                inbox.recv_many(&mut round, ROUND).await
            }
        };
        if count == 0 {
            return;
        }
        // One script a kind; nearly always there is just one kind.
        if round.windows(2).any(|pair| pair[0].kind() != pair[1].kind()) {
            round.sort_by_key(|ended| ended.kind() as u8);
        }
        for mut alike in round.chunk_by(|a, b| a.kind() == b.kind()) {
            while !alike.is_empty() {
                let (call, rest) = alike.split_at(call_of(alike));
                settle(&shared, &lane, call).await;
                alike = rest;
            }
        }
        write_logs(&shared, &lane, &round).await;
        round.clear();
        shared.room(&lane);
    }
}

/// How many of these ends go into one call, at least one.
fn call_of(alike: &[Ended]) -> usize {
    let mut bytes = 0;
    let within = |ended: &&Ended| {
        bytes += ended.size_bytes();
        bytes <= CALL_BYTES
    };
    alike.iter().take_while(within).count().max(1)
}

/// Ends the claims, for as long as it takes, and tells the listener what came of it.
pub(crate) async fn settle(shared: &Shared, lane: &Lane, alike: &[Ended]) {
    let ends: Vec<_> = alike.iter().filter_map(|ended| Some((&ended.id, &*ended.claim, ended.end()?))).collect();
    let settled = confirm(shared, lane, &ends).await;
    // Also where Redis would not take it: a claim that is named no more is released by a later beat.
    lane.table.gone(alike.iter().map(|ended| (&ended.id, &*ended.claim)));
    let Some(settled) = settled else {
        shared.unconfirmed.fetch_add(ends.len() as u64, Ordering::Relaxed);
        return;
    };
    let mut others = settled.others.iter().peekable();
    let mut cancelled = Vec::new();
    for (index, ended) in alike.iter().enumerate() {
        let standing = others.next_if(|(other, _)| *other == index).map(|(_, standing)| *standing);
        match standing {
            Some(Standing::Cancelled) => cancelled.push((&ended.id, &*ended.claim, End::Cancelled)),
            // This call's own doing, sent twice.
            Some(Standing::Gone) if settled.repeated => shared.count(ended, lane.keys.queue(), ended.kind()),
            Some(_) => shared.count(ended, lane.keys.queue(), EventKind::LeaseLost),
            None => shared.count(ended, lane.keys.queue(), ended.kind()),
        }
    }
    if !cancelled.is_empty() && confirm(shared, lane, &cancelled).await.is_some() {
        for (id, ..) in &cancelled {
            shared.emit(|| Event::of_job(EventKind::Cancelled, lane.keys.queue(), id));
        }
    }
}

/// Repeats the call until Redis has answered it, or the worker gives up at its end.
async fn confirm(shared: &Shared, lane: &Lane, ends: &[(&JobId, &str, End<'_>)]) -> Option<Settled> {
    let (mut repeated, mut wait) = (false, Duration::from_millis(50));
    loop {
        let call = shared.store.end(&lane.keys, &shared.worker, ends);
        let answer = tokio::select! {
            answer = call => answer,
            () = shared.give_up.cancelled() => return None,
        };
        match answer {
            Ok(settled) => return Some(Settled { repeated: settled.repeated || repeated, ..settled }),
            // Whatever it is: a claim that was given up would run its job again, and a worker that cannot acknowledge
            // stops fetching.
            Err(error) => {
                repeated = true;
                shared.warn_seldom(&error, "ended jobs are not acknowledged yet");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => wait = (wait * 2).min(Duration::from_secs(1)),
            () = shared.give_up.cancelled() => return None,
        }
    }
}

/// What the processors said goes into the jobs' logs; losing a line is not worth holding up a job.
async fn write_logs(shared: &Shared, lane: &Lane, round: &[Ended]) {
    let said = round.iter().filter(|ended| !ended.said.text.is_empty());
    let lines: Vec<_> = said.map(Ended::last_words).collect();
    if lines.is_empty() || shared.give_up.is_cancelled() {
        return;
    }
    match tokio::time::timeout(LOGGING, shared.store.log(&lane.keys, &lines)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => shared.warn_seldom(&error, "job logs could not be written"),
        Err(_) => shared.alert(|| format!("job logs of queue {} could not be written in time", lane.keys.queue())),
    }
}
