//! Schedules through the REST API: the same values that the command line prints.

use serde_json::json;

use crate::support::*;

#[test]
fn a_schedule_is_put_shown_paused_run_and_removed() {
    let (_redis, cli, serve) = served();
    let body =
        r#"{"queue":"q","cron":"0 9 * * MON-FRI","timezone":"Africa/Lagos","missed":"skip","payload":{"n":1.50}}"#;
    let added = serve.put("/api/schedules/morning", body).expect(200).json();
    assert_eq!((&added["name"], &added["queue"], &added["change"]), (&json!("morning"), &json!("q"), &json!("added")));
    assert_eq!(serve.put("/api/schedules/morning", body).expect(200).json()["change"], "unchanged");
    let other = r#"{"queue":"q","every":"1h","payload":{"n":1.50},"priority":"high"}"#;
    assert_eq!(serve.put("/api/schedules/morning", other).expect(200).json()["change"], "changed");
    assert_eq!(serve.json("/api/schedules/morning"), cli.json(["schedule", "show", "morning"]));
    assert!(serve.get("/api/schedules/morning").body.contains("\"payload\":{\"n\":1.50}"), "digits stay");
    cli.ok(["schedule", "add", "evening", "other", "{}", "--every", "1d"]);
    assert_eq!(serve.json("/api/schedules"), cli.json(["schedule", "list"]));
    assert_eq!(serve.json("/api/schedules?queue=other")[0]["name"], "evening");
    assert_eq!(serve.json("/api/schedules?queue=other,q").as_array().map(Vec::len), Some(2));

    let paused = serve.act("/api/schedules/morning/pause").expect(200).json();
    assert_eq!((&paused["paused"], &paused["changed"], &paused["nextAt"]), (&json!(true), &json!(true), &json!(null)));
    assert_eq!(cli.json(["schedule", "show", "morning"])["state"], "paused");
    assert_eq!(serve.act("/api/schedules/morning/resume").expect(200).json()["paused"], false);
    let run = serve.act("/api/schedules/morning/run").expect(202);
    let id = run.json()["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("morning@") && run.json()["queue"] == "q", "{}", run.body);
    assert_eq!(serve.json(run.header("location").unwrap())["priority"], "high");
    let removed = serve.delete("/api/schedules/morning").expect(200).json();
    assert_eq!((&removed["change"], &removed["nextAt"]), (&json!("removed"), &json!(null)));
    for reply in [serve.get("/api/schedules/morning"), serve.delete("/api/schedules/morning")] {
        assert_eq!(reply.expect(404).problem(), "not-found");
    }
}

#[test]
fn what_is_wrong_with_a_schedule_is_named() {
    let (_redis, cli, serve) = served();
    let put = |body: &str| serve.put("/api/schedules/s", body).expect(400);
    for (body, fields) in [
        (r#"{"cron":"@daily"}"#, &["queue"][..]),
        (r#"{"queue":"q"}"#, &["cron"]),
        (r#"{"queue":"q","cron":"@daily","every":"1h"}"#, &["every"]),
        (r#"{"queue":"q","cron":"61 * * * *","jitter":"2d","attempts":0}"#, &["cron", "jitter", "attempts"]),
        (r#"{"queue":"q","every":"1h","colour":"red"}"#, &["colour"]),
        (r#"{"queue":"q","every":"1h","until":"1999-01-01T00:00:00Z"}"#, &["until"]),
    ] {
        assert_eq!(put(body).fields(), fields, "{body}");
    }
    put("[]");
    put("{");
    let mail = r#"{"queue":"email","every":"1h","payload":{"to":"a@example.com"}}"#;
    assert!(put(mail).fields().contains(&"template".to_owned()), "held against what the processor wants");
    assert_eq!(serve.put("/api/schedules/a%20b", "{}").expect(400).fields(), ["schedule"]);
    assert_eq!(cli.json(["schedule", "list"]), json!([]));
    cli.ok(["schedule", "add", "s", "other", "{}", "--every", "1h"]);
    let elsewhere = serve.put("/api/schedules/s", r#"{"queue":"q","every":"1h"}"#).expect(409);
    assert!(elsewhere.problem() == "refused" && elsewhere.body.contains("other"), "{}", elsewhere.body);
}

#[test]
fn schedules_are_an_administrators_to_change() {
    use crate::support::http::Request;
    let (_redis, cli, serve) = served();
    cli.ok(["schedule", "add", "s", "q", "{}", "--every", "1h"]);
    let token = cli.ok(["token", "create", "look", "--scope", "read"]).trim().to_owned();
    wait_until(std::time::Duration::from_secs(5), "tokens are needed", || serve.get("/api/queues").status == 401);
    let send = |method: &str, path: &str| serve.send(Request::new(method, path).token(&token));
    send("GET", "/api/schedules/s").expect(200);
    for (method, path) in [
        ("DELETE", "/api/schedules/s"),
        ("POST", "/api/schedules/s/pause"),
        ("POST", "/api/schedules/s/run"),
        ("POST", "/api/breakers/open?dependency=x"),
        ("POST", "/api/undo/01KAQ8Z3V7X9Y2N4M6P8R0S1T3"),
        ("POST", "/api/batches/b/seal"),
        ("POST", "/api/queues/q/bulk/cancel?all=true"),
    ] {
        assert_eq!(send(method, path).expect(403).problem(), "scope", "{method} {path}");
    }
    for path in ["/api/breakers", "/api/audit", "/api/undo", "/api/batches"] {
        send("GET", path).expect(200);
    }
}
