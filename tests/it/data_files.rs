//! Imports from and exports to an object store that is not ours, and memory that does not grow with the rows.

use std::time::Duration;

use serde_json::json;
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
    // A workbook takes long to make where nothing is optimized: an eighth of the rows are enough of one.
    let some = json!({"kind": "rent", "occurredOn": {"from": "2024-01-01", "to": "2024-02-15"}});
    for (destination, filters) in [("t.csv", json!({"kind": "rent"})), ("t.xlsx", some)] {
        let mut worker = cli.work(["data-export", "--concurrency", "1"]).ready();
        let payload = json!({"source": "transactions", "destination": destination, "filters": filters});
        let id = cli.enqueue("data-export", &payload.to_string(), &[]);
        wait_until(LONG, "it is written", || {
            worker.events("completed").iter().any(|event| event["job"] == id.as_str())
        });
        let peak = peak_kib(worker.pid());
        eprintln!("{destination}: a peak of {peak} KiB");
        assert!(peak < BOUND_KIB, "{destination}: {peak} KiB");
        assert_eq!(worker.stop(LONG), Some(0));
    }
    let text = store.get("out/t.csv").unwrap();
    assert!(text.len() > 16 << 20, "{} bytes are one part", text.len());
    assert!(text.lines().count() > ROWS && text.contains("bulk-200000,123,456,rent,202000.00,NGN,"));
}
