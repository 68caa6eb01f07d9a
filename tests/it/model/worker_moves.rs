//! What workers do, in the model: fetch, end, renew, recover.

use ireva_queue::JobId;
use ireva_queue::testing::{Ask, Ending, HandOut, Held, Standing, TakenBack};

use super::reference::{Claim, Handed, Place, Reference};

/// A job in line: level, rank, id.
type Head = (i64, i64, String);

impl Reference {
    pub fn fetch(&mut self, ask: &Ask) -> HandOut {
        self.used = true;
        let version = self.rules.version;
        let hand_out = |again_ms, run_empty, jobs| HandOut { again_ms, settings_version: version, run_empty, jobs };
        self.leases.insert(ask.worker.clone(), self.now_ms() + ask.lease_ms as i64);
        if let Some(last) = self.handed.get(&ask.worker)
            && last.call == ask.call
        {
            let mine =
                |id: &&String| self.claim(id).is_some_and(|claim| claim.worker == ask.worker && !claim.cancelled);
            let jobs = last.ids.iter().filter(mine).map(|id| self.held(id)).collect();
            return hand_out(Some(0), false, jobs);
        }
        self.promote_due(200);
        if self.expire_due(200) == 200 {
            return hand_out(Some(0), false, Vec::new());
        }
        let (want, mut again_ms) = self.grant((ask.slots + ask.prefetch).min(1000));
        if want == 0 {
            return hand_out(again_ms, false, Vec::new());
        }
        let line = self.heads(want);
        let found = line.len();
        let (chosen, passed, lonely) = self.choose(line, ask.slots, ask.alone);
        let jobs = self.hand(ask, &chosen);
        let run_empty = lonely.is_some_and(|id| self.runs_empty(&ask.worker, id));
        if found < want && again_ms.is_none() {
            again_ms = self.next_due_ms();
        }
        if found == want && again_ms.is_none() && !passed {
            again_ms = Some(0);
        }
        hand_out(again_ms, run_empty, jobs)
    }

    fn held(&self, id: &str) -> Held {
        let job = &self.jobs[id];
        Held {
            id: JobId::new(id).unwrap(),
            claim: self.claim(id).unwrap().text(),
            record: job.record.clone(),
            history: job.history.clone().unwrap_or_default(),
            crashes: job.crashes as u32,
        }
    }

    /// How many of `want` may start, and when to ask again where the rate says less.
    fn grant(&mut self, want: usize) -> (usize, Option<u64>) {
        if self.rules.paused {
            return (0, None);
        }
        let active = self.in_state("active").len() as i64;
        let mut want = self.rules.concurrency.map_or(want, |limit| want.min((limit - active).max(0) as usize));
        let Some((step_us, burst)) = self.rules.rate.filter(|_| want > 0) else { return (want, None) };
        let ahead_us = step_us * burst;
        let tat = self.started_at(ahead_us);
        let free = (self.now_us + ahead_us - tat).div_euclid(step_us);
        let mut again_ms = None;
        if free < want as i64 {
            let wait_us = tat + step_us * (free + 1) - ahead_us - self.now_us;
            again_ms = Some((-(-wait_us).div_euclid(1000)) as u64);
        }
        want = want.min(free as usize);
        (want, again_ms)
    }

    /// The theoretical arrival time: never behind now, and begun anew where a clock jumped.
    fn started_at(&self, ahead_us: i64) -> i64 {
        let now_us = self.now_us;
        self.tat.filter(|tat| (now_us..=now_us + ahead_us).contains(tat)).unwrap_or(now_us)
    }

    /// The first `want` jobs in line.
    fn heads(&self, want: usize) -> Vec<Head> {
        let mut line: Vec<(i64, Head)> = Vec::new();
        for level in 0..4 {
            let heads = self.line(level).into_iter().take(want);
            // Strict: all of one level before the next. Aging: a level is worth so much waiting.
            line.extend(heads.map(|(rank, id)| match self.rules.aging_us {
                Some(span_us) => (rank + level * span_us, (level, rank, id)),
                None => (level, (level, rank, id)),
            }));
        }
        line.sort();
        line.into_iter().map(|(_, head)| head).take(want).collect()
    }

    /// Which of them this worker may have; whether any was passed over, and one that waits for an empty worker.
    fn choose(&mut self, line: Vec<Head>, slots: usize, alone: bool) -> (Vec<Head>, bool, Option<String>) {
        let (mut chosen, mut passed, mut lonely) = (Vec::new(), false, None);
        for head in line {
            let (crashes, brink) = (self.jobs[&head.2].crashes, self.is_on_the_brink(&head.2));
            if brink && alone && chosen.is_empty() {
                self.empties = None;
                return (vec![head], true, None);
            }
            if brink || (crashes > 0 && chosen.len() >= slots) {
                passed = true;
                if brink {
                    lonely.get_or_insert(head.2);
                }
            } else {
                chosen.push(head);
            }
        }
        (chosen, passed, lonely)
    }

    /// One crash short of the limit.
    fn is_on_the_brink(&self, id: &str) -> bool {
        let crashes = self.jobs[id].crashes;
        crashes > 0 && crashes >= self.rules.crash_limit - 1
    }

    fn hand(&mut self, ask: &Ask, chosen: &[Head]) -> Vec<Held> {
        if chosen.is_empty() {
            return Vec::new();
        }
        let ids: Vec<String> = chosen.iter().map(|(_, _, id)| id.clone()).collect();
        for (level, rank, id) in chosen {
            let alone = self.is_on_the_brink(id);
            self.fence = (self.fence + 1).max(self.now_us);
            self.jobs.get_mut(id).unwrap().place = Place::Active(Claim {
                fence: self.fence,
                level: *level,
                rank: *rank,
                claimed_ms: self.now_ms(),
                worker: ask.worker.clone(),
                alone,
                cancelled: false,
            });
        }
        *self.counts.entry(ask.worker.clone()).or_default() += ids.len() as i64;
        if let Some((step_us, burst)) = self.rules.rate {
            self.tat = Some(self.started_at(step_us * burst) + ids.len() as i64 * step_us);
        }
        let last = Handed { lease_ms: ask.lease_ms as i64, call: ask.call, ids: ids.clone() };
        self.handed.insert(ask.worker.clone(), last);
        self.woken |= !self.in_state("pending").is_empty();
        let jobs = ids.iter().map(|id| self.held(id)).collect();
        if self.rules.all_events {
            self.tell("started", ids, &ask.worker);
        }
        jobs
    }

    /// One worker at a time runs empty, while its lease stands and the job waits for it.
    fn runs_empty(&mut self, worker: &str, id: String) -> bool {
        if let Some((name, job)) = &self.empties
            && name != worker
            && self.leases.get(name).is_some_and(|lease_ms| lease_ms * 1000 > self.now_us)
            && self.jobs.get(job).is_some_and(|job| job.crashes > 0)
            && self.claim(job).is_none()
        {
            return false;
        }
        self.empties = Some((worker.to_owned(), id));
        true
    }

    fn next_due_ms(&self) -> Option<u64> {
        let first =
            [self.scheduled(), self.retrying()].into_iter().filter_map(|line| line.first().map(|first| first.0));
        first.map(|score| (score.div_euclid(4) - self.now_ms()).max(0) as u64).min()
    }

    /// How claims stand that are not the worker's, by their number; and the ids whose claim is.
    fn standing(&self, claims: &[(&JobId, &str)]) -> (Vec<usize>, Vec<(usize, Standing)>) {
        let (mut mine, mut others) = (Vec::new(), Vec::new());
        for (number, (id, claim)) in claims.iter().enumerate() {
            match self.claim(id.as_str()) {
                None => others.push((number, Standing::Gone)),
                Some(found) if found.text() != **claim => others.push((number, Standing::Taken)),
                Some(found) if found.cancelled => others.push((number, Standing::Cancelled)),
                Some(_) => mine.push(number),
            }
        }
        (mine, others)
    }

    pub fn end(&mut self, worker: &str, ends: &[(JobId, String, Ending)]) -> Vec<(usize, Standing)> {
        self.used = true;
        let claims: Vec<_> = ends.iter().map(|(id, claim, _)| (id, claim.as_str())).collect();
        let (mut mine, others) = self.standing(&claims);
        let acknowledges = ends.first().is_some_and(|end| end.2 == Ending::Cancelled);
        if acknowledges {
            mine = others.iter().filter(|other| other.1 == Standing::Cancelled).map(|other| other.0).collect();
        }
        let others = if acknowledges { Vec::new() } else { others };
        if mine.is_empty() {
            return others;
        }
        let ids: Vec<String> = mine.iter().map(|number| ends[*number].0.to_string()).collect();
        *self.counts.entry(worker.to_owned()).or_default() -= ids.len() as i64;
        match &ends[0].2 {
            Ending::Complete { .. } => self.complete(worker, ids, mine.iter().map(|number| &ends[*number].2)),
            Ending::Retry { .. } => self.wait_again(worker, ids, mine.iter().map(|number| &ends[*number].2)),
            Ending::Snooze { .. } => self.wait_again(worker, ids, mine.iter().map(|number| &ends[*number].2)),
            Ending::Bury { .. } => self.bury(worker, ids, mine.iter().map(|number| &ends[*number].2)),
            Ending::Release => self.release(worker, ids),
            Ending::Cancelled => {
                self.unlock(&ids);
                self.tally(&ids, "cancelled");
                self.keep(&ids, self.rules.on_complete, Place::Cancelled);
                self.count("cancelled", ids.len());
                self.tell("cancelled", ids, worker);
            }
        }
        self.woken |= self.rules.concurrency.is_some();
        others
    }

    fn complete<'a>(&mut self, worker: &str, ids: Vec<String>, ends: impl Iterator<Item = &'a Ending>) {
        for (id, end) in ids.iter().zip(ends) {
            if let Ending::Complete { result } = end
                && !result.is_empty()
            {
                self.results.insert(id.clone(), result.clone());
            }
        }
        self.unlock(&ids);
        self.tally(&ids, "completed");
        self.keep(&ids, self.rules.on_complete, Place::Completed);
        self.count("completed", ids.len());
        if self.rules.all_events {
            self.tell("completed", ids, worker);
        }
    }

    fn wait_again<'a>(&mut self, worker: &str, ids: Vec<String>, ends: impl Iterator<Item = &'a Ending>) {
        let now_ms = self.next_ms();
        let mut snoozed = false;
        for (id, end) in ids.iter().zip(ends) {
            let job = self.jobs.get_mut(id).unwrap();
            let Place::Active(claim) = &job.place else { unreachable!("a current claim is active") };
            let level = claim.level;
            match end {
                Ending::Snooze { delay_ms, history } => {
                    snoozed = true;
                    job.place = Place::Scheduled { due_ms: now_ms + *delay_ms as i64, level };
                    job.history = Some(history.clone());
                }
                Ending::Retry { delay_ms, history } => {
                    job.place = Place::Retrying { due_ms: now_ms + *delay_ms as i64, level };
                    job.history = Some(history.clone());
                }
                _ => unreachable!("the ends of a call are alike"),
            }
        }
        if snoozed {
            self.count("snoozed", ids.len());
        } else {
            self.count("failed", ids.len());
            self.count("retried", ids.len());
        }
        self.tell(if snoozed { "snoozed" } else { "retrying" }, ids, worker);
        self.woken = true;
    }

    fn bury<'a>(&mut self, worker: &str, ids: Vec<String>, ends: impl Iterator<Item = &'a Ending>) {
        for (id, end) in ids.iter().zip(ends) {
            if let Ending::Bury { history } = end {
                self.jobs.get_mut(id).unwrap().history = Some(history.clone());
            }
        }
        self.unlock(&ids);
        self.tally(&ids, "dead");
        let dropped = self.keep(&ids, self.rules.on_fail, Place::Dead);
        self.count("failed", ids.len());
        self.count("dead", ids.len());
        self.count("dropped", dropped);
        self.tell("dead", ids, worker);
        self.tell_dropped(dropped, worker);
    }

    fn release(&mut self, worker: &str, ids: Vec<String>) {
        ids.iter().for_each(|id| self.back_to_rank(id));
        self.count("released", ids.len());
        self.tell("released", ids, worker);
        self.woken = true;
    }

    /// Back to the place in line that the claim remembers.
    fn back_to_rank(&mut self, id: &str) {
        let job = self.jobs.get_mut(id).unwrap();
        if let Place::Active(claim) = &job.place {
            job.place = Place::Pending { level: claim.level, rank: claim.rank };
        }
    }

    pub fn renew(&mut self, worker: &str, lease_ms: u64, claims: &[(JobId, String)]) -> (u64, Vec<(usize, Standing)>) {
        self.leases.insert(worker.to_owned(), self.now_ms() + lease_ms as i64);
        let claims: Vec<_> = claims.iter().map(|(id, claim)| (id, claim.as_str())).collect();
        let counted = self.counts.get(worker).copied().unwrap_or_default();
        (counted as u64, self.standing(&claims).1)
    }

    pub fn overdue(&mut self) -> Vec<String> {
        let now_ms = self.now_ms();
        for (worker, until_ms) in &mut self.leases {
            if let Some(handed) = self.handed.get(worker) {
                *until_ms = (*until_ms).min(now_ms + handed.lease_ms);
            }
        }
        let mut silent: Vec<_> =
            self.leases.iter().filter(|lease| *lease.1 <= now_ms).map(|(w, at)| (*at, w.clone())).collect();
        silent.sort();
        silent.into_iter().map(|(_, worker)| worker).collect()
    }

    /// Each counts a crash. A job stops one short of the limit; handed out alone, at the limit it is buried.
    pub fn recover(&mut self, by: &str, grace_ms: u64, claims: &[(JobId, String)]) -> Vec<TakenBack> {
        self.used = true;
        let now_ms = self.now_ms();
        let mut lost = Vec::new();
        for (id, claim) in claims {
            let Some(found) = self.claim(id.as_str()).filter(|found| found.stored() == *claim).cloned() else {
                continue;
            };
            match self.leases.get(&found.worker) {
                None => _ = self.leases.insert(found.worker, now_ms + grace_ms as i64),
                Some(until_ms) if *until_ms <= now_ms => lost.push((id.to_string(), found)),
                Some(_) => {}
            }
        }
        let (mut reply, mut back, mut buried, mut stopped) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (id, claim) in &lost {
            let (crashes, into, to) = match self.fall(id, claim) {
                None => (0, &mut stopped, "cancelled"),
                Some((crashes, true)) => (crashes, &mut buried, "dead"),
                Some((crashes, false)) => (crashes, &mut back, "pending"),
            };
            into.push(id.clone());
            reply.push(TakenBack { id: JobId::new(id).unwrap(), crashes: crashes as u32, to: to.to_owned() });
        }
        for (_, claim) in &lost {
            *self.counts.entry(claim.worker.clone()).or_default() -= 1;
        }
        self.woken |= !back.is_empty() || (!lost.is_empty() && self.rules.concurrency.is_some());
        self.settle(by, back, buried, stopped);
        reply
    }

    /// A crash: how many there are now, and whether they bury the job. Nothing for a cancelled one. They never fall.
    fn fall(&mut self, id: &str, claim: &Claim) -> Option<(i64, bool)> {
        if claim.cancelled {
            return None;
        }
        let (limit, alone) = (self.rules.crash_limit, claim.alone);
        let job = self.jobs.get_mut(id).unwrap();
        job.crashes = if alone { job.crashes + 1 } else { (job.crashes + 1).min((limit - 1).max(1)).max(job.crashes) };
        Some((job.crashes, alone && job.crashes >= limit))
    }

    fn settle(&mut self, by: &str, back: Vec<String>, buried: Vec<String>, stopped: Vec<String>) {
        back.iter().for_each(|id| self.back_to_rank(id));
        buried.iter().for_each(|id| self.note_end(id, "crash_loop"));
        let (recovered, dead, cancelled) = (back.len() + buried.len(), buried.len(), stopped.len());
        let mut dropped = 0;
        if !buried.is_empty() {
            self.unlock(&buried);
            self.tally(&buried, "dead");
            dropped = self.keep(&buried, self.rules.on_fail, Place::Dead);
        }
        if !stopped.is_empty() {
            self.unlock(&stopped);
            self.tally(&stopped, "cancelled");
            self.keep(&stopped, self.rules.on_complete, Place::Cancelled);
        }
        for (what, count) in [("dropped", dropped), ("recovered", recovered), ("dead", dead), ("cancelled", cancelled)]
        {
            self.count(what, count);
        }
        self.tell("recovered", back, by);
        self.tell("crash_loop", buried, by);
        self.tell_dropped(dropped, by);
        self.tell("cancelled", stopped, by);
    }

    pub fn forget(&mut self, workers: &[String]) {
        for worker in workers {
            if self.leases.get(worker).is_some_and(|until_ms| *until_ms <= self.now_ms()) {
                self.strike(worker);
            }
        }
    }

    pub fn sign_off(&mut self, worker: &str) {
        if self.counts.get(worker).copied().unwrap_or_default() <= 0 {
            self.strike(worker);
        }
    }

    fn strike(&mut self, worker: &str) {
        self.leases.remove(worker);
        self.handed.remove(worker);
        self.counts.remove(worker);
    }
}
