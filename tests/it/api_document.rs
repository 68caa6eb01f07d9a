//! The OpenAPI document: kept, served, and true.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::support::http::Request;
use crate::support::*;

#[test]
fn the_document_is_that_of_the_binary_and_of_the_server() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let made = cli.ok(["openapi"]);
    let kept = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json")).unwrap_or_default();
    assert!(kept == made, "openapi.json is out of date: run make openapi");
    let served = Serve::start(&cli).json("/api/openapi.json");
    assert_eq!(served, serde_json::from_str::<Value>(&made).unwrap());
    // It needs neither Redis nor an environment.
    Cli::bare().env("REDIS_PORT", "abc").run(["openapi"]).expect(0);
}

#[test]
fn every_operation_says_what_it_does_and_what_it_answers() {
    let document: Value = serde_json::from_str(&Cli::bare().ok(["openapi"])).unwrap();
    let mut ids = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let what = format!("{method} {path}");
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{what}");
            assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{what}");
            ids.push(operation["operationId"].as_str().unwrap().to_owned());
            for (status, response) in operation["responses"].as_object().unwrap() {
                let kind = if status.starts_with('2') { "application/json" } else { "application/problem+json" };
                let named = response["$ref"].as_str().map(|name| name.trim_start_matches('#'));
                let response = named.map_or(response, |pointer| document.pointer(pointer).unwrap());
                let kinds: Vec<_> = response["content"].as_object().unwrap().keys().collect();
                assert!(kinds == [kind] || kinds == ["text/event-stream"], "{what} {status}: {kinds:?}");
            }
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(parameter["description"].is_string(), "{what}: {parameter}");
            }
        }
    }
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "operation ids are unique");
}

/// Requests that are made from the document, right ones and wrong ones, get answers that are in the document.
#[test]
fn what_the_server_answers_is_in_the_document() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    for queue in ["email", "q"] {
        let context = r#"{"title":"t","message":"m"}"#;
        let mail = format!(r#"{{"to":"a@example.com","subject":"s","template":"alert","context":{context}}}"#);
        cli.enqueue(queue, &mail, &["--delay", "1h"]);
    }
    bury(&cli, "q", 5);
    // Ids that are made up are never those of a job; for some routes a real one is given, and for the stream of events a
    // queue that has none, since a stream does not end.
    let given = r#"
        [[operations]]
        include-path-regex = "^/api/jobs/\\{id\\}"
        parameters = { id = "job-0001" }
        # Making notifications up takes most of a minute; its examples and what is wrong with each field are sent.
        [[operations]]
        include-path = "/api/jobs/notification"
        phases.fuzzing.enabled = false
        [[operations]]
        include-path = "/api/jobs/events"
        parameters = { queue = "never-used" }
    "#;
    std::fs::write(cli.home().join("schemathesis.toml"), given).unwrap();
    cli.enqueue("q", "{}", &["--id", "job-0001", "--delay", "1h"]);
    let token = cli.ok(["token", "create", "all", "--scope", "admin"]).trim().to_owned();
    let serve = Serve::start(&cli);
    wait_until(Duration::from_secs(5), "the token is needed", || serve.get("/api/queues").status == 401);
    let (file, url) = (cli.home().join("openapi.json"), format!("http://{}", serve.address));
    std::fs::write(&file, cli.ok(["openapi"])).unwrap();
    let header = format!("Authorization: Bearer {token}");
    let checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,\
                  response_headers_conformance,negative_data_rejection,unsupported_method,\
                  allow_header_conformance";
    let mut command = python();
    command.args(["-m", "schemathesis.cli", "run", file.to_str().unwrap(), "--url", &url]);
    command.args(["--header", &header, "--checks", checks]);
    command.args(["--phases", "examples,coverage,fuzzing", "--max-examples", "3"]);
    command.args(["--generation-deterministic", "--no-color", "--request-timeout", "10"]);
    let output = command.current_dir(cli.home()).stdin(Stdio::null()).output().expect("python3 is installed");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    let document: Value = serde_json::from_str(&cli.ok(["openapi"])).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let operations: usize = paths.values().map(|methods| methods.as_object().unwrap().len()).sum();
    assert!(said.contains(&format!("Tested: {operations}\n")), "every one of {operations} operations: {said}");
    serve.send(Request::new("GET", "/api/queues").token(&token)).expect(200);
}
