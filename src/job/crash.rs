//! What is known of a crash. Nobody was there to tell it: whoever takes the claim back puts it together.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::job::{JobId, ProcessEnd};

const BESIDE_MAX: usize = 20;
const LINES_MAX: usize = 20;
const LOG_MAX_BYTES: usize = 2_000;

/// A claim whose worker died or fell silent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Crash {
    /// When the claim was taken back (the server's clock).
    pub at: DateTime<Utc>,
    /// Which attempt it was, from 1.
    pub attempt: u32,
    /// How the worker ended, as a code word: `worker_killed` or `worker_exited` where whoever started its process has told
    /// so, else `worker_silent`: it died or fell silent.
    pub code: String,
    /// How its process ended, where that was told: `SIGSEGV`, `exit 101`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// The worker that held the job.
    pub worker: String,
    /// When that worker took the job (the server's clock).
    pub claimed_at: DateTime<Utc>,
    /// Whether the job had been handed out to run alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub alone: bool,
    /// Jobs of the same queue that the worker held at the same time, at most twenty of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "api", schema(value_type = Vec<String>))]
    pub beside: Vec<JobId>,
    /// How many it held beside this one in all, as far as was looked.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub beside_count: usize,
    /// The last lines of the job's log, at most twenty and 2,000 bytes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub log: String,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Crash {
    /// The bytes of a log's end that it takes.
    pub(crate) const LOG_BYTES: usize = LOG_MAX_BYTES;

    /// The crash of a claim (`…|claimed_ms|worker|key|batch`, `|alone` at its end where it was): when it was found, and which
    /// attempt it was. `None` where nobody can read the claim.
    pub(crate) fn of_claim(claim: &str, at: DateTime<Utc>, attempt: u32) -> Option<Self> {
        let mut parts = claim.rsplit('|').skip(2);
        let worker = parts.next().filter(|worker| !worker.is_empty())?.to_owned();
        let claimed_at = DateTime::from_timestamp_millis(parts.next()?.parse().ok()?)?;
        Some(Self {
            at,
            attempt,
            code: "worker_silent".to_owned(),
            ended: None,
            worker,
            claimed_at,
            alone: claim.ends_with("|alone"),
            beside: Vec::new(),
            beside_count: 0,
            log: String::new(),
        })
    }

    /// The same with how the worker's process ended.
    pub(crate) fn by(mut self, end: Option<ProcessEnd>) -> Self {
        match end {
            Some(ProcessEnd::Signal(_)) => self.code = "worker_killed".to_owned(),
            Some(ProcessEnd::Exit(_)) => self.code = "worker_exited".to_owned(),
            None => {}
        }
        self.ended = end.map(|end| end.to_string());
        self
    }

    /// The same with what its worker held beside the job.
    pub(crate) fn beside<'a>(mut self, others: impl Iterator<Item = &'a JobId>) -> Self {
        for other in others {
            self.beside_count += 1;
            if self.beside.len() < BESIDE_MAX {
                self.beside.push(other.clone());
            }
        }
        self
    }

    /// The same with the last lines of a log, given its last [`Self::LOG_BYTES`] bytes: a line that was cut off is left out
    /// unless it is the only one.
    pub(crate) fn with_log(mut self, end: &[u8]) -> Self {
        let whole = match end.iter().position(|byte| *byte == b'\n') {
            Some(at) if end.len() >= LOG_MAX_BYTES && at + 1 < end.len() => &end[at + 1..],
            _ => end,
        };
        let text = String::from_utf8_lossy(whole);
        let lines: Vec<_> = text.lines().collect();
        self.log = lines[lines.len().saturating_sub(LINES_MAX)..].join("\n");
        // A byte that is no text takes three.
        super::truncate(&mut self.log, LOG_MAX_BYTES);
        self
    }

    /// What happened, in words: how the worker ended and what else it held.
    pub fn told(&self) -> String {
        let named = self.beside.iter().map(JobId::as_str).collect::<Vec<_>>().join(", ");
        let beside = match self.beside_count - self.beside.len().min(self.beside_count) {
            _ if self.beside.is_empty() && self.alone => "it was handed out alone".to_owned(),
            _ if self.beside.is_empty() => "nothing else of the queue was in its worker's hands".to_owned(),
            0 => format!("beside it: {named}"),
            more => format!("beside it: {named} and {more} more"),
        };
        let end = self.ended.as_ref().and_then(|end| end.parse().ok());
        format!("{}; {beside}", ProcessEnd::of_worker(end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLAIM: &str = "1764000000000000|2:1764000000000000|1764000000000|host-1-AAAA||";

    fn crash(claim: &str) -> Option<Crash> {
        Crash::of_claim(claim, DateTime::from_timestamp_millis(9).unwrap(), 2)
    }

    #[test]
    fn a_claim_says_who_held_the_job_since_when_and_whether_alone() {
        let beside = crash(CLAIM).unwrap();
        assert_eq!((beside.worker.as_str(), beside.alone, beside.attempt), ("host-1-AAAA", false, 2));
        assert_eq!(beside.claimed_at.timestamp_millis(), 1_764_000_000_000);
        assert!(crash(&format!("{CLAIM}alone")).unwrap().alone);
        for broken in ["", "|", "no claim at all", "1|2|three|w||", "1|2:3|4|||"] {
            assert_eq!(crash(broken), None, "{broken}");
        }
    }

    #[test]
    fn the_last_twenty_lines_are_kept_whole_and_bounded() {
        let log = |text: &str| crash(CLAIM).unwrap().with_log(text.as_bytes()).log;
        let lines: String = (0..30).map(|n| format!("line {n}\n")).collect();
        assert!(log(&lines).starts_with("line 10\nline 11\n") && log(&lines).ends_with("line 29"));
        let cut = format!("{}\nlast", "x".repeat(LOG_MAX_BYTES - 5));
        assert_eq!((cut.len(), log(&cut).as_str()), (LOG_MAX_BYTES, "last"), "what was cut off is left out");
        assert_eq!(log(&"x".repeat(LOG_MAX_BYTES)).len(), LOG_MAX_BYTES, "unless it is all that there is");
        let noise = crash(CLAIM).unwrap().with_log(&[0xff; LOG_MAX_BYTES]);
        assert!(noise.log.len() <= LOG_MAX_BYTES);
    }

    #[test]
    fn neighbours_are_named_up_to_twenty_and_counted() {
        let others: Vec<_> = (0..23).map(|n| JobId::trusted(&format!("job-{n}"))).collect();
        let crash = crash(CLAIM).unwrap().beside(others.iter());
        assert_eq!((crash.beside.len(), crash.beside_count), (20, 23));
        assert!(crash.told().ends_with("job-19 and 3 more"), "{}", crash.told());
    }
}
