//! Ids or names alone, for the next command of a pipeline.

use std::collections::BTreeSet;
use std::io::{self, Write};

use crate::output::visible::visible;
use crate::view::View;

/// Writes the name of each value on a line of its own.
pub fn rows<T: View>(values: &[T], out: &mut dyn Write) -> io::Result<()> {
    let mut said = BTreeSet::new();
    let names = values.iter().map(View::name);
    let mut names = names.filter(|name| !T::NAMES_ONCE || said.insert(name.clone()));
    names.try_for_each(|name| writeln!(out, "{}", visible(&name)))
}
