//! Files that are damaged, or made to hurt: an error that says so, in little memory and time.

use proptest::prelude::*;

use crate::fuzz::fuzz;

use super::workbook::{archive, ods, xlsx};
use super::*;

/// What the reader says of a file, as it is opened or as it is read.
fn problem(format: Format, file: &[u8]) -> String {
    let mut reader = match format.reader(file, &ReadOptions::default()) {
        Ok(reader) => reader,
        Err(error) => return error.to_string(),
    };
    loop {
        match reader.next_row() {
            Ok(Some(_)) | Err(ReadError::Row(_)) => {}
            Ok(None) => return String::new(),
            Err(ReadError::File(error)) => {
                assert!(reader.next_row().unwrap().is_none(), "a reader that failed is at its end");
                return error.to_string();
            }
        }
    }
}

fn sheet_problem(rows: &str) -> String {
    problem(Format::Excel, &xlsx(&format!("<worksheet><sheetData>{rows}</sheetData></worksheet>")))
}

#[test]
fn what_is_no_workbook_is_named() {
    let table: [(&[u8], &str); 5] = [
        (b"", "the file is no workbook: expected .xlsx or .ods"),
        (b"name,amount\n", "the file is no workbook: expected .xlsx or .ods"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
            "the workbook has a password, or is an old .xls file: save it as .xlsx without a password",
        ),
        (&archive(&[("word/document.xml", "<a/>")]), "the workbook is damaged: it has no part _rels/.rels"),
        (b"PK\x03\x04 and no more", "the workbook is damaged: "),
    ];
    for (file, expected) in table {
        assert!(problem(Format::Excel, file).starts_with(expected), "{}", problem(Format::Excel, file));
    }
    let large = vec![0; WORKBOOK_BYTES_MAX + 1];
    assert_eq!(
        problem(Format::Excel, &large),
        "the workbook is larger than 64 MiB: save it as csv, which may be of any size"
    );
}

#[test]
fn a_workbook_that_is_cut_off_or_changed_is_damaged() {
    let columns = [Column::new("text", Kind::Text)];
    let rows: Vec<_> = (0..100).map(|row: i64| vec![format!("some text {row}").into()]).collect();
    let whole = file(Format::Excel, &columns, &rows, &WriteOptions::default());
    assert_eq!(problem(Format::Excel, &whole), "");
    for cut in [10, whole.len() / 2, whole.len() - 5] {
        assert!(problem(Format::Excel, &whole[..cut]).contains("damaged"), "{cut}");
    }
    // Every byte of the packed sheet counts: a flipped one never gives other rows.
    let read = |file: &[u8]| {
        let mut reader = Format::Excel.reader(file, &ReadOptions::default())?;
        let mut texts = Vec::new();
        loop {
            match reader.next_row() {
                Ok(Some(row)) => texts.push(row.get("text").cloned()),
                Ok(None) => return Ok(texts),
                Err(ReadError::File(error)) => return Err(error),
                Err(ReadError::Row(bad)) => return Err(Error::invalid(bad.to_string())),
            }
        }
    };
    let expected = read(&whole).unwrap();
    for at in (0..whole.len()).step_by(whole.len() / 50) {
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        if let Ok(texts) = read(&changed) {
            assert_eq!(texts, expected, "byte {at}");
        }
    }
}

#[test]
fn a_part_that_unpacks_to_more_than_it_says_is_refused() {
    let mut file = xlsx("<worksheet><sheetData></sheetData></worksheet>");
    // The list of parts stands at the end; the size of the last part is 24 bytes into its entry.
    let entry = file.windows(4).rposition(|window| window == b"PK\x01\x02").unwrap();
    file[entry + 24] = 5;
    assert!(
        problem(Format::Excel, &file).contains("a part is not what the list of parts says"),
        "{}",
        problem(Format::Excel, &file)
    );
    file[entry + 24..entry + 28].copy_from_slice(&u32::MAX.to_le_bytes()[..]);
    file[entry + 27] = 0xfe;
    assert_eq!(problem(Format::Excel, &file), "the workbook unpacks to more than 2 GiB: save it as csv");
}

#[test]
fn a_sheet_that_is_out_of_order_is_damaged() {
    let table = [
        ("<row r=\"2\"/><row r=\"2\"/>", "row 2 follows row 2"),
        ("<row r=\"1048577\"/>", "row 1048577 follows row 0"),
        ("<row><c r=\"B1\"/><c r=\"A1\"/></row>", "the cells of row 1 are out of order"),
        ("<row><c r=\"XFE1\"/></row>", "the cells of row 1 are out of order"),
        ("<row><c><v>1</row>", "the workbook is damaged: in xl/sheets/one.xml, "),
        ("<row><c><v>&evil;</v></c></row>", "the entity \"evil\" is not known"),
    ];
    for (rows, expected) in table {
        assert!(sheet_problem(rows).contains(expected), "{}", sheet_problem(rows));
    }
    let deep = format!("{}{}", "<a>".repeat(101), "</a>".repeat(101));
    assert!(sheet_problem(&deep).contains("elements are more than 100 deep"));
    let cut = problem(Format::Excel, &xlsx("<worksheet><sheetData><row><c><v>1</v></c></row>"));
    assert!(cut.contains("the end is missing"), "{cut}");
}

#[test]
fn no_node_of_a_sheet_is_held_that_is_larger_than_any_needs_to_be() {
    let long = "x".repeat(3 * 1024 * 1024);
    for rows in [
        format!("<row><c t=\"str\"><v>{long}</v></c></row>"),
        format!("<row><c t=\"inlineStr\"><is><t>{long}</t></is></c></row>"),
        format!("<row a=\"{long}\"></row>"),
        format!("<!--{long}-->"),
    ] {
        assert!(sheet_problem(&rows).contains("a tag or text is too long"), "{}", &rows[..40]);
    }
}

#[test]
fn no_cell_and_no_list_of_a_workbook_grows_beyond_what_there_may_be() {
    let half = "1".repeat(CELL_BYTES_MAX / 2 + 1);
    let found = sheet_problem(&format!("<row><c><v>{half}<!-- -->{half}</v></c></row>"));
    assert!(found.contains("a cell of row 1 is too long"), "{found}");

    let book = |relations: &str, sheets: &str| {
        let relations = format!("<Relationships>{relations}</Relationships>");
        let sheets = format!("<workbook><sheets>{sheets}</sheets></workbook>");
        let package = include_str!("files/package.rels");
        let parts = [("_rels/.rels", package), ("xl/_rels/book.xml.rels", &*relations), ("xl/book.xml", &*sheets)];
        problem(Format::Excel, &archive(&parts))
    };
    let relation = |target: &str| format!("<Relationship Id=\"r\" Type=\"a/worksheet\" Target=\"{target}\"/>");
    let found = book(&relation(&"x".repeat(1_025)), "");
    assert!(found.contains("too many relations, or a longer one"), "{found}");
    let found = book(&relation("one.xml"), &"<sheet name=\"S\" id=\"r\"/>".repeat(2_001));
    assert!(found.contains("there are more than 2000 sheets"), "{found}");
    let found = problem(Format::Excel, &ods(&"<table:table table:name=\"S\" table:style-name=\"h\"/>".repeat(3)));
    assert!(!found.contains("more than"), "{found}");
}

#[test]
fn an_opendocument_sheet_cannot_grow_beyond_a_sheet() {
    let found =
        |rows: &str| problem(Format::Excel, &ods(&format!("<table:table table:name=\"S\">{rows}</table:table>")));
    let row = |repeated: u64, cell: &str| {
        format!("<table:table-row table:number-rows-repeated=\"{repeated}\">{cell}</table:table-row>")
    };
    let text = "<table:table-cell><text:p>x</text:p></table:table-cell>";
    for empty in [1_048_570, u64::MAX] {
        let rows = [row(empty, "<table:table-cell/>"), row(99_999_999_999, text)].concat();
        assert!(found(&rows).contains("the sheet has more than 1048576 rows"), "{}", found(&rows));
    }
    let wide = text.replace("<table:table-cell>", "<table:table-cell table:number-columns-repeated=\"99999999999\">");
    assert!(found(&row(1, &wide)).contains("a row has more than 16384 columns"), "{}", found(&row(1, &wide)));
    let full = text.replace("<table:table-cell>", "<table:table-cell table:number-columns-repeated=\"16384\">");
    for rows in [row(1_048_000, &full), row(1, &full).repeat(3_000)] {
        assert_eq!(found(&[row(1, text), rows].concat()), "the workbook unpacks to more than 2 GiB: save it as csv");
    }
    let spaces = text.replace(">x<", "><text:s text:c=\"99999999999\"/><");
    assert!(found(&row(1, &spaces)).contains("a text is longer than 1048576 bytes"), "{}", found(&row(1, &spaces)));
    let cut = archive(&[("content.xml", "<s><table:table table:name=\"S\"><table:table-row>")]);
    assert!(problem(Format::Excel, &cut).contains("the end is missing"));
}

#[test]
fn compressed_files_that_are_damaged_say_so() {
    let (columns, table) = texts(&["a", "b", "c"]);
    for compression in [Compression::Gzip, Compression::Zstd] {
        let whole = file(Format::Csv, &columns, &table, &WriteOptions { compression, ..WriteOptions::default() });
        let options = ReadOptions { compression, ..ReadOptions::default() };
        let cut = Format::Csv.reader(&whole[..whole.len() - 4], &options).err().unwrap();
        assert!(cut.to_string().starts_with("the file is damaged: "), "{cut}");
        let plain = Format::Csv.reader(&b"text,one\n1,2\n"[..], &options).err().unwrap();
        assert!(plain.to_string().starts_with("the file is damaged: "), "{plain}");
        assert!(!plain.is_transient());
    }
}

struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        if taken == 0 { Err(std::io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_sink_that_is_full_makes_the_writer_fail_and_may_be_tried_again_later() {
    let (columns, table) = texts(&["a", "b", "c"]);
    for format in Format::ALL {
        for room in [0, 20] {
            let written =
                format.writer(columns.clone(), Full(room), &WriteOptions::default()).and_then(|mut writer| {
                    table.iter().try_for_each(|row| writer.write(row))?;
                    writer.finish()
                });
            let error = written.unwrap_err();
            assert!(error.is_transient(), "{format}: {error:?}");
            assert!(error.to_string().starts_with("the file cannot be written: "), "{format}: {error}");
        }
    }
}

/// Reads a file to its end or to what ends it; how many rows there were, wrong ones included.
fn count(format: Format, file: &[u8]) -> usize {
    let Ok(mut reader) = format.reader(file, &ReadOptions::default()) else { return 0 };
    let mut count = 0;
    loop {
        match reader.next_row() {
            Ok(Some(_)) | Err(ReadError::Row(_)) => count += 1,
            Ok(None) | Err(ReadError::File(_)) => return count,
        }
    }
}

/// A text with a stretch of it replaced.
fn replaced(text: &str, at: usize, length: usize, with: &str) -> String {
    let boundary = |at: usize| (0..=at.min(text.len())).rfind(|at| text.is_char_boundary(*at)).unwrap_or_default();
    let (start, end) = (boundary(at % text.len()), boundary(at % text.len() + length));
    [&text[..start], with, &text[end..]].concat()
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let structure = prop::sample::select(b"\",;\t\r\n[]{}:\\ -0e.'=u\xef\xbb\xbf\xff".to_vec());
    prop::collection::vec(prop_oneof![4 => structure, 1 => any::<u8>()], 0..60)
}

#[test]
fn fuzz_whatever_bytes_a_text_has_it_is_read_to_an_end() {
    fuzz(bytes(), |bytes| {
        for format in [Format::Csv, Format::Json, Format::Ndjson] {
            for beginning in ["", "a,b\n", "[{\"a\": 1}", "{\"a\": 1}\n"] {
                prop_assert!(count(format, &[beginning.as_bytes(), &bytes].concat()) <= bytes.len() + 2);
            }
        }
        Ok(())
    });
}

#[test]
fn fuzz_whatever_a_sheet_says_it_is_read_to_an_end() {
    let with = prop::sample::select(vec![
        "",
        "<x:c>",
        "</x:c>",
        "<x:row r=\"9\">",
        "</x:row>",
        "<x:v>",
        "<is><t>",
        "\"",
        "&",
        "&#0;",
        "<!--",
        "<![CDATA[",
        "\0",
        " r=\"ZZZZZZZZZZZZZZZZ1\"",
        " s=\"-1\"",
        " t=\"s\"",
        " table:number-rows-repeated=\"1048576\"",
        " table:number-columns-repeated=\"16384\"",
        "99999999999999999999999",
        "-1e-999999",
        "_xD800_",
        "é",
    ]);
    fuzz((0..4_000_usize, 0..40_usize, with), |(at, length, with)| {
        prop_assert!(count(Format::Excel, &xlsx(&replaced(include_str!("files/sheet.xml"), at, length, with))) < 20);
        let with = with.replace("x:", "table:").replace(":c>", ":table-cell>").replace(":row", ":table-row");
        let content = replaced(include_str!("files/content.xml"), at, length, &with);
        // Rows that the file says to repeat are read as often, up to the last row of a sheet.
        prop_assert!(count(Format::Excel, &ods(&content)) < 20 + (1 << 20));
        Ok(())
    });
}
