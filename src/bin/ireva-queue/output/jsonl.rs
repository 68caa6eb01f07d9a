//! One JSON value a line.

use std::io::{self, Write};

use crate::view::View;

/// Writes each value on a line of its own.
pub fn rows<T: View>(values: &[T], out: &mut dyn Write) -> io::Result<()> {
    values.iter().try_for_each(|value| writeln!(out, "{}", super::to_json(value, false)?))
}
