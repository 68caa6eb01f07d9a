//! Reports on paper, read back by another program: what stands there, how it is laid out, and how many pages it takes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::reports::*;

/// Asks a program of poppler about a file; what comes behind the file's name is `more`.
fn poppler(program: &str, file: &Path, more: &[&str]) -> String {
    let options: &[&str] = if program == "pdftotext" { &["-layout"] } else { &[] };
    let output = Command::new(program).args(options).arg(file).args(more).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}: run tests/install.sh test"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The words of a PDF as they stand on the page, spaces between them made one.
fn words(file: &Path) -> String {
    let text = poppler("pdftotext", file, &["-"]);
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join("\n")
}

fn info(file: &Path, field: &str) -> String {
    let told = poppler("pdfinfo", file, &[]);
    let line =
        told.lines().find_map(|line| line.strip_prefix(&format!("{field}:"))).unwrap_or_else(|| panic!("{told}"));
    line.trim().to_owned()
}

fn pages(file: &Path) -> usize {
    info(file, "Pages").parse().unwrap()
}

/// Makes a report as PDF: its result and its file.
fn paper(desk: &Desk, report: &str, parameters: &str) -> (Value, PathBuf) {
    let (result, _) = desk.file(report, "pdf", parameters);
    let path = PathBuf::from(result["path"].as_str().unwrap());
    (result, path)
}

/// What must stand in each, with charts and details, and how many pages it takes at most.
const PAPERS: [(&str, &str, usize, &[&str]); 6] = [
    (
        "investor-statement",
        STATEMENT,
        3,
        &[
            "John Akinwale",
            "Investor statement",
            "1 January 2024 to 30 June 2024",
            "Investor number 456",
            "Holdings on 30 June 2024",
            "Opening balance",
            "Closing balance",
            "Distributions in detail",
            "Value of the shares, NGN",
            "in NGN million",
        ],
    ),
    (
        "property-performance",
        PERFORMANCE,
        3,
        &[
            "Lekki Gardens Phase II",
            "Lagos, NG",
            "Price 250,000,000.00 NGN",
            "Month by month",
            "Jan 2024",
            "Net income by month",
            "Value of the property",
            "Entries in detail",
        ],
    ),
    (
        "roi-summary",
        PERIOD,
        2,
        &[
            "Return on investment",
            "Portfolio all properties of iREVA",
            "Return in NGN",
            "Return in USD",
            "Victoria Island Offices",
        ],
    ),
    (
        "portfolio-valuation",
        VALUATION,
        4,
        &[
            "Portfolio valuation",
            "Properties on 30 June 2024",
            "Changes in the period",
            "Value over time, NGN",
            "Valuations in detail",
        ],
    ),
    (
        "transaction-history",
        PERIOD,
        3,
        &["Transaction history", "Sums", "Rent Properties 30 89,049,000.00 NGN", "Upkeep", "Distribution Investors"],
    ),
    (
        "tax-document",
        STATEMENT,
        2,
        &[
            "Tax document",
            "Tax number NG-20449595",
            "Distributions received",
            "no tax assessment",
            "Payments in detail",
        ],
    ),
];

#[test]
fn every_report_is_printed_with_letterhead_figures_and_page_numbers() {
    let desk = Desk::new();
    desk.distribute();
    for (report, parameters, most_pages, parts) in PAPERS {
        let parameters = format!("{parameters},\"includeCharts\":true,\"detailed\":true");
        let (result, file) = paper(&desk, report, &parameters);
        let text = words(&file);
        for part in parts {
            assert!(text.contains(part), "{report}: {part:?} in\n{text}");
        }
        let count = pages(&file);
        assert!((1..=most_pages).contains(&count), "{report} has {count} pages");
        for page in 1..=count {
            assert!(text.contains(&format!("Page {page} of {count}")), "{report}: page {page} in\n{text}");
        }
        assert!(text.starts_with("iREVA\n"), "{text}");
        let job = file.file_stem().unwrap().to_str().unwrap().rsplit('-').next().unwrap().to_owned();
        assert_eq!(text.matches(&format!("Report {job}, made on ")).count(), count, "{report}");
        assert!(info(&file, "Page size").contains("A4") && info(&file, "Author") == "iREVA", "{report}");
        assert!(result["bytes"].as_u64().unwrap() < 300_000, "{report}: {result}");
        let fonts = poppler("pdffonts", &file, &[]);
        assert!(fonts.lines().skip(2).all(|font| font.contains("Libertinus") && font.contains(" yes ")), "{fonts}");
    }
}

#[test]
fn the_figures_on_paper_are_those_of_the_table() {
    let desk = Desk::new();
    desk.distribute();
    let (_, file) = paper(&desk, "tax-document", STATEMENT);
    let text = words(&file);
    let (_, csv) = desk.file("tax-document", "csv", STATEMENT);
    let mut reader = csv::Reader::from_reader(&csv[..]);
    let rows: Vec<std::collections::BTreeMap<String, String>> = reader.deserialize().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 2);
    for row in rows {
        let (whole, fraction) = row["amount"].split_once('.').unwrap();
        let digits: Vec<char> = whole.chars().collect();
        let groups: Vec<String> = digits.rchunks(3).rev().map(|group| group.iter().collect()).collect();
        let line =
            format!("{} NG {} {}.{fraction} {}", row["property"], row["payments"], groups.join(","), row["currency"]);
        assert!(text.contains(&line), "{line:?} in\n{text}");
    }
    let (_, bare) = paper(&desk, "tax-document", r#""userId":456,"startDate":"1999-01-01","endDate":"1999-12-31""#);
    let text = words(&bare);
    assert!(text.contains("Nothing was distributed in this period.") && text.contains("\n1999\n"), "{text}");
    assert_eq!(pages(&bare), 1);
}

#[test]
fn what_people_are_called_is_printed_and_never_read_as_markup() {
    let desk = Desk::with_server();
    let name = "#panic(1) *Ada* _b_ $x$ [c] `d` @e <f> \\ // ~ = \"g\" - 1.";
    let sql = format!(
        "UPDATE investors SET name = '{name}' WHERE id = '456'; UPDATE tenants SET name = '#image(\"/etc/passwd\")'"
    );
    desk.postgres.as_ref().unwrap().ask(&sql);
    let (_, file) = paper(&desk, "investor-statement", STATEMENT);
    let text = words(&file);
    assert!(text.contains(name) && text.contains("#image(\"/etc/passwd\")"), "{text}");
}

#[test]
fn long_tables_go_on_over_pages_under_their_heads_and_end_at_a_limit() {
    let desk = Desk::new();
    desk.fill(200);
    let parameters = r#""propertyId":123,"startDate":"2024-01-01","endDate":"2024-12-31""#;
    let (result, file) = paper(&desk, "transaction-history", parameters);
    let (text, count) = (words(&file), pages(&file));
    assert!((4..=8).contains(&count), "{count} pages");
    let heads = text.matches("Date Property Investor Entry Amount").count();
    assert!(heads >= count - 1, "{heads} heads on {count} pages");
    assert!(text.contains(&format!("Page {count} of {count}")));
    assert_eq!(text.matches("Lekki Gardens Phase II John Akinwale Rent").count(), 200, "{result}");

    desk.fill_more(200..5_001);
    let worker = desk.worker();
    let ended = desk.ended(&payload("transaction-history", "pdf", parameters));
    drop(worker);
    assert_eq!((&ended["state"], &ended["error"]["code"]), (&"dead".into(), &"report_too_large".into()), "{ended}");
    let message = ended["error"]["message"].as_str().unwrap();
    assert!(message.contains("more than 5000 rows") && message.contains("csv, excel or json"), "{message}");
}

#[test]
fn a_job_that_runs_again_makes_the_same_pages() {
    let desk = Desk::new();
    let options = ["--id", "01KBBBBBBB0123456789ABCDEF", "--wait", "-o", "json"];
    let mut results = Vec::new();
    for _ in 0..2 {
        let mut worker = desk.worker();
        let words = ["enqueue", "report-generation", &payload("roi-summary", "pdf", PERIOD)];
        results.push(desk.cli.run(words.iter().chain(&options)).expect(0).json()["result"].clone());
        assert_eq!(worker.stop(Duration::from_secs(60)), Some(0));
        // The queue forgets the job, so that the same id is a new one.
        desk.cli.ok(["clear", "report-generation", "--state", "completed", "--yes"]);
        desk.cli.ok(["queues", "delete", "report-generation"]);
    }
    assert_eq!(results[0], results[1], "to the byte");
    let text = words(Path::new(results[0]["path"].as_str().unwrap()));
    assert!(text.contains("Report 01KBBBBBBB0123456789ABCDEF, made on 30 November 2025"), "{text}");
}
