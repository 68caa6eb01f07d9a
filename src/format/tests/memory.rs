//! Memory stays flat however many rows there are: each case runs in a process of its own, whose peak is read before and
//! after rows that would not fit under the bound if they were held.
//!
//! Reports reach 200,000 rows; these are fewer, since the libraries are built for tests without optimization.

use std::fs::File;
use std::io::{Seek, Write};
use std::process::{Command, Output};

use super::*;

const CASE: &str = "FORMAT_CASE";
const COLUMNS: usize = 10;
/// Rows after which everything that is set up once is there.
const FIRST_ROWS: u64 = 500;
const BOUND_KIB: u64 = 1536;

/// Runs the test `name` alone, as a case, in a process of its own behind `shell`.
fn run_as(name: &str, case: &str, shell: &str) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{shell}; exec \"$0\" \"$@\"")]).arg(std::env::current_exe().unwrap());
    let output = command.args(["--exact", name, "--nocapture"]).env(CASE, case).output().unwrap();
    let said = [output.stdout.as_slice(), &output.stderr].concat();
    assert!(output.status.success(), "{case}: {}", String::from_utf8_lossy(&said));
    output
}

fn say(what: &str) {
    writeln!(std::io::stdout(), "\n{what}").unwrap();
}

/// The peak of resident memory of this process, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn columns() -> Vec<Column> {
    let kinds = [Kind::Text, Kind::Integer, euros(), Kind::Date, Kind::Text];
    (0..COLUMNS).map(|index| Column::new(format!("column_{index}"), kinds[index % kinds.len()])).collect()
}

fn row(number: u64) -> Vec<Value> {
    let cents = i64::try_from(number).unwrap() * 101;
    let five = [
        format!("Investor number {number} of this portfolio, written in a text of some length").into(),
        Value::Integer(cents),
        Value::Decimal(rust_decimal::Decimal::new(cents, 2)),
        Value::Date("2024-01-31".parse().unwrap()),
        format!("reference {number}").into(),
    ];
    [five.clone(), five].concat()
}

/// Writes rows; how far the peak rose after the first.
fn write(format: Format, rows: u64, sink: impl Write + Send) -> u64 {
    let mut writer = format.writer(columns(), sink, &WriteOptions::default()).unwrap();
    let mut first = 0;
    for number in 0..rows {
        writer.write(&row(number)).unwrap();
        if number == FIRST_ROWS {
            first = peak_kib();
        }
    }
    let peak = peak_kib();
    assert_eq!(writer.finish().unwrap().rows, rows);
    peak - first
}

/// Reads rows; how far the peak rose after the first.
fn read(format: Format, rows: u64) -> u64 {
    let path = std::env::temp_dir().join(format!("ireva-format-{}", std::process::id()));
    let mut file = File::options().create_new(true).read(true).write(true).open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    write(format, rows, &mut file);
    file.rewind().unwrap();
    let mut reader = format.reader(file, &ReadOptions::default()).unwrap();
    let (mut count, mut first) = (0, 0);
    while let Some(row) = reader.next_row().unwrap() {
        assert_eq!(row.cells().count(), COLUMNS);
        count += 1;
        if count == FIRST_ROWS {
            first = peak_kib();
        }
    }
    assert_eq!(count, rows);
    peak_kib() - first
}

#[test]
fn thousands_of_rows_are_written_and_read_in_the_memory_of_hundreds() {
    const NAME: &str = "format::tests::memory::thousands_of_rows_are_written_and_read_in_the_memory_of_hundreds";
    if let Ok(case) = std::env::var(CASE) {
        let (act, format) = case.split_once(' ').unwrap();
        let format: Format = format.parse().unwrap();
        let rows = if format == Format::Excel { 3_000 } else { 10_000 };
        let risen = if act == "write" { write(format, rows, std::io::sink()) } else { read(format, rows) };
        return say(&format!("risen {risen}"));
    }
    for format in Format::ALL {
        for act in ["write", "read"] {
            let output = run_as(NAME, &format!("{act} {format}"), "true");
            let said = String::from_utf8(output.stdout).unwrap();
            let risen: u64 = said.lines().find_map(|line| line.strip_prefix("risen ")?.parse().ok()).unwrap();
            assert!(risen < BOUND_KIB, "{act} {format}: {risen} KiB");
        }
    }
}

#[test]
fn a_full_disk_below_the_workbook_is_an_error_and_may_be_tried_again_later() {
    const NAME: &str = "format::tests::memory::a_full_disk_below_the_workbook_is_an_error_and_may_be_tried_again_later";
    if std::env::var(CASE).is_ok() {
        let mut writer = Format::Excel.writer(columns(), Vec::new(), &WriteOptions::default()).unwrap();
        let error = (0..2_000).find_map(|number| writer.write(&row(number)).err()).expect("the file has its limit");
        assert!(error.is_transient() && error.to_string().contains("is its disk full?"), "{error:?}");
        assert!(writer.write(&row(0)).unwrap_err().is_transient(), "nothing more is taken");
        assert!(writer.finish().unwrap_err().is_transient(), "and no half of a workbook is made");
        return say("full");
    }
    // A file may have 64 blocks; the signal of that is left out, so that writing fails as it does on a full disk.
    let output = run_as(NAME, "full", "trap '' XFSZ; ulimit -f 64");
    assert!(String::from_utf8(output.stdout).unwrap().contains("\nfull\n"));
}
