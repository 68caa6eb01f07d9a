//! Imports and exports: an object store that is not ours, memory that does not grow with the rows, schemas of payloads.

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use ireva_queue::builtin::{check_payload, payload_schema};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::s3_server::{BUCKET, TestS3};
use crate::support::*;

const LONG: Duration = Duration::from_secs(120);
const ROWS: usize = 200_000;
const BOUND_KIB: u64 = 150 * 1024;

/// A client whose storages are in an object store.
fn with_store(cli: &Cli, store: &TestS3) -> Cli {
    let cli = store.env().into_iter().fold(cli.clone(), |cli, (name, value)| cli.env(name, value));
    cli.env("IMPORT_DIR", format!("s3://{BUCKET}/in")).env("EXPORT_DIR", format!("s3://{BUCKET}/out/"))
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(feature = "s3")]
#[test]
fn imports_come_from_an_object_store_and_exports_go_to_one() {
    let (redis, store) = (TestRedis::start(), TestS3::start());
    let cli = with_store(&Cli::new(&redis), &store);
    let text = "id,name,country,joinedOn\ni1,Ada,NG,2024-01-31\ni2,Bob,NG,soon\n";
    store.put("in/a b/Übersicht.csv", text);
    let mut worker = cli.work(["data-import", "data-export"]).ready();
    let source = format!("s3://{BUCKET}/in/a b/Übersicht.csv");
    let payload = json!({"source": source, "target": "investors"}).to_string();
    let done = cli.json(["enqueue", "data-import", &payload, "--wait", "--id", "import-1"]);
    assert_eq!((&done["result"]["rowsIn"], &done["result"]["rowsRejected"]), (&json!(1), &json!(1)), "{done}");
    assert_eq!(done["result"]["rejectsFile"], format!("s3://{BUCKET}/in/a b/Übersicht.rejects-import-1.csv"));
    assert!(store.get("in/a b/Übersicht.rejects-import-1.csv").unwrap().contains("3,2,joinedOn,soon,expected a date"));

    let done = cli.json(["enqueue", "data-export", r#"{"source":"investors","destination":"x/i.csv"}"#, "--wait"]);
    let object = store.get("out/x/i.csv").unwrap();
    assert_eq!(object, "id,name,email,country,taxId,joinedOn\r\ni1,Ada,,NG,,2024-01-31\r\n");
    assert_eq!(
        (&done["result"]["path"], &done["result"]["sha256"]),
        (&json!(format!("s3://{BUCKET}/out/x/i.csv")), &json!(sha256(object.as_bytes())))
    );
    let outside = r#"{"source":"s3://other/a.csv","target":"investors"}"#;
    let refused = cli.run(["enqueue", "data-import", outside, "--wait", "-o", "json"]).expect(10).json();
    assert_eq!(refused["error"]["code"], "file_name_invalid", "{refused}");
    let waiting = std::fs::read_dir(cli.home().join(".local/share/ireva-queue/tmp")).unwrap().count();
    assert_eq!(waiting, 0, "what waits has no name");
    cli.enqueue("data-import", r#"{"source":"absent.csv","target":"investors"}"#, &["--backoff", "fixed:1h"]);
    assert_eq!(worker.wait_event("retrying")["code"], "file_missing");
    drop(store);
    cli.enqueue("data-export", r#"{"source":"investors","format":"csv"}"#, &["--backoff", "fixed:1h"]);
    wait_until(LONG, "the store is missed", || {
        worker.events("retrying").iter().any(|event| event["code"] == "storage_unreachable")
    });
    assert!(worker.log().iter().all(|line| !line.contains("hunter2")));
    assert_eq!(worker.stop(LONG), Some(0));
}

/// The peak of resident memory of a process, in KiB.
fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// In an object store they come in parts.
#[cfg(feature = "s3")]
#[test]
fn two_hundred_thousand_rows_need_no_more_memory_than_a_few() {
    let (redis, store, postgres) = (TestRedis::start(), TestS3::start(), TestPostgres::start());
    let cli = with_store(&Cli::new(&redis).env("DATABASE_URL", postgres.url()).deadline(LONG), &store);
    cli.ok(["db", "migrate"]);
    cli.ok(["db", "seed"]);
    let reference = "a reference of the length that banks give them, at the least";
    postgres.ask(&format!(
        "INSERT INTO transactions SELECT 'default', 'bulk-' || lpad(n::text, 6, '0'), '123', '456', 'rent', n * 1.01, \
         'NGN', date '2024-01-01' + n % 365, '{reference}' FROM generate_series(1, {ROWS}) n"
    ));
    for destination in ["t.csv", "t.xlsx"] {
        let mut worker = cli.work(["data-export", "--concurrency", "1"]).ready();
        let payload = json!({"source": "transactions", "destination": destination, "filters": {"kind": "rent"}});
        let id = cli.enqueue("data-export", &payload.to_string(), &[]);
        wait_until(LONG, "it is written", || worker.events("completed").iter().any(|event| event["job"] == id.as_str()));
        let peak = peak_kib(worker.pid());
        eprintln!("{destination}: {ROWS} rows, a peak of {peak} KiB");
        assert!(peak < BOUND_KIB, "{destination}: {peak} KiB");
        assert_eq!(worker.stop(LONG), Some(0));
    }
    let text = store.get("out/t.csv").unwrap();
    assert!(text.len() > 16 << 20, "{} bytes are one part", text.len());
    assert!(text.lines().count() > ROWS && text.contains("bulk-200000,123,456,rent,202000.00,NGN,"));
}

/// Which of these payloads a validator that is not ours takes by a schema.
fn valid(schema: &str, payloads: &[String]) -> Vec<bool> {
    let script = "import json, sys\n\
                  from jsonschema import Draft202012Validator\n\
                  schema, payloads = json.load(sys.stdin)\n\
                  Draft202012Validator.check_schema(schema)\n\
                  validator = Draft202012Validator(schema)\n\
                  print(json.dumps([validator.is_valid(payload) for payload in payloads]))";
    let schema: Value = serde_json::from_str(schema).unwrap();
    let payloads: Vec<Value> = payloads.iter().map(|payload| serde_json::from_str(payload).unwrap()).collect();
    let input = json!([schema, payloads]).to_string();
    let mut command = python();
    let mut child = command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "jsonschema: run tests/install.sh test");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn schemas_take_and_refuse_what_the_processors_do() {
    let exports = [
        r#"{"source":"investors","format":"csv"}"#,
        r#"{"source":"investors","format":"csv","compression":"gzip","tenantId":7}"#,
        r#"{"source":"investors","destination":"a/b c.CSV.gz"}"#,
        r#"{"source":"investors","destination":"s3://bucket/out/a.json"}"#,
        r#"{"source":"investors","destination":"a.txt"}"#,
        r#"{"source":"investors","destination":"../a.csv"}"#,
        r#"{"source":"investors","destination":"a/.b/c.csv"}"#,
        r#"{"source":"investors","destination":"a/con.csv"}"#,
        r#"{"source":"investors","destination":"a/b.csv/"}"#,
        r#"{"source":"investors","destination":"a\\b.csv"}"#,
        r#"{"source":"investors"}"#,
        r#"{"source":"users","format":"csv"}"#,
        r#"{"source":"investors","format":"xml"}"#,
        r#"{"source":"investors","format":"csv","columns":["id","name"]}"#,
        r#"{"source":"investors","format":"csv","columns":["id","id"]}"#,
        r#"{"source":"investors","format":"csv","columns":["amount"]}"#,
        r#"{"source":"investors","format":"csv","columns":[]}"#,
        r#"{"source":"transactions","format":"csv","filters":{"propertyId":123,"kind":["rent","fee"]}}"#,
        r#"{"source":"transactions","format":"csv","filters":{"investorId":null,"occurredOn":{"to":"2024-01-31"}}}"#,
        r#"{"source":"transactions","format":"csv","filters":{"propertyId":null}}"#,
        r#"{"source":"transactions","format":"csv","filters":{"amount":5}}"#,
        r#"{"source":"transactions","format":"csv","filters":{"userId":5}}"#,
        r#"{"source":"transactions","format":"csv","filters":{"occurredOn":{}}}"#,
        r#"{"source":"transactions","format":"csv","filters":{"occurredOn":{"from":"1.1.2024"}}}"#,
        r#"{"source":"transactions","format":"csv","filters":{"kind":[]}}"#,
        r#"{"source":"transactions","format":"csv","filters":{"kind":1.5}}"#,
        r#"{"source":"transactions","format":"parquet"}"#,
        r#"{"source":"transactions","format":"parquet","compression":"zstd"}"#,
        r#"{"source":"transactions","destination":"t.parquet","compression":"none"}"#,
        r#"{"source":"transactions","destination":"t.parquet","compression":"gzip"}"#,
        r#"{"source":"transactions","format":"csv","tenantId":"a b"}"#,
        r#"{"source":"transactions","format":"csv","limit":5}"#,
    ];
    let imports = [
        r#"{"source":"a.csv","target":"investors"}"#,
        r#"{"source":"a.JSONL.zst","target":"transactions","mode":"upsert","onError":"abort"}"#,
        r#"{"source":"rows","format":"excel","target":"properties"}"#,
        r#"{"source":"rows","target":"properties"}"#,
        r#"{"source":"a.parquet","target":"properties"}"#,
        r#"{"source":"a.csv"}"#,
        r#"{"source":"a.csv","target":"distributions"}"#,
        r#"{"source":"a.csv","target":"investors","mapping":{"Name":"name","x":null}}"#,
        r#"{"source":"a.csv","target":"investors","mapping":{"Name":"amount"}}"#,
        r#"{"source":"a.csv","target":"investors","mode":"replace"}"#,
        r#"{"source":"","target":"investors"}"#,
        r#"{"source":"a. /b.csv","target":"investors"}"#,
        r#"{"target":"investors"}"#,
        r#"[]"#,
    ];
    for (queue, payloads) in [("data-export", &exports[..]), ("data-import", &imports[..])] {
        let schema = payload_schema(queue).unwrap();
        let examples: Value = serde_json::from_str(schema).unwrap();
        let examples = examples["examples"].as_array().unwrap().iter().map(Value::to_string);
        let examples: Vec<_> = examples.collect();
        assert!(valid(schema, &examples).iter().all(|valid| *valid), "{queue}: its own examples");
        let payloads: Vec<_> = payloads.iter().map(|payload| (*payload).to_owned()).chain(examples).collect();
        for (payload, valid) in payloads.iter().zip(valid(schema, &payloads)) {
            let checked = check_payload(queue, payload);
            assert_eq!(checked.is_ok(), valid, "{queue}: {payload}: {checked:?}");
        }
    }
}
