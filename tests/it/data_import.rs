//! Files to tables, on both kinds of database: what comes in, what is rejected, and what a second run does.

use std::time::Instant;

use ireva_queue::testing::TestJob;
use serde_json::{Value, json};

use crate::support::files::{FileDesk, Ran, names};
use crate::support::*;

const HEADER: &str = "id,name,email,country,taxId,joinedOn\n";
const GOOD: &str = "i1,Ada,ada@example.com,NG,T1,2024-01-31\n";

fn investors(source: &str) -> Value {
    json!({"source": source, "target": "investors"})
}

/// The rows of the file of an import's rejects, header first.
fn rejects(done: &Value) -> Vec<Vec<String>> {
    let path = done["rejectsFile"].as_str().unwrap_or_else(|| panic!("{done}"));
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_path(path).unwrap();
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[tokio::test]
async fn wrong_rows_are_rejected_with_line_column_value_and_reason_and_the_others_come_in() {
    let text = format!(
        "{HEADER}{GOOD}x y,Bob,,NG,,2024-01-31\ni3,Eve,nobody,nigeria,,31.1.2024\ni4,=Dan,,NG,,2024-02-29\ni4,Dan,,NG,,2024-02-29\n\
         i5,Fay,,NG\n"
    );
    for desk in FileDesk::both().await {
        desk.put("investors.csv", &text);
        let done = desk.import(&investors("investors.csv")).await.done();
        let counts = ["rows", "rowsIn", "rowsRejected", "rejectsStored"].map(|name| done[name].as_i64().unwrap());
        assert_eq!(counts, [6, 2, 4, 6], "{done}");
        let rows = rejects(&done);
        let rows: Vec<_> = rows.iter().map(|row| row.join("|")).collect();
        let taken = "a row with this id is there already, in the table or further up in the file";
        assert_eq!(
            rows,
            [
                "line|row|column|value|reason",
                "3|2|id|x y|expected an id: letters, digits, _ . - and at most 64 of them",
                "4|3|country|nigeria|expected a country by its two capital letters, such as NG",
                "4|3|email|nobody|expected an address such as ada@example.com",
                "4|3|joinedOn|31.1.2024|expected a date such as 2024-01-31",
                &format!("6|5|id|i4|{taken}"),
                "7|6|||the row has 4 cells, the header 6",
            ]
        );
        assert_eq!(desk.texts("SELECT name FROM investors ORDER BY id").await, ["Ada", "=Dan"]);
        assert_eq!(desk.number("SELECT count(*) FROM import_rejects").await, 6);
        assert_eq!(desk.texts("SELECT state FROM imports").await, ["done"]);
        let file = done["rejectsFile"].as_str().unwrap();
        assert!(names(&desk.imports()).len() == 2 && file.contains("/in/investors.rejects-"), "{file}");
    }
}

#[tokio::test]
async fn what_is_exported_comes_in_again_from_every_format() {
    for desk in FileDesk::both().await {
        desk.database.seed().await.unwrap();
        let formats = [("csv", "none"), ("excel", "none"), ("json", "gzip"), ("ndjson", "zstd")];
        // What a file holds does not depend on the database that it goes to.
        let count = if desk.name == "sqlite" { 4 } else { 2 };
        for (format, compression) in &formats[..count] {
            let tenant = format!("{format}-{compression}");
            desk.run(&format!("INSERT INTO tenants VALUES ('{tenant}', 'a copy')")).await;
            for table in ["properties", "investors", "investments", "valuations", "transactions"] {
                let payload = json!({"source": table, "format": format, "compression": compression});
                let exported = desk.export(&payload).await.done();
                let name = exported["path"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
                desk.put(&name, desk.exported(&name));
                let payload = json!({"source": name, "target": table, "tenantId": tenant, "onError": "abort"});
                let done = desk.import(&payload).await.done();
                assert_eq!((&done["rowsIn"], &done["rowsRejected"]), (&exported["rows"], &json!(0)), "{name}: {done}");
                for tenant in ["default", &tenant] {
                    let payload = json!({"source": table, "destination": format!("{tenant}.csv"), "tenantId": tenant});
                    desk.export(&payload).await.done();
                }
                assert_eq!(
                    desk.exported("default.csv"),
                    desk.exported(&format!("{tenant}.csv")),
                    "{}: {name}",
                    desk.name
                );
            }
        }
    }
}

#[tokio::test]
async fn rows_that_are_there_are_rejected_or_changed() {
    let changed =
        format!("{HEADER}i1,Ada L.,,NG,,2024-02-01\ni2,Bob,,NG,,2024-02-01\ni2,Bob B.,b@example.com,NG,,2024-02-01\n");
    for desk in FileDesk::both().await {
        desk.put("a.csv", format!("{HEADER}{GOOD}"));
        desk.put("b.csv", &changed);
        desk.import(&investors("a.csv")).await.done();
        let again = desk.import(&investors("a.csv")).await.done();
        assert_eq!((&again["rowsIn"], &again["rowsRejected"]), (&json!(0), &json!(1)), "{again}");
        let done = desk.import(&json!({"source": "b.csv", "target": "investors", "mode": "upsert"})).await.done();
        assert_eq!(
            (&done["rowsIn"], &done["rowsRejected"], &done["rejectsFile"]),
            (&json!(3), &json!(0), &Value::Null)
        );
        let rows = "SELECT id || '|' || name || '|' || COALESCE(email, '-') || '|' || COALESCE(tax_id, '-') FROM investors ORDER BY id";
        // An empty cell leaves what is there.
        assert_eq!(desk.texts(rows).await, ["i1|Ada L.|ada@example.com|T1", "i2|Bob B.|b@example.com|-"]);
    }
}

#[tokio::test]
async fn amounts_are_of_the_currency_of_their_property_and_exact() {
    let text = "id,propertyId,investorId,amount,currency,investedOn\na,123,456,0.1,,2024-01-31\nb,126,456,90071992547409.93,USD,2024-01-31\n\
                c,126,456,1,NGN,2024-01-31\nd,123,456,0.001,,2024-01-31\ne,999,456,1,,2024-01-31\nf,123,none,1,,2024-01-31\n";
    for desk in FileDesk::both().await {
        desk.database.seed().await.unwrap();
        desk.put("v.csv", text);
        let done = desk.import(&json!({"source": "v.csv", "target": "investments"})).await.done();
        assert_eq!((&done["rowsIn"], &done["rowsRejected"]), (&json!(2), &json!(4)), "{done}");
        let reasons: Vec<_> = rejects(&done)[1..].iter().map(|row| row[2].clone() + ": " + &row[4]).collect();
        assert_eq!(
            reasons,
            [
                "currency: the property is in USD",
                "amount: 0.001 has more decimals than NGN, which has 2",
                "propertyId: is none of the properties of tenant default",
                "investorId: is none of the investors of tenant default",
            ]
        );
        let payload = json!({"source": "investments", "destination": "v.csv", "columns": ["id", "amount"], "filters": {"id": ["a", "b"]}});
        desk.export(&payload).await.done();
        assert_eq!(
            String::from_utf8(desk.exported("v.csv")).unwrap(),
            "id,amount\r\na,0.10\r\nb,90071992547409.93\r\n"
        );
    }
}

#[tokio::test]
async fn entries_that_only_distributions_write_are_rejected() {
    let desk = FileDesk::sqlite().await;
    desk.database.seed().await.unwrap();
    let row = |id: &str, kind: &str, reference: &str| format!("{id},123,456,{kind},1.00,NGN,2024-01-31,{reference}\n");
    let header = "id,propertyId,investorId,kind,amount,currency,occurredOn,reference\n";
    let wrong = [
        row("distribution/123/202401/456", "rent", "r"),
        row("a", "distribution", "r"),
        row("b", "rent", "distribution/123/202401"),
    ];
    desk.put("t.csv", format!("{header}{}{}", wrong.concat(), row("c", "rent", "r")));
    let done = desk.import(&json!({"source": "t.csv", "target": "transactions"})).await.done();
    assert_eq!((&done["rowsIn"], &done["rowsRejected"]), (&json!(1), &json!(3)), "{done}");
    let columns: Vec<_> = rejects(&done)[1..].iter().map(|row| row[2].clone()).collect();
    assert_eq!(columns, ["id", "kind", "reference"]);
}

#[tokio::test]
async fn a_file_that_does_not_fit_leaves_nothing_behind_and_says_what_to_change() {
    let far = format!("{HEADER}{}", (0..2_000).map(|row| format!("i{row},A,,NG,,2024-01-31\n")).collect::<String>());
    let latin = [far.as_bytes(), b"x,M\xfcller,,NG,,2024-01-31\n"].concat();
    let utf16: Vec<u8> = std::iter::once(0xfeff).chain(HEADER.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let table: [(&str, &[u8], &str, &str); 9] = [
        ("latin.csv", &latin, "table_invalid", "line 2002, byte 4: 0xFC is not UTF-8: save the file as UTF-8"),
        ("utf16.csv", &utf16, "table_invalid", "the file is UTF-16: save it as UTF-8"),
        ("empty.csv", b"", "table_invalid", "its first row must name the columns"),
        (
            "no.csv",
            b"Name,Country\n1,2\n",
            "header_invalid",
            "unknown columns \"Name\", \"Country\"; column \"id\" is missing",
        ),
        (
            "less.csv",
            b"id,name,country\n",
            "header_invalid",
            "column \"joinedOn\" is missing: rename the columns, or name them in mapping",
        ),
        ("twice.csv", b"id,id,name\n", "table_invalid", "column \"id\" is there twice"),
        ("a.json", b"{\"id\":1}", "table_invalid", "its format is ndjson"),
        ("a.csv.gz", b"id,name\n", "table_invalid", "the file is damaged"),
        ("a.xlsx", b"id,name\n", "table_invalid", ""),
    ];
    for desk in FileDesk::both().await {
        for (name, bytes, code, part) in &table {
            desk.put(name, bytes);
            let ran = desk.import(&investors(name)).await;
            let (found, message) = ran.refused();
            assert!(found == *code && message.contains(part) && message.contains(name), "{name}: {found}: {message}");
        }
        assert_eq!(desk.number("SELECT count(*) FROM investors").await, 0);
        assert_eq!(desk.number("SELECT CAST(sum(rows_in) AS BIGINT) FROM imports").await, 0);
    }
}

#[tokio::test]
async fn one_wrong_row_may_leave_all_out_until_the_file_is_mended() {
    let rows = |bad: &str| {
        let good: String = (0..1_200).map(|row| format!("i{row},A,,NG,,2024-01-31\n")).collect();
        format!("{HEADER}{good}{bad}")
    };
    let payload = json!({"source": "i.csv", "target": "investors", "onError": "abort"});
    for desk in FileDesk::both().await {
        let job = TestJob::new("data-import");
        desk.put("i.csv", rows("i7,B,,NG,,2024-01-31\nj,B,,NG,,soon\n"));
        let ran = desk.import_as(&payload, &job).await;
        let (code, message) = ran.refused();
        assert_eq!(code, "import_rejected");
        for part in [
            "2 of 1202 rows are wrong, and none was imported",
            "line 1202, column \"id\": a row with this id is there already",
            "line 1203, column \"joinedOn\": expected a date such as 2024-01-31, found \"soon\"",
            "all of them in",
            "mend the file, then revive this job",
        ] {
            assert!(message.contains(part), "{part}: {message}");
        }
        assert_eq!(desk.number("SELECT count(*) FROM investors").await, 0);
        assert_eq!(desk.number("SELECT count(*) FROM import_rejects").await, 2);
        desk.put("i.csv", rows("j,B,,NG,,2024-01-31\n"));
        let done = desk.import_as(&payload, &job).await.done();
        assert_eq!(
            (&done["rowsIn"], &done["rowsRejected"], &done["rejectsFile"]),
            (&json!(1201), &json!(0), &Value::Null)
        );
        assert_eq!(desk.number("SELECT count(*) FROM investors").await, 1201);
        assert_eq!(desk.number("SELECT count(*) FROM import_rejects").await, 0);
    }
}

#[tokio::test]
async fn a_job_goes_on_with_the_file_that_it_began_with_and_with_no_other() {
    let file = |count: usize| {
        format!("{HEADER}{}", (0..count).map(|row| format!("i{row},A,,NG,,2024-01-31\n")).collect::<String>())
    };
    for desk in FileDesk::both().await {
        let job = TestJob::new("data-import");
        desk.put("i.csv", file(1_500));
        let first = desk.import_as(&investors("i.csv"), &job).await.done();
        // It came to its end: nothing is read again, even where the file is gone.
        std::fs::remove_file(desk.imports().join("i.csv")).unwrap();
        assert_eq!(desk.import_as(&investors("i.csv"), &job).await.done(), first);
        // Another file under the same job is not taken for it.
        desk.put("i.csv", file(10));
        assert_eq!(desk.import_as(&investors("i.csv"), &job).await.refused().0, "import_changed");
        desk.put("i.csv", file(1_500));
        assert_eq!(desk.import_as(&investors("i.csv"), &job).await.done(), first);

        // As a crash leaves it: 500 rows are in.
        desk.run("DELETE FROM investors WHERE id NOT IN (SELECT id FROM investors ORDER BY length(id), id LIMIT 500)")
            .await;
        desk.run("UPDATE imports SET state = 'running', rows_read = 500, rows_in = 500, ended_at = NULL").await;
        desk.put("i.csv", file(1_501));
        let ran = desk.import_as(&investors("i.csv"), &job).await;
        let (code, message) = ran.refused();
        assert!(
            code == "import_changed" && message.contains("file i.csv has changed since rows of this job came in"),
            "{message}"
        );
        let ran = desk.import_as(&json!({"source": "i.csv", "target": "investors", "mode": "upsert"}), &job).await;
        assert!(ran.refused().1.contains("the payload has changed"), "{}", ran.refused().1);
        desk.put("i.csv", file(1_500));
        let ran = desk.import_as(&investors("i.csv"), &job).await;
        assert_eq!(ran.done(), first, "{}", desk.name);
        assert!(ran.log().contains("goes on behind row 500"), "{}", ran.log());
        assert_eq!(desk.number("SELECT count(*) FROM investors").await, 1_500);

        // A run whose claim was lost stores nothing any more.
        desk.run("UPDATE imports SET state = 'running', rows_read = 500, fence = 99").await;
        let late: Ran = desk.import_as(&investors("i.csv"), &job).await;
        assert_eq!(late.put_off().0, "claim_lost");
    }
}

#[tokio::test]
async fn what_does_not_fit_into_the_time_of_a_run_comes_in_with_the_next_ones() {
    const ROWS: i64 = 20_000;
    let rows: String = (0..ROWS).map(|row| format!("i{row},A,,NG,,2024-01-31\n")).collect();
    let desk = FileDesk::sqlite().await;
    desk.put("i.csv", format!("{HEADER}{rows}"));
    let mut job = TestJob::new("data-import");
    let begun = Instant::now();
    desk.import_as(&investors("i.csv"), &job).await.done();
    job.timeout = Some(begun.elapsed() / 4);
    // As a worker's death leaves it right after the file was read through.
    desk.run("DELETE FROM investors").await;
    desk.run("UPDATE imports SET state = 'running', rows_read = 0, rows_in = 0, ended_at = NULL").await;
    let (mut runs, mut rows_in) = (1, 0);
    let done = loop {
        let ran = desk.import_as(&investors("i.csv"), &job).await;
        if !ran.is_throttled("import_goes_on") {
            break ran.done();
        }
        let before = std::mem::replace(&mut rows_in, desk.number("SELECT rows_in FROM imports").await);
        assert!(rows_in > before, "run {runs} brought nothing");
        runs += 1;
        job.fence += 1;
    };
    assert!(runs > 1, "all of it came in at once");
    assert_eq!((&done["rowsIn"], &done["rowsRejected"]), (&json!(ROWS), &json!(0)));
    assert_eq!(desk.number("SELECT count(*) FROM investors").await, ROWS);
}

#[tokio::test]
async fn rows_of_a_tenant_that_is_not_there_are_refused() {
    let desk = FileDesk::sqlite().await;
    desk.put("i.csv", format!("{HEADER}{GOOD}"));
    let ran = desk.import(&json!({"source": "i.csv", "target": "investors", "tenantId": "acme"})).await;
    assert_eq!(ran.refused(), ("tenant_unknown", "there is no tenant acme: check tenantId"));
}

#[tokio::test]
async fn the_file_of_rejects_holds_the_first_ten_thousand() {
    let desk = FileDesk::sqlite().await;
    let rows: String = (0..10_200).map(|row| format!("i{row},A,,NG,,soon\n")).collect();
    desk.put("i.csv", format!("{HEADER}{rows}{GOOD}"));
    let done = desk.import(&investors("i.csv")).await.done();
    let counts = ["rows", "rowsIn", "rowsRejected", "rejectsStored"].map(|name| done[name].as_i64().unwrap());
    assert_eq!(counts, [10_201, 1, 10_200, 10_000], "{done}");
    assert_eq!(rejects(&done).len(), 10_001);
}

#[test]
fn imports_run_from_the_command_line_and_wrong_ones_end_among_the_dead_letters() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let refused = cli.run(["enqueue", "data-import", r#"{"source":"../a.csv","target":"users"}"#]).expect(2);
    for part in ["source must not have the component ..", "target must be one of properties"] {
        assert!(refused.stderr.contains(part), "{}", refused.stderr);
    }
    let mut worker = cli.work(["data-import"]).ready();
    let imports = cli.home().join(".local/share/ireva-queue/imports");
    std::fs::write(imports.join("good.csv"), format!("{HEADER}{GOOD}")).unwrap();
    std::fs::write(imports.join("bad.csv"), "a,b\n").unwrap();
    let bad =
        cli.run(["enqueue", "data-import", r#"{"source":"bad.csv","target":"investors"}"#, "--wait", "-o", "json"]);
    assert_eq!(bad.expect(10).json()["error"]["code"], "header_invalid");
    let done = cli.json(["enqueue", "data-import", r#"{"source":"good.csv","target":"investors"}"#, "--wait"]);
    assert_eq!((&done["result"]["rowsIn"], &done["result"]["rejectsFile"]), (&json!(1), &Value::Null), "{done}");
    let letters = cli.json(["dlq", "list", "data-import"]);
    assert!(letters.to_string().contains("rename the columns"), "{letters}");
    assert_eq!(worker.stop(std::time::Duration::from_secs(60)), Some(0));
}
