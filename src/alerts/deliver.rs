//! Delivers the notices that wait: each sink is crossed off when it has its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;

use crate::alert::{AlertName, one_line};
use crate::alerts::history::AlertEntry;
use crate::alerts::tell::{Reach, Told};
use crate::alerts::waiting::{Carried, Waiting};
use crate::alerts::watch::{Watch, lock};
use crate::clock::{instant, local_now};
use crate::error::Result;
use crate::event::{Event, EventKind};
use crate::store::{AlertHash, AlertMove, AlertMoved};

/// Told to stop, the sinks that are being told have so long.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A notice that is due: its id, how it is stored, what it is, and when it was read.
type Due = (String, String, Waiting, i64);

impl Watch {
    /// Delivers until it is told to stop; what is being told then is told.
    pub(super) async fn deliveries(&self, stop: &CancellationToken) {
        let own = async {
            loop {
                self.deliver_own().await;
                tokio::select! {
                    () = stop.cancelled() => return self.deliver_own().await,
                    () = self.own_news.notified() => {}
                    () = tokio::time::sleep(self.interval) => {}
                }
            }
        };
        let others = async {
            loop {
                // While Redis is away, the look says so.
                let _ = self.deliver(stop, true).await;
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = self.news.notified() => {}
                    () = tokio::time::sleep(self.interval) => {}
                }
            }
        };
        let late = async {
            stop.cancelled().await;
            tokio::time::sleep(LAST_WORDS).await;
        };
        tokio::select! {
            ((), ()) = async { tokio::join!(own, others) } => {}
            () = late => {}
        }
    }

    /// Delivers what is due, if it is our turn: each sink one at a time, and none waits for another. `again`: also what
    /// becomes due meanwhile.
    ///
    /// # Errors
    /// Whatever keeps Redis from answering, after all that had begun has ended.
    pub(super) async fn deliver(&self, stop: &CancellationToken, again: bool) -> Result<()> {
        let _telling = self.telling.lock().await;
        let (mut telling, mut flying) = (FuturesUnordered::new(), BTreeMap::<String, Vec<AlertName>>::new());
        let (mut due, mut is_old, mut outcome) = (Vec::new(), true, Ok(()));
        loop {
            if outcome.is_ok() && self.has_turn() && !self.is_wanted() && !stop.is_cancelled() {
                if std::mem::take(&mut is_old) {
                    match self.due(&flying).await {
                        Ok(found) => due = found,
                        Err(error) => {
                            outcome = Err(error);
                            continue;
                        }
                    }
                }
                for (id, text, waiting, now_ms) in std::mem::take(&mut due) {
                    if waiting.owed.iter().any(|sink| flying.values().flatten().any(|busy| busy == sink)) {
                        due.push((id, text, waiting, now_ms));
                        continue;
                    }
                    flying.insert(id.clone(), waiting.owed.clone());
                    telling.push(async move { (id.clone(), self.hand_out((id, text), waiting, now_ms).await) });
                }
            }
            tokio::select! {
                told = telling.next() => {
                    let Some((id, told)) = told else { return outcome };
                    flying.remove(&id);
                    outcome = outcome.and(told);
                }
                () = self.news.notified(), if again => is_old = true,
                () = tokio::time::sleep(self.interval), if again => is_old = true,
            }
        }
    }

    /// What is due and not being told, new notices before those that were not taken, and the oldest first.
    async fn due(&self, flying: &BTreeMap<String, Vec<AlertName>>) -> Result<Vec<Due>> {
        let (now_ms, outbox) = tokio::try_join!(self.store.now_ms(), self.store.alert_fields(AlertHash::Outbox))?;
        let mut due = Vec::new();
        for (id, text) in outbox.into_iter().filter(|(id, _)| !flying.contains_key(id)) {
            match serde_json::from_str::<Waiting>(&text) {
                Ok(waiting) => {
                    let Some((text, waiting)) = self.look_after((&id, text), waiting, now_ms).await? else { continue };
                    if waiting.is_due(now_ms) && !waiting.owed.is_empty() {
                        due.push((id, text, waiting, now_ms));
                    }
                }
                Err(error) => {
                    // What a hand broke can be told to nobody.
                    let entry = AlertEntry::new(instant(now_ms), "dropped", "*", &self.by);
                    let entry = entry.message(format!("notice {id} is not readable: {error}"));
                    let moves = [AlertMove::notice(id, text, String::new()), AlertMove::entry(entry.text())];
                    self.store.alert_move(None, &moves).await?;
                }
            }
        }
        due.sort_by_key(|(_, _, waiting, _)| (waiting.attempts > 0, waiting.notice.at));
        Ok(due)
    }

    /// Tells the sinks that have not got a notice, all at once, and crosses each off as soon as it has it.
    async fn hand_out(&self, (id, mut text): (String, String), mut waiting: Waiting, read_ms: i64) -> Result<()> {
        let notice = waiting.notice.clone();
        let tell = |sink: AlertName| {
            let notice = &notice;
            let reach = if waiting.direct.contains(&sink) { Reach::Directly } else { Reach::AnyWay };
            async move {
                if self.has_told(&notice.id, &sink) {
                    return (sink, Ok(Told::said("")));
                }
                let told = self.tell(&sink, notice, reach).await;
                match &told {
                    Ok(Told { job: None, .. }) => self.note_told(&notice.id, &sink),
                    // Handed over again, it is the same job.
                    Ok(_) => _ = self.counts.told.fetch_add(1, Ordering::Relaxed),
                    Err(_) => {}
                }
                (sink, told)
            }
        };
        let mut telling: FuturesUnordered<_> = waiting.owed.iter().cloned().map(tell).collect();
        let (mut errors, mut in_hand) = (Vec::new(), None);
        while let Some((sink, told)) = telling.next().await {
            match told {
                // Whoever is being told is told, and that is known.
                Ok(_) if in_hand.is_some() => {}
                Ok(told) => {
                    waiting.owed.retain(|owed| *owed != sink);
                    if let Some((queue, job)) = told.job {
                        let carried = Carried { queue, job, since_ms: read_ms, taken_back: false };
                        waiting.carried.insert(sink.clone(), carried);
                    }
                    let after = waiting.text()?;
                    let moves = [AlertMove::notice(id.clone(), text.clone(), after.clone())];
                    match self.store.alert_move(None, &moves).await {
                        Ok(AlertMoved::Done) => {
                            self.forget_told(&notice.id, &sink);
                            text = after;
                        }
                        // Whoever has the turn now has it in hand.
                        Ok(_) => in_hand = Some(Ok(())),
                        Err(error) => in_hand = Some(Err(error)),
                    }
                }
                Err(error) => errors.push((sink, error)),
            }
        }
        drop(telling);
        if let Some(in_hand) = in_hand {
            return in_hand;
        }
        if errors.is_empty() {
            return Ok(());
        }
        let now_ms = self.store.now_ms().await?;
        let told: Vec<_> = errors.iter().map(|(sink, error)| format!("{sink}: {error}")).collect();
        let why = one_line(&told.join("; "));
        self.counts.not_told.fetch_add(errors.len() as u64, Ordering::Relaxed);
        self.emit(&Event::new(EventKind::Alert).message(format!("an alert was not told: {why}")));
        let mut moves = Vec::new();
        let after = if waiting.is_stale(now_ms) {
            let entry = AlertEntry::new(instant(now_ms), "dropped", waiting.names(), &self.by);
            moves.push(AlertMove::entry(entry.message(format!("not taken for a day: {why}")).text()));
            String::new()
        } else {
            waiting.put_off(now_ms, self.interval, why);
            waiting.text()?
        };
        moves.push(AlertMove::notice(id, text, after));
        self.store.alert_move(None, &moves).await.map(drop)
    }

    /// Tells directly what is to be told about Redis being away, and that it is back: each sink one at a time.
    pub(super) async fn deliver_own(&self) {
        let (mut telling, mut busy) = (FuturesUnordered::new(), BTreeSet::<AlertName>::new());
        loop {
            let now_ms = local_now().timestamp_millis();
            let due: Vec<_> = {
                let mut away = lock(&self.away);
                let is_next = |it: &mut Waiting| {
                    let is_next = it.is_due(now_ms) && !it.owed.iter().any(|sink| busy.contains(sink));
                    busy.extend(it.owed.iter().filter(|_| is_next).cloned());
                    is_next
                };
                away.owed.extract_if(.., is_next).collect()
            };
            telling.extend(due.into_iter().map(|waiting| self.tell_own(waiting, now_ms)));
            tokio::select! {
                told = telling.next() => match told {
                    None => return,
                    Some(told) => told.iter().for_each(|sink| _ = busy.remove(sink)),
                },
                () = self.own_news.notified() => {}
                () = tokio::time::sleep(self.interval) => {}
            }
        }
    }

    /// Tells the sinks of one; whose turn it was.
    async fn tell_own(&self, mut waiting: Waiting, now_ms: i64) -> Vec<AlertName> {
        let reach = if lock(&self.away).is_away() { Reach::Alone } else { Reach::AnyWay };
        let sinks = waiting.owed.clone();
        let notice = &waiting.notice;
        let told = join_all(sinks.iter().map(|sink| self.tell(sink, notice, reach))).await;
        let mut errors = Vec::new();
        let mut owed = Vec::new();
        for (sink, told) in std::mem::take(&mut waiting.owed).into_iter().zip(told) {
            match told {
                Ok(_) => _ = self.counts.told.fetch_add(1, Ordering::Relaxed),
                Err(error) => {
                    errors.push(format!("{sink}: {error}"));
                    owed.push(sink);
                }
            }
        }
        waiting.owed = owed;
        if errors.is_empty() {
            return sinks;
        }
        let why = one_line(&errors.join("; "));
        self.emit(&Event::new(EventKind::Alert).message(format!("an alert was not told: {why}")));
        if !waiting.is_stale(now_ms) {
            waiting.put_off(now_ms, self.interval, why);
            lock(&self.away).owed.push(waiting);
        }
        sinks
    }
}
