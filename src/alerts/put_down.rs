//! Puts down what is to be told: for each sink by itself, and never too much.

use chrono::{DateTime, Utc};

use crate::alert::one_line;
use crate::alerts::history::AlertEntry;
use crate::alerts::waiting::Waiting;
use crate::alerts::watch::Watch;
use crate::clock::instant;
use crate::error::{ErrorKind, Result};
use crate::event::{Event, EventKind};
use crate::store::{ALERT_MOVES, ALERTS_WAITING, AlertHash, AlertMove, AlertMoved};

/// Room is made so often for one look; then the next one tries.
const ROOM_TRIES: u32 = 5;

impl Watch {
    /// One notice for each sink, and what is to be written down of those that nobody has configured here: they would only wait.
    pub(super) fn addressed(&self, notices: Vec<Waiting>, at: DateTime<Utc>) -> (Vec<Waiting>, Vec<AlertEntry>) {
        let (mut addressed, mut unknown) = (Vec::new(), Vec::new());
        for waiting in notices {
            for sink in &waiting.owed {
                if self.sinks.get(sink).is_some() {
                    addressed.push(Waiting::new(waiting.notice.clone(), vec![sink.clone()]));
                } else {
                    let why = format!("sink {sink} is not configured where it is evaluated");
                    unknown.push(AlertEntry::new(at, "dropped", waiting.names(), &self.by).message(why));
                }
            }
        }
        (addressed, unknown)
    }

    /// Says of whom nobody could tell.
    pub(super) fn say_unknown(&self, unknown: &[AlertEntry]) {
        for entry in unknown {
            self.counts.not_told.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let message = format!("an alert was not told: {}: {}", entry.alert, entry.message);
            self.emit(&Event::new(EventKind::Alert).message(one_line(&message)));
        }
    }

    /// Makes moves, among them `count` new notices. Where too many wait already, the oldest make room: whoever hears of
    /// nothing new is worse off.
    pub(super) async fn put_down(&self, moves: &[AlertMove], count: usize) -> Result<AlertMoved> {
        for _ in 0..ROOM_TRIES {
            match self.store.alert_move(Some(&self.by), moves).await {
                Err(error) if error.kind() == ErrorKind::Full => self.make_room(count).await?,
                outcome => return outcome,
            }
        }
        self.store.alert_move(Some(&self.by), moves).await
    }

    async fn make_room(&self, count: usize) -> Result<()> {
        let (now_ms, outbox) = tokio::try_join!(self.store.now_ms(), self.store.alert_fields(AlertHash::Outbox))?;
        let over = (outbox.len() + count).saturating_sub(ALERTS_WAITING);
        // Ids are in the order of time.
        let oldest: Vec<_> = outbox.into_iter().take(over).collect();
        for dropped in oldest.chunks(ALERT_MOVES / 2) {
            let mut moves = Vec::new();
            for (id, text) in dropped {
                let waiting = serde_json::from_str::<Waiting>(text);
                let names = waiting.map_or_else(|_| "*".to_owned(), |waiting| waiting.names());
                let entry = AlertEntry::new(instant(now_ms), "dropped", names, &self.by);
                let why = format!("notice {id} made room: {ALERTS_WAITING} wait to be told");
                moves.push(AlertMove::notice(id.clone(), text.clone(), String::new()));
                moves.push(AlertMove::entry(entry.message(one_line(&why)).text()));
            }
            // What has been told meanwhile has made room itself.
            self.store.alert_move(Some(&self.by), &moves).await?;
        }
        let message = format!("{over} notices of alerts were dropped, the oldest: {ALERTS_WAITING} wait to be told");
        self.emit(&Event::new(EventKind::Alert).message(message));
        Ok(())
    }
}
