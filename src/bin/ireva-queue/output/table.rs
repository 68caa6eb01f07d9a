//! Columns for people: no borders, the less important columns give way where the terminal is narrow.

use std::io::{self, Write};

use comfy_table::{
    Attribute, CellAlignment, Color, ColumnConstraint, ContentArrangement, ContentLineStyle, Table, TableStyle, Width,
};

use crate::output::visible::{visible, visible_lines};
use crate::output::{Cell, Look, Tone};
use crate::view::{Block, Column, View};

const BARE: TableStyle =
    TableStyle::new().header_lines(ContentLineStyle::none()).content_lines(ContentLineStyle::none());
const GAP: u16 = 2;
const TEXT_MAX_CHARS: usize = 200;

/// Which columns are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// The usual ones, as many as fit.
    Fitting,
    /// Every column.
    All,
}

/// Writes a table with a header; nothing at all for no values.
pub fn rows<T: View>(values: &[T], columns: Columns, look: Look, out: &mut dyn Write) -> io::Result<()> {
    if values.is_empty() {
        return Ok(());
    }
    let cells: Vec<Vec<Cell>> = values.iter().map(View::cells).collect();
    let texts: Vec<Vec<String>> =
        cells.iter().map(|row| row.iter().map(|cell| human(cell, columns, look)).collect()).collect();
    let kept = kept_columns(T::COLUMNS, &texts, columns, look.width);
    // With every column shown, lines may be longer than the terminal: cells of two letters help nobody.
    let width = look.width.filter(|_| columns == Columns::Fitting);
    let mut table = bare(Look { width, ..look });
    let titles = kept.iter().map(|&index| titled(&T::COLUMNS[index]));
    table.set_header(titles.collect::<Vec<_>>());
    for (cells, texts) in cells.iter().zip(&texts) {
        let row = kept.iter().map(|&index| toned(&texts[index], cells[index].tone, look.color));
        table.add_row(row.collect::<Vec<_>>());
    }
    for (column, &index) in table.column_iter_mut().zip(&kept) {
        column.set_padding((0, GAP));
        // A title never breaks inside a word: where even the last columns do not fit, lines are longer.
        let longest = texts.iter().map(|row| console::measure_text_width(&row[index])).max();
        let whole = longest.filter(|_| T::COLUMNS[index].whole).unwrap_or_default();
        let least = u16::try_from(T::COLUMNS[index].title.len().max(whole)).unwrap_or_default();
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least.saturating_add(GAP))));
        if T::COLUMNS[index].right {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    write_trimmed(&table, out)
}

/// A long text fills a few lines of a table, not a screen; `wide` has it whole.
fn human(cell: &Cell, columns: Columns, look: Look) -> String {
    let text = cell.human(look.now);
    if columns == Columns::All || text.len() <= TEXT_MAX_CHARS {
        return text;
    }
    let short: String = text.chars().take(TEXT_MAX_CHARS).collect();
    if short.len() < text.len() { format!("{short}…") } else { text }
}

/// Writes labels and values below each other.
pub fn card(blocks: &[Block], look: Look, out: &mut dyn Write) -> io::Result<()> {
    let label_width = blocks.iter().map(|block| block.label().map_or(0, str::len)).max().unwrap_or(0);
    let mut fields = bare(look);
    for block in blocks {
        match block {
            Block::Text(text) => {
                flush(&mut fields, look, out)?;
                writeln!(out, "{}", visible_lines(text))?;
            }
            Block::Field(label, cell) => {
                let label = toned(&format!("{label:label_width$}"), Tone::Dim, look.color);
                fields.add_row(vec![label, toned(&cell.human(look.now), cell.tone, look.color)]);
            }
            Block::Passage(label, text) => {
                flush(&mut fields, look, out)?;
                writeln!(out, "\n{}", paint(label, look.color))?;
                for line in text.lines() {
                    writeln!(out, "  {}", visible(line))?;
                }
            }
        }
    }
    flush(&mut fields, look, out)
}

fn flush(fields: &mut Table, look: Look, out: &mut dyn Write) -> io::Result<()> {
    if fields.is_empty() {
        return Ok(());
    }
    for column in fields.column_iter_mut() {
        column.set_padding((0, GAP));
    }
    write_trimmed(fields, out)?;
    *fields = bare(look);
    Ok(())
}

fn write_trimmed(table: &Table, out: &mut dyn Write) -> io::Result<()> {
    table.lines().try_for_each(|line| writeln!(out, "{}", line.trim_end()))
}

fn bare(look: Look) -> Table {
    let mut table = Table::new();
    table.load_style(BARE).force_no_tty();
    if look.color {
        table.enforce_styling();
    }
    if let Some(width) = look.width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    table
}

/// The positions of the columns to show: while they are too wide together, the one that matters least goes. A column
/// that may wrap counts with a share of its width, since its text can run over several lines.
fn kept_columns(columns: &[Column], texts: &[Vec<String>], wanted: Columns, width: Option<u16>) -> Vec<usize> {
    let mut kept: Vec<usize> = match wanted {
        Columns::All => return (0..columns.len()).collect(),
        Columns::Fitting => (0..columns.len()).filter(|&index| !columns[index].wide).collect(),
    };
    let Some(width) = width else { return kept };
    let need = |index: usize| {
        let longest = texts.iter().map(|row| console::measure_text_width(&row[index])).max().unwrap_or(0);
        let longest = if columns[index].wraps { longest.min(WRAPPED_WIDTH) } else { longest };
        longest.max(columns[index].title.len()) + usize::from(GAP)
    };
    while kept.iter().map(|&index| need(index)).sum::<usize>() > usize::from(width) + usize::from(GAP) {
        let least = kept.iter().copied().filter(|&index| columns[index].gives_way > 0);
        let Some(least) = least.max_by_key(|&index| columns[index].gives_way) else { break };
        kept.retain(|&index| index != least);
    }
    kept
}

/// A column that wraps is still readable when it is this wide.
const WRAPPED_WIDTH: usize = 30;

fn titled(column: &Column) -> comfy_table::Cell {
    let cell = comfy_table::Cell::new(column.title).add_attribute(Attribute::Bold);
    if column.right { cell.set_alignment(CellAlignment::Right) } else { cell }
}

fn toned(text: &str, tone: Tone, color: bool) -> comfy_table::Cell {
    let cell = comfy_table::Cell::new(text);
    match tone {
        _ if !color => cell,
        Tone::Plain => cell,
        Tone::Good => cell.fg(Color::Green),
        Tone::Warn => cell.fg(Color::Yellow),
        Tone::Bad => cell.fg(Color::Red),
        Tone::Dim => cell.add_attribute(Attribute::Dim),
    }
}

fn paint(label: &str, color: bool) -> String {
    console::style(label).force_styling(color).bold().to_string()
}
