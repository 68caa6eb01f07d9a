//! The name of a queue.

use std::borrow::Borrow;

use crate::job::name;

name! {
    /// A queue's name, which also says which processor runs its jobs: `[A-Za-z0-9][A-Za-z0-9_.-]{0,127}`.
    ///
    /// The rule keeps a name whole inside a key, a pattern, a path and a shell word. Cloning is free.
    QueueName, "queue", "_.-", 128
}

impl QueueName {
    /// The queues that the platform knows by name; each gets a processor of its own.
    pub const KNOWN: [&'static str; 6] =
        ["email", "roi-distribution", "report-generation", "notification", "data-import", "data-export"];

    /// The command that starts a worker of it: a queue of another name has no processor but the one that it is given.
    pub(crate) fn working(&self) -> String {
        let command = if Self::KNOWN.contains(&self.as_str()) { "" } else { " --exec COMMAND" };
        format!("ireva-queue work {self}{command}")
    }
}

impl Borrow<str> for QueueName {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::QueueName;

    #[test]
    fn names_keep_to_the_rule() {
        for good in ["email", "a", "9", "roi-distribution", "a.b_c", &"q".repeat(128)] {
            assert_eq!(QueueName::new(good).unwrap().as_str(), good);
        }
        for bad in ["", ".", "../x", "a:b", "a*", "a?", "[a]", "a b", "é", "{a}", &"q".repeat(129)] {
            assert!(QueueName::new(bad).is_err(), "{bad:?}");
        }
        assert!(QueueName::KNOWN.iter().all(|name| QueueName::new(name).is_ok()));
    }
}
