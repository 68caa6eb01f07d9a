//! What leaves a place of a queue for another is on its way for a moment, and is forgotten where it was only when it has
//! arrived for good.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::config::Durable;
use crate::error::{Error, ErrorKind, Result};
use crate::job::{BatchName, Partition, Partitions, QueueName};
use crate::store::codec::read;
use crate::store::{Calls, Confirmation, Key, QueueKeys, Store, scripts};

/// How long something waits for a replica of where it stands, in a queue that is not durable: then it does without.
const COURTESY: Duration = Duration::from_millis(200);
/// The same in one that is: then it is told as an error, and waits.
const PATIENCE: Duration = Duration::from_secs(4);

impl Store {
    /// Whether a page that has arrived at a place stays there whatever happens to its server. In a cluster the place may be on
    /// another node than the one from which it came: what replicas there hold is forgotten when those of the new node have
    /// it. Elsewhere both are in one stream, and a replica that knows that the page has left knows that it has arrived.
    /// `hurries`: nobody waits for long for a replica, also where the queue is durable.
    ///
    /// # Errors
    /// `OutcomeUnknown` where the queue is durable and no replica confirms it.
    pub(super) async fn stays_at(&self, to: &QueueKeys, from: Partition, page: &str, hurries: bool) -> Result<bool> {
        let Some(number) = page.parse().ok().filter(|_| self.connection.is_cluster()) else { return Ok(true) };
        let durable = if hurries { Durable::Off } else { self.durable(to.queue()).await? };
        self.stands(to, (format!("from:{from}"), number), durable, "what is moved to a partition of").await
    }

    /// Whether the change of the partitions of a queue stays written down whatever happens to its server, and each of its new
    /// places, `next`, has as many replicas as the queue wants; `false` too where it is another change by now. Nothing is
    /// closed before.
    ///
    /// # Errors
    /// `OutcomeUnknown` where the queue is durable and a replica does not confirm it.
    pub(crate) async fn course_stays(&self, queue: &QueueName, change: &str, next: Partitions) -> Result<bool> {
        let Some(number) = change.parse().ok().filter(|_| self.connection.is_cluster()) else { return Ok(true) };
        let (home, durable) = (self.keys(queue), self.durable(queue).await?);
        let places =
            next.each().map(|place| self.partition_keys(queue, place)).filter(|keys| !keys.is_same_place(&home));
        let marks = std::iter::once(home.clone()).chain(places).map(|keys| {
            let is_home = keys.is_same_place(&home);
            async move {
                let mut command = scripts::INTENT.on(&keys, &self.clock);
                command.arg(change).arg(u8::from(is_home));
                let is_on: bool = read("intent", scripts::INTENT.ask(&self.connection, &command).await?)?;
                let call = ("course".to_owned(), number);
                Ok(is_on && self.stands(&keys, call, durable, "a change of the partitions of").await?)
            }
        });
        let stays = join_all(marks).await.into_iter().try_fold(true, |all, stays: Result<bool>| Ok(all && stays?));
        if let Ok(false) = stays {
            // Another server may be a place's by now.
            self.connection.leave();
        }
        stays
    }

    async fn durable(&self, queue: &QueueName) -> Result<Durable> {
        Ok(self.settings(&self.keys(queue)).await?.settings.durable)
    }

    /// Whether call `number` of `who` is held by as many servers as wanted; where none is, by one more if that one is quick.
    async fn stands(
        &self,
        keys: &QueueKeys,
        (who, number): (String, u64),
        durable: Durable,
        what: &str,
    ) -> Result<bool> {
        let queue = keys.queue();
        let calls = Calls { keys: keys.clone(), producer: who, span: (number, number), durable };
        let patience = if durable == Durable::Off { COURTESY } else { PATIENCE };
        match self.confirmer.confirm(&calls, Instant::now() + patience).await {
            Ok(said) => Ok(said == Confirmation::Given),
            Err(_) if durable == Durable::Off => Ok(true),
            Err(error) => Err(error.context(format!("{what} queue {queue} waits until a replica there has it"))),
        }
    }

    /// Refuses to move anything to a place of a cluster whose node has no memory left. Elsewhere what is moved takes no more than
    /// where it was.
    ///
    /// # Errors
    /// `NotNow`.
    pub(crate) async fn must_have_room(&self, to: &QueueKeys) -> Result<()> {
        if !self.connection.is_cluster() {
            return Ok(());
        }
        let refused = match scripts::ROOM.ask(&self.connection, &scripts::ROOM.on(to, &self.clock)).await {
            Err(error) if error.kind() == ErrorKind::NotNow => error,
            // A node that does not answer says so when it is given something.
            _ => return Ok(()),
        };
        let queue = to.queue();
        Err(refused.context(format!("no jobs are moved to a partition of queue {queue} whose node takes nothing in")))
    }

    /// Whether a batch stands, sealed, in a place that is being left.
    ///
    /// # Errors
    /// `Moved` while it is on its way.
    pub(crate) async fn is_sealed_at(&self, former: &QueueKeys, name: &BatchName) -> Result<bool> {
        let stands = self.batch(former, name).await?;
        self.must_not_be_leaving(former, ("batch", &format!("b{name}"))).await?;
        Ok(stands.is_some_and(|batch| batch.sealed))
    }

    /// Refuses what is on its way from a place to another: `what` it is, and the name that it has in the page.
    ///
    /// # Errors
    /// `Moved` where it is.
    pub(crate) async fn must_not_be_leaving(&self, former: &QueueKeys, (what, name): (&str, &str)) -> Result<()> {
        let mut command = redis::cmd("HEXISTS");
        command.arg(former.name(Key::Leaving)).arg(name);
        if read("HEXISTS", self.connection.call(&command).await?.value)? {
            let (queue, name) = (former.queue(), &name[1..]);
            let why = format!("{what} {name} of queue {queue} is on its way to another partition just now: repeat it");
            return Err(Error::new(ErrorKind::Moved, why));
        }
        Ok(())
    }
}
