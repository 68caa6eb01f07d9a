//! Random work under random faults for any time, and what was recorded of it held against the promises, job by job.
//! `SOAK_SECONDS` says for how long, `CHAOS_SEED` repeats a run.

mod forged;
mod history;
mod library;
mod memory;
mod nemesis;
mod producers;
mod recorder;
mod rules;
mod run;
