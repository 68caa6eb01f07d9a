//! JSON: one array of objects, or an object a line.
//!
//! Decimals are strings, so that no program reads them through a float; integers are numbers. Reading takes both as
//! either, digit by digit.

mod object;
mod pieces;
mod reader;
mod writer;

pub(super) use reader::JsonReader;
pub(super) use writer::JsonWriter;

/// How the objects of a file stand in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// In one array.
    Array,
    /// Each on a line of its own.
    Lines,
}
