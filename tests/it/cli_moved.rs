//! Jobs on their way from one server to another: `jobs export` and `jobs import`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::ops_seed::{NOW_US, Seed};
use crate::support::*;

const NOW_MS: i64 = NOW_US / 1000;

/// A queue with a job in every state, one with a unique key and a ttl, and a payload that a JSON reader would change.
fn filled(redis: &TestRedis) {
    let seed = Seed { redis, queue: "q" };
    seed.job("pending:1", "plain-1", NOW_US + 3, ",\"priority\":\"high\",\"unique\":\"k\",\"ttl_ms\":9000000000000");
    seed.job("scheduled", "later-2", (NOW_MS + 9_000) * 4 + 2, "").job(
        "retrying",
        "again-3",
        (NOW_MS + 9_000) * 4 + 2,
        "",
    );
    seed.job("completed", "done-4", NOW_MS, "").job("cancelled", "off-5", NOW_MS, "");
    seed.letter("dead-6", NOW_MS, ["permanent", "smtp_5xx", "550 no ada@x.org here"]);
    seed.active("busy-7", "host-1-AAAA", NOW_MS);
    let odd =
        format!("{NOW_US}{{\"payload\":{{\n\"to\":\"ada@x.org\",\"n\":9007199254740993,\"f\":1.10,\"e\":[]\n}}}}");
    redis.query::<()>(&["HSET", &seed.key("jobs"), "dead-6", &odd]);
    redis.query::<()>(&["HSET", &seed.key("crashes"), "again-3", "2"]);
    redis.query::<()>(&["HSET", &seed.key("keys"), "plain-1", "k"]);
    redis.query::<()>(&["HSET", &seed.key("unique"), "k", "0|plain-1"]);
    redis.query::<()>(&["HSET", &seed.key("config"), "remove_on_complete", "never"]);
    redis.query::<()>(&["SADD", "ireva:queue:registry", "q"]);
}

fn shown(cli: &Cli) -> BTreeMap<String, Value> {
    let ids = cli.ok(["jobs", "list", "q", "--all", "-o", "name"]);
    ids.lines().map(|id| (id.to_owned(), cli.json(["jobs", "show", id]))).collect()
}

#[test]
fn jobs_move_between_two_servers_as_they_stand() {
    let (from, to) = (TestRedis::start(), TestRedis::start());
    filled(&from);
    let (there, here) = (Cli::new(&from), Cli::new(&to));
    let lines = there.ok(["jobs", "export"]);
    assert_eq!(lines.lines().count(), 7);
    assert!(lines.contains("9007199254740993,\"f\":1.10,\"e\":[]"), "{lines}");
    let import = |words: &[&str]| {
        let words = ["jobs", "import", "-", "-o", "json"].iter().chain(words).copied().collect::<Vec<_>>();
        here.clone().stdin(lines.clone()).run(words)
    };
    let dry = import(&["--dry-run"]).expect(0).json();
    assert_eq!(dry, json!({"imported": 7, "duplicates": 0, "dryRun": true}));
    assert!(here.run(["jobs", "list", "q"]).code != Some(0), "a look makes no queue");
    assert_eq!(import(&[]).expect(0).json()["imported"], 7);
    let (mut before, after) = (shown(&there), shown(&here));
    // Nobody here holds the active one.
    for (field, value) in [("state", json!("pending")), ("worker", Value::Null), ("fence", Value::Null)] {
        before.get_mut("busy-7").unwrap()[field] = value;
    }
    for id in before.keys() {
        for field in ["state", "payload", "priority", "failures", "crashes", "unique", "ttlMs", "enqueuedAt"] {
            assert_eq!(before[id][field], after[id][field], "{id}: {field}");
        }
    }
    assert_eq!(
        to.query::<Vec<String>>(&["ZRANGE", &to.key("q", "pending:1"), "0", "-1", "WITHSCORES"])[1],
        (NOW_US + 3).to_string()
    );
    Snapshot::of(&to, "q").assert_agrees();
    assert_eq!(schema_faults(&to), Vec::<String>::new());

    let again = import(&[]).expect(0).json();
    assert_eq!((&again["imported"], &again["duplicates"]), (&json!(0), &json!(7)));
    here.ok(["jobs", "delete", "done-4"]);
    assert_eq!(import(&[]).expect(0).json()["imported"], 0, "what was here within a day does not come again");
    // What the keys of another job forbid.
    to.query::<()>(&["DEL", &to.key("q", "seen")]);
    here.ok(["jobs", "delete", "plain-1"]);
    here.enqueue("q", "{}", &["--id", "other-1", "--unique", "k"]);
    let held = import(&["--queue", "q"]).expect(3);
    assert!(held.stderr.contains("plain-1") && held.stderr.contains("other-1"), "{held:?}");
}

#[test]
fn an_export_takes_the_selection_and_leaves_what_is_redacted() {
    let redis = TestRedis::start();
    filled(&redis);
    let cli = Cli::new(&redis);
    let dead = cli.ok(["jobs", "export", "q", "--state", "dead"]);
    assert!(dead.lines().count() == 1 && dead.contains("ada@x.org"), "{dead}");
    assert_eq!(cli.ok(["jobs", "export", "q", "--state", "scheduled,retrying", "--limit", "1"]).lines().count(), 1);
    let hidden = cli.ok(["jobs", "export", "q", "--payload", "to=ada@x.org", "--redact", "to,missing"]);
    assert!(hidden.contains("550 no [redacted] here") && !hidden.contains("ada@"), "{hidden}");
    let other = TestRedis::start();
    let refused = Cli::new(&other).stdin(hidden).run(["jobs", "import", "-"]).expect(5);
    assert!(refused.stderr.contains("dead-6") && refused.stderr.contains("redacted"), "{refused:?}");
    assert_eq!(cli.run(["jobs", "export", "q", "--code", "none"]).expect(0).stdout, "");
    cli.run(["jobs", "export", "nope"]).expect(4);
    cli.run(["jobs", "export", "--id", "dead-6"]).expect(2);
}

#[test]
fn lines_that_are_no_jobs_are_told_by_their_number() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let good = r#"{"id":"a-1","queue":"q","state":"pending","place":1764000000000000,"arrivalUs":1764000000000000,"record":{"payload":1}}"#;
    let lines = format!("{good}\n\nnonsense\n{}\n", good.replace("pending", "lost"));
    let partly = cli.clone().stdin(lines).run(["jobs", "import", "-", "-o", "table"]).expect(3);
    assert_eq!(partly.stdout, "1 job imported\n");
    assert!(partly.stderr.contains("line 3") && partly.stderr.contains("line 4"), "{partly:?}");
    cli.clone().stdin("nonsense\n").run(["jobs", "import", "-"]).expect(2);
    cli.run(["jobs", "import", "/does/not/exist"]).expect(2);
    assert_eq!(cli.clone().stdin("").run(["jobs", "import", "-", "-o", "table"]).expect(0).stdout, "0 jobs imported\n");
}
