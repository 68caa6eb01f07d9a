//! Turns a step into requests, sends them, tells the model, and compares the answers.

use std::fmt::Debug;
use std::time::Duration;

use ireva_queue::job::{Failure, History};
use ireva_queue::testing::{Ask, ByHand, Ending};
use ireva_queue::{
    Acted, ErrorClass, ErrorKind, JobId, JobState, Located, NewJob, Priority, ReviveOptions, Selection, local_now,
};

use super::machine::{Machine, Request};
use super::operator_moves::{Act, Bulk};
use super::reference::{Wanted, When};
use super::step::{Draft, Kind, PAYLOADS, Step, body};

/// The states that `clear` and `delete` are asked about.
const STATES: [(&str, JobState); 6] = [
    ("pending", JobState::Pending),
    ("scheduled", JobState::Scheduled),
    ("retrying", JobState::Retrying),
    ("completed", JobState::Completed),
    ("cancelled", JobState::Cancelled),
    ("dead", JobState::Dead),
];
/// Grace for a claim whose worker has no lease.
const GRACE_MS: u64 = 10_000;

fn same<T: PartialEq + Debug>(what: &str, expected: &T, found: &T) -> Result<(), String> {
    if expected == found { Ok(()) } else { Err(format!("{what}: expected {expected:?}, found {found:?}")) }
}

/// One of `all`, or nothing where there is none.
fn pick<T>(all: &[T], number: u64) -> Option<&T> {
    all.get((number % all.len().max(1) as u64) as usize)
}

impl Machine {
    pub async fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Again { pick: number } => {
                // Counted from the latest, so that it stays the same when earlier ones are left out of the run.
                match self.requests.iter().rev().nth((*number % 12) as usize).cloned() {
                    Some(request) => self.send(request).await,
                    None => Ok(()),
                }
            }
            Step::Recover { pick, all } => self.recover(*pick, *all).await,
            Step::Advance(by_us) => {
                self.advance(*by_us);
                Ok(())
            }
            Step::Crash { worker } => {
                self.crash(*worker);
                Ok(())
            }
            Step::FlushScripts => {
                self.flush_scripts();
                Ok(())
            }
            Step::KillClients => {
                self.kill_clients();
                Ok(())
            }
            step => match self.request(step) {
                Some(request) => {
                    self.remember(&request);
                    self.send(request).await
                }
                None => self.operate(step).await,
            },
        }
    }

    fn remember(&mut self, request: &Request) {
        self.requests.push_back(request.clone());
        if self.requests.len() > 40 {
            self.requests.pop_front();
        }
    }

    /// What a worker or producer sends for a step; nothing where it has nothing to send, or an operator does it.
    fn request(&mut self, step: &Step) -> Option<Request> {
        match step {
            Step::Enqueue { producer, jobs } => {
                self.producer_calls[*producer as usize] += 1;
                let jobs = jobs.iter().map(job).collect();
                let call = self.producer_calls[*producer as usize];
                Some(Request::Enqueue { producer: self.producer(*producer), call, jobs })
            }
            Step::Fetch { worker, slots, prefetch } => {
                let alone = self.model.held_by(&self.workers[*worker as usize].name).is_empty();
                let worker = &mut self.workers[*worker as usize];
                worker.call += 1;
                Some(Request::Fetch(Ask {
                    worker: worker.name.clone(),
                    call: worker.call,
                    slots: *slots as usize,
                    prefetch: *prefetch as usize,
                    lease_ms: worker.lease_ms,
                    alone,
                }))
            }
            Step::End { kind, pick, many, stale, delay_ms } => self.ends(*kind, (*pick, *many), *stale, *delay_ms),
            Step::Renew { pick: number, zombie } => {
                let worker = match self.claims.get((*number % 64) as usize).filter(|_| *zombie) {
                    Some((worker, _, _)) => worker.clone(),
                    None => pick(&self.workers, *number)?.name.clone(),
                };
                let known = self.claims.iter().filter(|claim| claim.0 == worker);
                let claims = known.map(|(_, id, claim)| (id.clone(), claim.clone())).collect();
                Some(Request::Renew { worker, lease_ms: GRACE_MS, claims })
            }
            Step::SignOff { pick: number } => Some(Request::SignOff(pick(&self.workers, *number)?.name.clone())),
            Step::Promote { limit } => Some(Request::Promote(*limit as usize)),
            _ => None,
        }
    }

    /// The end of some claims of one worker: current ones, or whatever it was ever given.
    fn ends(&self, kind: Kind, (number, many): (u64, u64), stale: bool, delay_ms: u64) -> Option<Request> {
        let cancelled = kind == Kind::Acknowledge;
        let is_current = |(_, id, claim): &&(String, JobId, String)| {
            self.model.claim(id.as_str()).is_some_and(|now| now.text() == *claim && (now.cancelled == cancelled))
        };
        let known: Vec<_> = self.claims.iter().filter(|claim| stale || is_current(claim)).collect();
        let (worker, _, _) = pick(&known, number)?;
        let mut ends = Vec::<(JobId, String, Ending)>::new();
        for (_, id, claim) in known.iter().filter(|claim| claim.0 == *worker) {
            if (ends.len() as u64) < many && ends.iter().all(|end| end.0 != *id) {
                ends.push((id.clone(), claim.clone(), self.ending(kind, id, number, delay_ms)));
            }
        }
        Some(Request::End { worker: worker.clone(), ends })
    }

    fn ending(&self, kind: Kind, id: &JobId, number: u64, delay_ms: u64) -> Ending {
        let told = self.model.jobs.get(id.as_str()).and_then(|job| job.history.clone());
        let mut history = told.map(|told| History::decode(&told).unwrap()).unwrap_or_default();
        let mut failed = |class| {
            let attempt = history.failed + 1;
            let code = "smtp_4xx".to_owned();
            let (message, worker) = ("said \"no\" | \n".to_owned(), "w".to_owned());
            let at = chrono_at(self.model.now_ms());
            history.push(Failure { at, attempt, class, code, message, duration_ms: 3, worker });
            history.encode()
        };
        match kind {
            Kind::Complete if number % 10 == 0 => Ending::Complete { result: format!("{{\"n\":{}}}", number % 1000) },
            Kind::Complete => Ending::Complete { result: String::new() },
            Kind::Retry => Ending::Retry { delay_ms, history: failed(ErrorClass::Transient) },
            Kind::Bury => Ending::Bury { history: failed(ErrorClass::Permanent) },
            Kind::Snooze => {
                history.snooze(self.model.now_ms());
                Ending::Snooze { delay_ms, history: history.encode() }
            }
            Kind::Release => Ending::Release,
            Kind::Acknowledge => Ending::Cancelled,
        }
    }

    /// Sends a request. Where its answer got lost it is sent twice, and the second answer counts.
    async fn send(&mut self, request: Request) -> Result<(), String> {
        let armed = self.armed();
        self.wrote = true;
        match &request {
            Request::Enqueue { producer, call, jobs } => {
                let (new, wanted): (Vec<_>, Vec<_>) = jobs.iter().cloned().unzip();
                let found = self.by_hand.enqueue(producer, *call, &new).await.map_err(text)?;
                let expected = self.twice(armed, |model| model.enqueue(producer, *call, &wanted));
                same("enqueue", &expected, &found)
            }
            Request::Fetch(ask) => {
                let found = self.by_hand.fetch(ask).await.map_err(text)?;
                let expected = self.twice(armed, |model| model.fetch(ask));
                for job in &found.jobs {
                    let known = (ask.worker.clone(), job.id.clone(), job.claim.clone());
                    if !self.claims.contains(&known) {
                        self.claims.push_back(known);
                    }
                }
                while self.claims.len() > 150 {
                    let gone = |(_, id, text): &(String, JobId, String)| {
                        self.model.claim(id.as_str()).is_none_or(|claim| claim.text() != *text)
                    };
                    let oldest = self.claims.iter().position(gone).unwrap_or_default();
                    self.claims.remove(oldest);
                }
                same("fetch", &expected, &found)
            }
            Request::End { worker, ends } => {
                let found = self.by_hand.end(worker, ends).await.map_err(text)?;
                let expected = self.twice(armed, |model| model.end(worker, ends));
                same("end", &expected, &found)
            }
            Request::Renew { worker, lease_ms, claims } => {
                let found = self.by_hand.renew(worker, *lease_ms, claims).await.map_err(text)?;
                let expected = self.twice(armed, |model| model.renew(worker, *lease_ms, claims));
                same("renew", &expected, &found)
            }
            Request::Recover { by, claims } => {
                let found = self.by_hand.recover(by, GRACE_MS, claims).await.map_err(text)?;
                same("recover", &self.model.recover(by, GRACE_MS, claims), &found)
            }
            Request::Forget(workers) => {
                self.by_hand.forget(workers).await.map_err(text)?;
                self.model.forget(workers);
                Ok(())
            }
            Request::SignOff(worker) => {
                self.by_hand.sign_off(worker).await.map_err(text)?;
                self.twice(armed, |model| model.sign_off(worker));
                Ok(())
            }
            Request::Promote(limit) => {
                let found = self.by_hand.promote(*limit).await.map_err(text)?;
                let expected = self.twice(armed, |model| model.promote(*limit));
                same("promote", &expected, &found)
            }
        }
    }

    fn twice<T>(&mut self, armed: i64, mut apply: impl FnMut(&mut super::reference::Reference) -> T) -> T {
        let first = apply(&mut self.model);
        if self.was_lost(armed) { apply(&mut self.model) } else { first }
    }

    async fn recover(&mut self, number: u64, all: bool) -> Result<(), String> {
        let silent = self.by_hand.overdue().await.map_err(text)?;
        same("overdue", &self.model.overdue(), &silent)?;
        let mut claims = self.by_hand.active().await.map_err(text)?;
        claims.retain(|(_, claim)| all || silent.iter().any(|worker| claim.contains(&format!("|{worker}|"))));
        let by = self.workers[(number % 4) as usize].name.clone();
        let request = Request::Recover { by, claims };
        self.remember(&request);
        self.send(request).await?;
        // Whoever recovers may die between the two.
        if number % 5 == 0 {
            return Ok(());
        }
        self.send(Request::Forget(silent)).await
    }

    async fn operate(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Cancel { pick } => {
                let Some(job) = self.any_job(*pick) else { return Ok(()) };
                let found = self.client.inspector().cancel(&job).await;
                self.wrote = found.is_ok();
                same("cancel", &self.model.cancel(job.id.as_str()), &acted(found)?)
            }
            Step::PromoteByHand { pick } => {
                let Some(job) = self.any_job(*pick) else { return Ok(()) };
                let found = self.client.inspector().promote(&job).await;
                self.wrote = found.is_ok();
                same("promote", &self.model.promote_by_hand(job.id.as_str()), &acted(found)?)
            }
            Step::RetryByHand { pick } => {
                let Some(job) = self.any_job(*pick) else { return Ok(()) };
                let found = self.client.inspector().retry(&job).await;
                same("retry", &self.model.retry_by_hand(job.id.as_str()), &acted(found)?)
            }
            Step::Delete { pick, found: seen } => {
                let Some(mut job) = self.any_job(*pick) else { return Ok(()) };
                // Now and then it has gone on since it was found.
                if seen % 4 == 0 {
                    job.state = STATES[(seen % 6) as usize].1;
                }
                let found = self.client.inspector().delete(&job).await;
                self.wrote = found.is_ok();
                same("delete", &self.model.delete(job.id.as_str(), job.state.as_str()), &acted(found)?)
            }
            Step::Clear { states } => self.clear(*states).await,
            Step::Revive { pick, many, delay_ms } => {
                let ids = self.letters(*pick, *many);
                let delay = delay_ms.map(|ms| Duration::from_millis(ms as u64));
                let options = ReviveOptions { delay, ..ReviveOptions::default() };
                if !self.model.used {
                    return Ok(());
                }
                let letters = self.client.dead_letters(self.queue.clone());
                let report = letters.revive(&selection(&ids), options, &mut |_| {}).await.map_err(text)?;
                self.wrote = report.matched > 0;
                same("revive", &self.model.revive(&ids, *delay_ms), &bulk(report))
            }
            Step::DeleteDead { pick, many } => {
                let ids = self.letters(*pick, *many);
                if !self.model.used || ids.is_empty() {
                    return Ok(());
                }
                let letters = self.client.dead_letters(self.queue.clone());
                let report = letters.delete(&selection(&ids), false, &mut |_| {}).await.map_err(text)?;
                same("delete dead", &self.model.delete_dead(&ids), &bulk(report))
            }
            Step::Replace { pick, payload, delay_ms } => self.replace(*pick, PAYLOADS[*payload], *delay_ms).await,
            Step::Pause(paused) => {
                let queue = self.client.queue(self.queue.clone());
                let lossy = self.armed();
                self.wrote = true;
                let found = if *paused { queue.pause().await } else { queue.resume().await }.map_err(text)?;
                // Where the call was sent twice nobody knows whether it was this one: it says yes.
                let twice = self.was_lost(lossy) || std::mem::take(&mut self.severed);
                let expected = self.model.set_paused(*paused);
                if found && twice { Ok(()) } else { same("pause", &expected, &found) }
            }
            Step::Set(setting) => {
                let set = self.client.queue(self.queue.clone()).set(std::slice::from_ref(setting)).await;
                set.map_err(text)?;
                self.wrote = true;
                self.model.set(setting);
                Ok(())
            }
            Step::Stats => self.stats().await,
            Step::Tidy => {
                same("trim", &self.model.trim(), &self.by_hand.trim().await.map_err(text)?)?;
                same("sweep", &self.model.sweep(), &self.by_hand.sweep().await.map_err(text)?)
            }
            _ => Ok(()),
        }
    }

    async fn clear(&mut self, number: u64) -> Result<(), String> {
        // One state, two, or those that are meant without a name.
        let states: Vec<_> = match number % 5 {
            0 => Vec::new(),
            1 => vec![STATES[(number / 5 % 6) as usize], STATES[(number / 5 % 6 + 1) as usize % 6]],
            _ => vec![STATES[(number / 5 % 6) as usize]],
        };
        let named: Vec<_> = states.iter().map(|state| state.1).collect();
        let words: Vec<_> = if states.is_empty() {
            vec!["pending", "scheduled", "retrying"]
        } else {
            states.iter().map(|state| state.0).collect()
        };
        let report = self.client.queue(self.queue.clone()).clear(&named, &mut |_| {}).await.map_err(text)?;
        self.wrote = report.changed > 0;
        same("clear", &self.model.clear(&words), &report.changed)
    }

    async fn replace(&mut self, number: u64, payload: &str, delay_ms: Option<i64>) -> Result<(), String> {
        let Some(letter) = self.letters(number, 1).pop() else { return Ok(()) };
        let delay = delay_ms.map(|ms| Duration::from_millis(ms as u64));
        let letters = self.client.dead_letters(self.queue.clone());
        let id = JobId::new(&letter).unwrap();
        let found = letters.revive_edited(&id, payload.to_owned(), delay).await;
        let expected = self.model.may_replace(&letter);
        self.wrote = found.is_ok();
        match found {
            Ok(id) => {
                same("replace", &expected, &Act::Done("dead", Some("pending")))?;
                self.model.replace(&letter, id.as_str(), payload.trim(), delay_ms);
                Ok(())
            }
            Err(error) => same("replace", &expected, &refusal(&error)?),
        }
    }

    async fn stats(&mut self) -> Result<(), String> {
        if !self.model.used {
            return Ok(());
        }
        let stats = self.client.queue(self.queue.clone()).stats().await.map_err(text)?;
        let size = |word: &str| self.model.in_state(word).len() as u64;
        let found = [stats.pending, stats.scheduled, stats.active, stats.retrying];
        same("stats", &["pending", "scheduled", "active", "retrying"].map(size), &found)?;
        same("stats", &["completed", "cancelled", "dead"].map(size), &[stats.completed, stats.cancelled, stats.dead])?;
        let lines = [0, 1, 2, 3].map(|level| self.model.line(level));
        same("stats by priority", &lines.each_ref().map(|line| line.len() as u64), &stats.pending_by_priority)?;
        let oldest = lines.iter().filter_map(|line| line.first()).map(|first| first.0).min();
        let waited = oldest.map(|rank| ((self.model.now_us - rank) / 1000).max(0) as u64);
        same("oldest", &waited, &stats.oldest_pending_ms)?;
        let now_ms = self.model.now_ms();
        let live = self.model.leases.values().filter(|until_ms| **until_ms > now_ms).count() as u64;
        same("workers and pause", &(live, self.model.rules.paused), &(stats.workers, stats.paused))
    }

    /// A job in whatever state, or one that is gone.
    fn any_job(&self, number: u64) -> Option<Located> {
        let ids: Vec<_> = self.model.jobs.keys().collect();
        let id = match pick(&ids, number) {
            Some(id) if number % 23 != 0 => JobId::new(id).unwrap(),
            _ => JobId::new(pick(&self.model.seen.keys().collect::<Vec<_>>(), number)?).unwrap(),
        };
        let word = self.model.jobs.get(id.as_str()).map_or("pending", |job| job.place.word());
        Some(Located { queue: self.queue.clone(), state: word.parse().unwrap(), id })
    }

    /// Some dead letters, and now and then a job that is none.
    fn letters(&self, number: u64, many: u64) -> Vec<String> {
        let dead = self.model.dead();
        let mut ids: Vec<String> = Vec::new();
        for offset in 0..many {
            let Some((_, id)) = pick(&dead, number.wrapping_add(offset)) else { break };
            if !ids.contains(id) {
                ids.push(id.clone());
            }
        }
        if number % 7 == 0 {
            let other = self.any_job(number).map(|job| job.id.to_string());
            ids.extend(other.filter(|id| !ids.contains(id)));
        }
        ids
    }
}

fn text(error: ireva_queue::Error) -> String {
    format!("{:?}: {error}", error.kind())
}

fn chrono_at(now_ms: i64) -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp_millis(now_ms).unwrap_or_else(local_now)
}

fn selection(ids: &[String]) -> Selection {
    // Nobody is meant, not everybody, where there is none.
    let none = || vec![JobId::new("nobody").unwrap()];
    let ids: Vec<_> = ids.iter().map(|id| JobId::new(id).unwrap()).collect();
    Selection { ids: if ids.is_empty() { none() } else { ids }, ..Selection::default() }
}

fn bulk(report: ireva_queue::stats::BulkReport) -> Bulk {
    (report.matched, report.changed, report.skipped.into_iter().map(|skipped| skipped.id.to_string()).collect())
}

fn acted(found: ireva_queue::Result<Acted>) -> Result<Act, String> {
    match found {
        Ok(acted) => Ok(Act::Done(acted.from.as_str(), acted.to.map(JobState::as_str))),
        Err(error) => refusal(&error),
    }
}

fn refusal(error: &ireva_queue::Error) -> Result<Act, String> {
    match error.kind() {
        ErrorKind::Refused => Ok(Act::Refused),
        ErrorKind::NotFound => Ok(Act::NotFound),
        kind => Err(format!("{kind:?}: {error}")),
    }
}

/// The job of a draft, and what it must become.
fn job(draft: &Draft) -> (NewJob, Wanted) {
    let Draft { name, chosen, level, payload, start, ttl_ms, unique } = draft.clone();
    let id = if chosen { format!("order:{name}") } else { format!("01KB{name:022}") };
    let millis = |ms: i64| Duration::from_millis(ms as u64);
    let payload = PAYLOADS[payload];
    let mut job = NewJob::from_json(payload.to_owned()).unwrap().id(JobId::new(&id).unwrap());
    job = job.priority(Priority::from_level(level as u8).unwrap());
    job = match start {
        When::Now => job,
        When::After(delay_ms) => job.delay(millis(delay_ms)),
        When::At(at_ms) => job.at(chrono_at(at_ms)),
    };
    job = ttl_ms.map_or(job.clone(), |ttl_ms| job.ttl(millis(ttl_ms)));
    let unique = unique.map(|(key, window_ms)| (format!("key|{key}"), window_ms));
    if let Some((key, window_ms)) = &unique {
        job = job.unique(key.clone());
        job = window_ms.map_or(job.clone(), |window_ms| job.unique_for(millis(window_ms)));
    }
    if !chosen {
        job = ByHand::with_generated_id(job);
    }
    let body = body(payload, level, ttl_ms, unique.as_ref().map(|unique| unique.0.as_str()), None);
    (job, Wanted { id, chosen, body, level, start, ttl_ms, unique })
}
