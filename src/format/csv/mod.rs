//! Comma separated values as RFC 4180 has them.
//!
//! Null and an empty text are told apart as PostgreSQL's `COPY` does it: null is an empty cell, an empty text is two
//! quotes. In a table of one column an empty line is a row.

mod reader;
mod record;
mod writer;

pub(super) use reader::CsvReader;
pub(super) use writer::CsvWriter;
