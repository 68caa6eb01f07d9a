//! Ids or names alone, for the next command of a pipeline.

use std::io::{self, Write};

use crate::output::visible::visible;
use crate::view::View;

/// Writes the name of each value on a line of its own.
pub fn rows<T: View>(values: &[T], out: &mut dyn Write) -> io::Result<()> {
    values.iter().try_for_each(|value| writeln!(out, "{}", visible(&value.name())))
}
