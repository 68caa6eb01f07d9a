//! Acts on many jobs through the REST API: selected, told to the audit, undone.

use serde_json::{Value, json};

use crate::support::http::Request;
use crate::support::*;

fn mails(cli: &Cli) {
    cli.enqueue_lines(
        "q",
        (0..20).map(|n| {
            let (place, priority) = if n % 2 == 0 { ("example.com", "high") } else { ("example.org", "low") };
            format!(
                r#"{{"id":"job-{n:04}","payload":{{"to":"u{n}@{place}","tenantId":"t{}"}},"priority":"{priority}"}}"#,
                n % 4
            )
        }),
    );
}

#[test]
fn a_selection_is_written_in_the_query_as_on_the_command_line() {
    let (_redis, cli, serve) = served();
    mails(&cli);
    let count = |query: &str| {
        let reply = serve.act(&format!("/api/queues/q/bulk/cancel?dryRun=true&{query}")).expect(200);
        reply.json()["matched"].as_u64().unwrap()
    };
    assert_eq!(count("payload=to=~@example.com$"), 10);
    assert_eq!(count("payload=to=~@example.com$&payload=to!=u2@example.com"), 9, "each of them must hold");
    assert_eq!((count("tenant=t1"), count("priority=high,low"), count("priority=high")), (5, 20, 10));
    assert_eq!((count("attempts=..0"), count("attempts=1.."), count("all=true")), (20, 0, 20));
    assert_eq!((count("state=pending"), count("state=scheduled"), count("id=job-0001,job-0003")), (20, 0, 2));
    assert_eq!(count("olderThan=1h"), 0);
    let list = serve.json("/api/queues/q/jobs?payload=to=~@example.org$&tenant=t1&limit=3");
    let told = cli.json(["jobs", "list", "q", "--payload", "to=~@example.org$", "--tenant", "t1", "--limit", "3"]);
    assert!(list == told && list.as_array().unwrap().len() == 3, "{list}");
    for (query, fields) in [
        ("payload=to", &["payload"][..]),
        ("attempts=x&olderThan=soon", &["attempts", "olderThan"]),
        ("priority=urgent", &["priority"]),
        ("tenant=a&tenant=b", &["tenant"]),
        ("all=true&tenant=a", &["all"]),
        ("all=true&rate=often", &["rate"]),
    ] {
        let reply = serve.act(&format!("/api/queues/q/bulk/cancel?{query}")).expect(400);
        assert_eq!(reply.fields(), fields, "{query}");
    }
    serve.act("/api/queues/q/bulk/cancel").expect(400);
    serve.act("/api/queues/none/bulk/cancel?all=true").expect(404);
    serve.act("/api/queues/q/bulk/promote?state=dead").expect(400);
    assert_eq!(cli.json(["stats", "q"])["pending"], 20, "nothing was changed");
}

#[test]
fn what_was_taken_is_in_the_audit_and_is_brought_back() {
    let (_redis, cli, serve) = served();
    mails(&cli);
    let before = cli.json(["jobs", "list", "q"]);
    let path = "/api/jobs/clear/q?payload=to=~@example.org$&reason=test%20mails";
    let cleared = serve.delete(path).expect(200).json();
    assert_eq!((&cleared["matched"], &cleared["changed"]), (&json!(10), &json!(10)));
    let act = cleared["act"].as_str().unwrap();
    let audit = serve.json("/api/audit?queue=q&since=1h");
    assert_eq!(audit, cli.json(["audit", "q"]));
    assert_eq!((&audit[0]["id"], &audit[0]["reason"]), (&json!(act), &json!("test mails")));
    assert_eq!(serve.json("/api/undo"), audit, "it can be undone");
    let path = format!("/api/undo/{act}");
    let counted = serve.act(&format!("{path}?dryRun=true")).expect(200).json();
    assert_eq!((&counted["restored"], &counted["dryRun"]), (&json!(10), &json!(true)));
    let undone = serve.act(&path).expect(200).json();
    assert_eq!((&undone["undone"], &undone["restored"], &undone["left"]), (&json!(act), &json!(10), &json!(0)));
    assert_eq!(cli.json(["jobs", "list", "q"]), before);
    assert_eq!(serve.json("/api/undo"), json!([]));
    let again = serve.act(&path).expect(200).json();
    assert_eq!((&again["restored"], &again["before"]), (&json!(0), &json!(10)), "twice does nothing twice");
    assert_eq!(serve.act("/api/undo/nothing-like-it").expect(404).problem(), "not-found");
}

#[test]
fn each_act_on_many_jobs_does_what_the_command_line_does() {
    let (_redis, cli, serve) = served();
    bury(&cli, "f", 3);
    cli.enqueue("f", "{}", &["--id", "later-1", "--delay", "1h"]);
    cli.enqueue("f", "{}", &["--id", "gone-1"]);
    let act = |verb: &str, query: &str| -> Value {
        serve.act(&format!("/api/queues/f/bulk/{verb}?{query}")).expect(200).json()
    };
    assert_eq!(act("retry", "state=dead&limit=2&rate=1000/s")["changed"], 2);
    assert_eq!(act("promote", "id=later-1")["changed"], 1);
    assert_eq!(act("cancel", "id=gone-1")["changed"], 1);
    assert_eq!(act("delete", "state=cancelled,dead")["changed"], 2);
    let stats = cli.json(["stats", "f"]);
    assert_eq!((&stats["pending"], &stats["dead"], &stats["cancelled"]), (&json!(3), &json!(0), &json!(0)));
    assert_eq!(serve.json("/api/audit?limit=2").as_array().map(Vec::len), Some(2));
    cli.ok(["queues", "protect", "f"]);
    assert_eq!(serve.act("/api/queues/f/bulk/delete?all=true").expect(409).problem(), "refused");
}

#[test]
fn the_audit_names_the_token() {
    let (_redis, cli, serve) = served();
    mails(&cli);
    let token = cli.ok(["token", "create", "ops", "--scope", "admin"]).trim().to_owned();
    wait_until(std::time::Duration::from_secs(5), "tokens are needed", || serve.get("/api/queues").status == 401);
    serve.send(Request::new("DELETE", "/api/jobs/clear/q").token(&token)).expect(200);
    assert_eq!(cli.json(["audit"])[0]["by"], "REST API, token ops");
}
