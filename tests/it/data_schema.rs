//! The schemas of payloads, held against what the processors take by a validator that is not ours.

use std::io::Write;
use std::process::Stdio;

use ireva_queue::builtin::{check_payload, payload_schema};
use serde_json::{Value, json};

use crate::support::*;

/// Which of these payloads a validator that is not ours takes by a schema.
pub fn valid(schema: &str, payloads: &[String]) -> Vec<bool> {
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
