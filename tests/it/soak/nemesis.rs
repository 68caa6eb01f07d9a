//! What befalls workers, connections and the server, one after the other as the dice say.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::producers::Producers;
use crate::model::Dice;
use crate::support::*;

/// What may happen, each as often as it stands here.
const FAULTS: [&str; 12] = [
    "kill",
    "kill",
    "stop",
    "stop",
    "client_kill",
    "client_kill",
    "client_pause",
    "script_flush",
    "redis_kill",
    "lost_replies",
    "cancel",
    "cancel",
];

/// The faults, how many there were, and what they happen to.
pub struct Nemesis {
    pub dice: Dice,
    pub counts: BTreeMap<&'static str, usize>,
    /// A worker that is stopped, and until when.
    stopped: Option<(usize, Instant)>,
    /// Whether the proxy loses replies, and until when.
    losing: Arc<AtomicBool>,
    losing_until: Option<Instant>,
}

impl Nemesis {
    pub fn new(dice: Dice, losing: Arc<AtomicBool>) -> Self {
        Self { dice, counts: BTreeMap::new(), stopped: None, losing, losing_until: None }
    }

    /// One fault. `replace` starts another worker in the place of one that was killed; what that one said is in `gone`.
    pub fn strike(
        &mut self,
        redis: &mut TestRedis,
        (workers, gone): (&mut [WorkProcess], &mut Vec<WorkProcess>),
        (producers, cli): (&Producers, &Cli),
        replace: impl Fn(usize) -> WorkProcess,
    ) {
        self.end_what_is_over(workers);
        let victim = self.dice.below(workers.len() as u64) as usize;
        let fault = self.dice.one_of(&FAULTS);
        match fault {
            "kill" if self.stopped.is_none_or(|(stopped, _)| stopped != victim) => {
                workers[victim].kill9();
                gone.push(std::mem::replace(&mut workers[victim], replace(victim)));
            }
            "stop" if self.stopped.is_none() => {
                workers[victim].signal(Signal::STOP);
                // Some for less than a lease, some for longer.
                self.stopped = Some((victim, Instant::now() + Duration::from_millis(self.dice.between(500, 7_000))));
            }
            "client_kill" => redis.query::<()>(&["CLIENT", "KILL", "TYPE", "normal"]),
            "client_pause" => {
                let millis = self.dice.between(100, 1_500).to_string();
                redis.query::<()>(&["CLIENT", "PAUSE", &millis, "ALL"]);
            }
            "script_flush" => redis.query::<()>(&["SCRIPT", "FLUSH", "SYNC"]),
            "redis_kill" => {
                redis.kill9();
                redis.restart();
            }
            "lost_replies" => {
                self.losing.store(true, Ordering::SeqCst);
                self.losing_until = Some(Instant::now() + Duration::from_millis(self.dice.between(200, 1_500)));
            }
            "cancel" => {
                let Some((queue, id)) = producers.any(&mut self.dice) else { return };
                // It may have ended meanwhile, or Redis may be away: whatever the answer.
                cli.run(["jobs", "cancel", &id, "--queue", &queue]);
            }
            _ => return,
        }
        *self.counts.entry(fault).or_default() += 1;
    }

    fn end_what_is_over(&mut self, workers: &[WorkProcess]) {
        if let Some((index, until)) = self.stopped
            && Instant::now() >= until
        {
            workers[index].signal(Signal::CONT);
            self.stopped = None;
        }
        if self.losing_until.is_some_and(|until| Instant::now() >= until) {
            self.losing.store(false, Ordering::SeqCst);
            self.losing_until = None;
        }
    }

    /// Quiet from now on.
    pub fn relent(&mut self, workers: &[WorkProcess]) {
        self.losing.store(false, Ordering::SeqCst);
        if let Some((index, _)) = self.stopped.take() {
            workers[index].signal(Signal::CONT);
        }
    }
}
