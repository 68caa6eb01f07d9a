//! Reports from the queue to their files, and every figure held against the database.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use calamine::{Data, Reader, Xlsx};
use ireva_queue::builtin::portfolio::Database;
use ireva_queue::builtin::report::ReportProcessor;
use ireva_queue::builtin::storage::{Storage, StorageSettings};
use ireva_queue::config::Config;
use ireva_queue::testing::{TestJob, run_as};
use ireva_queue::{Client, JobId};
use serde_json::{Value, json};

use crate::data_schema::verdict;
use crate::support::reports::*;
use crate::support::*;

type Record = BTreeMap<String, String>;

/// The rows of a CSV file, as another library reads them.
fn records(file: &[u8]) -> Vec<Record> {
    let mut reader = csv::Reader::from_reader(file);
    reader.deserialize().map(Result::unwrap).collect()
}

/// The digits of an amount, however many zeros a database puts behind them.
fn minor(amount: &str) -> i64 {
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    let cents: String = fraction.chars().chain("00".chars()).take(2).collect();
    let rest = fraction.get(2..).unwrap_or_default();
    assert!(rest.bytes().all(|digit| digit == b'0'), "{amount}");
    format!("{whole}{cents}").parse().unwrap_or_else(|_| panic!("{amount}"))
}

fn sum(records: &[Record], column: &str) -> i64 {
    records.iter().map(|record| minor(&record[column])).sum()
}

/// What the server adds up, from rows of key and amount.
fn asked(postgres: &TestPostgres, sql: &str) -> BTreeMap<String, i64> {
    let answer = postgres.ask(sql);
    answer.lines().map(|line| line.rsplit_once('|').unwrap()).map(|(key, sum)| (key.to_owned(), minor(sum))).collect()
}

fn by(records: &[Record], keys: &[&str], column: &str) -> BTreeMap<String, i64> {
    let mut sums = BTreeMap::new();
    for record in records {
        let key: Vec<_> = keys.iter().map(|key| record[*key].as_str()).collect();
        *sums.entry(key.join("|")).or_default() += minor(&record[column]);
    }
    sums
}

#[test]
fn the_figures_of_every_report_are_those_that_the_database_adds_up() {
    let desks = Desk::both();
    for desk in &desks {
        desk.distribute();
    }
    let files: Vec<Vec<Vec<u8>>> = desks
        .iter()
        .map(|desk| TYPES.iter().map(|(report, parameters)| desk.file(report, "csv", parameters).1).collect())
        .collect();
    assert_eq!(files[0], files[1], "both databases tell the same, byte for byte");

    let postgres = desks[1].postgres.as_ref().unwrap();
    let [statement, performance, roi, worth, history, tax] = [0, 1, 2, 3, 4, 5].map(|index| records(&files[1][index]));
    let period = "occurred_on BETWEEN '2024-01-01' AND '2024-06-30'";

    let last: BTreeMap<_, _> =
        statement.iter().map(|record| (record["currency"].clone(), minor(&record["balance"]))).collect();
    let ever = asked(
        postgres,
        "SELECT currency, SUM(amount) FROM transactions WHERE investor_id = '456' AND occurred_on <= '2024-06-30' GROUP BY 1",
    );
    assert_eq!(last, ever, "the last balance is the sum of all entries");
    let count = postgres.ask(&format!("SELECT count(*) FROM transactions WHERE investor_id = '456' AND {period}"));
    assert_eq!(statement.len().to_string(), count);

    let own =
        format!("SELECT SUM(amount) FROM transactions WHERE property_id = '123' AND investor_id IS NULL AND {period}");
    let own = |more: &str| minor(&postgres.ask(&format!("{own} AND {more}")));
    assert_eq!(sum(&performance, "income"), own("kind = 'rent'"));
    assert_eq!(sum(&performance, "costs"), own("kind = 'upkeep'"));
    assert_eq!(sum(&performance, "net"), own("kind IN ('rent', 'upkeep')"));
    assert_eq!(sum(&performance, "distributed"), -own("kind = 'distribution'"));
    assert_eq!(performance.len(), 6, "a row for each month");

    let lines = "SELECT d.property_id || '|' || d.currency, SUM(l.amount) FROM distributions d \
                 JOIN distribution_lines l USING (tenant_id, property_id, period_id)";
    let paid = asked(postgres, &format!("{lines} GROUP BY 1"));
    let returned = by(&roi, &["property_id", "currency"], "distributed");
    assert_eq!(returned.into_iter().filter(|(_, sum)| *sum != 0).collect::<BTreeMap<_, _>>(), paid);
    let invested = "SELECT v.property_id || '|' || p.currency, SUM(v.amount) FROM investments v \
                    JOIN properties p ON p.id = v.property_id WHERE exited_on IS NULL OR exited_on > '2024-01-01' GROUP BY 1";
    assert_eq!(by(&roi, &["property_id", "currency"], "invested"), asked(postgres, invested));
    let lekki = roi.iter().find(|record| record["property_id"] == "123").unwrap();
    let share = f64::from(u32::try_from(minor(&lekki["distributed"])).unwrap()) / minor(&lekki["invested"]) as f64;
    assert!((lekki["return"].parse::<f64>().unwrap() - share).abs() < 1e-6, "{lekki:?}");

    let latest =
        "SELECT DISTINCT ON (property_id) property_id, amount FROM valuations ORDER BY property_id, valued_on DESC";
    assert_eq!(by(&worth, &["property_id"], "value"), asked(postgres, latest));

    let all =
        format!("SELECT currency || '|' || initcap(kind), SUM(amount) FROM transactions WHERE {period} GROUP BY 1");
    assert_eq!(by(&history, &["currency", "entry"], "amount"), asked(postgres, &all));
    let mine = asked(postgres, &format!("{lines} WHERE l.investor_id = '456' GROUP BY 1"));
    assert_eq!(by(&tax, &["property_id", "currency"], "amount"), mine);
    assert_eq!(mine.len(), 2, "in naira and in dollars");
}

/// A cell of the workbook as the CSV writes it.
fn told(cell: &Data, column: &str) -> String {
    match cell {
        Data::Empty => String::new(),
        Data::String(text) => text.clone(),
        Data::Float(number) if ["change", "share", "return"].contains(&column) => format!("{number:.6}"),
        Data::Float(number) if column == "payments" => format!("{number}"),
        Data::Float(number) => format!("{number:.2}"),
        Data::DateTime(moment) => {
            let (year, month, day, ..) = moment.to_ymd_hms_milli();
            format!("{year}-{month:02}-{day:02}")
        }
        other => panic!("{column}: {other:?}"),
    }
}

fn same_ratio(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{:.6}", text.parse::<f64>().unwrap()) }
}

#[test]
fn csv_json_and_excel_hold_the_same_table_with_typed_cells() {
    let desk = Desk::new();
    desk.distribute();
    for (report, parameters) in TYPES {
        let (result, csv) = desk.file(report, "csv", parameters);
        let rows = records(&csv);
        assert_eq!(result["rows"], rows.len(), "{result}");
        assert!(!rows.is_empty(), "{report} has rows");
        let names: Vec<_> = csv::Reader::from_reader(&csv[..]).headers().unwrap().iter().map(str::to_owned).collect();

        let (_, json) = desk.file(report, "json", parameters);
        let objects: Vec<serde_json::Map<String, Value>> = serde_json::from_slice(&json).unwrap();
        let text = |value: &Value| match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let of_json: Vec<Record> =
            objects.iter().map(|row| row.iter().map(|(name, value)| (name.clone(), text(value))).collect()).collect();
        assert_eq!(of_json, rows, "{report}");

        let (_, workbook) = desk.file(report, "excel", parameters);
        let mut workbook = Xlsx::new(Cursor::new(workbook)).unwrap();
        let sheet = workbook.worksheet_range("Sheet1").unwrap();
        assert_eq!(sheet.height(), rows.len() + 1, "{report}");
        for (cells, row) in sheet.rows().skip(1).zip(&rows) {
            for (cell, name) in cells.iter().zip(&names) {
                let is_ratio = ["change", "share", "return"].contains(&name.as_str());
                let expected = if is_ratio { same_ratio(&row[name]) } else { row[name].clone() };
                assert_eq!(told(cell, name), expected, "{report} {name}");
                let is_amount = ["amount", "balance", "value", "net", "invested"].contains(&name.as_str());
                assert!(!is_amount || matches!(cell, Data::Float(_)), "{report} {name} is a number: {cell:?}");
            }
        }
    }
}

#[test]
fn a_report_is_written_for_its_owner_alone_and_told_by_path_bytes_and_digest() {
    let desk = Desk::new();
    let (result, file) = desk.file("portfolio-valuation", "csv", VALUATION);
    let path = PathBuf::from(result["path"].as_str().unwrap());
    let directory = desk.cli.home().join(".local/share/ireva-queue/reports");
    assert_eq!(path.parent(), Some(directory.as_path()), "the usual directory is in the data directory");
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("portfolio-valuation-all-2024-01-01-2024-06-30-") && name.ends_with(".csv"), "{name}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!((&result["bytes"], &result["sha256"]), (&json!(file.len()), &json!(sha256(&file))));
    assert_eq!(result["reportType"], "portfolio-valuation");

    let elsewhere = desk.cli.home().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let moved = desk.with("REPORT_DIR", &format!("file://{}", elsewhere.display()));
    let (result, _) = moved.file("portfolio-valuation", "json", VALUATION);
    assert!(result["path"].as_str().unwrap().starts_with(elsewhere.to_str().unwrap()), "{result}");
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 1, "no draft is left behind");
}

#[test]
fn what_is_wrong_with_a_report_ends_among_the_dead_letters_and_the_others_go_on() {
    let desk = Desk::with_server();
    desk.postgres.as_ref().unwrap().ask("INSERT INTO tenants VALUES ('empty', 'Empty Ltd')");
    let of = |report: &str, parameters: &str, more: &str| {
        format!(r#"{{"reportType":"{report}","format":"csv","parameters":{{{parameters}}}{more}}}"#)
    };
    let dates = r#""startDate":"2024-01-01","endDate":"2024-01-31""#;
    let table = [
        (
            of("investor-statement", &format!("\"userId\":999,{dates}"), ""),
            "investor_unknown",
            "there is no investor 999 of tenant default: check parameters.userId",
        ),
        (of("tax-document", &format!("\"userId\":\"x\",{dates}"), ""), "investor_unknown", "investor x"),
        (
            of("property-performance", &format!("\"propertyId\":7,{dates}"), ""),
            "property_unknown",
            "there is no property 7 of tenant default: check parameters.propertyId",
        ),
        (of("transaction-history", &format!("\"propertyId\":7,{dates}"), ""), "property_unknown", "property 7"),
        (
            of("roi-summary", dates, ",\"tenantId\":\"acme\""),
            "tenant_unknown",
            "there is no tenant acme: check tenantId",
        ),
        (of("roi-summary", dates, ",\"tenantId\":\"empty\""), "no_data", "tenant empty has no properties to report on"),
        (
            of("roi-summary", r#""startDate":"2024-02-01","endDate":"2024-01-31""#, ""),
            "payload_invalid",
            "endDate 2024-01-31 is before startDate 2024-02-01: swap them",
        ),
        (
            of("tax-document", "", ""),
            "payload_invalid",
            "parameters.userId is missing; parameters.startDate is missing; parameters.endDate is missing",
        ),
        ("{}".to_owned(), "payload_invalid", "reportType is missing; format is missing; parameters is missing"),
    ];
    let worker = desk.worker();
    for (payload, code, part) in &table {
        let ended = desk.ended(payload);
        assert_eq!((&ended["state"], &ended["error"]["code"]), (&json!("dead"), &json!(code)), "{payload}: {ended}");
        let message = ended["error"]["message"].as_str().unwrap();
        assert!(message.contains(part) && ended["error"]["class"] == "permanent", "{payload}: {ended}");
    }
    let before = of("transaction-history", r#""startDate":"1999-01-01","endDate":"1999-12-31""#, "");
    let empty = desk.ended(&before);
    assert_eq!(empty["result"]["rows"], 0, "nothing in the period is a report too: {empty}");
    let bytes = std::fs::read(empty["result"]["path"].as_str().unwrap()).unwrap();
    assert!(bytes.starts_with(b"date,id,property_id,") && bytes.iter().filter(|byte| **byte == b'\n').count() == 1);
    drop(worker);
    assert_eq!(desk.cli.json(["stats", "report-generation"])["dead"], table.len());
    let refused = desk.cli.run(["enqueue", "report-generation", &table[7].0]).expect(2);
    assert!(refused.stderr.contains("parameters.userId is missing"), "{}", refused.stderr);
}

#[test]
fn r59_names_that_look_like_formulas_are_texts_in_reports() {
    let desk = Desk::with_server();
    let name = "=HYPERLINK(\"http://evil.example\",\"John\")";
    desk.postgres.as_ref().unwrap().ask(&format!("UPDATE investors SET name = '{name}' WHERE id = '456'"));
    let parameters = r#""userId":456,"startDate":"2021-01-01","endDate":"2024-06-30""#;
    let rows = records(&desk.file("transaction-history", "csv", parameters).1);
    assert!(rows.iter().all(|row| row["investor"] == format!("'{name}")) && rows.len() > 3, "{rows:?}");
    assert!(
        rows.iter().any(|row| minor(&row["amount"]) < 0 && row["amount"].starts_with('-')),
        "numbers are no formulas"
    );
    let workbook = desk.file("transaction-history", "excel", parameters).1;
    let mut workbook = Xlsx::new(Cursor::new(workbook)).unwrap();
    let sheet = workbook.worksheet_range("Sheet1").unwrap();
    assert!(sheet.rows().skip(1).all(|row| row[5] == Data::String(name.to_owned())));
    assert!(workbook.worksheet_formula("Sheet1").unwrap().used_cells().all(|(_, _, formula)| formula.is_empty()));
}

#[test]
fn the_schema_takes_and_refuses_what_the_processor_does() {
    let of = |report: &str, parameters: &str, more: &str| {
        format!(r#"{{"reportType":"{report}","format":"csv","parameters":{{{parameters}}}{more}}}"#)
    };
    let dates = r#""startDate":"2024-01-01","endDate":"2024-01-31""#;
    let mut payloads = vec!["{}".to_owned(), "[]".to_owned(), of("roi-summary", "", ""), of("statement", dates, "")];
    for more in [
        "",
        r#","requestedBy":"a b""#,
        r#","tenantId":7,"requestedBy":"ops""#,
        r#","notifyOnComplete":true"#,
        r#","notifyOnComplete":true,"email":"a@example.com""#,
        r#","notifyOnComplete":"yes","email":"a@example.com""#,
        r#","email":"nobody""#,
        r#","email":"a@b@c""#,
        r#","colour":1"#,
    ] {
        payloads.push(of("roi-summary", dates, more));
    }
    for more in [
        r#""userId":-1"#,
        r#""userId":1.5"#,
        r#""userId":1,"propertyId":"x.y","portfolioId":"all""#,
        r#""includeCharts":1"#,
        r#""colour":1"#,
    ] {
        payloads.push(of("roi-summary", &format!("{dates},{more}"), ""));
    }
    payloads.push(of("roi-summary", r#""startDate":"2024-1-1","endDate":"2024-01-31""#, ""));
    let fields = [r#""userId":456"#, r#""propertyId":123"#, r#""portfolioId":"all""#, r#""startDate":"2024-01-01""#];
    for (report, parameters) in TYPES {
        payloads.push(of(report, parameters, ""));
        for field in fields {
            let other = match parameters.contains(field) {
                true => parameters.replace(&format!("{field},"), ""),
                false => format!("{parameters},{field}"),
            };
            payloads.push(of(report, &other, ""));
        }
    }
    let (_, validator) = crate::data_schema::schema("report-generation");
    let taken = payloads.iter().filter(|payload| verdict("report-generation", &validator, payload)).count();
    assert!(0 < taken && taken < payloads.len(), "{taken}");
}

/// A processor in this process, on the desk's database and queue.
fn processor(desk: &Desk, reports: &str) -> ReportProcessor {
    let database = Database::open_file(&desk.cli.home().join(".local/share/ireva-queue/portfolio.db")).unwrap();
    let settings = StorageSettings { temporary_dir: desk.cli.home().join("temporary"), ..StorageSettings::default() };
    let storage = Storage::open_own(&desk.cli.home().join(reports), &settings).unwrap();
    let env = desk.redis.env();
    let lookup = |name: &str| env.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let client = Client::new(&Config::from_lookup(lookup, None).unwrap()).unwrap();
    ReportProcessor::new(database, storage, Arc::new(client)).unwrap()
}

#[tokio::test]
async fn a_report_that_runs_again_replaces_its_own_file_and_mails_once() {
    let desk = Desk::new();
    desk.distribute();
    let processor = processor(&desk, "reports");
    let payload = json!({
        "reportType": "investor-statement", "format": "csv", "notifyOnComplete": true, "email": "investor@example.com",
        "parameters": {"userId": 456, "startDate": "2024-01-01", "endDate": "2024-06-30"},
    });
    let job = |id: &str| TestJob { id: JobId::new(id).unwrap(), ..TestJob::new("report-generation") };
    let mut results = Vec::new();
    for (id, attempt) in [("first:1", 1), ("first:1", 2), ("second@1", 1)] {
        let run = run_as(&processor, &payload.to_string(), &TestJob { attempt, ..job(id) }).await;
        let result: Value = serde_json::from_str(run.result.unwrap().result().unwrap()).unwrap();
        assert_eq!(result["mailsQueued"], 1);
        results.push(result);
    }
    assert_eq!(results[0], results[1], "the same file, to the byte");
    assert_ne!(results[0]["path"], results[2]["path"]);
    assert_eq!(std::fs::read_dir(desk.cli.home().join("reports")).unwrap().count(), 2);
    let mails = desk.cli.json(["jobs", "list", "email"]);
    assert_eq!(mails.as_array().unwrap().len(), 2, "one for each job: {mails}");

    let mails = desk.cli.home().join("mails");
    let cli = desk.cli.clone().env("SMTP_URL", format!("file://{}", mails.display())).env("MAIL_FROM", "a@example.com");
    let mut worker = cli.work(["email", "--until-empty"]);
    assert_eq!(worker.wait(LONG), Some(0), "{:?}", worker.log());
    let sent: Vec<_> =
        std::fs::read_dir(mails).unwrap().map(|mail| std::fs::read_to_string(mail.unwrap().path()).unwrap()).collect();
    assert_eq!(sent.len(), 2);
    for part in [
        "Investor statement",
        "1 January 2024 to 30 June 2024",
        "attached to this mail",
        "text/csv",
        "investor-statement-456-",
    ] {
        assert!(sent[0].contains(part), "{part}: {}", sent[0]);
    }
}

#[tokio::test]
async fn a_report_too_large_for_a_mail_is_told_by_its_name_and_not_by_where_it_is() {
    let desk = Desk::new();
    desk.fill(10_000);
    let processor = processor(&desk, "reports");
    let payload = json!({
        "reportType": "transaction-history", "format": "json", "notifyOnComplete": true, "email": "investor@example.com",
        "parameters": {"startDate": "2024-01-01", "endDate": "2024-12-31"},
    });
    let run = run_as(&processor, &payload.to_string(), &TestJob::new("report-generation")).await;
    let result: Value = serde_json::from_str(run.result.unwrap().result().unwrap()).unwrap();
    assert!(result["bytes"].as_u64().unwrap() > 700_000, "{result}");
    let id = desk.cli.json(["jobs", "list", "email"])[0]["id"].as_str().unwrap().to_owned();
    let mail = desk.cli.json(["jobs", "show", &id])["payload"].clone();
    let location = mail["context"]["location"].as_str().unwrap();
    assert!(result["path"].as_str().unwrap().ends_with(&format!("/reports/{location}")), "{location} of {result}");
    assert_eq!(mail["attachments"], json!([]));
}

/// Makes a history of 200,000 rows and holds the peak of the worker's memory under the limit.
fn large(format: &str) {
    const ROWS: u64 = 200_000;
    let desk = Desk::new();
    desk.fill(ROWS);
    let mut worker = desk.worker();
    let parameters = r#""startDate":"2024-01-01","endDate":"2024-12-31""#;
    let result = desk.ended(&payload("transaction-history", format, parameters));
    let rows = result["result"]["rows"].as_u64().unwrap_or_else(|| panic!("{result}"));
    assert!(rows > ROWS, "{rows}");
    let status = std::fs::read_to_string(format!("/proc/{}/status", worker.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak_kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak_kib < 150_000, "{peak_kib} KiB");
    assert_eq!(worker.stop(LONG), Some(0));
}

#[test]
fn two_hundred_thousand_rows_become_csv_in_less_than_150_mb() {
    large("csv");
}

#[test]
fn two_hundred_thousand_rows_become_json_in_less_than_150_mb() {
    large("json");
}

#[test]
fn two_hundred_thousand_rows_become_a_workbook_in_less_than_150_mb() {
    large("excel");
}

/// How long a report may take, in any test.
const LONG: Duration = Duration::from_secs(60);
