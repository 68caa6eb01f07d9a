//! Tables written and read through the public names, in every format.

mod hostile;
mod memory;
mod names;
mod r59;
mod round_trip;
mod workbook;

use super::*;

/// The file of a table with these rows.
fn file(format: Format, columns: &[Column], rows: &[Vec<Value>], options: &WriteOptions) -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = format.writer(columns.to_vec(), &mut file, options).unwrap();
    for row in rows {
        writer.write(row).unwrap();
    }
    let written = writer.finish().unwrap();
    assert_eq!((written.rows, written.bytes), (rows.len() as u64, file.len() as u64));
    file
}

/// The rows of a file; it must hold no bad one.
fn rows(format: Format, file: &[u8], options: &ReadOptions) -> Vec<Row> {
    let mut reader = format.reader(file, options).unwrap();
    let mut rows = Vec::new();
    while let Some(row) = reader.next_row().unwrap() {
        rows.push(row);
    }
    rows
}

/// The texts of the first column of a file.
fn first_texts(format: Format, file: &[u8], options: &ReadOptions) -> Vec<String> {
    let rows = rows(format, file, options);
    rows.iter()
        .map(|row| row.cells().next().map(|(_, value)| value.to_text().into_owned()).unwrap_or_default())
        .collect()
}

/// One column of texts.
fn texts(texts: &[&str]) -> (Vec<Column>, Vec<Vec<Value>>) {
    let rows = texts.iter().map(|&text| vec![text.into(), Value::Integer(1)]).collect();
    (vec![Column::new("text", Kind::Text), Column::new("one", Kind::Integer)], rows)
}

fn decimal(text: &str) -> Value {
    Value::Decimal(text.parse().unwrap())
}

fn euros() -> Kind {
    Kind::Money { currency: Currency::new("EUR").unwrap(), scale: 2 }
}
