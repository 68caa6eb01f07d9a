//! The steps of a run: chosen by a seed, written so that any of them can be left out of a run.

use std::time::Duration;

use ireva_queue::config::{Durable, Setting};

use super::dice::Dice;
use super::reference::{Reference, When};

pub const WORKERS: u64 = 4;
pub const PRODUCERS: u64 = 3;

/// Payloads that would not survive being read and written by Lua, or by a careless parser.
pub const PAYLOADS: [&str; 8] = [
    "{}",
    "[]",
    r#"{"n":9007199254740993,"f":19.999999999999998,"e":[],"o":{}}"#,
    r#"{"s":"a\/b\u0041\n","big":10000000000.123456}"#,
    r#"{ "spaced" : [ 1e400 , -0.0 ] }"#,
    "\"|| % ~ é 漢 \\\" }\"",
    "null",
    r#"{"payload":{"payload":"{\"payload\":1}"}}"#,
];

/// A job to enqueue.
#[derive(Debug, Clone)]
pub struct Draft {
    pub name: u64,
    pub chosen: bool,
    pub level: i64,
    pub payload: usize,
    pub start: When,
    pub ttl_ms: Option<i64>,
    /// The key and its window in ms.
    pub unique: Option<(u64, Option<i64>)>,
    pub batch: bool,
}

/// How claims end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Complete,
    Retry,
    Snooze,
    Bury,
    Release,
    Acknowledge,
}

/// What is done. Numbers that pick something count modulo what there is when the step comes.
#[derive(Debug, Clone)]
pub enum Step {
    Enqueue {
        producer: u64,
        jobs: Vec<Draft>,
    },
    Fetch {
        worker: u64,
        slots: u64,
        prefetch: u64,
    },
    End {
        kind: Kind,
        pick: u64,
        many: u64,
        stale: bool,
        delay_ms: u64,
    },
    Renew {
        pick: u64,
        zombie: bool,
    },
    /// Everything that a recoverer does in one look; `all`: it names every claim, as an audit does.
    Recover {
        pick: u64,
        all: bool,
    },
    SignOff {
        pick: u64,
    },
    Promote {
        limit: u64,
    },
    /// A request of before, once more.
    Again {
        pick: u64,
    },
    /// The worker dies; another comes in its place.
    Crash {
        worker: u64,
    },
    Cancel {
        pick: u64,
    },
    PromoteByHand {
        pick: u64,
    },
    RetryByHand {
        pick: u64,
    },
    Delete {
        pick: u64,
        found: u64,
    },
    Clear {
        states: u64,
    },
    Revive {
        pick: u64,
        many: u64,
        delay_ms: Option<i64>,
    },
    DeleteDead {
        pick: u64,
        many: u64,
    },
    Replace {
        pick: u64,
        payload: usize,
        delay_ms: Option<i64>,
    },
    Pause(bool),
    Set(Setting),
    Stats,
    /// What the janitor does: retention by age, stale locks, remembered ids.
    Tidy,
    Advance(i64),
    FlushScripts,
    KillClients,
    /// A hand deletes a key that the queue must be able to do without.
    LoseKey(u64),
}

/// A step, and whether the answer to its writing call gets lost (the caller repeats it then).
#[derive(Debug, Clone)]
pub struct Act {
    pub step: Step,
    pub lost: bool,
}

/// A record without its arrival time.
pub fn body(payload: &str, level: i64, ttl_ms: Option<i64>, unique: Option<&str>, revives: Option<&str>) -> String {
    let mut body = format!("{{\"payload\":{payload}");
    if level != 2 {
        body += &format!(",\"priority\":\"{}\"", ["critical", "high", "normal", "low"][level as usize]);
    }
    ttl_ms.iter().for_each(|ttl_ms| body += &format!(",\"ttl_ms\":{ttl_ms}"));
    unique.iter().for_each(|key| body += &format!(",\"unique\":\"{key}\""));
    revives.iter().for_each(|id| body += &format!(",\"revives\":\"{id}\""));
    body + "}"
}

/// Chooses the next act for a queue that stands as the model says; `number` counts the acts.
pub fn choose(dice: &mut Dice, model: &Reference, number: u64) -> Act {
    let crowded = model.waiting() > 60 || model.jobs.len() > 160;
    let step = match dice.below(1000) {
        0..180 if !crowded => enqueue(dice, model, number),
        0..360 => fetch(dice),
        360..600 => end(dice),
        600..640 => Step::Renew { pick: dice.next(), zombie: dice.percent(25) },
        640..680 => Step::Recover { pick: dice.next(), all: dice.percent(25) },
        680..690 => Step::SignOff { pick: dice.next() },
        690..705 => Step::Promote { limit: dice.one_of(&[1, 3, 200]) },
        705..740 => Step::Again { pick: dice.next() },
        740..755 => Step::Crash { worker: dice.below(WORKERS) },
        755..785 => Step::Cancel { pick: dice.next() },
        785..795 => Step::PromoteByHand { pick: dice.next() },
        795..805 => Step::RetryByHand { pick: dice.next() },
        805..820 => Step::Delete { pick: dice.next(), found: dice.next() },
        820..823 => Step::Clear { states: dice.next() },
        823..835 => Step::Revive { pick: dice.next(), many: dice.between(1, 4), delay_ms: delay(dice, 40) },
        835..840 => Step::DeleteDead { pick: dice.next(), many: dice.between(1, 4) },
        840..846 => Step::Replace { pick: dice.next(), payload: payload(dice), delay_ms: delay(dice, 40) },
        846..862 => Step::Pause(model.waiting() < 40 && dice.percent(40)),
        862..890 => Step::Set(setting(dice)),
        890..897 => Step::Stats,
        897..909 => Step::Tidy,
        909..994 => Step::Advance(advance(dice)),
        994..996 => Step::FlushScripts,
        996 => Step::LoseKey(dice.next()),
        _ => Step::KillClients,
    };
    Act { step, lost: dice.percent(2) }
}

fn payload(dice: &mut Dice) -> usize {
    dice.below(PAYLOADS.len() as u64) as usize
}

fn delay(dice: &mut Dice, chance: u64) -> Option<i64> {
    dice.percent(chance).then(|| dice.one_of(&[1, 5, 500, 3_000, 60_000, 7_200_000]))
}

fn enqueue(dice: &mut Dice, model: &Reference, number: u64) -> Step {
    let count = if dice.percent(60) { 1 } else { dice.between(2, 9) };
    let mut jobs = Vec::new();
    for place in 0..count {
        let chosen = dice.percent(40);
        // Few names at a time, so that they come again; and new ones all the time.
        let name = if chosen { number / 60 * 4 + dice.below(12) } else { number * 10 + place };
        let start = match dice.below(10) {
            0..6 => When::Now,
            6..9 => delay(dice, 100).map_or(When::Now, When::After),
            _ => When::At(model.now_ms() + dice.between(0, 20_000) as i64 - 2_000),
        };
        let ttl_ms = dice.percent(15).then(|| dice.one_of(&[1, 40, 2_000, 60_000, 3_600_000]));
        let unique =
            dice.percent(20).then(|| (dice.below(6), dice.percent(40).then(|| dice.one_of(&[20, 5_000, 600_000]))));
        let level = if dice.percent(50) { 2 } else { dice.below(4) as i64 };
        let batch = model.batch.is_some() && dice.percent(30);
        jobs.push(Draft { name, chosen, level, payload: payload(dice), start, ttl_ms, unique, batch });
    }
    Step::Enqueue { producer: dice.below(PRODUCERS), jobs }
}

fn fetch(dice: &mut Dice) -> Step {
    let slots = dice.one_of(&[0, 1, 1, 2, 3, 5, 70]);
    Step::Fetch { worker: dice.below(WORKERS), slots, prefetch: dice.one_of(&[0, 0, 0, 2, 10]) }
}

fn end(dice: &mut Dice) -> Step {
    let kind = match dice.below(100) {
        0..40 => Kind::Complete,
        40..58 => Kind::Retry,
        58..66 => Kind::Snooze,
        66..76 => Kind::Bury,
        76..88 => Kind::Release,
        _ => Kind::Acknowledge,
    };
    let delay_ms = dice.one_of(&[0, 1, 700, 5_000, 90_000]);
    Step::End { kind, pick: dice.next(), many: dice.between(1, 6), stale: dice.percent(12), delay_ms }
}

fn setting(dice: &mut Dice) -> Setting {
    match dice.below(8) {
        0 => Setting::Rate(
            dice.percent(40).then(|| dice.one_of(&["100/s", "5/s:3", "30/m", "1000/s:2"]).parse().unwrap()),
        ),
        1 => Setting::Concurrency(dice.percent(50).then(|| dice.one_of(&[1, 4, 12]))),
        2 => Setting::RemoveOnComplete(dice.one_of(&["0", "1", "5", "30", "never", "10s", "1h"]).parse().unwrap()),
        3 => Setting::RemoveOnFail(dice.one_of(&["0", "1", "8", "never", "never", "30s", "1d"]).parse().unwrap()),
        4 => Setting::PriorityMode(dice.one_of(&["strict", "strict", "aging:1s", "aging:10m"]).parse().unwrap()),
        5 => Setting::MaxLength(dice.percent(50).then(|| dice.one_of(&[3, 20, 50]))),
        6 => Setting::Durable(dice.one_of(&[Durable::Off, Durable::Off, Durable::Auto, Durable::On])),
        _ => Setting::CrashLimit(dice.one_of(&[1, 2, 3, 3, 5])),
    }
}

/// Mostly a moment; now and then long; sometimes back, as when a clock is put right.
fn advance(dice: &mut Dice) -> i64 {
    let span = |span: Duration| span.as_micros() as i64;
    match dice.below(100) {
        0..50 => dice.between(1, 20_000) as i64,
        50..80 => dice.between(100_000, 5_000_000) as i64,
        80..92 => span(Duration::from_secs(dice.between(5, 40))),
        92..95 => span(Duration::from_secs(dice.between(60, 7_500))),
        95 => span(Duration::from_secs(90_000)),
        _ => -(dice.between(1, 5_000_000) as i64),
    }
}
