//! What workers and producers send for a step, told to the model too; the answers are compared.

use std::fmt::Debug;
use std::time::Duration;

use ireva_queue::job::{Failure, History};
use ireva_queue::testing::{Ask, ByHand, Ending};
use ireva_queue::{ErrorClass, JobId, NewJob, Priority, local_now};

use super::machine::{Machine, Request};
use super::reference::{Wanted, When};
use super::step::{Draft, Kind, PAYLOADS, Step, body};

/// Grace for a claim whose worker has no lease.
const GRACE_MS: u64 = 10_000;

pub fn same<T: PartialEq + Debug>(what: &str, expected: &T, found: &T) -> Result<(), String> {
    if expected == found { Ok(()) } else { Err(format!("{what}: expected {expected:?}, found {found:?}")) }
}

/// One of `all`, or nothing where there is none.
pub fn pick<T>(all: &[T], number: u64) -> Option<&T> {
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
            Step::LoseKey(number) => {
                self.lose_key(*number);
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
            Kind::Complete if number.is_multiple_of(10) => {
                Ending::Complete { result: format!("{{\"n\":{}}}", number % 1000) }
            }
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
        if number.is_multiple_of(5) {
            return Ok(());
        }
        self.send(Request::Forget(silent)).await
    }
}

pub fn text(error: ireva_queue::Error) -> String {
    format!("{:?}: {error}", error.kind())
}

fn chrono_at(now_ms: i64) -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp_millis(now_ms).unwrap_or_else(local_now)
}

/// The job of a draft, and what it must become.
fn job(draft: &Draft) -> (NewJob, Wanted) {
    let Draft { name, chosen, level, payload, start, ttl_ms, unique, batch } = draft.clone();
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
    let mut body = body(payload, level, ttl_ms, unique.as_ref().map(|unique| unique.0.as_str()), None);
    if batch {
        job = job.batch(super::machine::BATCH.parse().unwrap());
        body = format!("{},\"batch\":\"{}\"}}", &body[..body.len() - 1], super::machine::BATCH);
    }
    (job, Wanted { id, chosen, body, level, start, ttl_ms, unique, batch })
}
