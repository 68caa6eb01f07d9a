//! Delivers the notices that wait: each sink is crossed off when it has its own.

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

impl Watch {
    /// Delivers until it is told to stop; what is being told then is told.
    pub(super) async fn deliveries(&self, stop: &CancellationToken) {
        loop {
            let mut delivery = std::pin::pin!(async {
                self.deliver_own().await;
                // While Redis is away, the look says so.
                let _ = self.deliver(stop).await;
            });
            tokio::select! {
                () = &mut delivery => {}
                () = stop.cancelled() => {
                    let _ = tokio::time::timeout(LAST_WORDS, delivery).await;
                    return;
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.news.notified() => {}
                () = tokio::time::sleep(self.interval) => {}
            }
        }
    }

    /// Delivers what is due, if it is our turn.
    ///
    /// # Errors
    /// Whatever keeps Redis from answering.
    pub(super) async fn deliver(&self, stop: &CancellationToken) -> Result<()> {
        let _telling = self.telling.lock().await;
        if !self.has_turn() {
            return Ok(());
        }
        let (now_ms, outbox) = tokio::try_join!(self.store.now_ms(), self.store.alert_fields(AlertHash::Outbox))?;
        for (id, text) in outbox {
            if !self.has_turn() || stop.is_cancelled() {
                return Ok(());
            }
            match serde_json::from_str::<Waiting>(&text) {
                Ok(waiting) => {
                    let Some((text, waiting)) = self.look_after((&id, text), waiting, now_ms).await? else { continue };
                    if waiting.is_due(now_ms) && !waiting.owed.is_empty() {
                        self.hand_out((id, text), waiting, now_ms).await?;
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
        Ok(())
    }

    /// Tells the sinks that have not got a notice, all at once, and crosses each off as soon as it has it.
    async fn hand_out(&self, (id, mut text): (String, String), mut waiting: Waiting, now_ms: i64) -> Result<()> {
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
        let mut errors = Vec::new();
        while let Some((sink, told)) = telling.next().await {
            match told {
                Ok(told) => {
                    waiting.owed.retain(|owed| *owed != sink);
                    if let Some((queue, job)) = told.job {
                        let carried = Carried { queue, job, since_ms: now_ms, taken_back: false };
                        waiting.carried.insert(sink.clone(), carried);
                    }
                    let after = waiting.text()?;
                    let moves = [AlertMove::notice(id.clone(), text.clone(), after.clone())];
                    if self.store.alert_move(None, &moves).await? != AlertMoved::Done {
                        // Whoever has the turn now has it in hand.
                        return Ok(());
                    }
                    self.forget_told(&notice.id, &sink);
                    text = after;
                }
                Err(error) => errors.push((sink, error)),
            }
        }
        drop(telling);
        if errors.is_empty() {
            return Ok(());
        }
        let told: Vec<_> = errors.iter().map(|(sink, error)| format!("{sink}: {error}")).collect();
        let why = one_line(&told.join("; "));
        self.counts.not_told.fetch_add(errors.len() as u64, Ordering::Relaxed);
        self.emit(&Event::new(EventKind::Alert).message(format!("an alert was not told: {why}")));
        let mut moves = Vec::new();
        let after = if waiting.is_stale(now_ms) {
            let entry = AlertEntry::new(instant(now_ms), "dropped", names(&waiting), &self.by);
            moves.push(AlertMove::entry(entry.message(format!("not taken for a day: {why}")).text()));
            String::new()
        } else {
            waiting.put_off(now_ms, self.interval, why);
            waiting.text()?
        };
        moves.push(AlertMove::notice(id, text, after));
        self.store.alert_move(None, &moves).await.map(drop)
    }

    /// Tells directly what is to be told about Redis being away, and that it is back.
    pub(super) async fn deliver_own(&self) {
        let now_ms = local_now().timestamp_millis();
        let (due, reach) = {
            let mut away = lock(&self.away);
            let (due, later) = std::mem::take(&mut away.owed).into_iter().partition(|it: &Waiting| it.is_due(now_ms));
            away.owed = later;
            (due, if away.is_away() { Reach::Alone } else { Reach::AnyWay })
        };
        for mut waiting in Vec::from_iter::<Vec<Waiting>>(due) {
            let notice = &waiting.notice;
            // All at once: a sink that hangs holds up no other.
            let told = join_all(waiting.owed.iter().map(|sink| self.tell(sink, notice, reach))).await;
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
                continue;
            }
            let why = one_line(&errors.join("; "));
            self.emit(&Event::new(EventKind::Alert).message(format!("an alert was not told: {why}")));
            if !waiting.is_stale(now_ms) {
                waiting.put_off(now_ms, self.interval, why);
                lock(&self.away).owed.push(waiting);
            }
        }
    }
}

/// The alerts of a notice.
fn names(waiting: &Waiting) -> String {
    let mut names: Vec<_> = waiting.notice.alerts.iter().map(|told| told.alert.to_string()).collect();
    names.dedup();
    names.join(" ")
}
