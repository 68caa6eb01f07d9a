//! R23: one worker under a steady load with a great many jobs beside it takes no more memory, descriptors, connections or
//! threads as time goes by. `SOAK_MINUTES` says for how long. `make soak-memory` takes an optimized build.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ireva_queue::{NewJob, QueueName};

use super::library::client;
use crate::support::*;

/// Jobs handed over each second, in ten steps.
const PER_SECOND: usize = 500;
const PENDING: usize = 1_000_000;
const DELAYED: usize = 100_000;
const RSS_MAX_KB: u64 = 100 * 1024;
/// An unoptimized program is larger than all that it holds, so there its own pages are left out.
const MEMORY: &str = if cfg!(debug_assertions) { "RssAnon" } else { "VmRSS" };
/// After the warm-up: so much more in ten minutes, by the line through all samples.
const SLOPE_MAX_KB: f64 = 1024.0;
/// A line through less says nothing about ten minutes.
const SLOPE_SECS_MIN: u64 = 120;
const LONG: Duration = Duration::from_secs(300);

/// Something of a sample that is counted, and what a forged series adds to it.
type Count = fn(&Sample) -> u64;
type Growth = fn(u64, &mut Sample);

/// What the worker holds at one time.
#[derive(Debug, Clone, Copy)]
struct Sample {
    secs: u64,
    rss_kb: u64,
    descriptors: usize,
    connections: usize,
    threads: u64,
    done: u64,
}

/// Held against what is promised: what is wrong, nothing where all is well. The first part of the samples is the warm-up.
fn faults(samples: &[Sample], warm_up: usize) -> Vec<String> {
    let mut faults = Vec::new();
    if let Some(most) = samples.iter().map(|sample| sample.rss_kb).max().filter(|most| *most > RSS_MAX_KB) {
        faults.push(format!("memory: {most} KB, more than {RSS_MAX_KB}"));
    }
    let steady = &samples[warm_up.min(samples.len())..];
    let slope = slope_kb(steady);
    let span = steady.last().zip(steady.first()).map_or(0, |(last, first)| last.secs - first.secs);
    if span >= SLOPE_SECS_MIN && slope > SLOPE_MAX_KB {
        faults.push(format!("memory: {slope:.0} KB more in ten minutes"));
    }
    // What a command is started with comes and goes: a leak raises the least that is held.
    let quarter = (steady.len() / 4).max(1).min(steady.len());
    let least = |part: &[Sample], of: fn(&Sample) -> u64| part.iter().map(of).min().unwrap_or_default();
    let counts: [(&str, Count); 3] = [
        ("descriptors", |sample| sample.descriptors as u64),
        ("connections", |sample| sample.connections as u64),
        ("threads", |sample| sample.threads),
    ];
    for (what, of) in counts {
        let (first, last) = (least(&steady[..quarter], of), least(&steady[steady.len() - quarter..], of));
        if last > first + 1 {
            faults.push(format!("{what}: {first} at first, {last} at last"));
        }
    }
    faults
}

/// How much memory grows in ten minutes, by least squares.
fn slope_kb(samples: &[Sample]) -> f64 {
    let count = samples.len() as f64;
    let mean = |of: fn(&Sample) -> u64| samples.iter().map(|sample| of(sample) as f64).sum::<f64>() / count.max(1.0);
    let (at, rss) = (mean(|sample| sample.secs), mean(|sample| sample.rss_kb));
    let spread: f64 = samples.iter().map(|sample| (sample.secs as f64 - at).powi(2)).sum();
    let joint: f64 = samples.iter().map(|s| (s.secs as f64 - at) * (s.rss_kb as f64 - rss)).sum();
    if spread > 0.0 { joint / spread * 600.0 } else { 0.0 }
}

/// A number of `/proc/<pid>/status`.
fn status(pid: u32, field: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the worker runs");
    let line = text.lines().find_map(|line| line.strip_prefix(field)).expect("the field is there");
    line.trim_start_matches(':').split_whitespace().next().unwrap().parse().unwrap()
}

fn sample(redis: &TestRedis, pid: u32, began: Instant) -> Sample {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("the worker runs");
    let targets: Vec<_> = entries.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok()).collect();
    Sample {
        secs: began.elapsed().as_secs(),
        rss_kb: status(pid, MEMORY),
        descriptors: targets.len(),
        connections: targets.iter().filter(|target| target.to_string_lossy().starts_with("socket:")).count(),
        threads: status(pid, "Threads"),
        done: redis.query::<Option<u64>>(&["HGET", &redis.key("work", "meta"), "completed"]).unwrap_or(0),
    }
}

/// A million jobs wait in a queue that is paused, and a hundred thousand for their time.
fn fill(redis: &TestRedis, cli: &Cli, pending: usize, delayed: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let queue = client(redis, redis.port()).queue(QueueName::new("aside").unwrap());
    for from in (0..pending + delayed).step_by(10_000) {
        let job = |n: usize| {
            let job = NewJob::new(&n).unwrap();
            if n < pending { job } else { job.delay(Duration::from_secs(864_000)) }
        };
        let jobs = (from..(from + 10_000).min(pending + delayed)).map(job).collect();
        let answers = runtime.block_on(queue.enqueue_many(jobs)).unwrap();
        assert!(answers.iter().all(Result::is_ok));
    }
    cli.ok(["queues", "pause", "aside"]);
}

/// Hands over [`PER_SECOND`] jobs until it is stopped; how many.
fn feed(redis: &TestRedis, stop: &AtomicBool) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let queue = client(redis, redis.port()).queue(QueueName::new("work").unwrap());
    let (began, mut given) = (Instant::now(), 0);
    while !stop.load(Ordering::SeqCst) {
        let due = (began.elapsed().as_millis() as usize * PER_SECOND / 1_000).saturating_sub(given).min(PER_SECOND);
        if due >= PER_SECOND / 10 {
            let jobs = (0..due).map(|n| NewJob::new(&n).unwrap()).collect();
            let answers = runtime.block_on(queue.enqueue_many(jobs)).unwrap();
            given += answers.iter().filter(|answer| answer.is_ok()).count();
        }
        // A pace, not a wait for anything.
        std::thread::sleep(Duration::from_millis(20));
    }
    given as u64
}

/// For so long, with so many jobs aside and so many samples; what it was.
fn watch(length: Duration, (pending, delayed): (usize, usize), count: u32) -> Vec<Sample> {
    let redis = Arc::new(TestRedis::start());
    let (cli, ledger) = (Cli::new(&redis), Ledger::new());
    fill(&redis, &cli, pending, delayed);
    // A batch a line: what starts processes by the hundred would measure those.
    let answer = r#"s/^.*"id":"\([^"]*\)".*$/{"id":"\1","ok":true}/"#;
    let program = ledger.write("end", &format!("#!/bin/sh\nexec sed '{answer}'\n"));
    let flags = ["--concurrency", "1000", "--batch-size", "500", "--batch-wait", "50ms", "-q", "--exec", &program];
    let mut worker = cli.work(["work", "aside"].iter().chain(&flags));
    let (stop, fed) = (Arc::new(AtomicBool::new(false)), redis.clone());
    let stopped = stop.clone();
    let producer = std::thread::spawn(move || feed(&fed, &stopped));
    let done = || redis.query::<Option<u64>>(&["HGET", &redis.key("work", "meta"), "completed"]).unwrap_or(0);
    wait_until(LONG, "the worker works", || done() > 0);
    let (began, mut samples) = (Instant::now(), Vec::new());
    every(length / count, length, || samples.push(sample(&redis, worker.pid(), began)));
    stop.store(true, Ordering::SeqCst);
    let given = producer.join().expect("the producer does not panic");
    wait_until(LONG, "all is done", || done() == given);
    assert_eq!(worker.stop(LONG), Some(0), "{:#?}", worker.log());
    samples
}

fn table(samples: &[Sample]) -> String {
    let head = format!(
        "{:>6} {:>9} {:>11} {:>11} {:>7} {:>9}\n",
        "s", "RSS KB", "descriptors", "connections", "threads", "done"
    );
    samples.iter().fold(head, |table, sample| {
        let Sample { secs, rss_kb, descriptors, connections, threads, done } = sample;
        format!("{table}{secs:>6} {rss_kb:>9} {descriptors:>11} {connections:>11} {threads:>7} {done:>9}\n")
    })
}

#[test]
fn r23_a_worker_takes_no_more_as_time_goes_by() {
    let minutes = std::env::var("SOAK_MINUTES").ok().filter(|text| !text.is_empty());
    let minutes: Option<u32> = minutes.map(|text| text.parse().expect("SOAK_MINUTES is a number"));
    let samples = match minutes {
        Some(minutes) => watch(Duration::from_secs(60) * minutes, (PENDING, DELAYED), 4 * minutes),
        None => watch(Duration::from_secs(6), (20_000, 2_000), 24),
    };
    // A tenth of the time is the warm-up, two minutes at most.
    let warm_up = (samples.len() / 10).min(8);
    eprint!("{}", table(&samples));
    eprintln!("{:.0} KB in ten minutes by the line through what follows the warm-up", slope_kb(&samples[warm_up..]));
    let faults = faults(&samples, warm_up.max(samples.len() / 4 * usize::from(minutes.is_none())));
    assert!(faults.is_empty(), "{faults:#?}");
    let (first, last) = (samples[0], samples[samples.len() - 1]);
    let pace = (last.done - first.done) as f64 / (last.secs - first.secs).max(1) as f64;
    assert!(pace > 0.8 * PER_SECOND as f64, "{pace:.0} jobs a second");
}

#[test]
fn growth_is_found() {
    let steady = Sample { secs: 0, rss_kb: 40_000, descriptors: 30, connections: 8, threads: 9, done: 0 };
    let series = |grow: fn(u64, &mut Sample)| -> Vec<Sample> {
        let at = |n: u64| {
            let mut sample = Sample { secs: n * 15, rss_kb: steady.rss_kb + n % 3 * 50, ..steady };
            grow(n, &mut sample);
            sample
        };
        (0..120).map(at).collect()
    };
    assert_eq!(faults(&series(|_, _| ()), 8), Vec::<String>::new());
    assert_eq!(
        faults(&series(|n, sample| sample.descriptors += if n % 5 == 4 { 10 } else { 0 }), 8),
        Vec::<String>::new()
    );
    // What grows at first and then no more is a warm-up.
    assert_eq!(faults(&series(|n, sample| sample.rss_kb += n.min(8) * 500), 8), Vec::<String>::new());
    let table: [(&str, Growth); 5] = [
        ("memory: 1200 KB more", |n, sample| sample.rss_kb += n * 30),
        ("memory: 104", |n, sample| sample.rss_kb = if n == 60 { 104_000 } else { 40_000 }),
        ("descriptors", |n, sample| sample.descriptors += n as usize / 20),
        ("connections", |n, sample| sample.connections += n as usize / 30),
        ("threads", |n, sample| sample.threads += n / 30),
    ];
    for (what, grow) in table {
        let found = faults(&series(grow), 8);
        assert!(found.len() == 1 && found[0].starts_with(what), "{what}: {found:?}");
    }
}
