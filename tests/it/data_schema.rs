//! The schemas of payloads: what they take is what the queues take.

use ireva_queue::QueueName;
use ireva_queue::service::QueueService;
use serde_json::Value;

use crate::support::*;

pub fn schema(queue: &str) -> (Value, jsonschema::Validator) {
    let text = QueueService::schema(&QueueName::new(queue).unwrap()).expect(queue);
    let schema: Value = serde_json::from_str(text).unwrap();
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).expect(queue);
    (schema, validator)
}

/// Both say the same of a payload; which.
pub fn verdict(queue: &str, validator: &jsonschema::Validator, payload: &str) -> bool {
    let said = QueueService::check(&QueueName::new(queue).unwrap(), payload);
    let value: Value = serde_json::from_str(payload).unwrap();
    let found: Vec<_> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert_eq!(said.is_ok(), found.is_empty(), "{queue} {payload}: the check says {said:?}, the schema {found:?}");
    said.is_ok()
}

#[test]
fn every_example_of_a_schema_is_taken_and_every_field_is_described() {
    for queue in QueueName::KNOWN {
        let (schema, validator) = schema(queue);
        assert_eq!(schema["title"], queue);
        let examples = schema["examples"].as_array().expect(queue);
        assert!(examples.len() > 1, "{queue}");
        for example in examples {
            assert!(verdict(queue, &validator, &example.to_string()), "{queue} {example}");
        }
        let referred = |part: &Value| match part["$ref"].as_str() {
            Some(place) => schema.pointer(&place[1..]).unwrap().clone(),
            None => part.clone(),
        };
        // One form, or several.
        let forms: Vec<Value> = match schema["oneOf"].as_array() {
            Some(forms) => forms.iter().map(referred).collect(),
            None => vec![schema.clone()],
        };
        for (field, of) in forms.iter().flat_map(|form| form["properties"].as_object().expect(queue)) {
            assert!(of["description"].is_string() || referred(of)["description"].is_string(), "{queue} {field}");
        }
        assert!(!verdict(queue, &validator, "{}") && !verdict(queue, &validator, "[]"), "{queue}");
        let more = examples[0].to_string().replacen('{', "{\"more\":1,", 1);
        assert!(!verdict(queue, &validator, &more), "{queue} {more}");
    }
}

#[test]
fn a_mail_is_taken_by_both_or_by_neither() {
    let (_, validator) = schema("email");
    let mail = |fields: &str| {
        let fields = if fields.is_empty() { String::new() } else { format!(",{fields}") };
        let payload = format!(r#"{{"subject":"s","template":"alert"{fields}}}"#);
        verdict("email", &validator, &payload)
    };
    for good in [
        r#""to":"a@example.com""#,
        r#""to":["a@example.com","B <b@example.com>"],"cc":[],"context":{}"#,
        r#""to":"a@example.com","from":"C <c@example.com>","reply_to":"d@example.com","tenantId":"t""#,
        r#""to":"a@example.com","attachments":[{"filename":"a b.pdf","content":"aGk=","contentType":"application/pdf"}]"#,
        r#""to":"a@example.com","attachments":[{"filename":"a.txt","content":"aGkh","contentType":"text/plain; charset=utf-8"}]"#,
    ] {
        assert!(mail(good), "{good}");
    }
    for bad in [
        "",
        r#""to":"nobody""#,
        r#""to":5"#,
        r#""to":["a@example.com",5]"#,
        r#""to":"a@example.com\n""#,
        r#""to":"a@example.com","context":[]"#,
        r#""to":"a@example.com","attachments":{}"#,
        r#""to":"a@example.com","attachments":[{"filename":"a"}]"#,
        r#""to":"a@example.com","attachments":[{"filename":"../a","content":"aGk="}]"#,
        r#""to":"a@example.com","attachments":[{"filename":"a","content":"a"}]"#,
        r#""to":"a@example.com","attachments":[{"filename":"a","content":"aGk=","contentType":"multipart/mixed"}]"#,
        r#""to":"a@example.com","attachments":[{"filename":"a","content":"aGk=","size":1}]"#,
    ] {
        assert!(!mail(bad), "{bad}");
    }
    for (subject, template) in [("", "alert"), (" ", "alert"), ("a\\r\\nb", "alert"), ("s", "../alert"), ("s", "")] {
        let payload = format!(r#"{{"to":"a@example.com","subject":"{subject}","template":"{template}"}}"#);
        assert!(!verdict("email", &validator, &payload), "{payload}");
    }
}

#[test]
fn a_distribution_is_taken_by_both_or_by_neither() {
    let (_, validator) = schema("roi-distribution");
    let order = |fields: &str| {
        let payload = format!(r#"{{"propertyId":1,"distributionDate":"2024-01-31",{fields}}}"#);
        verdict("roi-distribution", &validator, &payload)
    };
    for good in [
        r#""periodId":202401,"totalAmount":25000"#,
        r#""periodId":"2024-01","totalAmount":"0.01","dryRun":true"#,
        r#""periodId":"a","totalAmount":1.5,"periodStart":"2024-01-01","periodEnd":"2024-01-31""#,
        r#""periodId":"a","totalAmount":1,"overrideRates":{"1":"5%","2":3,"3":{"rate":"0.5"},"4":{"amount":7}}"#,
        r#""periodId":"a","totalAmount":1,"currency":"NGN","tenantId":"t.1","initiatedBy":7"#,
    ] {
        assert!(order(good), "{good}");
    }
    for bad in [
        r#""periodId":202401"#,
        r#""totalAmount":1"#,
        r#""periodId":202401,"totalAmount":0"#,
        r#""periodId":202401,"totalAmount":-1"#,
        r#""periodId":202401,"totalAmount":"0.00""#,
        r#""periodId":202401,"totalAmount":"much""#,
        r#""periodId":202401,"totalAmount":true"#,
        r#""periodId":"a b","totalAmount":1"#,
        r#""periodId":1.5,"totalAmount":1"#,
        r#""periodId":1,"totalAmount":1,"calculationMethod":"all""#,
        r#""periodId":1,"totalAmount":1,"currency":"naira""#,
        r#""periodId":1,"totalAmount":1,"periodStart":"2024-01-01""#,
        r#""periodId":1,"totalAmount":1,"periodStart":"2024-02-30","periodEnd":"2024-03-01""#,
        r#""periodId":1,"totalAmount":1,"overrideRates":[1]"#,
        r#""periodId":1,"totalAmount":1,"overrideRates":{"1":{}}"#,
        r#""periodId":1,"totalAmount":1,"dryRun":"yes""#,
    ] {
        assert!(!order(bad), "{bad}");
    }
}

#[test]
fn a_notification_is_taken_by_both_or_by_neither() {
    let (_, validator) = schema("notification");
    let with = |recipient: &str, more: &str| {
        format!(r#"{{"channels":["email","sms","in-app"],"recipient":{recipient},"title":"t"{more}}}"#)
    };
    let reachable = r#"{"investorId":1,"phone":"+2348012345678"}"#;
    let good = [
        with(reachable, r#","body":"b","template":null"#),
        with(reachable, r#","template":"a-b","context":null,"priority":"low","tenantId":"t1""#),
        with(r#"{"investorId":"i-1","email":null,"phone":"+2348012345678","slackUrl":null}"#, r#","body":"b""#),
        r#"{"channels":["slack"],"recipient":{},"title":"t","body":"a\nb\tc"}"#.to_owned(),
        r#"{"channels":["webhook"],"recipient":{"webhookUrl":"HTTPS://h.example:8443/x?y#z"},"title":"é","body":" b "}"#.to_owned(),
        r#"{"deliver":"slack","to":null,"title":"t","text":"x"}"#.to_owned(),
        r#"{"deliver":"in-app","to":456,"title":"t","text":"x","investorId":"456"}"#.to_owned(),
    ];
    let bad = [
        r#"{"title":"t","body":"b"}"#.to_owned(),
        with(reachable, ""),
        with(reachable, r#","body":"b","template":"t""#),
        with(reachable, r#","body":" ""#),
        with(reachable, r#","body":"\u0007""#),
        with(reachable, r#","template":"../x""#),
        with(reachable, r#","body":"b","context":[]"#),
        with(reachable, r#","body":"b","priority":"urgent""#),
        with(reachable, r#","body":"b","tenant":"x""#),
        with(r#"{"investorId":1}"#, r#","body":"b""#),
        with(r#"{"phone":"+2348012345678","email":"a@b.example"}"#, r#","body":"b""#),
        with(r#"{"investorId":1,"phone":"0801"}"#, r#","body":"b""#),
        with("456", r#","body":"b""#),
        r#"{"channels":[],"recipient":1,"title":"t","body":"b"}"#.to_owned(),
        r#"{"channels":["email","email"],"recipient":1,"title":"t","body":"b"}"#.to_owned(),
        r#"{"channels":["fax"],"recipient":1,"title":"t","body":"b"}"#.to_owned(),
        r#"{"channels":["email"],"recipient":1,"title":"a\nb","body":"b"}"#.to_owned(),
        r#"{"channels":["email"],"recipient":1,"title":"=?x?=","body":"b"}"#.to_owned(),
        r#"{"channels":["email"],"recipient":{"email":"Ada <a@b.example>"},"title":"t","body":"b"}"#.to_owned(),
        r#"{"channels":["email"],"recipient":-1,"title":"t","body":"b"}"#.to_owned(),
        r#"{"channels":["webhook"],"recipient":{"webhookUrl":"file:///x"},"title":"t","body":"b"}"#.to_owned(),
        r#"{"channels":["webhook"],"recipient":{"webhookUrl":"http://u:p@h/"},"title":"t","body":"b"}"#.to_owned(),
        r#"{"channels":["push"],"recipient":{"pushToken":"a b"},"title":"t","body":"b"}"#.to_owned(),
        r#"{"deliver":"email","to":"a@b.example","title":"t","text":"x"}"#.to_owned(),
        r#"{"deliver":"sms","title":"t","text":"x"}"#.to_owned(),
        r#"{"deliver":"in-app","to":"a b","title":"t","text":"x"}"#.to_owned(),
        r#"{"deliver":"slack","title":"t","text":"x","body":"y"}"#.to_owned(),
    ];
    for (payload, taken) in good.iter().map(|payload| (payload, true)).chain(bad.iter().map(|payload| (payload, false)))
    {
        assert_eq!(verdict("notification", &validator, payload), taken, "{payload}");
    }
}

#[test]
fn exports_and_imports_are_taken_by_both_or_by_neither() {
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
        r#"{"source":{"report":"tax-document","parameters":{"userId":456,"startDate":"2024-01-01","endDate":"2024-12-31"}},"format":"csv"}"#,
        r#"{"source":{"report":"roi-summary","parameters":{"startDate":"2024-01-01","endDate":"2024-12-31"}},"format":"csv","filters":{"id":1}}"#,
        r#"{"source":{"report":"roi-summary"},"format":"csv"}"#,
        r#"{"source":{"report":"users","parameters":{}},"format":"csv"}"#,
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
        let (_, validator) = schema(queue);
        let taken = payloads.iter().filter(|payload| verdict(queue, &validator, payload)).count();
        assert!(0 < taken && taken < payloads.len(), "{queue}");
    }
}

#[test]
fn a_schema_is_printed_and_a_queue_without_one_is_named() {
    let cli = Cli::bare().env("REDIS_PORT", "abc");
    for queue in QueueName::KNOWN {
        let printed: Value = serde_json::from_str(&cli.ok(["schema", queue])).unwrap();
        assert_eq!(printed["$schema"], "https://json-schema.org/draft/2020-12/schema", "{queue}");
    }
    let refused = cli.run(["schema", "thumbnails"]).expect(4);
    assert!(refused.stderr.contains("queue thumbnails has no schema: it takes any payload"), "{}", refused.stderr);
}
