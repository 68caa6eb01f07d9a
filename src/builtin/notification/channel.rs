//! The ways in which somebody is told.

use std::fmt;

/// A way to reach a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Channel {
    /// A mail, by a job of the queue `email`.
    Email,
    /// A text message.
    Sms,
    /// A message on a device.
    Push,
    /// A request to a URL of the recipient's.
    Webhook,
    /// A line in a chat.
    Slack,
    /// A row that the platform shows.
    InApp,
}

impl Channel {
    /// All of them by their words.
    pub const WORDS: [(&'static str, Self); 6] = [
        ("email", Self::Email),
        ("sms", Self::Sms),
        ("push", Self::Push),
        ("webhook", Self::Webhook),
        ("slack", Self::Slack),
        ("in-app", Self::InApp),
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(_, channel)| *channel == self).map_or("", |(word, _)| word)
    }

    /// The channel of that word.
    pub fn named(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, channel)| *channel)
    }

    /// Every word, for a sentence.
    pub fn words() -> String {
        Self::WORDS.map(|(word, _)| word).join(", ")
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
