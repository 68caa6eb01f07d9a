//! Jobs are handed over through the REST API.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::http::Request;
use crate::support::*;

const MAIL: &str = r#"{"to":"investor@example.com","subject":"Welcome to iREVA","template":"welcome-email","context":{"firstName":"John","investorId":12345}}"#;
const DISTRIBUTION: &str = r#"{"propertyId":123,"periodId":202401,"distributionDate":"2024-01-31","totalAmount":25000,"calculationMethod":"pro-rata"}"#;
const REPORT: &str = r#"{"reportType":"investor-statement","format":"pdf","parameters":{"userId":456,"startDate":"2024-01-01","endDate":"2024-01-31","includeCharts":true},"notifyOnComplete":true,"email":"investor@example.com"}"#;
const HISTORY: &str = r#"{"reportType":"transaction-history","format":"csv","parameters":{"startDate":"2024-01-01","endDate":"2024-01-31"}}"#;

/// The record of a job as it is stored, behind its time of arrival.
fn record(redis: &TestRedis, queue: &str, id: &str) -> String {
    let text: String = redis.query(&["HGET", &redis.key(queue, "jobs"), id]);
    text[text.find('{').unwrap()..].to_owned()
}

#[test]
fn the_documented_bodies_are_accepted_as_they_stand() {
    let (redis, _cli, serve) = served();
    let table = [
        ("email", "email", MAIL),
        ("roi-distribution", "roi-distribution", DISTRIBUTION),
        ("report", "report-generation", REPORT),
    ];
    for (path, queue, body) in table {
        let reply = serve.post(&format!("/api/jobs/{path}"), body).expect(202);
        let answer = reply.json();
        let id = answer["id"].as_str().unwrap();
        assert_eq!(answer, json!({"id": id, "queue": queue, "duplicate": false}));
        assert_eq!(reply.header("location"), Some(format!("/api/jobs/{id}").as_str()));
        assert_eq!(record(&redis, queue, id), format!("{{\"payload\":{body}}}"), "byte for byte");
        let job = serve.json(reply.header("location").unwrap());
        assert_eq!((&job["queue"], &job["payload"]), (&json!(queue), &serde_json::from_str::<Value>(body).unwrap()));
    }
}

#[test]
fn every_named_queue_takes_jobs() {
    let (_redis, cli, serve) = served();
    for queue in ["notification", "data-import", "data-export"] {
        // What its processor wants of a payload is its own affair; a queue without one takes any JSON.
        let reply = serve.post(&format!("/api/jobs/{queue}"), "{\"n\":1}");
        match reply.status {
            202 => assert_eq!(cli.json(["stats", queue])["pending"], 1, "{queue}"),
            400 => assert!(!reply.fields().is_empty(), "{}", reply.body),
            _ => panic!("{queue}: {}", reply.body),
        }
    }
}

#[test]
fn payloads_keep_every_byte() {
    let (redis, _cli, serve) = served();
    let payloads = [
        r#"{"n":9007199254740993, "f":19.999999999999998,"t":1e-7,"z":-0,"e":[],"o":{},"s":"a\/b\u0041","s":2}"#,
        r#"12345678901234567890.123456789"#,
        "\"\\u202e – ü\"",
        "[ 1 ,\n\t2 ]",
        "null",
    ];
    for (index, payload) in payloads.into_iter().enumerate() {
        let line = format!(r#"{{"id": "own-{index}","payload":{payload}}}"#);
        serve.post("/api/jobs/queues/orders", &line).expect(202);
        assert_eq!(record(&redis, "orders", &format!("own-{index}")), format!("{{\"payload\":{payload}}}"));
    }
    let odd = r#"{ "reportType" :"roi-summary","requestedBy":9007199254740993,	"parameters":{"endDate":"2024-01-31","startDate":"2024-01\u002d01"},"format":"csv"}"#;
    let reply = serve.post("/api/jobs/report", &format!(" \r\n{odd}\n")).expect(202);
    let id = reply.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(record(&redis, "report-generation", &id), format!("{{\"payload\":{odd}}}"));
}

#[test]
fn options_stand_in_the_query_and_leave_the_payload_alone() {
    let (redis, _cli, serve) = served();
    let query = "priority=high&delay=1h&attempts=3&backoff=fixed:10s&timeout=5m&ttl=24h&unique=k-1&uniqueFor=2h";
    let payload = r#"{"to":"a@example.com","subject":"s","template":"alert","context":{"options":{"delay":"never"},"priority":1}}"#;
    let reply = serve.post(&format!("/api/jobs/email?{query}"), payload).expect(202);
    let id = reply.json()["id"].as_str().unwrap().to_owned();
    let job = serve.json(&format!("/api/jobs/{id}"));
    let wanted = json!({
        "state": "scheduled", "priority": "high", "maxAttempts": 3, "backoff": "fixed:10s", "timeoutMs": 300_000,
        "ttlMs": 86_400_000, "unique": "k-1",
    });
    for (field, value) in wanted.as_object().unwrap() {
        assert_eq!(job[field], *value, "{field}");
    }
    assert!(record(&redis, "email", &id).starts_with(&format!("{{\"payload\":{payload},")));
    let held = serve.post("/api/jobs/email?unique=k-1", MAIL).expect(202).json();
    assert_eq!((&held["id"], &held["duplicate"]), (&json!(id), &json!(true)));
    let at = serve.post("/api/jobs/email?at=2999-12-01T08:00:00%2B01:00", MAIL).expect(202).json();
    let job = serve.json(&format!("/api/jobs/{}", at["id"].as_str().unwrap()));
    assert_eq!((&job["state"], &job["since"]), (&json!("scheduled"), &json!("2999-12-01T07:00:00Z")));
}

#[test]
fn wrong_options_are_named_all_at_once() {
    let (_redis, cli, serve) = served();
    let table = [
        ("priority=urgent&ttl=-1&timeout=0s", &["priority", "timeout", "ttl"][..]),
        ("delay=5m&at=2026-12-01T08:00:00Z", &["at"]),
        ("uniqueFor=1h", &["uniqueFor"]),
        ("attempts=0", &["attempts"]),
        ("attempts=-1&options=1", &["attempts", "options"]),
        ("delay=200y", &["delay"]),
        ("id=a", &["id"]),
        ("delay=1h&delay=2h", &["delay"]),
    ];
    for (query, fields) in table {
        let reply = serve.post(&format!("/api/jobs/report?{query}"), HISTORY).expect(400);
        assert_eq!(
            (reply.problem().as_str(), reply.fields()),
            ("invalid", fields.iter().map(|f| (*f).to_owned()).collect()),
            "{query}"
        );
    }
    assert_eq!(cli.run(["stats", "report-generation"]).code, Some(4), "nothing was added");
}

#[test]
fn what_is_wrong_with_a_payload_is_named_by_field() {
    let (_redis, _cli, serve) = served();
    let body = json!({"to": "ada", "subject": "s", "colour": "red", "attachments": [{"content": "aGk="}]}).to_string();
    let reply = serve.post("/api/jobs/email", &body).expect(400);
    assert_eq!(reply.fields(), ["to", "template", "attachments[0].filename", "colour"]);
    let reply = serve.post("/api/jobs/queues/email", &format!("{{\"payload\":{body}}}")).expect(400);
    assert_eq!(reply.fields().len(), 4);
    let reply = serve.post("/api/jobs/roi-distribution", r#"{"propertyId":"a b","colour":1}"#).expect(400);
    let fields = ["propertyId", "periodId", "distributionDate", "totalAmount", "colour"];
    assert!(fields.iter().all(|field| reply.fields().iter().any(|named| named == field)), "{}", reply.body);
    for (body, part) in [("{", "not JSON"), ("", "not JSON"), ("{} {}", "not JSON"), (&"[".repeat(100), "deeper")] {
        let reply = serve.post("/api/jobs/report", body).expect(400);
        assert!(reply.problem() == "invalid" && reply.body.contains(part), "{body:?}: {}", reply.body);
    }
    let latin = Request::new("POST", "/api/jobs/report").header("Content-Type", "application/json").body(b"\"\xe4\"");
    assert!(serve.send(latin).expect(400).body.contains("UTF-8"));
}

#[test]
fn the_body_must_be_declared_as_json() {
    let (_redis, _cli, serve) = served();
    for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        let request = Request::new("POST", "/api/jobs/report").body(b"{}");
        let request = kind.into_iter().fold(request, |request, kind| request.header("Content-Type", kind));
        assert_eq!(serve.send(request).expect(415).problem(), "not-json");
    }
    let request = Request::new("POST", "/api/jobs/report").body(HISTORY.as_bytes());
    serve.send(request.header("Content-Type", "application/json; charset=utf-8")).expect(202);
}

#[test]
fn the_same_idempotency_key_adds_one_job() {
    let (_redis, cli, serve) = served();
    let send = |key: &str, body: &str| {
        serve.send(Request::new("POST", "/api/jobs/report").json(body).header("Idempotency-Key", key))
    };
    let first = send("order-1", HISTORY).expect(202);
    assert_eq!(first.json(), json!({"id": "order-1", "queue": "report-generation", "duplicate": false}));
    for key in ["order-1", "\"order-1\""] {
        let again = send(key, &HISTORY.replace("csv", "json")).expect(202);
        assert_eq!(again.json(), json!({"id": "order-1", "queue": "report-generation", "duplicate": true}));
        assert_eq!(again.header("location"), Some("/api/jobs/order-1"));
    }
    assert_eq!(serve.json("/api/jobs/order-1")["payload"]["format"], "csv");
    assert_eq!(cli.json(["stats", "report-generation"])["pending"], 1);
    for wrong in ["", "a b", "-x", "é", &"x".repeat(129)] {
        assert_eq!(send(wrong, "{}").expect(400).fields(), ["Idempotency-Key"], "{wrong:?}");
    }
    let line = |key: &str, body: &str| {
        serve.send(Request::new("POST", "/api/jobs/queues/q").json(body).header("Idempotency-Key", key))
    };
    assert_eq!(line("k-1", "{\"payload\":1}").expect(202).json()["id"], "k-1");
    assert_eq!(line("k-1", "{\"payload\":1,\"id\":\"k-1\"}").expect(202).json()["duplicate"], true);
    assert_eq!(line("k-1", "{\"payload\":1,\"id\":\"k-2\"}").expect(400).fields(), ["id"]);
    assert_eq!(line("k-1", "[{\"payload\":1}]").expect(400).fields(), ["Idempotency-Key"]);
}

#[test]
fn any_queue_takes_one_job_or_many() {
    let (redis, cli, serve) = served();
    let one = serve.post("/api/jobs/queues/orders", r#"{"payload":{"order":42},"id":"order-42","priority":"high"}"#);
    assert_eq!(one.expect(202).json(), json!({"id": "order-42", "queue": "orders", "duplicate": false}));

    let list: String = (0..300).map(|n| format!(r#",{{"payload":{n}.50,"id":"many-{n}"}}"#)).collect();
    let many = serve.post("/api/jobs/queues/orders", &format!("[{}]", &list[1..])).expect(202).json();
    assert_eq!((&many["enqueued"], &many["refused"]), (&json!(300), &json!(0)));
    assert_eq!(
        many["results"][299],
        json!({"status": 202, "job": {"id": "many-299", "queue": "orders", "duplicate": false}})
    );
    assert_eq!(record(&redis, "orders", "many-7"), r#"{"payload":7.50}"#);
    let again = serve.post("/api/jobs/queues/orders", &format!("[{}]", &list[1..])).expect(202).json();
    assert_eq!((&again["enqueued"], &again["duplicates"]), (&json!(0), &json!(300)));
    assert_eq!(cli.json(["stats", "orders"])["pending"], 301);

    let too_many = format!("[{}{list}]", r#"{"payload":1}"#);
    assert_eq!(serve.post("/api/jobs/queues/orders", &too_many).expect(413).problem(), "too-large");
    assert_eq!(serve.post("/api/jobs/queues/orders", "[]").expect(202).json()["results"], json!([]));
    for body in ["[", "[1,]", "{\"payload\":1", "1", "{}", r#"{"payload":1,"prio":"high"}"#] {
        serve.post("/api/jobs/queues/orders", body).expect(400);
    }
    assert_eq!(serve.post("/api/jobs/queues/a%2Ab", "{\"payload\":1}").expect(400).fields(), ["queue"]);
}

#[test]
fn of_a_list_each_job_has_its_own_answer() {
    let (_redis, cli, serve) = served();
    cli.enqueue("email", MAIL, &["--id", "there-1"]);
    let list = format!(
        r#"[{{"payload":{MAIL},"id":"new-1"}},{{"payload":{{}},"id":"bad-1"}},{{"payload":{MAIL},"id":"there-1"}},
            {{"payload":{MAIL},"delay":"soon"}},7,{{"payload":{MAIL},"id":"new-1"}}]"#
    );
    let answer = serve.post("/api/jobs/queues/email", &list).expect(207).json();
    let counts = ["enqueued", "duplicates", "refused"].map(|count| answer[count].as_u64().unwrap());
    assert_eq!(counts, [1, 2, 3]);
    let results = answer["results"].as_array().unwrap();
    let status: Vec<_> = results.iter().map(|result| result["status"].as_u64().unwrap()).collect();
    assert_eq!(status, [202, 400, 202, 400, 400, 202]);
    assert_eq!(results[1]["problem"]["errors"][0]["field"], "to");
    assert_eq!(results[3]["problem"]["errors"][0]["field"], "delay");
    assert_eq!((&results[2]["job"]["id"], &results[2]["job"]["duplicate"]), (&json!("there-1"), &json!(true)));
    assert_eq!(cli.json(["stats", "email"])["pending"], 2);
}

#[test]
fn a_full_queue_is_429_and_a_dead_redis_503_without_its_address() {
    let (mut redis, cli, serve) = served();
    cli.ok(["queues", "set", "q", "--max-length", "1"]);
    serve.post("/api/jobs/queues/q", "{\"payload\":1}").expect(202);
    let full = serve.post("/api/jobs/queues/q", "{\"payload\":1}").expect(429);
    assert_eq!((full.problem().as_str(), full.header("retry-after")), ("full", Some("1")));
    assert!(full.body.contains("queue q is full"), "{}", full.body);
    let partly = serve.post("/api/jobs/queues/q", "[{\"payload\":1}]").expect(207).json();
    assert_eq!(partly["results"][0]["status"], 429);

    redis.kill9();
    let away = serve.post("/api/jobs/queues/q", "{\"payload\":1,\"id\":\"j-1\"}");
    assert!(matches!(away.status, 503 | 504), "{}", away.body);
    assert!(away.header("retry-after").is_some() && !away.body.contains(&redis.port().to_string()), "{}", away.body);
    let said = |line: &String| line.contains("status=50") && line.contains(&redis.port().to_string());
    wait_until(Duration::from_secs(10), "the log says where", || serve.process.log().iter().any(said));
}

#[test]
fn a_long_body_is_413() {
    let (_redis, _cli, serve) = served();
    let text = |length: usize| format!("\"{}\"", "x".repeat(length - 2));
    let report = |length: usize| format!("{}{}}}", &HISTORY[..HISTORY.len() - 1], " ".repeat(length - HISTORY.len()));
    serve.post("/api/jobs/report", &report(1024 * 1024)).expect(202);
    assert_eq!(serve.post("/api/jobs/report", &report(1024 * 1024 + 1)).expect(413).problem(), "too-large");
    let line = format!(r#"{{"id":"large-1","payload":{}}}"#, text(1024 * 1024));
    serve.post("/api/jobs/queues/q", &line).expect(202);
}
