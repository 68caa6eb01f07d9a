//! One thing shown whole: a job as `jobs show` does, a queue as `stats` does, a worker.

use chrono::{DateTime, Utc};
use ireva_queue::{Located, QueueName};

use crate::output::{Look as Appearance, card};
use crate::tui::facts::Facts;
use crate::view::{Block, View};

/// A payload or a log can be a mebibyte; the rest of it is for `jobs show`.
const PASSAGE_CHARS: usize = 20_000;

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A queue.
    Queue(QueueName),
    /// A job, in whatever state.
    Job(Located),
    /// A worker, by its id.
    Worker(String),
}

/// A target and what is known of it.
#[derive(Debug, Clone)]
pub struct Look {
    /// What is looked at.
    pub target: Target,
    /// Why nothing newer is known.
    pub problem: Option<String>,
    /// The lines, as wide as the screen.
    pub lines: Vec<String>,
    /// The first line that is shown.
    pub top: usize,
    blocks: Vec<Block>,
}

impl Look {
    /// Begins to look; nothing is known yet.
    pub fn at(target: Target) -> Self {
        Self { target, problem: None, lines: Vec::new(), top: 0, blocks: Vec::new() }
    }

    /// What it is about.
    pub fn title(&self) -> String {
        match &self.target {
            Target::Queue(queue) => format!("Queue {queue}"),
            Target::Job(job) => format!("Job {}", job.id),
            Target::Worker(worker) => format!("Worker {worker}"),
        }
    }

    /// Takes what was last seen.
    pub fn update(&mut self, facts: &Facts) {
        let seen = match &self.target {
            Target::Queue(queue) => {
                let found = facts.queues.iter().find(|stats| stats.queue == *queue);
                found.map(blocks_of).ok_or_else(|| format!("queue {queue} is gone"))
            }
            Target::Worker(worker) => {
                let found = facts.workers.iter().find(|info| info.worker == *worker);
                found.map(blocks_of).ok_or_else(|| format!("worker {worker} is gone"))
            }
            Target::Job(job) => match &facts.looked {
                Some((located, details)) if located == job => {
                    details.as_ref().map(|details| blocks_of(&**details)).map_err(Clone::clone)
                }
                _ => return,
            },
        };
        match seen {
            Ok(blocks) => (self.blocks, self.problem) = (blocks, None),
            Err(why) => self.problem = Some(why),
        }
    }

    /// Breaks it into lines of this width.
    pub fn wrap(&mut self, width: u16, now: DateTime<Utc>) {
        let text = card(&self.blocks, Appearance { color: false, width: Some(width), now });
        self.lines = text.lines().flat_map(|line| broken(line, usize::from(width))).collect();
    }
}

/// The card of a value, or its columns as fields.
fn blocks_of<T: View>(value: &T) -> Vec<Block> {
    let fields =
        || T::COLUMNS.iter().zip(value.cells()).map(|(column, cell)| Block::Field(column.title, cell)).collect();
    let cut = |block| match block {
        Block::Passage(label, text) => Block::Passage(label, beginning(text)),
        block => block,
    };
    value.card().unwrap_or_else(fields).into_iter().map(cut).collect()
}

fn beginning(text: String) -> String {
    match text.char_indices().nth(PASSAGE_CHARS) {
        Some((end, _)) => format!("{}\n… 'jobs show' has the rest", &text[..end]),
        None => text,
    }
}

/// A line in parts that fit.
pub fn broken(line: &str, width: usize) -> Vec<String> {
    let (mut parts, mut part, mut used) = (Vec::new(), String::new(), 0);
    for letter in line.chars() {
        let wide = console::measure_text_width(letter.encode_utf8(&mut [0; 4]));
        if used + wide > width && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
            used = 0;
        }
        part.push(letter);
        used += wide;
    }
    parts.push(part);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_where_the_screen_ends() {
        assert_eq!(broken("", 5), [""]);
        assert_eq!(broken("abcdefgh", 5), ["abcde", "fgh"]);
        assert_eq!(broken("日本語", 5), ["日本", "語"]);
    }

    #[test]
    fn a_long_text_is_shown_in_part() {
        let text = beginning("x".repeat(PASSAGE_CHARS + 1));
        assert!(text.len() < PASSAGE_CHARS + 50 && text.ends_with("'jobs show' has the rest"));
        assert_eq!(beginning("short".to_owned()), "short");
    }
}
