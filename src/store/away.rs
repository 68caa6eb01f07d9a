//! What cannot be asked while nodes of a cluster are away, noted so that the rest is asked all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::error::{Error, ErrorKind, Result};
use crate::job::{Partition, Partitions, QueueName};
use crate::stats::{LeftOut, Unreached};
use crate::store::codec::Reply;
use crate::store::{Key, QueueKeys, Store, keys};

/// Keys that one step of the search for the names of queues looks at.
const SCAN_STEP: u64 = 1_000;
/// The search gives up after this.
const SCAN_LIMIT: Duration = Duration::from_secs(2);
/// What it found counts for so long, for every look.
const FOUND_FOR: Duration = Duration::from_secs(60);

/// The queues that nodes have, and of how many partitions they are.
type Names = Arc<BTreeMap<QueueName, BTreeSet<u16>>>;

/// What the last search found, with what it has not come to, and when: of all looks of a client.
#[derive(Default)]
pub(crate) struct LastSearch(tokio::sync::Mutex<Option<(Instant, Names, Vec<String>)>>);

/// Which nodes were away when they were asked first, and what was left out because of that.
#[derive(Default)]
pub(crate) struct Absences {
    /// Each node that was asked, and why it does not answer.
    nodes: Mutex<BTreeMap<String, Arc<OnceCell<Option<String>>>>>,
    left_out: Mutex<BTreeMap<String, LeftOut>>,
    /// What the nodes that answer have.
    found: OnceCell<Names>,
}

impl Absences {
    fn cell(&self, node: &str) -> Arc<OnceCell<Option<String>>> {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(nodes.entry(node.to_owned()).or_default())
    }
}

impl Store {
    /// The same; where it leads to a cluster, what is on nodes that are away now is left out and noted, which
    /// [`Store::unreached`] tells.
    pub(crate) fn noting(&self) -> Self {
        Self { noted: self.connection.is_cluster().then(Arc::default), ..self.clone() }
    }

    /// Whether the list of queues is on a node that is away, where that is noted.
    pub(crate) async fn is_without_list(&self) -> bool {
        self.absence(&keys::registry(&self.prefix)).await.is_some()
    }

    /// Whether the breakers are on such a node.
    pub(crate) async fn is_without_breakers(&self) -> bool {
        self.absence(&keys::breakers(&self.prefix)).await.is_some()
    }

    /// The same; it leaves nothing out.
    pub(crate) fn whole(&self) -> Self {
        Self { noted: None, ..self.clone() }
    }

    /// What was left out, node by node.
    pub(crate) fn unreached(&self) -> Vec<Unreached> {
        let Some(noted) = &self.noted else { return Vec::new() };
        let left_out = noted.left_out.lock().unwrap_or_else(PoisonError::into_inner);
        let unreached = |(node, left_out): (&String, &LeftOut)| Unreached {
            node: node.clone(),
            why: noted.cell(node).get().cloned().flatten().unwrap_or_default(),
            left_out: left_out.clone(),
        };
        left_out.iter().map(unreached).collect()
    }

    /// Finds out which nodes are away, where that is noted, and why: all are asked at once, each once.
    pub(crate) async fn absent_nodes(&self) -> BTreeMap<String, String> {
        if self.noted.is_none() || !self.connection.knows_nodes().await {
            return BTreeMap::new();
        }
        self.absent_of(self.connection.nodes()).await
    }

    /// Those of these nodes that are away, and why.
    async fn absent_of(&self, nodes: BTreeSet<String>) -> BTreeMap<String, String> {
        let ask = |node: String| async move { Some((node.clone(), self.why_absent(&node).await?)) };
        join_all(nodes.into_iter().map(ask)).await.into_iter().flatten().collect()
    }

    async fn why_absent(&self, node: &str) -> Option<String> {
        let cell = self.noted.as_ref()?.cell(node);
        // Boxed: whatever asks first carries this inside it.
        cell.get_or_init(|| Box::pin(self.connection.why_absent(node))).await.clone()
    }

    /// The node that has a key, where that is away and it is noted, and why. Others are not asked, so that one that is away
    /// holds up nothing that is elsewhere.
    async fn absent_node(&self, key: &str) -> Option<(String, String)> {
        if self.noted.is_none() || !self.connection.knows_nodes().await {
            return None;
        }
        let node = self.connection.node_of(key)?;
        let why = self.why_absent(&node).await?;
        Some((node, why))
    }

    /// Why a key cannot be asked for, where its node is away and that is noted.
    pub(crate) async fn absence(&self, key: &str) -> Option<Error> {
        self.absent_node(key).await.map(|(_, why)| Error::new(ErrorKind::Unreachable, why))
    }

    /// Why what is about a queue as a whole cannot be asked for: its settings, say.
    pub(crate) async fn absence_of_home(&self, queue: &QueueName) -> Option<Error> {
        self.absence(self.keys(queue).name(Key::Meta)).await
    }

    /// Notes that something is left out that has this key, and why; `None` where it can be asked.
    async fn leave_out(&self, key: &str, note: impl FnOnce(&mut LeftOut)) -> Option<Error> {
        let (node, why) = self.absent_node(key).await?;
        let noted = self.noted.as_ref()?;
        let mut left_out = noted.left_out.lock().unwrap_or_else(PoisonError::into_inner);
        note(left_out.entry(node).or_default());
        Some(Error::new(ErrorKind::Unreachable, why))
    }

    /// Notes that something under the prefix that is about no queue is left out; whether it is.
    pub(crate) async fn leaves_out(&self, key: &str, what: &str) -> bool {
        let note = |left_out: &mut LeftOut| _ = left_out.also.insert(what.to_owned());
        self.leave_out(key, note).await.is_some()
    }

    /// The keys of a queue that the platform knows, on a node that is there.
    pub(crate) async fn keys_that_answer(&self) -> Option<QueueKeys> {
        for name in QueueName::KNOWN {
            let keys = self.keys(&QueueName::new(name).ok()?);
            if self.absence(keys.name(Key::Meta)).await.is_none() {
                return Some(keys);
            }
        }
        None
    }

    /// Those of these partitions of a queue that can be asked. The others are noted.
    pub(crate) async fn partitions_there(&self, queue: &QueueName, partitions: Vec<Partition>) -> Vec<Partition> {
        if self.noted.is_none() {
            return partitions;
        }
        // One time-out for all of them.
        let places = partitions.iter().map(|partition| self.partition_keys(queue, *partition));
        self.absent_of(places.filter_map(|keys| self.connection.node_of(keys.name(Key::Meta))).collect()).await;
        let mut there = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let keys = self.partition_keys(queue, partition);
            let note = |left_out: &mut LeftOut| left_out.note(queue, partition);
            if self.leave_out(keys.name(Key::Meta), note).await.is_none() {
                there.push(partition);
            }
        }
        there
    }

    /// The partitions of a queue whose own node is away, as the other nodes have them.
    ///
    /// # Errors
    /// `Unreachable` where they have none: then the whole queue is noted.
    pub(crate) async fn partitions_without_home(&self, queue: &QueueName) -> Result<Vec<Partition>> {
        let home = self.keys(queue);
        let note = |left_out: &mut LeftOut| left_out.note(queue, Partition::WHOLE);
        let counts = self.found_elsewhere().await.get(queue).cloned().unwrap_or_default();
        if counts.is_empty() {
            let error = self.leave_out(home.name(Key::Meta), note).await;
            return Err(error.unwrap_or_else(|| Error::internal(format!("the node of queue {queue} is there"))));
        }
        // What is about the queue as a whole is not known.
        self.leave_out(home.name(Key::Meta), |left_out| left_out.note_settings(queue)).await;
        Ok(counts.into_iter().filter_map(|count| Partitions::new(count).ok()).flat_map(Partitions::each).collect())
    }

    /// The queues that the nodes that answer have, where the list of all is on one that does not; `None` where it is there.
    pub(crate) async fn queues_without_list(&self) -> Option<Vec<QueueName>> {
        // Whoever asks for all queues asks all nodes.
        self.absent_nodes().await;
        let list = keys::registry(&self.prefix);
        self.leave_out(&list, |left_out| left_out.list = true).await?;
        Some(self.found_elsewhere().await.keys().cloned().collect())
    }

    /// What was asked of a queue, or nothing where the queue was left out and that is noted.
    ///
    /// # Errors
    /// Every other error.
    pub(crate) fn or_left_out<T>(&self, queue: &QueueName, answer: Result<T>) -> Result<Option<T>> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.kind() == ErrorKind::Unreachable && self.is_left_out(queue) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn is_left_out(&self, queue: &QueueName) -> bool {
        self.unreached().iter().any(|unreached| unreached.left_out.has(queue))
    }

    /// The error that tells of what was left out, where something was.
    pub(crate) fn unreached_error(&self) -> Option<Error> {
        self.unreached().first().map(Unreached::error)
    }

    /// The queues that have keys on the nodes that answer, and of how many partitions.
    async fn found_elsewhere(&self) -> Names {
        let Some(noted) = &self.noted else { return Names::default() };
        let absent = self.absent_nodes().await;
        let find = || async {
            let mut last = self.last_search.0.lock().await;
            let fresh = last.take_if(|(at, ..)| at.elapsed() < FOUND_FOR);
            let (at, found, cut) = match fresh {
                Some(fresh) => fresh,
                None => {
                    let (found, cut) = self.search_all(&absent).await;
                    (Instant::now(), Arc::new(found), cut)
                }
            };
            *last = Some((at, Arc::clone(&found), cut.clone()));
            (found, cut)
        };
        let found = noted.found.get_or_init(|| {
            Box::pin(async {
                let (found, cut) = find().await;
                if let Some(node) = absent.keys().next().filter(|_| !cut.is_empty()) {
                    let what =
                        format!("what a search of {} had not come to after {}s", cut.join(", "), SCAN_LIMIT.as_secs());
                    let mut left_out = noted.left_out.lock().unwrap_or_else(PoisonError::into_inner);
                    left_out.entry(node.clone()).or_default().also.insert(what);
                }
                found
            })
        });
        Arc::clone(found.await)
    }

    /// Searches the nodes that answer; what they have, and those that were not searched to the end.
    async fn search_all(&self, absent: &BTreeMap<String, String>) -> (BTreeMap<QueueName, BTreeSet<u16>>, Vec<String>) {
        let nodes = self.connection.nodes().into_iter().filter(|node| !absent.contains_key(node));
        let search = |node: String| {
            let connection = self.connection.to_node_at(&node);
            let store = connection.map(|connection| Self { connection, ..self.whole() });
            async move {
                let (mut names, mut whole) = (Vec::new(), false);
                if let Some(store) = store {
                    // What was found counts, however far it came.
                    whole = timeout(SCAN_LIMIT, store.search(&mut names)).await.is_ok_and(|end| end.is_ok());
                }
                (names, (!whole).then_some(node))
            }
        };
        let (mut found, mut cut) = (BTreeMap::<QueueName, BTreeSet<u16>>::new(), Vec::new());
        for (names, node) in join_all(nodes.map(search)).await {
            cut.extend(node);
            for (queue, partitions) in names.iter().filter_map(|name| place_of_key(&self.prefix, name)) {
                found.entry(queue).or_default().extend(partitions);
            }
        }
        (found, cut)
    }

    /// The keys of one node that tell of queues and of partitions. Done only where what lists them is away: it goes over
    /// every key there, a thousand at a time.
    async fn search(&self, names: &mut Vec<String>) -> Result<()> {
        let (mut cursor, pattern) = ("0".to_owned(), format!("{}{{*}}:[cm][oe][nt]*", escaped(&self.prefix)));
        loop {
            let mut command = redis::cmd("SCAN");
            command.arg(&cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(SCAN_STEP);
            let mut reply = Reply::new("SCAN", self.connection.call(&command).await?.value)?;
            cursor = reply.text()?;
            let mut found = reply.list()?;
            while !found.is_empty() {
                names.push(found.text()?);
            }
            if cursor == "0" {
                return Ok(());
            }
        }
    }
}

/// What a key tells: the meta of a queue names it, and the settings of a partition, which are gone with it, say of how many it
/// is one.
fn place_of_key(prefix: &str, key: &str) -> Option<(QueueName, Option<u16>)> {
    let (place, suffix) = key.strip_prefix(prefix)?.strip_prefix('{')?.split_once("}:")?;
    match (place.split_once(':'), suffix) {
        (None, "meta") => Some((QueueName::new(place).ok()?, None)),
        (Some((queue, partition)), "config") => {
            let (_, of) = partition.split_once('/')?;
            Some((QueueName::new(queue).ok()?, Some(of.parse().ok()?)))
        }
        _ => None,
    }
}

/// As it stands in a pattern.
fn escaped(text: &str) -> String {
    text.chars()
        .flat_map(|c| matches!(c, '*' | '?' | '[' | ']' | '\\' | '^').then_some('\\').into_iter().chain([c]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_of_queues_and_of_how_many_partitions_they_have() {
        let told = |key: &str| place_of_key("p:", key).map(|(queue, of)| (queue.to_string(), of));
        assert_eq!(told("p:{email}:meta"), Some(("email".to_owned(), None)));
        assert_eq!(told("p:{email:3/8}:config"), Some(("email".to_owned(), Some(8))));
        assert_eq!(told("p:{email:3/8}:meta"), None, "it stays when the partition is gone");
        for other in ["p:{email}:config", "p:{email}:metal", "q:{email}:meta", "p:email", "p:{email:x}:config"] {
            assert_eq!(told(other), None, "{other}");
        }
    }

    #[test]
    fn a_prefix_is_no_pattern() {
        assert_eq!(escaped("a*[b]:"), r"a\*\[b\]:");
    }
}
