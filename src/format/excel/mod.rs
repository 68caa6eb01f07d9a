//! Workbooks: Excel's .xlsx written and read, OpenDocument's .ods read.
//!
//! Cells of a sheet are doubles: a number of more than 15 digits is written as text, so that no digit is lost, and a
//! number is read from the digits in the file, to 15. A sheet does not tell an empty text from none, knows no time zone
//! (instants are UTC) and no time below the millisecond.
//!
//! Workbooks are read here rather than by a library made for it: those at hand hold a sheet in memory, read amounts
//! through a float, and trust what the file says of its own size.

mod book;
mod cells;
mod ods;
mod package;
mod reader;
mod serial;
mod sheet;
mod styles;
mod writer;
mod xml;

pub use package::{WORKBOOK_BYTES_MAX, WORKBOOK_EXPANDED_BYTES_MAX};
pub(super) use reader::ExcelReader;
pub use sheet::SHEET_ROWS_MAX;
pub(super) use writer::ExcelWriter;
