//! Tables to files, on both kinds of database, read back by parsers that are not ours.

use std::io::{Cursor, Read};

use calamine::{Data, Reader, Xlsx};
use serde_json::{Value, json};

use crate::support::files::{FileDesk, names};
use crate::support::*;

const SOURCES: [(&str, &str); 5] = [
    ("properties", "id,name,city,country,currency,acquiredOn,price"),
    ("investors", "id,name,email,country,taxId,joinedOn"),
    ("investments", "id,propertyId,investorId,amount,currency,investedOn,exitedOn"),
    ("valuations", "id,propertyId,valuedOn,amount,currency,method"),
    ("transactions", "id,propertyId,investorId,kind,amount,currency,occurredOn,reference"),
];

async fn seeded() -> [FileDesk; 2] {
    let desks = FileDesk::both().await;
    for desk in &desks {
        desk.database.seed().await.unwrap();
    }
    desks
}

/// The rows of a CSV file by the crate `csv`, header first.
fn csv_rows(bytes: &[u8]) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(bytes);
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

fn unpacked(bytes: &[u8], compression: &str) -> Vec<u8> {
    let mut plain = Vec::new();
    match compression {
        "gzip" => drop(flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain).unwrap()),
        "zstd" => plain = zstd::stream::decode_all(bytes).unwrap(),
        _ => plain.extend(bytes),
    }
    plain
}

#[tokio::test]
async fn every_table_is_written_in_every_format_and_both_databases_write_the_same() {
    let desks = seeded().await;
    for (source, header) in SOURCES {
        let mut files = Vec::new();
        for desk in &desks {
            let count = desk.number(&format!("SELECT count(*) FROM {source}")).await;
            let csv = desk.export(&json!({"source": source, "format": "csv"})).await.done();
            assert_eq!((&csv["rows"], &csv["source"]), (&json!(count), &json!(source)));
            let bytes = desk.exported(&format!("{source}-job-1.csv"));
            assert_eq!(csv["sizeBytes"], bytes.len());
            let rows = csv_rows(&bytes);
            assert_eq!((rows[0].join(","), rows.len() as i64 - 1), (header.to_owned(), count));
            check_json(desk, source, &rows).await;
            check_excel(desk, source, &rows).await;
            files.push(bytes);
        }
        assert_eq!(String::from_utf8_lossy(&files[0]), String::from_utf8_lossy(&files[1]), "{source}");
    }
}

/// JSON and NDJSON hold what CSV holds: texts, and null for an empty cell.
async fn check_json(desk: &FileDesk, source: &str, rows: &[Vec<String>]) {
    for (format, compression) in [("json", "gzip"), ("ndjson", "zstd")] {
        let payload = json!({"source": source, "format": format, "compression": compression});
        let path = desk.export(&payload).await.done()["path"].as_str().unwrap().to_owned();
        let text = String::from_utf8(unpacked(&std::fs::read(path).unwrap(), compression)).unwrap();
        let objects: Vec<Value> = match format {
            "json" => serde_json::from_str(&text).unwrap(),
            _ => text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
        };
        assert_eq!(objects.len(), rows.len() - 1);
        for (object, row) in objects.iter().zip(&rows[1..]) {
            let cells = rows[0].iter().map(|name| object[name].as_str().unwrap_or_default().to_owned());
            assert_eq!(&cells.collect::<Vec<_>>(), row);
        }
    }
}

/// A workbook holds the same, amounts as numbers and days as days.
async fn check_excel(desk: &FileDesk, source: &str, rows: &[Vec<String>]) {
    let done = desk.export(&json!({"source": source, "format": "excel"})).await.done();
    let bytes = std::fs::read(done["path"].as_str().unwrap()).unwrap();
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).unwrap();
    let sheet = book.worksheet_range(source).unwrap();
    assert_eq!(sheet.height(), rows.len());
    for (cells, row) in sheet.rows().zip(rows) {
        for (cell, text) in cells.iter().zip(row) {
            match cell {
                Data::Empty => assert_eq!(text, ""),
                Data::Float(number) => assert_eq!(*number, text.parse::<f64>().unwrap()),
                Data::DateTime(at) => {
                    let day =
                        chrono::NaiveDate::from_ymd_opt(1899, 12, 30).unwrap() + chrono::Days::new(at.as_f64() as u64);
                    assert_eq!(day.to_string(), *text);
                }
                cell => assert_eq!(cell.to_string(), *text),
            }
        }
    }
}

#[tokio::test]
async fn the_main_table_of_a_report_is_written_and_both_databases_write_the_same() {
    let desks = seeded().await;
    let half_year = json!({"userId": 456, "startDate": "2024-01-01", "endDate": "2024-06-30"});
    for report in ["transaction-history", "tax-document", "roi-summary", "investor-statement"] {
        let mut files = Vec::new();
        for desk in &desks {
            let source = json!({"report": report, "parameters": half_year});
            let done = desk.export(&json!({"source": source, "format": "csv"})).await.done();
            assert_eq!(done["source"], report);
            let bytes = std::fs::read(done["path"].as_str().unwrap()).unwrap();
            let rows = csv_rows(&bytes);
            assert_eq!(done["rows"], rows.len() - 1);
            if report == "transaction-history" {
                let sql = "SELECT count(*) FROM transactions WHERE investor_id = '456' AND occurred_on BETWEEN '2024-01-01' AND '2024-06-30'";
                assert_eq!(rows.len() as i64 - 1, desk.number(sql).await);
            }
            files.push(bytes);
        }
        assert_eq!(String::from_utf8_lossy(&files[0]), String::from_utf8_lossy(&files[1]), "{report}");
    }
    let nobody = json!({"userId": 9, "startDate": "2024-01-01", "endDate": "2024-06-30"});
    let source = json!({"report": "tax-document", "parameters": nobody});
    let ran = desks[0].export(&json!({"source": source, "format": "csv"})).await;
    let (code, message) = ran.refused();
    assert!(code == "investor_unknown" && message.contains('9'), "{code} {message}");
}

#[tokio::test]
async fn distributions_and_their_lines_have_the_currency_of_their_property() {
    for desk in seeded().await {
        let (total, amount) =
            if desk.name == "sqlite" { ("240000050", "120000025") } else { ("2400000.50", "1200000.25") };
        desk.run(&format!(
            "INSERT INTO distributions VALUES ('default', '126', '202401', '2024-01-31', {total}, 'USD', 'pro-rata', '{{}}', \
             NULL, 'j', 1, '2024-02-01T10:00:00+00:00')"
        ))
        .await;
        for investor in ["451", "452"] {
            desk.run(&format!(
                "INSERT INTO distribution_lines VALUES ('default', '126', '202401', '{investor}', '1', {amount})"
            ))
            .await;
        }
        desk.export(&json!({"source": "distributions", "destination": "d.csv"})).await.done();
        let text = String::from_utf8(desk.exported("d.csv")).unwrap();
        assert_eq!(
            text,
            "propertyId,periodId,distributedOn,total,currency,method,initiatedBy,jobId,appliedAt\r\n\
             126,202401,2024-01-31,2400000.50,USD,pro-rata,,j,2024-02-01T10:00:00Z\r\n"
        );
        let filters = json!({"currency": "USD", "investorId": ["452", 999]});
        desk.export(&json!({"source": "distribution_lines", "destination": "l.csv", "filters": filters})).await.done();
        let text = String::from_utf8(desk.exported("l.csv")).unwrap();
        assert_eq!(
            text,
            "propertyId,periodId,investorId,weight,amount,currency\r\n126,202401,452,1,1200000.25,USD\r\n"
        );
        let past = json!({"appliedAt": {"to": "2024-01-31"}});
        let none = desk.export(&json!({"source": "distributions", "destination": "d.csv", "filters": past})).await;
        assert_eq!(none.done()["rows"], 0);
    }
}

#[tokio::test]
async fn filters_and_columns_choose_what_is_written() {
    for desk in seeded().await {
        let table = [
            (json!({"propertyId": 123}), "property_id = '123'"),
            (
                json!({"propertyId": ["123", "124"], "kind": "investment"}),
                "property_id IN ('123', '124') AND kind = 'investment'",
            ),
            (json!({"investorId": null}), "investor_id IS NULL"),
            (
                json!({"occurredOn": {"from": "2023-01-01", "to": "2023-12-31"}}),
                "occurred_on >= '2023-01-01' AND occurred_on <= '2023-12-31'",
            ),
            (json!({"currency": "USD"}), "currency = 'USD'"),
            (json!({"kind": "x' OR '1'='1"}), "1 = 0"),
        ];
        for (filters, condition) in table {
            let payload = json!({"source": "transactions", "destination": "t.csv", "filters": filters});
            let rows = desk.export(&payload).await.done()["rows"].as_i64().unwrap();
            let count = desk.number(&format!("SELECT count(*) FROM transactions WHERE {condition}")).await;
            assert_eq!(rows, count, "{}: {filters}", desk.name);
            assert!(rows > 0 || condition == "1 = 0", "{condition} finds something");
        }
        let payload =
            json!({"source": "investors", "destination": "i.csv", "columns": ["name", "id"], "filters": {"id": 456}});
        desk.export(&payload).await.done();
        assert_eq!(String::from_utf8(desk.exported("i.csv")).unwrap(), "name,id\r\nJohn Akinwale,456\r\n");
        let other = desk.export(&json!({"source": "investors", "destination": "i.csv", "tenantId": "acme"})).await;
        assert_eq!(other.done()["rows"], 0, "another tenant's rows are nobody else's");
    }
}

#[tokio::test]
async fn a_second_run_leaves_one_file_and_names_may_be_whole_paths() {
    let desk = FileDesk::sqlite().await;
    desk.database.seed().await.unwrap();
    let payload = json!({"source": "investors", "format": "csv"});
    let first = desk.export_as(&payload, "a:b").await.done();
    assert_eq!(first, desk.export_as(&payload, "a:b").await.done());
    assert_eq!(names(&desk.exports()), ["investors-a-b.csv"]);
    let path = desk.exports().join("deep/er/x.json");
    let whole = desk.export(&json!({"source": "investors", "destination": path})).await.done();
    assert_eq!((&whole["path"], &whole["format"]), (&json!(path), &json!("json")));
}

#[tokio::test]
async fn r59_what_looks_like_a_formula_is_a_text_wherever_it_is_opened() {
    let cells = ["=1+1", "+1-1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1", "\"=1", ",=1", "＝1", "－x", "it's; =1"];
    for desk in FileDesk::both().await {
        desk.run("INSERT INTO tenants VALUES ('default', 'default')").await;
        for (number, cell) in cells.iter().enumerate() {
            let quoted = cell.replace('\'', "''");
            desk.run(&format!(
                "INSERT INTO investors VALUES ('default', 'i{number:02}', '{quoted}', NULL, 'NG', NULL, '2024-01-31')"
            ))
            .await;
        }
        desk.export(&json!({"source": "investors", "destination": "i.csv"})).await.done();
        let rows = csv_rows(&desk.exported("i.csv"));
        for (row, cell) in rows[1..].iter().zip(cells) {
            let guarded = row[1].starts_with('\'') || row[1].contains("'") && cell.contains(';');
            assert!(guarded && row[1].replace('\'', "") == cell.replace('\'', ""), "{cell:?}: {row:?}");
        }
        desk.export(&json!({"source": "investors", "destination": "i.xlsx"})).await.done();
        let mut book: Xlsx<_> = Xlsx::new(Cursor::new(desk.exported("i.xlsx"))).unwrap();
        let formulas = book.worksheet_formula("investors").unwrap();
        assert!(formulas.cells().all(|(_, _, formula)| formula.is_empty()), "{formulas:?}");
        let sheet = book.worksheet_range("investors").unwrap();
        for (row, cell) in sheet.rows().skip(1).zip(cells) {
            assert_eq!(row[1], Data::String(cell.to_owned()));
        }
        // What was exported comes in again as it was.
        desk.put("i.csv", desk.exported("i.csv"));
        desk.run("INSERT INTO tenants VALUES ('other', 'other')").await;
        desk.import(&json!({"source": "i.csv", "target": "investors", "tenantId": "other"})).await.done();
        let differ = "SELECT count(*) FROM investors a JOIN investors b ON a.id = b.id AND a.tenant_id <> b.tenant_id \
                      WHERE a.name <> b.name";
        assert_eq!(desk.number(differ).await, 0, "{}", desk.name);
    }
}

#[tokio::test]
async fn parquet_needs_its_feature() {
    let desk = FileDesk::sqlite().await;
    desk.database.seed().await.unwrap();
    let ran = desk.export(&json!({"source": "valuations", "format": "parquet"})).await;
    if cfg!(feature = "parquet") {
        let done = ran.done();
        assert!(done["path"].as_str().unwrap().ends_with("valuations-job-1.parquet"), "{done}");
        let bytes = desk.exported("valuations-job-1.parquet");
        assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
    } else {
        let (code, message) = ran.refused();
        assert_eq!(code, "format_unavailable");
        assert!(message.contains("needs a build with the feature parquet"), "{message}");
        assert_eq!(names(&desk.exports()), Vec::<String>::new());
    }
}

#[test]
fn exports_run_from_the_command_line_and_wrong_ones_are_told_before_they_are_queued() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    cli.ok(["db", "seed"]);
    let refused = cli.run(["enqueue", "data-export", r#"{"source":"users","format":"xml"}"#]).expect(2);
    for part in ["source must be one of properties", "format must be one of csv"] {
        assert!(refused.stderr.contains(part), "{}", refused.stderr);
    }
    let mut worker = cli.work(["data-export"]);
    let payload = r#"{"source":"investors","destination":"investors.csv"}"#;
    let done = cli.json(["enqueue", "data-export", payload, "--wait"]);
    let path = cli.home().join(".local/share/ireva-queue/exports/investors.csv");
    assert_eq!((&done["result"]["path"], &done["result"]["rows"]), (&json!(path), &json!(24)), "{done}");
    assert_eq!(csv_rows(&std::fs::read(path).unwrap()).len(), 25);
    assert_eq!(worker.stop(std::time::Duration::from_secs(60)), Some(0));
    let wrong = cli.clone().env("EXPORT_DIR", "exports").run(["work", "data-export"]).expect(78);
    assert!(wrong.stderr.contains("EXPORT_DIR"), "{}", wrong.stderr);
}
