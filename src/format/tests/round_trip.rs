//! What is written comes back, in every format, of every kind.

use chrono::{DateTime, NaiveDate};
use proptest::prelude::*;

use super::*;

/// Texts that formats get wrong.
fn nasty() -> Vec<String> {
    let mut texts: Vec<String> = [
        "plain",
        "",
        " ",
        " spaces around ",
        "comma, semicolon; tab\t",
        "\"quoted\"",
        "quote \" inside",
        "\"",
        "\"\"",
        "a\nb",
        "a\r\nb",
        "a\rb",
        "\n",
        "\r\n",
        "\u{feff}mark",
        "null",
        "NULL",
        "\\N",
        "\\",
        "\\\"",
        "true",
        "0123",
        "1e5",
        "12345678901234567890",
        "2024-01-31",
        "Zoë Müller-Øst",
        "日本語 🦀 עברית",
        "e\u{301}",
        "\u{0}nul",
        "\u{1}\u{1f}\u{7f}",
        "\u{85}\u{2028}",
        "\u{fffe}\u{ffff}",
        "_x000D_ and _x005F_",
        "<b>&amp;</b> ]]>",
        "{\"a\": [1]}",
        "# comment",
        "sep=;",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.push("long ".repeat(6_000));
    texts.push("\"\r\n,".repeat(8_000));
    texts
}

#[test]
fn nasty_texts_come_back_from_every_format() {
    let corpus = nasty();
    let (columns, table) = texts(&corpus.iter().map(String::as_str).collect::<Vec<_>>());
    for format in Format::ALL {
        for compression in Compression::ALL {
            let file = file(format, &columns, &table, &WriteOptions { compression, ..WriteOptions::default() });
            let options = ReadOptions { compression, ..ReadOptions::default() };
            assert_eq!(first_texts(format, &file, &options), corpus, "{format} {compression}");
        }
    }
}

#[test]
fn very_long_cells_come_back_where_the_format_has_room_for_them() {
    let long = "x\"\n".repeat(CELL_BYTES_MAX / 3);
    let (columns, table) = texts(&[&long]);
    for format in [Format::Csv, Format::Json, Format::Ndjson] {
        let file = file(format, &columns, &table, &WriteOptions::default());
        assert_eq!(first_texts(format, &file, &ReadOptions::default()), [long.as_str()], "{format}");
    }
    let mut sink = Vec::new();
    let mut writer = Format::Excel.writer(columns, &mut sink, &WriteOptions::default()).unwrap();
    let error = writer.write(&table[0]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "row 1, column \"text\": a cell of a sheet holds 32767 characters, this text has 1048575: write csv, json or ndjson"
    );
    // The row left nothing behind, and the next one is taken.
    writer.write(&["\u{1f980}".repeat(16_383).into(), 2.into()]).unwrap();
    assert_eq!(writer.finish().unwrap().rows, 1);
    assert_eq!(rows(Format::Excel, &sink, &ReadOptions::default()).len(), 1);
}

#[test]
fn null_and_an_empty_text_are_told_apart_but_in_a_sheet() {
    let columns = [Column::new("text", Kind::Text), Column::new("one", Kind::Integer)];
    let table = [vec!["".into(), 1.into()], vec![Value::Null, 1.into()], vec![Value::Null, Value::Null]];
    for format in Format::ALL {
        let file = file(format, &columns, &table, &WriteOptions::default());
        let read = rows(format, &file, &ReadOptions::default());
        let texts: Vec<_> = read.iter().map(|row| row.get("text").cloned().unwrap()).collect();
        match format {
            Format::Excel => assert_eq!(texts, [Value::Null, Value::Null]),
            _ => assert_eq!(texts, ["".into(), Value::Null, Value::Null], "{format}"),
        }
        assert_eq!(read.last().unwrap().is_empty(), format != Format::Excel, "{format}");
    }
}

#[test]
fn a_table_of_one_column_keeps_its_empty_rows_in_csv() {
    let columns = [Column::new("text", Kind::Text)];
    let table = [vec![Value::Null], vec!["".into()], vec!["a".into()], vec![Value::Null]];
    let file = file(Format::Csv, &columns, &table, &WriteOptions::default());
    assert_eq!(file, b"text\r\n\r\n\"\"\r\na\r\n\r\n");
    let read = rows(Format::Csv, &file, &ReadOptions::default());
    assert_eq!(read.iter().map(|row| row.get("text").cloned().unwrap()).collect::<Vec<_>>(), table.concat());
}

/// A column of every kind.
fn every_kind() -> Vec<Column> {
    vec![
        Column::new("text", Kind::Text),
        Column::new("integer", Kind::Integer),
        Column::new("decimal", Kind::Decimal { scale: 8 }),
        Column::new("money", euros()),
        Column::new("percent", Kind::Percent { scale: 2 }),
        Column::new("date", Kind::Date),
        Column::new("instant", Kind::Instant),
        Column::new("bool", Kind::Bool),
    ]
}

fn every_value() -> Vec<Vec<Value>> {
    let date = |text: &str| Value::Date(text.parse().unwrap());
    let instant = |text: &str| Value::Instant(text.parse().unwrap());
    let row = |numbers: [&str; 3], rest: [Value; 5]| {
        let [text, integer, date, instant, bool] = rest;
        let [number, money, percent] = numbers.map(decimal);
        vec![text, integer, number, money, percent, date, instant, bool]
    };
    vec![
        row(
            ["0.00000001", "-25000.00", "0.075"],
            ["Ada".into(), 1.into(), date("2024-02-29"), instant("2024-01-31T23:59:59.999Z"), true.into()],
        ),
        row(
            ["1000000000000000.01", "9999999999999.99", "-1.5"],
            ["0".into(), i64::MAX.into(), date("1900-01-01"), instant("2024-01-31T00:00:00Z"), false.into()],
        ),
        row(
            ["-19.99999999", "1000000000000000000.01", "0"],
            ["b".into(), i64::MIN.into(), date("9999-12-31"), instant("1900-03-01T12:00:00Z"), true.into()],
        ),
        [vec!["only text".into()], vec![Value::Null; 7]].concat(),
    ]
}

#[test]
fn every_kind_comes_back_exactly_from_every_format() {
    let (columns, table) = (every_kind(), every_value());
    for format in Format::ALL {
        let file = file(format, &columns, &table, &WriteOptions::default());
        for (row, expected) in rows(format, &file, &ReadOptions::default()).iter().zip(&table) {
            for (column, value) in columns.iter().zip(expected) {
                let read = row.read(column).unwrap();
                assert_eq!(&read, value, "{format}, {}", column.name);
                if matches!(column.kind, Kind::Money { .. }) {
                    assert_eq!(read.to_text(), value.to_text(), "{format}: with the digits of the scale");
                }
            }
        }
    }
}

#[test]
fn a_sheet_has_its_numbers_and_dates_typed() {
    let file = file(Format::Excel, &every_kind(), &every_value(), &WriteOptions::default());
    let read = rows(Format::Excel, &file, &ReadOptions::default());
    let first: Vec<_> = read[0].cells().map(|(_, value)| value.described()).collect();
    assert_eq!(
        first,
        [
            "the text \"Ada\"",
            "the number 1",
            "the number 0.00000001",
            "the number -25000",
            "the number 0.075",
            "the date 2024-02-29",
            "the instant 2024-01-31T23:59:59.999Z",
            "true",
        ]
    );
    // More digits than a sheet keeps are kept as text.
    assert_eq!(read[1].get("decimal"), Some(&"1000000000000000.01000000".into()));
    assert_eq!(read[1].get("integer"), Some(&"9223372036854775807".into()));
}

#[test]
fn decimals_are_strings_in_json_and_integers_are_numbers() {
    let columns = every_kind();
    let table = [every_value()[0].clone()];
    let expected = "{\"text\":\"Ada\",\"integer\":1,\"decimal\":\"0.00000001\",\"money\":\"-25000.00\",\
                    \"percent\":\"0.075\",\"date\":\"2024-02-29\",\"instant\":\"2024-01-31T23:59:59.999Z\",\"bool\":true}";
    let array = file(Format::Json, &columns, &table, &WriteOptions::default());
    assert_eq!(String::from_utf8(array).unwrap(), format!("[\n{expected}\n]\n"));
    let lines = file(Format::Ndjson, &columns, &table, &WriteOptions::default());
    assert_eq!(String::from_utf8(lines).unwrap(), format!("{expected}\n"));
    let whole = file(Format::Json, &[Column::new("money", euros())], &[vec![7.into()]], &WriteOptions::default());
    assert_eq!(whole, b"[\n{\"money\":\"7.00\"}\n]\n");
    assert_eq!(file(Format::Json, &columns, &[], &WriteOptions::default()), b"[]\n");
}

#[test]
fn titles_stand_in_the_header_where_asked_for() {
    let columns = [Column::new("total_amount", euros()).titled("Total, amount")];
    let options = WriteOptions { heading: Heading::Titles, ..WriteOptions::default() };
    for format in Format::ALL {
        let file = file(format, &columns, &[vec![decimal("1")]], &options);
        let row = &rows(format, &file, &ReadOptions::default())[0];
        let heading = if matches!(format, Format::Csv | Format::Excel) { "Total, amount" } else { "total_amount" };
        assert!(row.get(heading).is_some(), "{format}: {row:?}");
    }
}

#[test]
fn a_row_that_does_not_fit_is_refused_and_leaves_nothing_behind() {
    for format in Format::ALL {
        let mut sink = Vec::new();
        let mut writer =
            format.writer(vec![Column::new("amount", euros())], &mut sink, &WriteOptions::default()).unwrap();
        writer.write(&[decimal("1.50")]).unwrap();
        let error = writer.write(&["1.50".into()]).unwrap_err().to_string();
        assert_eq!(error, "row 2, column \"amount\": the text \"1.50\" is not an amount of EUR");
        writer.write(&[decimal("2.50")]).unwrap();
        assert_eq!(writer.finish().unwrap().rows, 2);
        let read = rows(format, &sink, &ReadOptions::default());
        let column = Column::new("amount", euros());
        let amounts: Vec<_> = read.iter().map(|row| row.read(&column).unwrap()).collect();
        assert_eq!(amounts, [decimal("1.50"), decimal("2.50")], "{format}");
    }
}

fn any_value(kind: Kind) -> BoxedStrategy<Value> {
    let some = match kind {
        Kind::Text => "(?s).{0,12}|[\"',;=\r\n\t +@-]{0,8}".prop_map(Value::Text).boxed(),
        Kind::Integer => any::<i64>().prop_map(Value::Integer).boxed(),
        Kind::Date => {
            (0..2_000_000).prop_map(|day| Value::Date(NaiveDate::from_num_days_from_ce_opt(day + 366).unwrap())).boxed()
        }
        Kind::Instant => {
            (0..200_000_000_000_i64).prop_map(|ms| Value::Instant(DateTime::from_timestamp_millis(ms).unwrap())).boxed()
        }
        Kind::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        _ => (any::<i64>(), 0..3_u32)
            .prop_map(|(digits, scale)| Value::Decimal(rust_decimal::Decimal::new(digits, scale)))
            .boxed(),
    };
    prop_oneof![1 => Just(Value::Null), 9 => some].boxed()
}

fn any_table() -> impl Strategy<Value = (Vec<Column>, Vec<Vec<Value>>)> {
    let kinds = [Kind::Text, Kind::Integer, euros(), Kind::Decimal { scale: 4 }, Kind::Date, Kind::Instant, Kind::Bool];
    prop::collection::vec(prop::sample::select(kinds.to_vec()), 1..5).prop_flat_map(|kinds| {
        let columns =
            kinds.iter().enumerate().map(|(index, kind)| Column::new(format!("c{index}"), *kind)).collect::<Vec<_>>();
        let row = kinds.iter().map(|kind| any_value(*kind)).collect::<Vec<_>>();
        (Just(columns), prop::collection::vec(row, 0..5))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_table_comes_back_from_csv_and_json((columns, table) in any_table()) {
        for format in [Format::Csv, Format::Json, Format::Ndjson] {
            let file = file(format, &columns, &table, &WriteOptions::default());
            let read = rows(format, &file, &ReadOptions::default());
            prop_assert_eq!(read.len(), table.len());
            for (row, expected) in read.iter().zip(&table) {
                for (column, value) in columns.iter().zip(expected) {
                    let read = row.read(column);
                    prop_assert_eq!(read.as_ref(), Ok(value), "{}", format);
                }
            }
        }
    }

    #[test]
    fn csv_is_read_as_another_library_reads_it((columns, table) in any_table()) {
        let options = WriteOptions { guard: Guard::Off, ..WriteOptions::default() };
        let file = file(Format::Csv, &columns, &table, &options);
        let mut other = ::csv::ReaderBuilder::new().flexible(true).from_reader(&file[..]);
        let records: Vec<_> = other.records().map(Result::unwrap).collect();
        // It passes over the empty lines that are rows of a table of one column.
        let expected: Vec<_> = table.iter().filter(|row| columns.len() > 1 || !row[0].is_null()).collect();
        prop_assert_eq!(records.len(), expected.len());
        for (record, row) in records.iter().zip(expected) {
            for ((cell, column), value) in record.iter().zip(&columns).zip(row) {
                prop_assert_eq!(cell, column.kind.text(value));
            }
        }
    }

    #[test]
    fn csv_of_another_library_is_read(cells in prop::collection::vec(["(?s).{0,8}", "[\"',;\r\n\t ]{0,6}"], 1..6)) {
        for (delimiter, terminator) in [(b',', ::csv::Terminator::CRLF), (b';', ::csv::Terminator::Any(b'\n'))] {
            let mut builder = ::csv::WriterBuilder::new();
            let mut writer = builder.delimiter(delimiter).terminator(terminator).from_writer(Vec::new());
            writer.write_record(["a", "b"]).unwrap();
            cells.iter().for_each(|row| writer.write_record(row).unwrap());
            let file = writer.into_inner().unwrap();
            let options = ReadOptions { guard: Guard::Off, ..ReadOptions::default() };
            let read = rows(Format::Csv, &file, &options);
            prop_assert_eq!(read.len(), cells.len());
            for (row, expected) in read.iter().zip(&cells) {
                let texts: Vec<_> = row.cells().map(|(_, cell)| cell.to_text().into_owned()).collect();
                prop_assert_eq!(&texts, expected);
            }
        }
    }
}
