//! Queues and jobs under the operator's hand, through the REST API: the same values that the command line prints.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::*;

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

/// What moves with time is left out.
fn still(mut value: Value) -> Value {
    fn walk(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.retain(|name, _| {
                    !["oldestPendingMs", "lateMs", "leaseUntil", "completed"].contains(&name.as_str())
                });
                fields.values_mut().for_each(walk);
            }
            Value::Array(items) => items.iter_mut().for_each(walk),
            _ => {}
        }
    }
    walk(&mut value);
    value
}

#[test]
fn reading_answers_what_the_command_line_prints() {
    let (_redis, cli, serve) = served();
    cli.enqueue("q", "{\"n\":1.50}", &["--id", "job-0001", "--priority", "high"]);
    cli.enqueue("q", "{}", &["--id", "job-0002", "--delay", "1h"]);
    cli.enqueue("other", "{}", &[]);
    cli.ok(["queues", "set", "q", "--rate", "100/s:20", "--remove-on-complete", "24h"]);
    bury(&cli, "d", 3);
    let worker = cli.work(["idle", "--lease", "30s", "--exec", "true"]).ready();
    wait_until(Duration::from_secs(10), "the worker is listed", || {
        !cli.json(["workers", "list"]).as_array().unwrap().is_empty()
    });
    let pairs: [(&str, &[&str]); 10] = [
        ("/api/jobs/stats", &["stats"]),
        ("/api/jobs/stats/q", &["stats", "q"]),
        ("/api/queues", &["queues", "list"]),
        ("/api/queues/q/settings", &["queues", "get", "q"]),
        ("/api/queues/q/jobs", &["jobs", "list", "q"]),
        ("/api/jobs/job-0001", &["jobs", "show", "job-0001"]),
        ("/api/queues/q/jobs/job-0002", &["jobs", "show", "job-0002"]),
        ("/api/queues/d/dead-letters", &["dlq", "list", "d"]),
        ("/api/queues/d/dead-letters/groups", &["dlq", "list", "d", "--group-by", "code"]),
        ("/api/workers", &["workers", "list"]),
    ];
    for (path, args) in pairs {
        let (here, there) = (still(serve.json(path)), still(cli.json(args)));
        assert_eq!(here, there, "{path}");
        assert!(here.as_array().is_none_or(|list| !list.is_empty()), "{path} shows something");
    }
    assert!(serve.get("/api/jobs/job-0001").body.contains("\"payload\":{\"n\":1.50}"), "digits stay");
    drop(worker);
}

#[test]
fn what_is_not_there_is_404_and_what_was_meant_is_said() {
    let (_redis, cli, serve) = served();
    cli.enqueue("email-2", "{}", &["--id", "job-0001"]);
    let near = serve.get("/api/jobs/stats/email-1").expect(404);
    assert!(near.problem() == "not-found" && near.body.contains("email-2"), "{}", near.body);
    for path in [
        "/api/jobs/nowhere-1",
        "/api/queues/email-2/jobs/nowhere-1",
        "/api/queues/none/jobs",
        "/api/queues/none/settings",
    ] {
        assert_eq!(serve.get(path).expect(404).problem(), "not-found", "{path}");
    }
    for path in ["/api/queues/none/pause", "/api/queues/none/resume", "/api/jobs/0001/cancel"] {
        assert_eq!(serve.act(path).expect(404).problem(), "not-found", "{path}: a mistyped name acts on nothing");
    }
    assert_eq!(serve.delete("/api/jobs/clear/none").expect(404).problem(), "not-found");
    for path in ["/", "/api", "/api/nothing", "/api/jobs/a/b/c", "/healthz/x"] {
        assert_eq!(serve.get(path).expect(404).problem(), "no-route", "{path}");
    }
    let wrong = serve.delete("/api/jobs/stats").expect(405);
    assert_eq!(wrong.problem(), "no-method");
    assert!(wrong.header("allow").is_some_and(|allow| allow.contains("GET")), "{:?}", wrong.headers);
    assert_eq!(serve.get("/api/jobs/a%20b").expect(400).fields(), ["id"]);
}

#[test]
fn jobs_are_listed_in_pages_that_lead_on() {
    let (_redis, cli, serve) = served();
    cli.enqueue_lines("q", (0..120).map(|n| format!("{{\"payload\":{n},\"id\":\"job-{n:04}\"}}")));
    cli.enqueue("q", "{}", &["--id", "later-1", "--delay", "1h"]);
    assert_eq!(ids(&serve.json("/api/queues/q/jobs?state=scheduled")), ["later-1"]);
    let (mut path, mut seen) = ("/api/queues/q/jobs?state=pending,scheduled".to_owned(), Vec::new());
    for _ in 0..3 {
        let page = serve.get(&path).expect(200);
        seen.extend(ids(&page.json()).iter().map(|id| (*id).to_owned()));
        let Some(link) = page.header("link") else { break };
        path = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).unwrap().to_owned();
    }
    assert_eq!((seen.len(), seen[0].as_str(), seen[120].as_str()), (121, "job-0000", "later-1"));
    assert_eq!(serve.json("/api/queues/q/jobs?limit=1000").as_array().map(Vec::len), Some(121));
    for (query, field) in [
        ("limit=-1", "limit"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("offset=-1", "offset"),
        ("offset=1e9", "offset"),
        ("state=gone", "state"),
        ("days=99999999", "days"),
    ] {
        assert_eq!(serve.get(&format!("/api/queues/q/jobs?{query}")).expect(400).fields(), [field], "{query}");
    }
}

#[test]
fn a_job_is_promoted_cancelled_and_deleted() {
    let (_redis, cli, serve) = served();
    cli.enqueue("q", "{}", &["--id", "job-0001", "--delay", "1h"]);
    let promoted = serve.act("/api/jobs/job-0001/promote").expect(200).json();
    assert_eq!(promoted, json!({"queue": "q", "id": "job-0001", "from": "scheduled", "to": "pending"}));
    assert_eq!(serve.act("/api/jobs/job-0001/promote").expect(409).problem(), "refused");
    let cancelled = serve.act("/api/queues/q/jobs/job-0001/cancel").expect(200).json();
    assert_eq!((&cancelled["from"], &cancelled["to"]), (&json!("pending"), &json!("cancelled")));
    assert_eq!(serve.act("/api/jobs/job-0001/retry").expect(409).problem(), "refused");
    let deleted = serve.delete("/api/jobs/job-0001").expect(200).json();
    assert_eq!((&deleted["from"], &deleted["to"]), (&json!("cancelled"), &json!(null)));
    serve.get("/api/jobs/job-0001").expect(404);

    cli.enqueue("f", "{}", &["--id", "fail-1", "--attempts", "1"]);
    cli.run(["work", "f", "--until-empty", "--exec", "sh", "-c", "exit 75"]).expect(0);
    let revived = serve.act("/api/jobs/fail-1/retry").expect(200).json();
    assert_eq!((&revived["from"], &revived["to"]), (&json!("dead"), &json!("pending")));
}

#[test]
fn an_id_that_is_a_word_or_stands_in_two_queues_is_found_through_its_queue() {
    let (_redis, cli, serve) = served();
    for word in ["stats", "events", "email", "queues", "clear", "report"] {
        let line = format!("{{\"payload\":1,\"id\":\"{word}\"}}");
        let reply = serve.post("/api/jobs/queues/q", &line).expect(202);
        let location = reply.header("location").unwrap().to_owned();
        assert_eq!(location, format!("/api/queues/q/jobs/{word}"));
        assert_eq!(serve.json(&location)["id"], word);
        serve.act(&format!("{location}/cancel")).expect(200);
        serve.delete(&location).expect(200);
    }
    for queue in ["a", "b"] {
        cli.enqueue(queue, "{}", &["--id", "same-1"]);
    }
    let several = serve.get("/api/jobs/same-1").expect(400);
    assert!(several.body.contains("same-1 in a") && several.body.contains("same-1 in b"), "{}", several.body);
    assert_eq!(serve.json("/api/queues/b/jobs/same-1")["queue"], "b");
    // The end of an id is a convenience of the command line: here it would go through every job.
    serve.get("/api/jobs/ame-1").expect(404);
}

#[test]
fn clearing_removes_what_waits_and_only_that() {
    let (_redis, cli, serve) = served();
    bury(&cli, "q", 2);
    cli.enqueue("q", "{}", &[]);
    cli.enqueue("q", "{}", &["--delay", "1h"]);
    let dry = serve.delete("/api/jobs/clear/q?dryRun=true").expect(200).json();
    assert_eq!((&dry["matched"], &dry["changed"], &dry["dryRun"]), (&json!(2), &json!(0), &json!(true)));
    assert_eq!(dry["sample"].as_array().map(Vec::len), Some(2), "as the command line counts");
    let cleared = serve.delete("/api/jobs/clear/q").expect(200).json();
    assert_eq!((&cleared["matched"], &cleared["changed"], &cleared["dryRun"]), (&json!(2), &json!(2), &json!(false)));
    let act = &cli.json(["audit", "q"])[0];
    assert_eq!((&act["id"], &act["by"]), (&cleared["act"], &json!("REST API")));
    assert_eq!(cli.json(["stats", "q"])["dead"], 2);
    assert_eq!(serve.delete("/api/jobs/clear/q?state=dead,completed").expect(200).json()["changed"], 2);
    assert_eq!(serve.delete("/api/jobs/clear/q?state=active").expect(400).fields(), ["state"]);
}

#[test]
fn an_empty_queue_is_deleted() {
    let (_redis, cli, serve) = served();
    cli.enqueue("q", "{}", &["--id", "job-0001"]);
    let refused = serve.delete("/api/queues/q").expect(409);
    assert!(refused.problem() == "refused" && refused.body.contains("1 pending"), "{}", refused.body);
    serve.delete("/api/jobs/job-0001").expect(200);
    assert_eq!(serve.delete("/api/queues/q").expect(200).json(), json!({"queue": "q", "deleted": true}));
    serve.delete("/api/queues/q").expect(404);
    assert_eq!(serve.json("/api/queues"), json!([]));
}

#[test]
fn a_queue_is_paused_and_set() {
    let (_redis, cli, serve) = served();
    cli.enqueue("q", "{}", &[]);
    assert_eq!(
        serve.act("/api/queues/q/pause").expect(200).json(),
        json!({"queue": "q", "paused": true, "changed": true})
    );
    assert_eq!(serve.act("/api/queues/q/pause").expect(200).json()["changed"], false);
    assert_eq!(cli.json(["stats", "q"])["paused"], true);
    assert_eq!(serve.act("/api/queues/q/resume").expect(200).json()["paused"], false);

    let patch = json!({"rate": "100/s:20", "concurrency": 3, "removeOnComplete": 50, "retry": {"attempts": 9}});
    let set = serve.patch("/api/queues/q/settings", &patch.to_string()).expect(200).json();
    assert_eq!(set, cli.json(["queues", "get", "q"]));
    assert_eq!(
        (&set["rate"], &set["removeOnComplete"], &set["retry"]["attempts"]),
        (&json!("100/s:20"), &json!("50"), &json!(9))
    );
    let set =
        serve.patch("/api/queues/q/settings", r#"{"rate":null,"retry":{"transient":"fixed:3s"}}"#).expect(200).json();
    assert_eq!((&set["rate"], &set["concurrency"]), (&json!(null), &json!(3)));
    assert_eq!((&set["retry"]["attempts"], &set["retry"]["transient"]), (&json!(9), &json!("fixed:3s")));

    let wrong = serve.patch("/api/queues/q/settings", r#"{"rate":"often","concurrency":0,"colour":1}"#).expect(400);
    assert_eq!(wrong.fields(), ["colour", "concurrency", "rate"]);
    for body in ["{}", "[]", "1", "{", r#"{"retry":{"attempts":0}}"#] {
        serve.patch("/api/queues/q/settings", body).expect(400);
    }
    assert_eq!(cli.json(["queues", "get", "q"]), set, "what is wrong changes nothing");
}
