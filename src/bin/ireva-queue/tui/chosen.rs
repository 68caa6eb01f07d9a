//! What can be done with the row at the cursor.

use ireva_queue::{JobId, JobState, Located, QueueName};

use crate::tui::act::Act;
use crate::tui::facts::Cause;
use crate::tui::look::Target;
use crate::tui::rows::Key;
use crate::tui::state::State;

/// What Enter shows of a row.
pub fn target(key: &Key, state: &State) -> Option<Target> {
    match key {
        Key::Queue(queue) => Some(Target::Queue(queue.clone())),
        Key::Job(queue, id) => Some(Target::Job(located(queue, id, JobState::Active))),
        Key::Worker(worker) => Some(Target::Worker(worker.clone())),
        Key::Cause(queue, _) => {
            let cause = cause(key, state)?;
            Some(Target::Job(located(queue, &cause.group.example, JobState::Dead)))
        }
    }
}

/// What `p` does to the queue of a row; the words say why nothing.
pub fn switch(key: &Key, state: &State) -> Result<Act, &'static str> {
    let (Key::Queue(queue) | Key::Job(queue, _) | Key::Cause(queue, _)) = key else {
        return Err("p pauses and resumes queues: Tab to one");
    };
    let paused = state.facts.queues.iter().any(|stats| stats.queue == *queue && stats.paused);
    Ok(if paused { Act::Resume(queue.clone()) } else { Act::Pause(queue.clone()) })
}

/// What `r` does to a row; the words say why nothing.
pub fn revive(key: &Key, state: &State) -> Result<Act, &'static str> {
    let cause = cause(key, state).ok_or("r revives dead letters: Tab to a cause")?;
    Ok(Act::Revive {
        queue: cause.queue.clone(),
        code: cause.group.key.clone(),
        count: cause.group.count,
        at_least: cause.at_least,
    })
}

/// What `c` does to a row; the words say why nothing.
pub fn cancel(key: &Key) -> Result<Act, &'static str> {
    match key {
        Key::Job(queue, id) => Ok(Act::Cancel(located(queue, id, JobState::Active))),
        _ => Err("c cancels running jobs: Tab to one"),
    }
}

fn cause<'a>(key: &Key, state: &'a State) -> Option<&'a Cause> {
    let Key::Cause(queue, code) = key else { return None };
    state.facts.causes.iter().find(|cause| cause.queue == *queue && cause.group.key == *code)
}

fn located(queue: &QueueName, id: &JobId, state: JobState) -> Located {
    Located::new(queue.clone(), id.clone(), state)
}
