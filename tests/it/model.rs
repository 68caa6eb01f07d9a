//! R67: random operations on a real server and on a plain model; after each of them everything is compared.

mod cases;
mod dice;
mod image;
mod invariants;
mod machine;
mod operate;
mod operator_moves;
mod order;
mod perform;
mod producer_moves;
mod reference;
mod shrink;
mod step;
mod threads;
mod worker_moves;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

pub use dice::Dice;
use machine::Machine;
use step::Act;

/// A number from the test's environment.
fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) if !text.is_empty() => text.parse().unwrap_or_else(|_| panic!("{name}={text:?} is no number")),
        _ => default,
    }
}

/// Why a run failed, and at which act (from 0).
struct Failed {
    at: usize,
    why: String,
}

/// Runs acts that `next` gives, until it gives none.
fn run(all_events: bool, mut next: impl FnMut(&Machine, usize) -> Option<Act>) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut machine = Machine::start(all_events);
    let mut at = 0;
    while let Some(act) = next(&machine, at) {
        let done = catch_unwind(AssertUnwindSafe(|| runtime.block_on(machine.act(&act))));
        let why = match done {
            Ok(Ok(())) => None,
            Ok(Err(why)) => Some(why),
            Err(panic) => Some(match panic.downcast_ref::<String>() {
                Some(text) => format!("panic: {text}"),
                None => "panic".to_owned(),
            }),
        };
        if let Some(why) = why {
            return Err(Failed { at, why });
        }
        at += 1;
    }
    machine.finish().map_err(|why| Failed { at, why })
}

/// One seed: so many acts. Fails with the shortest run that fails; with the whole of it where `MODEL_SHRINK` is `no`.
fn seed(seed: u64, acts: u64) {
    let (mut dice, mut done) = (Dice::new(seed), Vec::new());
    let all_events = seed % 2 == 1;
    let outcome = run(all_events, |machine, at| {
        if at as u64 >= acts {
            return None;
        }
        let act = step::choose(&mut dice, &machine.model, at as u64);
        done.push(act.clone());
        Some(act)
    });
    let Err(Failed { at, why }) = outcome else { return };
    eprintln!("seed {seed} fails at act {at}: {why}");
    assert!(std::env::var("MODEL_SHRINK").as_deref() != Ok("no"), "MODEL_SEED={seed} fails: {why}");
    let (shortest, why) = shrink::shrink(all_events, done, why);
    let acts: Vec<_> = shortest.iter().enumerate().map(|(at, act)| format!("{at:3} {act:?}")).collect();
    panic!("MODEL_SEED={seed} fails; the shortest run that does:\n{}\n{why}", acts.join("\n"));
}

/// `MODEL_SEEDS` seeds from `MODEL_SEED` on, `MODEL_OPS` operations each.
#[test]
fn r67_random_operations_agree_with_the_model_after_each() {
    let (first, seeds, acts) = (number("MODEL_SEED", 1), number("MODEL_SEEDS", 20), number("MODEL_OPS", 2_000));
    eprintln!("MODEL_SEED={first} MODEL_SEEDS={seeds} MODEL_OPS={acts}");
    let (next, passed) = (AtomicU64::new(first), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let work = || {
            loop {
                let number = next.fetch_add(1, Ordering::SeqCst);
                if number >= first + seeds {
                    return;
                }
                seed(number, acts);
                passed.fetch_add(1, Ordering::SeqCst);
            }
        };
        let threads = [scope.spawn(work), scope.spawn(work)];
        for thread in threads {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
    eprintln!("{} seeds of {acts} operations agree", passed.into_inner());
}
