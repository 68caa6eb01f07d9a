//! What is in a workbook that is written, and what is read of those that other programs write.

use std::io::{Cursor, Read, Write};

use calamine::{Data, Reader, Xlsx};
use rust_xlsxwriter::{ExcelDateTime, Format as CellFormat, Formula, Workbook};

use super::*;

/// A part of a workbook, as text.
fn part(file: &[u8], name: &str) -> String {
    let mut archive = zip::ZipArchive::new(Cursor::new(file)).unwrap();
    let mut text = String::new();
    archive.by_name(name).unwrap().read_to_string(&mut text).unwrap();
    text
}

/// An archive of these parts.
pub(super) fn archive(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in parts {
        // Packing what is large takes long without optimization, and unpacking is tried with what is small.
        let is_large = text.len() > 64 * 1024;
        let method = if is_large { zip::CompressionMethod::Stored } else { zip::CompressionMethod::Deflated };
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        archive.start_file(*name, options).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// The cells of each row, as texts.
fn shown(file: &[u8], options: &ReadOptions) -> Vec<String> {
    let mut reader = Format::Excel.reader(file, options).unwrap();
    let mut shown = Vec::new();
    loop {
        match reader.next_row() {
            Ok(Some(row)) => {
                let cells = row.cells().map(|(_, value)| value.described());
                shown.push(format!("{}: {}", row.place().line, cells.collect::<Vec<_>>().join(", ")));
            }
            Ok(None) => return shown,
            Err(error) => shown.push(error.to_string()),
        }
    }
}

fn written() -> Vec<u8> {
    let columns = [
        Column::new("name", Kind::Text),
        Column::new("amount", euros()).titled("Amount"),
        Column::new("rate", Kind::Percent { scale: 2 }),
        Column::new("day", Kind::Date),
        Column::new("at", Kind::Instant),
        Column::new("paid", Kind::Bool),
    ];
    let day = Value::Date("2024-01-31".parse().unwrap());
    let at = Value::Instant("2024-01-31T06:00:00Z".parse().unwrap());
    let row = vec!["=Ada".into(), decimal("1234.50"), decimal("0.075"), day, at, true.into()];
    file(Format::Excel, &columns, &[row], &WriteOptions { heading: Heading::Titles, ..WriteOptions::default() })
}

#[test]
fn a_workbook_has_a_frozen_bold_header_formats_and_widths() {
    let file = written();
    let sheet = part(&file, "xl/worksheets/sheet1.xml");
    assert!(sheet.contains(r#"<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>"#), "{sheet}");
    assert!(sheet.contains("<c r=\"B2\" s=\"") && sheet.contains("<v>1234.5</v>"), "{sheet}");
    assert!(sheet.contains("t=\"inlineStr\"><is><t>=Ada</t></is></c>"), "{sheet}");
    assert!(!sheet.contains("<f>") && !sheet.contains("<f "), "{sheet}");
    assert_eq!(sheet.matches("customWidth=\"1\"").count(), 6, "{sheet}");
    let styles = part(&file, "xl/styles.xml");
    for format in ["[$EUR] #,##0.00", "yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss"] {
        assert!(styles.contains(&format!("formatCode=\"{format}\"")), "{styles}");
    }
    assert!(styles.contains("<b/>") && styles.contains("quotePrefix=\"1\""), "{styles}");

    let mut other = Xlsx::new(Cursor::new(&file)).unwrap();
    let range = other.worksheet_range("Sheet1").unwrap();
    let cells = range.rows().nth(1).unwrap();
    assert_eq!(cells[..3], [Data::String("=Ada".to_owned()), Data::Float(1234.5), Data::Float(0.075)]);
    let moments: Vec<_> = cells[3..5].iter().map(|cell| cell.to_string()).collect();
    assert_eq!(moments, ["45322", "45322.25"]);
    assert!(matches!(cells[3], Data::DateTime(_)) && matches!(cells[4], Data::DateTime(_)));
    assert_eq!(cells[5], Data::Bool(true));
}

#[test]
fn the_same_rows_give_the_same_bytes() {
    assert_eq!(written(), written());
    let columns = [Column::new("a", Kind::Text)];
    let created = "2024-01-31T06:00:00Z".parse().unwrap();
    let sheet = SheetOptions { name: Some("Statement".to_owned()), created: Some(created), ..SheetOptions::default() };
    let file = file(Format::Excel, &columns, &[], &WriteOptions { sheet, ..WriteOptions::default() });
    assert!(part(&file, "docProps/core.xml").contains("2024-01-31T06:00:00Z"));
    assert!(part(&file, "xl/workbook.xml").contains("name=\"Statement\""));
}

#[test]
fn a_name_that_no_sheet_may_have_is_refused() {
    for name in ["", "a/b", "'a'", &"x".repeat(32)] {
        let sheet = SheetOptions { name: Some(name.to_owned()), ..SheetOptions::default() };
        let options = WriteOptions { sheet, ..WriteOptions::default() };
        let made = Format::Excel.writer(vec![Column::new("a", Kind::Text)], Vec::new(), &options);
        assert!(made.err().unwrap().to_string().starts_with("the name of a sheet has 1 to 31 characters"), "{name:?}");
    }
}

/// A workbook as people make them: shared texts, a table that does not begin in the corner, formulas, remarks.
fn by_hand() -> Vec<u8> {
    let mut workbook = Workbook::new();
    let hidden = workbook.add_worksheet().set_name("Hidden").unwrap();
    hidden.write(0, 0, "not this one").unwrap().set_hidden(true);
    let sheet = workbook.add_worksheet().set_name("Investors 2024").unwrap().set_active(true);
    let date = CellFormat::new().set_num_format("dd.mm.yyyy");
    let hours = CellFormat::new().set_num_format("[h]:mm");
    for (column, name) in ["name", "born", "amount", "hours", "sum"].into_iter().enumerate() {
        sheet.write(2, column as u16 + 1, name).unwrap();
    }
    for (row, name) in [(3, "Ada"), (4, "Ada"), (7, "Müller\r\n_x000D_ & <Söhne>")] {
        sheet.write(row, 1, name).unwrap();
        let born = ExcelDateTime::from_ymd(1984, 2, 29).unwrap();
        sheet.write_with_format(row, 2, &born, &date).unwrap();
        sheet.write(row, 3, 0.1 + 0.2).unwrap();
        sheet.write_with_format(row, 4, 1.5, &hours).unwrap();
        sheet.write(row, 5, Formula::new("=D4*2").set_result("0.6")).unwrap();
    }
    sheet.write(8, 1, "Eve").unwrap();
    sheet.write(8, 5, Formula::new("=1/0").set_result("#DIV/0!")).unwrap();
    sheet.write(9, 1, "Bob").unwrap().write(9, 9, "a remark").unwrap();
    sheet.write_blank(20, 1, &date).unwrap();
    workbook.save_to_buffer().unwrap()
}

#[test]
fn a_workbook_of_another_program_is_read_typed_with_its_row_numbers() {
    let file = by_hand();
    assert!(part(&file, "xl/sharedStrings.xml").contains("<t>Ada</t>"));
    let row = |name: &str| {
        format!("the text {name:?}, the date 1984-02-29, the number 0.3, the text \"36:00:00\", the number 0.6")
    };
    let expected = [
        format!("4: {}", row("Ada")),
        format!("5: {}", row("Ada")),
        format!("8: {}", row("Müller\r\n_x000D_ & <Söhne>")),
        "row 4 (line 9), column \"sum\": the cell holds the error #DIV/0!".to_owned(),
        "row 5 (line 10), column \"10\": the header has no name for this column, which holds the text \"a remark\""
            .to_owned(),
    ];
    assert_eq!(shown(&file, &ReadOptions::default()), expected);
    let hidden = ReadOptions { sheet: Some("Hidden".to_owned()), ..ReadOptions::default() };
    let reader = Format::Excel.reader(&file[..], &hidden).unwrap();
    assert_eq!(reader.columns().unwrap(), ["not this one"]);
    let missing = ReadOptions { sheet: Some("Investors".to_owned()), ..ReadOptions::default() };
    let error = Format::Excel.reader(&file[..], &missing).err().unwrap();
    assert_eq!(error.to_string(), "the workbook has no sheet \"Investors\": it has \"Hidden\", \"Investors 2024\"");
}

/// A workbook with this sheet, made by hand.
pub(super) fn xlsx(sheet: &str) -> Vec<u8> {
    archive(&[
        ("_rels/.rels", include_str!("files/package.rels")),
        ("xl/_rels/book.xml.rels", include_str!("files/book.rels")),
        ("xl/book.xml", include_str!("files/book.xml")),
        ("xl/texts.xml", include_str!("files/texts.xml")),
        ("xl/styles.xml", include_str!("files/styles.xml")),
        ("xl/sheets/one.xml", sheet),
    ])
}

#[test]
fn cells_of_every_type_are_read_with_and_without_references() {
    let file = xlsx(include_str!("files/sheet.xml"));
    let reader = Format::Excel.reader(&file[..], &ReadOptions::default()).unwrap();
    assert_eq!(reader.columns().unwrap(), ["one", "rich", "in;"]);
    let expected = [
        "5: the text \"a&b<c>\", nothing, true",
        "6: the date 2024-01-31, the number 43860, the instant 2024-01-31T06:00:00Z",
        "row 3 (line 7), column \"one\": the cell holds the error #N/A",
        "row 4 (line 8), column \"one\": the cell refers to no text",
        "row 5 (line 10), column \"one\": the number \"1.7976931348623157E+308\" is too large or no number",
        "11: the number 0, nothing, nothing",
    ];
    assert_eq!(shown(&file, &ReadOptions::default()), expected);
}

/// An OpenDocument workbook with this content.
pub(super) fn ods(content: &str) -> Vec<u8> {
    archive(&[("mimetype", "application/vnd.oasis.opendocument.spreadsheet"), ("content.xml", content)])
}

#[test]
fn an_opendocument_sheet_is_read_typed_with_its_row_numbers() {
    let file = ods(include_str!("files/content.xml"));
    let expected = [
        "4: the text \"a   b\\nc\\td & e\", the number 1234.5, the date 2024-01-31, true",
        "5: the text \"same\", the number 1, nothing, nothing",
        "6: the text \"same\", the number 1, nothing, nothing",
        "row 4 (line 7), column \"amount\": the cell holds the error #DIV/0!",
        "8: the text \"36:00:00\", nothing, nothing, nothing",
    ];
    assert_eq!(shown(&file, &ReadOptions::default()), expected);
    let other = ReadOptions { sheet: Some("T".to_owned()), ..ReadOptions::default() };
    assert_eq!(Format::Excel.reader(&file[..], &other).unwrap().columns().unwrap(), ["not this one"]);
    let missing = ReadOptions { sheet: Some("U".to_owned()), ..ReadOptions::default() };
    let error = Format::Excel.reader(&file[..], &missing).err().unwrap();
    assert_eq!(error.to_string(), "the workbook has no sheet \"U\": it has \"Hidden\", \"S\", \"T\"");
}
