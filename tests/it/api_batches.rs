//! Batches, breakers, and the options of jobs that have to do with others, through the REST API.

use serde_json::json;

use crate::support::*;

const MAIL: &str = r#"{"to":"investor@example.com","subject":"s","template":"alert"}"#;

#[test]
fn jobs_are_counted_in_a_batch_from_the_first_to_the_one_that_follows() {
    let (_redis, cli, serve) = served();
    let body = r#"{"onComplete":{"queue":"after","payload":{"n":1.50}}}"#;
    let opened = serve.put("/api/batches/november?queue=q", body).expect(200).json();
    assert_eq!((&opened["batch"], &opened["total"], &opened["sealed"]), (&json!("november"), &json!(0), &json!(false)));
    assert_eq!(serve.put("/api/batches/november?queue=q", body).expect(200).json(), opened);
    let other = serve.put("/api/batches/november?queue=q", r#"{"onComplete":{"queue":"x","payload":1}}"#).expect(409);
    assert_eq!(other.problem(), "refused");
    let list =
        r#"[{"payload":1,"id":"a-1","batch":"november"},{"payload":2,"id":"a-2","batch":"november"},{"payload":3}]"#;
    assert_eq!(serve.post("/api/jobs/queues/q", list).expect(202).json()["enqueued"], 3);
    assert_eq!(serve.json("/api/batches/november"), cli.json(["batch", "show", "november"]));
    assert_eq!(serve.json("/api/batches/november?queue=q")["total"], 2);
    assert_eq!(serve.json("/api/batches"), cli.json(["batch", "list"]));
    let sealed = serve.act("/api/batches/november/seal").expect(200).json();
    assert_eq!((&sealed["sealed"], &sealed["pending"]), (&json!(true), &json!(2)));
    let late = serve.post("/api/jobs/queues/q", r#"{"payload":4,"batch":"november"}"#).expect(409);
    assert!(late.problem() == "refused" && late.body.contains("sealed"), "{}", late.body);
    cli.run(["work", "q", "after", "--until-empty", "--exec", "true"]).expect(0);
    assert!(serve.json("/api/batches/november")["finishedAt"].is_string());
    for path in ["/api/batches/none", "/api/batches/november?queue=other"] {
        serve.get(path).expect(404);
    }
    serve.act("/api/batches/none/seal").expect(404);
    serve.put("/api/batches/b", "{}").expect(400);
    serve.put("/api/batches/b?queue=q", r#"{"onComplete":{"queue":"q"}}"#).expect(400);
}

#[test]
fn a_batch_that_a_job_names_is_opened_and_may_be_another_one_on_each_line() {
    let (_redis, cli, serve) = served();
    serve.post("/api/jobs/email?batch=mails", MAIL).expect(202);
    assert_eq!(serve.json("/api/batches/mails")["total"], 1);
    let lines = [r#"{"payload":1,"batch":"one"}"#, r#"{"payload":2,"batch":"two"}"#, r#"{"payload":3,"batch":"two"}"#];
    cli.enqueue_lines("q", lines.map(str::to_owned));
    assert_eq!(
        (&serve.json("/api/batches/one")["total"], &serve.json("/api/batches/two")["total"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(serve.post("/api/jobs/email?batch=a%20b", MAIL).expect(400).fields(), ["batch"]);
    assert_eq!(serve.post("/api/jobs/queues/q", r#"{"payload":1,"batch":7}"#).expect(400).fields(), ["batch"]);
}

#[test]
fn a_job_may_be_for_an_empty_queue_alone() {
    let (_redis, cli, serve) = served();
    let first = serve.post("/api/jobs/email?unlessQueued=true", MAIL).expect(202).json();
    assert_eq!(first["duplicate"], false);
    let second = serve.post("/api/jobs/email?unlessQueued=true", MAIL).expect(202).json();
    assert_eq!((&second["id"], &second["duplicate"]), (&first["id"], &json!(true)));
    let third =
        serve.post("/api/jobs/queues/email", &format!(r#"{{"payload":{MAIL},"unlessQueued":true}}"#)).expect(202);
    assert_eq!(third.json()["duplicate"], true);
    serve.post("/api/jobs/email?unlessQueued=false", MAIL).expect(202);
    assert_eq!(cli.json(["stats", "email"])["pending"], 2);
    assert_eq!(serve.post("/api/jobs/email?unlessQueued=perhaps", MAIL).expect(400).fields(), ["unlessQueued"]);
}

#[test]
fn breakers_are_listed_opened_and_closed() {
    let (_redis, cli, serve) = served();
    assert_eq!(serve.json("/api/breakers"), json!([]));
    let service = "dependency=smtp://mail.example.com:587";
    let opened = serve.act(&format!("/api/breakers/open?{service}&for=2h")).expect(200).json();
    assert_eq!((&opened["state"], &opened["openedBy"]), (&json!("open"), &json!("operator")));
    assert_eq!(serve.json("/api/breakers"), cli.json(["breaker", "list"]));
    let closed = serve.act(&format!("/api/breakers/close?{service}")).expect(200).json();
    assert_eq!(closed, json!({"dependency": "smtp://mail.example.com:587", "wasOpen": true}));
    assert_eq!(serve.act(&format!("/api/breakers/close?{service}")).expect(404).problem(), "not-found");
    for (query, field) in [("", "dependency"), ("dependency=x&for=soon", "for"), ("dependency=x&for=0s", "for")] {
        assert_eq!(serve.act(&format!("/api/breakers/open?{query}")).expect(400).fields(), [field], "{query}");
    }
    serve.act("/api/breakers/open?dependency=").expect(400);
}
