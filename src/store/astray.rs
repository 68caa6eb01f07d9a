//! What of a change of the number of partitions stands still, or was lost with a server that had it alone.

use crate::error::Result;
use crate::job::{Partitions, QueueName};
use crate::store::codec::{Reply, read};
use crate::store::{Course, Gate, Key, Last, QueueKeys, Store};

/// A change that nobody goes on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standstill {
    /// The new number.
    pub partitions: u16,
    pub for_ms: i64,
    /// Whether jobs are not added, or not started, because of that.
    pub stops: bool,
}

/// A change of the partitions that the queue does not know of, as the place says that is left by it: what was written down
/// was lost with its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost {
    pub partitions: Partitions,
    /// The number of the change.
    pub change: i64,
}

/// What of places of a queue a server has lost, or the queue of them.
#[derive(Debug, Default)]
pub(crate) struct Astray<'a> {
    pub lost: Option<Lost>,
    /// Places that do not take all jobs, though no change is under way.
    pub shut: Vec<&'a QueueKeys>,
}

impl Store {
    /// A change of the partitions that has not come further for `limit_ms`, and for how long; also one that the queue does not
    /// know of any more.
    pub(crate) async fn standstill(&self, queue: &QueueName, limit_ms: i64) -> Result<Option<Standstill>> {
        let course = self.course(queue).await?;
        // Changes are numbered by the microseconds at which they were begun.
        let begun_ms = course.change.parse::<i64>().unwrap_or_default() / 1_000;
        let (since_ms, partitions, stops) = if course.is_moving() {
            let mut command = redis::cmd("HGET");
            command.arg(self.keys(queue).name(Key::Meta)).arg("moved_ms");
            let moved_ms: Option<i64> = read("HGET", self.connection.call(&command).await?.value)?;
            let partitions = course.next.unwrap_or(course.layout.now);
            (moved_ms.unwrap_or_default().max(begun_ms), partitions, course.held || course.next.is_some())
        } else if course.layout.now.is_one() {
            return Ok(None);
        } else {
            let spread = self.spread(queue).await?;
            let Astray { lost, shut } = self.astray(&course, spread.present()).await?;
            match lost {
                Some(lost) => (lost.change / 1_000, lost.partitions, true),
                None if shut.is_empty() => return Ok(None),
                // Nothing is under way that would open them soon.
                None => (begun_ms.min(self.now_ms().await? - limit_ms), course.layout.now, true),
            }
        };
        let for_ms = self.now_ms().await? - since_ms;
        // A number may have been given by a clock that ran ahead.
        let for_ms = if for_ms < 0 { limit_ms } else { for_ms };
        Ok((for_ms >= limit_ms).then_some(Standstill { partitions: partitions.count(), for_ms, stops }))
    }

    /// What of these places of a queue a server has lost, or the queue of them. Asks nothing where the queue is one place, whose
    /// settings are in its own slot, or a change is under way.
    pub(crate) async fn astray<'a>(&self, course: &Course, places: &'a [QueueKeys]) -> Result<Astray<'a>> {
        let mut astray = Astray::default();
        if course.is_moving() || course.layout.now.is_one() {
            return Ok(astray);
        }
        let known = course.change.parse::<i64>().unwrap_or_default();
        for keys in places {
            let mut command = redis::cmd("HMGET");
            command.arg(keys.name(Key::Meta)).arg(&["change", "partitions"]);
            let mut reply = Reply::new("HMGET", self.connection.call(&command).await?.value)?;
            let (change, gate) = (reply.text()?.parse::<i64>().unwrap_or_default(), reply.text()?);
            let closed = gate.parse().ok().and_then(|count| Partitions::new(count).ok());
            if let Some(partitions) =
                closed.filter(|_| change > known && astray.lost.is_none_or(|lost| change > lost.change))
            {
                astray.lost = Some(Lost { partitions, change });
            }
            if !gate.is_empty() && change <= known + 1 {
                astray.shut.push(keys);
            }
        }
        Ok(astray)
    }

    /// Opens places whose change is over.
    pub(crate) async fn open(&self, course: &Course, places: &[&QueueKeys]) -> Result<()> {
        let Some(change) = course.number_when_settled() else { return Ok(()) };
        for keys in places {
            // A later change has said what it wants.
            let _ = self.set_gate(keys, &change, Gate::Open, Last::default()).await?;
        }
        Ok(())
    }
}
