//! The loss of a master: workers and producers go on with the next one by themselves.

use std::time::Duration;

use crate::support::*;

const LONG: Duration = Duration::from_secs(120);

#[test]
fn r18_workers_and_producers_follow_the_elected_master() {
    let mut set = Sentinels::start();
    let cli = set.env().into_iter().fold(Cli::bare(), |cli, (name, value)| cli.env(&name, value));
    let ledger = Ledger::new();
    let program = ledger.program("");
    cli.keep_completed("q");
    let work = ["q", "--concurrency", "2", "--lease", "4s", "--exec", &program];
    let mut workers: Vec<_> = (0..4).map(|_| cli.work(work).ready()).collect();

    let mut accepted = Vec::new();
    let mut produce = |count: usize| {
        let until = accepted.len() + count;
        while accepted.len() < until {
            let output = cli.run(["enqueue", "-q", "q", "1"]);
            // Between masters a command says so in time and is safe to repeat.
            assert!(matches!(output.code, Some(0 | 69 | 75)), "{output:?}");
            assert!(output.elapsed < Duration::from_millis(7_500), "{output:?}");
            if output.code == Some(0) {
                accepted.push((output.stdout.trim().to_owned(), now_ms()));
            }
        }
    };
    produce(40);
    let killed_ms = now_ms();
    set.kill_master();
    let elected_ms = now_ms();
    produce(40);

    wait_until(LONG, "what was accepted after the election has run", || {
        let ends = ledger.count("end");
        accepted[40..].iter().all(|(id, _)| ends.contains_key(id))
    });
    let first = ledger.of("start").into_iter().filter(|line| line.at_ms > elected_ms).map(|line| line.at_ms).min();
    let resumed_ms = first.unwrap() - elected_ms;
    assert!(resumed_ms <= 5_000 + 2_500, "the first start after the election came {resumed_ms} ms later");
    for worker in &mut workers {
        assert!(worker.ended().is_none(), "a worker ended: {:#?}", worker.log());
    }

    // Replication is asynchronous: what may be lost was acknowledged in the last moments before the kill.
    let ends = ledger.count("end");
    wait_until(LONG, "nothing is left in hand", || {
        let stats = cli.json(["stats", "q"]);
        stats["active"] == 0 && stats["pending"] == 0
    });
    let lost: Vec<_> = accepted.iter().filter(|(id, _)| !ends.contains_key(id)).collect();
    assert!(lost.iter().all(|(_, at_ms)| killed_ms.saturating_sub(*at_ms) < 1_000), "lost: {lost:?}");
    let snapshot = Snapshot::of(set.master(), "q");
    snapshot.assert_agrees();
    let known: std::collections::BTreeSet<_> = accepted.iter().map(|(id, _)| id.clone()).collect();
    assert!(snapshot.states.keys().all(|id| known.contains(id)), "jobs that nobody enqueued");
    for mut worker in workers {
        assert_eq!(worker.stop(LONG), Some(0), "{:#?}", worker.log());
    }
}
