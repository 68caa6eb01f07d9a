//! Tab separated, one line per item, exact values, no header; `-` where there is nothing.

use std::io::{self, Write};

use crate::output::visible::visible_lines;
use crate::view::{Block, View};

/// Writes the columns that a table has at its full width.
pub fn rows<T: View>(values: &[T], out: &mut dyn Write) -> io::Result<()> {
    for value in values {
        let cells = value.cells();
        let shown = T::COLUMNS.iter().zip(&cells).filter(|(column, _)| !column.wide);
        let line: Vec<_> = shown.map(|(_, cell)| cell.exact("-")).collect();
        writeln!(out, "{}", line.join("\t"))?;
    }
    Ok(())
}

/// Writes a field a line: its label, a tab, its value.
pub fn card(blocks: &[Block], out: &mut dyn Write) -> io::Result<()> {
    for block in blocks {
        match block {
            Block::Text(text) => writeln!(out, "{}", visible_lines(text))?,
            Block::Field(label, cell) => writeln!(out, "{label}\t{}", cell.exact("-"))?,
            Block::Passage(label, text) => {
                for line in text.lines() {
                    writeln!(out, "{label}\t{}", visible_lines(line))?;
                }
            }
        }
    }
    Ok(())
}
