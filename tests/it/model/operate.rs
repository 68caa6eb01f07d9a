//! What operators do for a step, told to the model too; the answers are compared.

use std::time::Duration;

use ireva_queue::{Acted, ErrorKind, JobId, JobState, Located, ReviveOptions, Selection};

use super::machine::Machine;
use super::operator_moves::{Act, Bulk};
use super::perform::{pick, same, text};
use super::step::{PAYLOADS, Step};

/// The states that `clear` and `delete` are asked about.
const STATES: [(&str, JobState); 6] = [
    ("pending", JobState::Pending),
    ("scheduled", JobState::Scheduled),
    ("retrying", JobState::Retrying),
    ("completed", JobState::Completed),
    ("cancelled", JobState::Cancelled),
    ("dead", JobState::Dead),
];

impl Machine {
    pub async fn operate(&mut self, step: &Step) -> Result<(), String> {
        match step {
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
            step => self.act_on_one(step).await,
        }
    }

    async fn act_on_one(&mut self, step: &Step) -> Result<(), String> {
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
            Some(id) if !number.is_multiple_of(23) => JobId::new(id).unwrap(),
            _ => JobId::new(pick(&self.model.seen.keys().collect::<Vec<_>>(), number)?).unwrap(),
        };
        let word = self.model.jobs.get(id.as_str()).map_or("pending", |job| job.place.word());
        Some(Located::new(self.queue.clone(), id, word.parse().unwrap()))
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
        if number.is_multiple_of(7) {
            let other = self.any_job(number).map(|job| job.id.to_string());
            ids.extend(other.filter(|id| !ids.contains(id)));
        }
        ids
    }
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
