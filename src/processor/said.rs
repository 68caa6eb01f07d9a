//! What a job says while it runs: whole lines, bounded, kept until the job's log holds them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The log lines of one attempt are bounded: what is over is dropped and counted.
const LOG_MAX_BYTES: usize = 64 * 1024;

/// What an attempt has said and the job's log may not hold yet.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// Whole lines.
    pub text: String,
    /// Where they begin in the log; `None` until somebody has looked.
    pub from: Option<u64>,
    pub dropped_bytes: usize,
    /// In the whole attempt.
    spoken_bytes: usize,
    /// The attempt is over, and nobody listens any more.
    over: bool,
}

impl Said {
    /// Whether the attempt said anything at all.
    pub(crate) fn spoke(&self) -> bool {
        self.spoken_bytes > 0
    }
}

/// The voice of one attempt, shared by its processor and by the heartbeat, which passes on what it says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Voice(Arc<Mutex<Said>>);

impl Voice {
    fn lock(&self) -> MutexGuard<'_, Said> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line; whether it is the first of the attempt.
    pub(crate) fn say(&self, line: &str) -> bool {
        let mut said = self.lock();
        if said.over {
            return false;
        }
        if said.spoken_bytes + line.len() >= LOG_MAX_BYTES {
            said.dropped_bytes += line.len();
            return false;
        }
        let first = said.spoken_bytes == 0;
        said.spoken_bytes += line.len() + 1;
        said.text.push_str(line);
        said.text.push('\n');
        first
    }

    /// Whether there is something to pass on, and no place is known for it yet.
    pub(crate) fn is_lost_for_a_place(&self) -> bool {
        let said = self.lock();
        said.from.is_none() && !said.text.is_empty()
    }

    /// The log is this long: what the attempt says begins there.
    pub(crate) fn begins_at(&self, length: u64) {
        self.lock().from.get_or_insert(length);
    }

    /// What is to be passed on, and from where on; nothing before a place is known.
    pub(crate) fn waiting(&self) -> Option<(String, u64)> {
        let said = self.lock();
        let from = said.from.filter(|_| !said.text.is_empty())?;
        Some((said.text.clone(), from))
    }

    /// The log holds the first so many bytes of what waited, and is this long by now.
    pub(crate) fn noted(&self, bytes: usize, length: u64) {
        let mut said = self.lock();
        if !said.over {
            said.text.drain(..bytes);
            said.from = Some(length);
        }
    }

    /// Ends the attempt: what the log may not hold yet.
    pub(crate) fn end(&self) -> Said {
        std::mem::replace(&mut *self.lock(), Said { over: true, ..Said::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_waits_until_it_is_noted() {
        let voice = Voice::default();
        assert!(!voice.is_lost_for_a_place() && voice.waiting().is_none());
        assert!(voice.say("one") && !voice.say("two"));
        assert!(voice.is_lost_for_a_place() && voice.waiting().is_none());
        voice.begins_at(100);
        assert_eq!(voice.waiting(), Some(("one\ntwo\n".to_owned(), 100)));
        voice.say("three");
        voice.noted(8, 108);
        assert_eq!(voice.waiting(), Some(("three\n".to_owned(), 108)));
        let rest = voice.end();
        assert_eq!((&*rest.text, rest.from), ("three\n", Some(108)));
        voice.noted(6, 114);
        assert!(!voice.say("too late") && voice.waiting().is_none());
    }

    #[test]
    fn an_attempt_says_so_much_however_often_it_is_passed_on() {
        let voice = Voice::default();
        voice.begins_at(0);
        let (line, mut passed_on) = ("x".repeat(1023), 0);
        for _ in 0..100 {
            voice.say(&line);
            if let Some((text, from)) = voice.waiting() {
                passed_on += text.len();
                voice.noted(text.len(), from + text.len() as u64);
            }
        }
        assert_eq!(passed_on, LOG_MAX_BYTES);
        assert_eq!(voice.end().dropped_bytes, 36 * 1023);
    }
}
