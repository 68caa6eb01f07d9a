//! Rows to a Parquet file: columns side by side, typed and compressed inside; for programs that compute on them.
//!
//! Texts are strings, amounts decimals of 38 digits with the scale of their column, days dates, moments timestamps in
//! microseconds. Rows gather until there are enough of them for a row group.

use std::io::{self, Write};
use std::sync::Arc;

use chrono::NaiveDate;
use parquet::basic::{Compression as Codec, ConvertedType, Repetition, Type as Physical};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, FixedLenByteArray, FixedLenByteArrayType, Int32Type, Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;
use rust_decimal::Decimal;

use super::column::Column;
use super::compression::Compression;
use super::kind::Kind;
use super::options::WriteOptions;
use super::value::Value;
use super::writer::{Output, RowWriter, Table, Written, unwritten};
use crate::error::{Error, Result};

/// A row group ends with the first of these that is reached.
const GROUP_ROWS: usize = 50_000;
const GROUP_BYTES: usize = 16 << 20;
const DECIMAL_BYTES: i32 = 16;
const DECIMAL_DIGITS: i32 = 38;
/// Ratios have no scale of their own.
const RATIO_SCALE: u32 = Decimal::MAX_SCALE;

/// Writes a Parquet file.
pub struct ParquetWriter<W: Write + Send> {
    table: Table,
    writer: SerializedFileWriter<Output<W>>,
    columns: Vec<Cells>,
    rows: usize,
    bytes: usize,
}

/// The cells of a column that wait for their row group.
struct Cells {
    values: Values,
    /// 0 for nothing, 1 for a value.
    levels: Vec<i16>,
}

enum Values {
    Bools(Vec<bool>),
    Days(Vec<i32>),
    Integers(Vec<i64>),
    Texts(Vec<ByteArray>),
    Decimals(Vec<FixedLenByteArray>),
}

/// A cell as the file holds it.
enum Cell {
    Nothing,
    Bool(bool),
    Day(i32),
    Integer(i64),
    Text(ByteArray),
    Decimal(FixedLenByteArray),
}

impl<W: Write + Send> ParquetWriter<W> {
    /// A writer that has written what a file begins with.
    pub fn new(columns: Vec<Column>, sink: W, options: &WriteOptions) -> Result<Self> {
        if options.compression != Compression::None {
            let compression = options.compression;
            return Err(Error::invalid(format!(
                "a parquet file is compressed inside: compression {compression} is not for it"
            )));
        }
        let table = Table::new(columns)?;
        let fields: Result<Vec<_>> = table.columns.iter().map(|column| type_of(column).map(Arc::new)).collect();
        let schema = Type::group_type_builder("rows").with_fields(fields?).build().map_err(|error| failed(&error))?;
        let properties = WriterProperties::builder().set_compression(Codec::SNAPPY).build();
        let output = Output::new(Compression::None, sink)?;
        let writer = SerializedFileWriter::new(output, Arc::new(schema), Arc::new(properties));
        let cells = table.columns.iter().map(|column| Cells::of(column.kind)).collect();
        Ok(Self { writer: writer.map_err(|error| failed(&error))?, table, columns: cells, rows: 0, bytes: 0 })
    }

    /// Writes the rows that wait as a row group.
    fn flush(&mut self) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let outcome = (|| {
            let mut group = self.writer.next_row_group()?;
            let mut columns = self.columns.iter_mut();
            while let (Some(mut writer), Some(cells)) = (group.next_column()?, columns.next()) {
                cells.write(&mut writer)?;
                writer.close()?;
            }
            group.close().map(drop)
        })();
        (self.rows, self.bytes) = (0, 0);
        outcome.map_err(|error| failed(&error))
    }
}

impl<W: Write + Send> RowWriter for ParquetWriter<W> {
    fn write(&mut self, row: &[Value]) -> Result<()> {
        self.table.check(row)?;
        let mut cells = Vec::with_capacity(row.len());
        for (column, value) in self.table.columns.iter().zip(row) {
            cells.push(cell_of(column.kind, value).map_err(|problem| self.table.invalid(Some(column), problem))?);
        }
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            self.bytes += column.push(cell);
        }
        self.table.rows += 1;
        self.rows += 1;
        if self.rows >= GROUP_ROWS || self.bytes >= GROUP_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Written> {
        self.flush()?;
        let output = self.writer.into_inner().map_err(|error| failed(&error))?;
        Ok(Written { rows: self.table.rows, bytes: output.finish()? })
    }
}

impl Cells {
    fn of(kind: Kind) -> Self {
        let values = match kind {
            Kind::Text => Values::Texts(Vec::new()),
            Kind::Integer | Kind::Instant => Values::Integers(Vec::new()),
            Kind::Decimal { .. } | Kind::Money { .. } | Kind::Percent { .. } => Values::Decimals(Vec::new()),
            Kind::Date => Values::Days(Vec::new()),
            Kind::Bool => Values::Bools(Vec::new()),
        };
        Self { values, levels: Vec::new() }
    }

    /// Takes a cell; about how many bytes it is.
    fn push(&mut self, cell: Cell) -> usize {
        self.levels.push(i16::from(!matches!(cell, Cell::Nothing)));
        let bytes = if let Cell::Text(text) = &cell { text.len() } else { 0 };
        match (&mut self.values, cell) {
            (Values::Bools(values), Cell::Bool(value)) => values.push(value),
            (Values::Days(values), Cell::Day(value)) => values.push(value),
            (Values::Integers(values), Cell::Integer(value)) => values.push(value),
            (Values::Texts(values), Cell::Text(value)) => values.push(value),
            (Values::Decimals(values), Cell::Decimal(value)) => values.push(value),
            // The kind of the column made both.
            _ => {}
        }
        bytes + DECIMAL_BYTES as usize
    }

    /// Writes the cells and lets go of them.
    fn write(&mut self, writer: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let levels = std::mem::take(&mut self.levels);
        let levels = Some(levels.as_slice());
        match &mut self.values {
            Values::Bools(values) => writer.typed::<BoolType>().write_batch(&std::mem::take(values), levels, None),
            Values::Days(values) => writer.typed::<Int32Type>().write_batch(&std::mem::take(values), levels, None),
            Values::Integers(values) => writer.typed::<Int64Type>().write_batch(&std::mem::take(values), levels, None),
            Values::Texts(values) => writer.typed::<ByteArrayType>().write_batch(&std::mem::take(values), levels, None),
            Values::Decimals(values) => {
                writer.typed::<FixedLenByteArrayType>().write_batch(&std::mem::take(values), levels, None)
            }
        }
        .map(drop)
    }
}

/// The cell of a value that the column takes.
fn cell_of(kind: Kind, value: &Value) -> Result<Cell, String> {
    let number = match value {
        Value::Null => return Ok(Cell::Nothing),
        Value::Text(text) => return Ok(Cell::Text(text.as_bytes().to_vec().into())),
        Value::Bool(yes) => return Ok(Cell::Bool(*yes)),
        Value::Date(date) => {
            let days = date.signed_duration_since(NaiveDate::default()).num_days();
            return i32::try_from(days).map(Cell::Day).map_err(|_| format!("{date} is too far away"));
        }
        Value::Instant(instant) => return Ok(Cell::Integer(instant.timestamp_micros())),
        Value::Integer(number) if kind == Kind::Integer => return Ok(Cell::Integer(*number)),
        Value::Integer(number) => Decimal::from(*number),
        Value::Decimal(number) => *number,
    };
    let number = number.normalize();
    let scale = scale_of(kind);
    let spare = scale
        .checked_sub(number.scale())
        .ok_or_else(|| format!("{number} has more than {scale} digits after the point"))?;
    let unscaled = 10_i128.checked_pow(spare).and_then(|power| number.mantissa().checked_mul(power));
    let fits = unscaled.filter(|unscaled| unscaled.unsigned_abs() < 10_u128.pow(DECIMAL_DIGITS.unsigned_abs()));
    let unscaled =
        fits.ok_or_else(|| format!("{number} has more than {DECIMAL_DIGITS} digits, with {scale} after the point"))?;
    Ok(Cell::Decimal(ByteArray::from(unscaled.to_be_bytes().to_vec()).into()))
}

fn scale_of(kind: Kind) -> u32 {
    match kind {
        Kind::Decimal { scale } | Kind::Money { scale, .. } => scale.min(Decimal::MAX_SCALE),
        _ => RATIO_SCALE,
    }
}

fn type_of(column: &Column) -> Result<Type> {
    let (physical, converted) = match column.kind {
        Kind::Text => (Physical::BYTE_ARRAY, ConvertedType::UTF8),
        Kind::Integer => (Physical::INT64, ConvertedType::INT_64),
        Kind::Decimal { .. } | Kind::Money { .. } | Kind::Percent { .. } => {
            (Physical::FIXED_LEN_BYTE_ARRAY, ConvertedType::DECIMAL)
        }
        Kind::Date => (Physical::INT32, ConvertedType::DATE),
        Kind::Instant => (Physical::INT64, ConvertedType::TIMESTAMP_MICROS),
        Kind::Bool => (Physical::BOOLEAN, ConvertedType::NONE),
    };
    let mut builder = Type::primitive_type_builder(&column.name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_converted_type(converted);
    if converted == ConvertedType::DECIMAL {
        let scale = i32::try_from(scale_of(column.kind)).unwrap_or(0);
        builder = builder.with_length(DECIMAL_BYTES).with_precision(DECIMAL_DIGITS).with_scale(scale);
    }
    builder.build().map_err(|error| failed(&error))
}

/// The sink's trouble is inside the library's error.
fn failed(error: &ParquetError) -> Error {
    if let ParquetError::External(source) = error
        && let Some(error) = source.downcast_ref::<io::Error>()
    {
        let copy = error
            .raw_os_error()
            .map_or_else(|| io::Error::new(error.kind(), error.to_string()), io::Error::from_raw_os_error);
        return unwritten(copy);
    }
    Error::internal(format!("the parquet file cannot be written: {error}"))
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;

    fn write(columns: Vec<Column>, rows: &[Vec<Value>]) -> Result<Vec<u8>> {
        let mut file = Vec::new();
        let mut writer: Box<dyn RowWriter + '_> =
            Box::new(ParquetWriter::new(columns, &mut file, &WriteOptions::default())?);
        rows.iter().try_for_each(|row| writer.write(row))?;
        let written = writer.finish()?;
        assert_eq!((written.rows, written.bytes), (rows.len() as u64, file.len() as u64));
        Ok(file)
    }

    #[test]
    fn cells_of_every_kind_are_read_back_by_the_library() {
        let columns = vec![
            Column::new("name", Kind::Text),
            Column::new("count", Kind::Integer),
            Column::new("amount", Kind::Decimal { scale: 4 }),
            Column::new("day", Kind::Date),
            Column::new("at", Kind::Instant),
            Column::new("yes", Kind::Bool),
        ];
        let full = vec![
            "=Ada".into(),
            (-7).into(),
            Value::Decimal("-1234.5".parse().unwrap()),
            Value::Date("2024-01-31".parse().unwrap()),
            Value::Instant("2024-01-31T10:00:00Z".parse().unwrap()),
            true.into(),
        ];
        let rows = [full, vec![Value::Null; 6]];
        let file = write(columns, &rows).unwrap();
        let reader = SerializedFileReader::new(bytes::Bytes::from(file)).unwrap();
        let read: Vec<_> = reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
        assert_eq!(
            read,
            [
                "{name: \"=Ada\", count: -7, amount: -1234.5000, day: 2024-01-31, at: 2024-01-31 10:00:00.000000 +00:00, yes: true}",
                "{name: null, count: null, amount: null, day: null, at: null, yes: null}",
            ]
        );
    }

    #[test]
    fn rows_go_into_groups_and_a_table_may_have_none() {
        let columns = || vec![Column::new("number", Kind::Integer)];
        let rows: Vec<_> = (0..GROUP_ROWS as i64 + 1).map(|number| vec![number.into()]).collect();
        for (rows, groups) in [(&rows[..], 2), (&rows[..1], 1), (&[], 0)] {
            let reader = SerializedFileReader::new(bytes::Bytes::from(write(columns(), rows).unwrap())).unwrap();
            assert_eq!((reader.num_row_groups(), reader.get_row_iter(None).unwrap().count()), (groups, rows.len()));
        }
    }

    #[test]
    fn digits_that_the_column_does_not_hold_are_refused() {
        let amount = || vec![Column::new("amount", Kind::Decimal { scale: 2 })];
        let error = write(amount(), &[vec![Value::Decimal("1.005".parse().unwrap())]]).unwrap_err();
        assert_eq!(error.to_string(), "row 1, column \"amount\": 1.005 has more than 2 digits after the point");
        let options = WriteOptions { compression: Compression::Gzip, ..WriteOptions::default() };
        let refused = ParquetWriter::new(amount(), Vec::new(), &options).err().unwrap();
        assert!(refused.to_string().contains("compressed inside"), "{refused}");
    }
}
