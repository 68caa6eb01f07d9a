//! What several threads were answered, and whether it fits one order of steps for each job.

use std::collections::{BTreeMap, BTreeSet};

use ireva_queue::JobId;
use ireva_queue::stats::Totals;

use crate::support::Snapshot;

/// From before a call to after its answer.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    pub began: u64,
    pub ended: u64,
}

/// How a claim ended; `Refused`: not by this call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Way {
    Completed,
    Retried,
    Snoozed,
    Buried,
    Released,
    Recovered,
    CrashLoop,
    Refused,
}

#[derive(Debug, Clone, Copy)]
pub struct Ended {
    pub way: Way,
    pub span: Span,
}

#[derive(Debug)]
struct Held {
    claim: String,
    span: Span,
    ends: Vec<Ended>,
}

#[derive(Debug, Default)]
struct Story {
    /// By fence.
    claims: BTreeMap<i64, Held>,
    added: u64,
    revived: u64,
    removed: u64,
    /// Cancelled while it waited, and while it ran.
    cancelled: [u64; 2],
}

#[derive(Debug, Default)]
pub struct Ledger(BTreeMap<String, Story>, u64);

fn fence(claim: &str) -> i64 {
    claim.split('|').next().unwrap().parse().unwrap()
}

impl Ledger {
    fn story(&mut self, id: &JobId) -> &mut Story {
        self.0.entry(id.to_string()).or_default()
    }

    pub fn added(&mut self, id: &JobId) {
        self.story(id).added += 1;
    }

    pub fn claimed(&mut self, id: &JobId, claim: &str, span: Span) {
        let held = self.held(id, claim);
        assert!(held.span.ended == u64::MAX, "{id}: handed out twice: {claim}");
        held.span = span;
    }

    /// A recoverer may know of a claim before its worker has noted it.
    fn held(&mut self, id: &JobId, claim: &str) -> &mut Held {
        let unknown = Span { began: 0, ended: u64::MAX };
        let new = Held { claim: claim.to_owned(), span: unknown, ends: Vec::new() };
        let held = self.story(id).claims.entry(fence(claim)).or_insert(new);
        assert_eq!(held.claim, claim, "{id}: two claims with one fence");
        held
    }

    pub fn ended(&mut self, id: &JobId, claim: &str, ended: Ended) {
        self.held(id, claim).ends.push(ended);
    }

    pub fn revived(&mut self, id: &JobId, from_dead: bool) {
        self.story(id).revived += u64::from(from_dead);
        self.1 += u64::from(from_dead);
    }

    pub fn removed(&mut self, id: &JobId) {
        self.story(id).removed += 1;
    }

    pub fn cancelled(&mut self, id: &JobId, active: bool) {
        self.story(id).cancelled[usize::from(active)] += 1;
    }

    /// One of the jobs so far.
    pub fn any(&self, throw: u64) -> Option<JobId> {
        let number = throw as usize % self.0.len().max(1);
        self.0.keys().nth(number).map(|id| JobId::new(id).unwrap())
    }

    /// What must be in a state at the end.
    pub fn there(&self) -> Vec<String> {
        self.0.iter().filter(|(_, story)| story.added > story.removed).map(|(id, _)| id.clone()).collect()
    }

    pub fn faults(&self, snapshot: &Snapshot, totals: &Totals) -> Vec<String> {
        let mut faults = Vec::new();
        for (id, story) in &self.0 {
            let mut add = |what: String| faults.push(format!("{id}: {what}\n{story:#?}"));
            if story.added != 1 || story.removed > 1 {
                add(format!("added {} times, removed {} times", story.added, story.removed));
            }
            story.order().into_iter().for_each(&mut add);
            story.end(snapshot.states.get(id).map(|states| states[0])).into_iter().for_each(&mut add);
        }
        faults.extend(self.fences_rise());
        faults.extend(self.counted(totals));
        faults
    }

    /// A fetch that began after another had ended hands out higher fences, whatever the jobs.
    fn fences_rise(&self) -> Vec<String> {
        let mut claims: Vec<(Span, i64)> = self
            .0
            .values()
            .flat_map(|story| story.claims.iter().map(|(fence, held)| (held.span, *fence)))
            .filter(|(span, _)| span.ended < u64::MAX)
            .collect();
        let mut ended = claims.clone();
        claims.sort_by_key(|(span, _)| span.began);
        ended.sort_by_key(|(span, _)| span.ended);
        let (mut ended, mut highest, mut faults) = (ended.into_iter().peekable(), 0, Vec::new());
        for (span, fence) in claims {
            while let Some((_, before)) = ended.next_if(|(before, _)| before.ended < span.began) {
                highest = highest.max(before);
            }
            if fence <= highest {
                faults.push(format!("fence {fence} was handed out after {highest}"));
            }
        }
        faults
    }

    /// I17: each total is the number of answers that said so.
    fn counted(&self, totals: &Totals) -> Vec<String> {
        let ways = |wanted: &[Way]| {
            let ends = self.0.values().flat_map(|story| story.claims.values()).flat_map(|held| &held.ends);
            ends.filter(|end| wanted.contains(&end.way)).count() as u64
        };
        let expected = [
            ("enqueued", self.0.values().map(|story| story.added).sum(), totals.enqueued),
            ("completed", ways(&[Way::Completed]), totals.completed),
            ("failed", ways(&[Way::Retried, Way::Buried]), totals.failed),
            ("retried", ways(&[Way::Retried]), totals.retried),
            ("snoozed", ways(&[Way::Snoozed]), totals.snoozed),
            ("released", ways(&[Way::Released]), totals.released),
            ("recovered", ways(&[Way::Recovered, Way::CrashLoop]), totals.recovered),
            ("dead", ways(&[Way::Buried, Way::CrashLoop]), totals.dead),
            ("revived", self.1, totals.revived),
            ("removed", self.0.values().map(|story| story.removed).sum(), totals.removed),
        ];
        let wrong = expected.into_iter().filter(|(_, answered, counted)| answered != counted);
        wrong.map(|(what, answered, counted)| format!("{what}: answered {answered} times, counted {counted}")).collect()
    }
}

impl Story {
    /// Each claim ended at most once; the next came only after that end, which led back into line.
    fn order(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let (mut died, claims) = (0, self.claims.values().collect::<Vec<_>>());
        for (number, held) in claims.iter().enumerate() {
            let done: Vec<_> = held.ends.iter().filter(|end| end.way != Way::Refused).collect();
            let refused = held.ends.len() > done.len();
            let was_cancelled = self.cancelled[1] > 0;
            if done.len() > 1 {
                faults.push(format!("{} ended {} times", held.claim, done.len()));
            }
            if refused && done.is_empty() && !was_cancelled {
                faults.push(format!("{} was refused, and nobody else ended it", held.claim));
            }
            if let Some(end) = done.first()
                && end.span.ended < held.span.began
            {
                faults.push(format!("{} ended before it was fetched", held.claim));
            }
            let Some(next) = claims.get(number + 1) else { continue };
            match done.first() {
                None => faults.push(format!("{} was claimed while {} stood", next.claim, held.claim)),
                Some(end) if next.span.ended < end.span.began => {
                    faults.push(format!("{} was handed out before {} ended", next.claim, held.claim));
                }
                Some(end) if end.way == Way::Completed => faults.push(format!("{} came after the end", next.claim)),
                Some(end) => died += u64::from(matches!(end.way, Way::Buried | Way::CrashLoop)),
            }
        }
        if died > self.revived {
            faults.push(format!("died {died} times before its last claim, was revived {} times", self.revived));
        }
        faults
    }

    /// The state at the end is where the last step led.
    fn end(&self, state: Option<&str>) -> Vec<String> {
        let ends = self.claims.values().flat_map(|held| &held.ends).filter(|end| end.way != Way::Refused);
        let ways: BTreeSet<&str> = ends
            .map(|end| match end.way {
                Way::Completed => "completed",
                Way::Buried | Way::CrashLoop => "dead",
                _ => "",
            })
            .collect();
        let cancelled = self.cancelled.iter().sum::<u64>() > 0;
        match state {
            None if self.removed == 0 => vec!["it is gone".to_owned()],
            Some("cancelled") if !cancelled => vec!["nobody cancelled it".to_owned()],
            Some(state @ ("completed" | "dead")) if !ways.contains(state) => vec![format!("no call made it {state}")],
            Some(state) if state != "completed" && ways.contains("completed") => {
                vec![format!("completed, but {state}")]
            }
            _ => Vec::new(),
        }
    }
}
