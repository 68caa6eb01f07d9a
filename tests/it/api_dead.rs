//! Dead letters through the REST API, with the selection of the command line.

use serde_json::{Value, json};

use crate::support::*;

const SCRIPT: &str = "read x; case $x in *bad*) echo 'no such user' >&2; exit 65;; *flaky*) exit 75;; esac";
const LETTERS: &str = "/api/queues/q/dead-letters";

/// A queue with three dead letters `dead-1…3` (code exit_65) and one `dead-4` (code exit_75).
fn with_dead_letters() -> (TestRedis, Cli, Serve) {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    for n in 1..=3 {
        cli.enqueue("q", "{\"x\":\"bad\"}", &["--id", &format!("dead-{n}")]);
    }
    cli.enqueue("q", "{\"x\":\"flaky\"}", &["--id", "dead-4", "--attempts", "1"]);
    cli.run(["work", "q", "--until-empty", "--exec", "sh", "-c", SCRIPT]).expect(0);
    assert_eq!(cli.json(["stats", "q"])["dead"], 4);
    let serve = Serve::start(&cli);
    (redis, cli, serve)
}

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

#[test]
fn dead_letters_are_selected_as_on_the_command_line() {
    let (_redis, _cli, serve) = with_dead_letters();
    let table: [(&str, &[&str]); 8] = [
        ("", &["dead-1", "dead-2", "dead-3", "dead-4"]),
        ("code=exit_75", &["dead-4"]),
        ("class=permanent&limit=2", &["dead-1", "dead-2"]),
        ("class=permanent&offset=2", &["dead-3"]),
        ("error=no+such+(user|group)", &["dead-1", "dead-2", "dead-3"]),
        ("olderThan=1h", &[]),
        ("newerThan=1h&id=dead-2,dead-4", &["dead-2", "dead-4"]),
        ("id=dead-2&code=exit_75", &[]),
    ];
    for (query, wanted) in table {
        assert_eq!(ids(&serve.json(&format!("{LETTERS}?{query}"))), wanted, "{query}");
    }
    let page = serve.get(&format!("{LETTERS}?class=permanent&limit=2")).expect(200);
    let next = "</api/queues/q/dead-letters?class=permanent&limit=2&offset=2>; rel=\"next\"";
    assert_eq!(page.header("link"), Some(next));
    let groups = serve.json(&format!("{LETTERS}/groups?by=class"));
    assert_eq!((&groups[0]["key"], &groups[0]["count"]), (&json!("permanent"), &json!(3)));
    assert_eq!(serve.json(&format!("{LETTERS}/groups"))[0]["key"], "exit_65");
}

#[test]
fn wrong_selections_are_named() {
    let (_redis, cli, serve) = with_dead_letters();
    let many = format!("id={}", vec!["a"; 301].join(","));
    let table = [
        ("class=odd", "class"),
        ("error=(", "error"),
        ("olderThan=-1", "olderThan"),
        ("newerThan=soon", "newerThan"),
        ("id=a%20b", "id"),
        ("limit=-1", "limit"),
        ("limit=100000", "limit"),
        ("older_than=1h", "older_than"),
        (&many, "id"),
    ];
    for (query, field) in table {
        let reply = serve.get(&format!("{LETTERS}?{query}")).expect(400);
        assert_eq!(reply.fields(), [field], "{query}");
    }
    // What changes many letters wants to be told which.
    assert_eq!(serve.act(&format!("{LETTERS}/retry")).expect(400).problem(), "invalid");
    assert_eq!(serve.delete(LETTERS).expect(400).problem(), "invalid");
    assert_eq!(serve.delete(&format!("{LETTERS}?limit=2")).expect(400).problem(), "invalid");
    assert_eq!(serve.act(&format!("{LETTERS}/retry?all=true&code=exit_65")).expect(400).fields(), ["all"]);
    assert_eq!(serve.act(&format!("{LETTERS}/retry?all=true&rate=often")).expect(400).fields(), ["rate"]);
    assert_eq!(serve.act(&format!("{LETTERS}/retry?all=true&delay=-1s")).expect(400).fields(), ["delay"]);
    assert_eq!(cli.json(["stats", "q"])["dead"], 4);
    serve.get("/api/queues/none/dead-letters").expect(404);
}

#[test]
fn dead_letters_are_revived_by_name_and_by_selection() {
    let (_redis, cli, serve) = with_dead_letters();
    let dry = serve.act(&format!("{LETTERS}/retry?all=true&dryRun=true")).expect(200).json();
    assert_eq!((&dry["matched"], &dry["changed"], &dry["dryRun"]), (&json!(4), &json!(0), &json!(true)));
    assert_eq!(dry["states"], json!([{"state": "dead", "count": 4}]));
    assert_eq!(serve.act(&format!("{LETTERS}/retry?id=dead-4&delay=1h")).expect(200).json()["changed"], 1);
    assert_eq!(cli.json(["jobs", "show", "dead-4"])["state"], "scheduled");
    let partly = serve.act(&format!("{LETTERS}/retry?id=dead-1,dead-4,nowhere")).expect(200).json();
    assert_eq!((&partly["changed"], partly["skipped"].as_array().map(Vec::len)), (&json!(1), Some(2)));
    assert_eq!(partly["skipped"][0]["reason"], "job dead-4 is scheduled, not among the dead letters of q");
    serve.act(&format!("{LETTERS}/retry?id=nowhere")).expect(404);
    assert_eq!(serve.act(&format!("{LETTERS}/retry?id=dead-1")).expect(409).problem(), "refused");
    let rest = serve.act(&format!("{LETTERS}/retry?code=exit_65&rate=1000/s")).expect(200).json();
    assert_eq!(rest["changed"], 2);
    assert_eq!(cli.json(["stats", "q"])["dead"], 0);
}

#[test]
fn dead_letters_are_deleted() {
    let (_redis, cli, serve) = with_dead_letters();
    let dry = serve.delete(&format!("{LETTERS}?code=exit_65&dryRun=true")).expect(200).json();
    assert_eq!((&dry["matched"], &dry["changed"]), (&json!(3), &json!(0)));
    assert_eq!(serve.delete(&format!("{LETTERS}?code=exit_65&limit=2")).expect(200).json()["changed"], 2);
    assert_eq!(ids(&cli.json(["dlq", "list", "q"])), ["dead-3", "dead-4"]);
    assert_eq!(serve.delete(&format!("{LETTERS}?all=true")).expect(200).json()["changed"], 2);
    assert_eq!(cli.json(["stats", "q"])["dead"], 0);
}

#[test]
fn a_dead_letter_is_replaced_by_a_job_with_another_payload() {
    let (_redis, cli, serve) = with_dead_letters();
    let reply = serve.post(&format!("{LETTERS}/dead-2/replace?delay=1h"), " {\"x\": 1.50} ").expect(202);
    let answer = reply.json();
    let job = serve.json(reply.header("location").unwrap());
    assert_eq!((&job["id"], &job["revives"], &job["state"]), (&answer["id"], &json!("dead-2"), &json!("scheduled")));
    assert!(serve.get(reply.header("location").unwrap()).body.contains("{\"x\": 1.50}"), "byte for byte");
    serve.get("/api/jobs/dead-2").expect(404);
    serve.post(&format!("{LETTERS}/dead-2/replace"), "{}").expect(404);
    serve.post(&format!("{LETTERS}/dead-1/replace"), "{").expect(400);
    assert_eq!(cli.json(["stats", "q"])["dead"], 3);
}
