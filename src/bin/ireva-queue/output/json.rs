//! One JSON value: the library's own.

use std::io::{self, Write};

use serde::Serialize;

/// Writes `value`, indented.
pub fn write(value: &(impl Serialize + ?Sized), out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", super::to_json(value, true)?)
}
