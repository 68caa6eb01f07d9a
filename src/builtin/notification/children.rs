//! The job of each channel: its queue and its id follow from the notification's own, so that a repeat adds nothing.

use sha2::{Digest, Sha256};

use super::channel::Channel;
use crate::builtin::email;
use crate::job::{JobId, QueueName};
use crate::stats::Child;

/// Longer ids than this leave no room for the word of a channel.
const ID_MAX_BYTES: usize = 119;
/// What is kept of such an id before its digest.
const HEAD_BYTES: usize = 80;

/// The jobs that a notification hands over, in the order of its channels.
pub(super) fn children(queue: &QueueName, id: &JobId, channels: &[Channel]) -> Vec<Child> {
    let child = |channel: &Channel| Child {
        channel: channel.as_str().to_owned(),
        queue: queue_of(queue, *channel),
        id: id_of(id, *channel),
        state: None,
    };
    channels.iter().map(child).collect()
}

/// Mails go through the queue of mails, all else through the notification's own.
pub(super) fn queue_of(own: &QueueName, channel: Channel) -> QueueName {
    match channel {
        Channel::Email => QueueName::new(email::QUEUE).expect("the queue of mails has a sound name"),
        _ => own.clone(),
    }
}

/// `<id>.<channel>`; a long id is shortened to its head and its digest.
pub(super) fn id_of(notice: &JobId, channel: Channel) -> JobId {
    let id = notice.as_str();
    let stem = if id.len() <= ID_MAX_BYTES {
        id.to_owned()
    } else {
        let digest: String = Sha256::digest(id).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        // Ids are ASCII.
        format!("{}-{digest}", &id[..HEAD_BYTES])
    };
    JobId::new(&format!("{stem}.{channel}")).expect("the head of an id, hex and a word make an id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_children_follow_from_the_parents_and_are_distinct() {
        let id = |text: &str| JobId::new(text).unwrap();
        assert_eq!(id_of(&id("n-1"), Channel::Sms), id("n-1.sms"));
        assert_eq!(id_of(&id("n-1"), Channel::InApp), id("n-1.in-app"));
        let longest = "x".repeat(ID_MAX_BYTES);
        assert_eq!(id_of(&id(&longest), Channel::Webhook), id(&format!("{longest}.webhook")));
        let (a, b) = (format!("{}a", "x".repeat(127)), format!("{}b", "x".repeat(127)));
        let (a, b) = (id_of(&id(&a), Channel::Webhook), id_of(&id(&b), Channel::Webhook));
        assert!(a != b && a.as_str().len() <= 128 && a.as_str().ends_with(".webhook"), "{a} {b}");
        assert_eq!(a, id_of(&id(&format!("{}a", "x".repeat(127))), Channel::Webhook));
    }

    #[test]
    fn mails_have_a_queue_of_their_own() {
        let (queue, id) = (QueueName::new("notification").unwrap(), JobId::new("n-1").unwrap());
        let children = children(&queue, &id, &[Channel::Email, Channel::Slack]);
        let named: Vec<_> = children.iter().map(|child| (child.queue.as_str(), child.id.as_str())).collect();
        assert_eq!(named, [("email", "n-1.email"), ("notification", "n-1.slack")]);
    }
}
