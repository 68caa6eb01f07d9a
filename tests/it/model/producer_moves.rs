//! The model's enqueue and what moves by time alone: promotion and expiry.

use ireva_queue::JobId;
use ireva_queue::config::Durable;
use ireva_queue::testing::Accepted;

use super::reference::{Call, Job, Lock, Place, Reference, Wanted, When};

impl Reference {
    /// Order of checks: the same call again, the id, the unique key, the length.
    pub fn enqueue(&mut self, producer: &str, call: u64, jobs: &[Wanted]) -> Vec<Accepted> {
        let last = self.calls.get(producer);
        if let Some(last) = last.filter(|last| last.number == call) {
            return last.answer.clone();
        }
        let run = last.filter(|last| last.number + 1 == call).and_then(|last| last.durable);
        let mode = self.rules.durable;
        let durable = (mode != Durable::Off).then(|| (mode, run.map_or(call, |(_, since)| since)));
        self.used = true;
        let mut room = self.rules.max_length.map_or(usize::MAX, |most| most.saturating_sub(self.waiting()));
        let first = self.arrive(jobs.len());
        let (mut answer, mut added) = (Vec::new(), Vec::new());
        for (job, arrival) in jobs.iter().zip(first..) {
            let holder = job.unique.as_ref().and_then(|(key, _)| self.holder(key));
            answer.push(if self.jobs.contains_key(&job.id) || self.seen.contains_key(&job.id) {
                Accepted::Duplicate
            } else if let Some(holder) = holder {
                Accepted::Held(JobId::new(&holder).unwrap())
            } else if room == 0 {
                Accepted::Full
            } else {
                room -= 1;
                self.admit(job, arrival);
                if durable.is_some() {
                    self.seen.insert(job.id.clone(), None);
                }
                added.push(job.id.clone());
                Accepted::Added
            });
        }
        self.calls.insert(producer.to_owned(), Call { number: call, durable, answer: answer.clone() });
        self.count("enqueued", added.len());
        self.wake_for(&added);
        if self.rules.all_events {
            self.tell("enqueued", added, producer);
        }
        answer
    }

    /// A new job in its place.
    pub fn admit(&mut self, job: &Wanted, arrival: i64) {
        let due_ms = match job.start {
            When::Now => None,
            When::After(delay_ms) => Some(self.next_ms() + delay_ms),
            When::At(at_ms) => (at_ms * 1000 > self.now_us).then_some(at_ms),
        };
        let place = match due_ms {
            Some(due_ms) => Place::Scheduled { due_ms, level: job.level },
            None => Place::Pending { level: job.level, rank: arrival },
        };
        if let Some((key, window_ms)) = &job.unique {
            let until_ms = window_ms.map_or(0, |window_ms| self.now_ms() + window_ms);
            self.locks.insert(key.clone(), Lock { until_ms, id: job.id.clone() });
        }
        if job.chosen {
            self.seen.insert(job.id.clone(), None);
        }
        let unique = job.unique.as_ref().map(|(key, _)| key.clone());
        let new = Job {
            record: format!("{arrival}{}", job.body),
            level: job.level,
            ttl_ms: job.ttl_ms,
            holds: unique.clone(),
            unique,
            history: None,
            crashes: 0,
            place,
            expires_ms: job.ttl_ms.map(|ttl_ms| self.now_ms() + ttl_ms),
        };
        self.jobs.insert(job.id.clone(), new);
        if let Some(batch) = self.batch.as_mut().filter(|_| job.batch) {
            batch.total += 1;
            batch.live.insert(job.id.clone());
        }
    }

    /// A worker is woken for jobs in line, and for a scheduled one that is now the first.
    pub fn wake_for(&mut self, added: &[String]) {
        let first = self.scheduled().first().map(|(_, id)| id.clone());
        let wakes = |id: &String| match self.jobs[id].place {
            Place::Pending { .. } => true,
            _ => first.as_ref() == Some(id),
        };
        self.woken |= added.iter().any(wakes);
    }

    pub fn scheduled(&self) -> Vec<(i64, String)> {
        self.by_score(|place| match place {
            Place::Scheduled { due_ms, level } => Some(due_ms * 4 + level),
            _ => None,
        })
    }

    pub fn retrying(&self) -> Vec<(i64, String)> {
        self.by_score(|place| match place {
            Place::Retrying { due_ms, level } => Some(due_ms * 4 + level),
            _ => None,
        })
    }

    /// What is due goes into line, behind everything that arrived before; how many.
    pub fn promote_due(&mut self, limit: usize) -> usize {
        let mut moved = 0;
        for waiting in [self.scheduled(), self.retrying()] {
            let now_ms = self.now_ms();
            let due: Vec<_> =
                waiting.into_iter().filter(|(score, _)| score.div_euclid(4) <= now_ms).take(limit).collect();
            if due.is_empty() {
                continue;
            }
            let first = self.arrive(due.len());
            for ((score, id), rank) in due.iter().zip(first..) {
                self.jobs.get_mut(id).unwrap().place = Place::Pending { level: score.rem_euclid(4), rank };
            }
            moved += due.len();
        }
        moved
    }

    /// What waits past its ttl is buried; how many were looked at.
    pub fn expire_due(&mut self, limit: usize) -> usize {
        let now_ms = self.now_ms();
        let mut due: Vec<_> = self
            .jobs
            .iter()
            .filter_map(|(id, job)| job.expires_ms.filter(|at| *at <= now_ms).map(|at| (at, id.clone())))
            .collect();
        due.sort();
        due.truncate(limit);
        let mut ended = Vec::new();
        for (_, id) in &due {
            let job = self.jobs.get_mut(id).unwrap();
            if let Place::Active(_) = job.place {
                // A running job is looked at again: it may come back.
                job.expires_ms = Some(now_ms + 1000);
            } else {
                job.expires_ms = None;
                ended.push(id.clone());
            }
        }
        for id in &ended {
            self.note_end(id, "expired");
        }
        self.unlock(&ended);
        self.tally(&ended, "dead");
        if !ended.is_empty() {
            let dropped = self.keep(&ended, self.rules.on_fail, Place::Dead);
            self.count("dropped", dropped);
            self.count("expired", ended.len());
            self.count("dead", ended.len());
            self.tell("expired", ended, "");
            self.tell_dropped(dropped, "");
        }
        due.len()
    }

    pub fn promote(&mut self, limit: usize) -> usize {
        self.used = true;
        let moved = self.promote_due(limit);
        let looked_at = self.expire_due(limit);
        self.woken |= moved > 0;
        moved + looked_at
    }
}
