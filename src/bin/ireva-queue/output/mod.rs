//! The only place that renders: one file per format, and the cleaning that all of them pass through.

mod cell;
mod csv;
mod json;
mod jsonl;
mod name;
mod plain;
mod table;
mod visible;

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use serde::Serialize;

pub use cell::{Cell, Tone, counted, grouped, span_short};
pub use visible::{visible, visible_json, visible_lines};

use crate::exit::{Code, code_of_some};
use crate::view::{Block, View};

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Columns for people; the default on a terminal
    Table,
    /// The same with every column
    Wide,
    /// Tab separated, exact, no header; the default when piped
    Plain,
    /// One JSON value
    Json,
    /// One JSON value a line
    Jsonl,
    /// Comma separated with a header
    Csv,
    /// The id or name of each thing alone; of a report, the queue
    Name,
}

/// What a renderer may know about its surroundings.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Whether colours are shown.
    pub color: bool,
    /// The width to fit into; `None`: as wide as need be.
    pub width: Option<u16>,
    /// What ages are counted from.
    pub now: DateTime<Utc>,
}

/// What a command answers: a value to render, what it could not do, and how it ends.
pub struct Answer {
    body: Box<dyn Body>,
    errors: Vec<anyhow::Error>,
    code: Code,
    paged: bool,
}

impl Answer {
    /// One value.
    pub fn one<T: View + 'static>(value: T) -> Self {
        Self { paged: true, ..Self::of(One(value)) }
    }

    /// A list of values.
    pub fn list<T: View + 'static>(values: Vec<T>) -> Self {
        Self { paged: true, ..Self::of(List(values)) }
    }

    /// One value where one was asked for, else a list.
    pub fn one_or_list<T: View + 'static>(asked_for: usize, mut values: Vec<T>) -> Self {
        match values.pop() {
            Some(value) if asked_for == 1 => Self::one(value),
            last => {
                values.extend(last);
                Self::list(values)
            }
        }
    }

    /// Text that is the same in every format.
    pub fn verbatim(text: String) -> Self {
        Self::of(Verbatim(text))
    }

    /// Text for people to read.
    pub fn page(text: String) -> Self {
        Self { paged: true, ..Self::of(Verbatim(text)) }
    }

    /// Nothing to say.
    pub fn none() -> Self {
        Self::verbatim(String::new())
    }

    /// Whatever renders itself.
    pub fn of(body: impl Body + 'static) -> Self {
        Self { body: Box::new(body), errors: Vec::new(), code: Code::Done, paged: false }
    }

    /// Ends with `code` instead of 0.
    pub fn code(mut self, code: Code) -> Self {
        self.code = code;
        self
    }

    /// Beside `done` things that went well, these did not: they are listed on stderr and decide the code.
    pub fn errors(mut self, done: usize, errors: Vec<anyhow::Error>) -> Self {
        self.code = code_of_some(done, &errors);
        self.errors = errors;
        self
    }

    /// Whether a pager may show it: text that is the same for everybody may be meant for a program.
    pub fn is_paged(&self) -> bool {
        self.paged
    }

    /// Writes the value.
    pub fn render(&self, format: Format, look: Look, out: &mut dyn Write) -> io::Result<()> {
        self.body.render(format, look, out)
    }

    /// What could not be done, and how the command ends.
    pub fn into_end(self) -> (Vec<anyhow::Error>, Code) {
        (self.errors, self.code)
    }
}

/// What can be rendered in every format.
pub trait Body {
    /// Writes it.
    fn render(&self, format: Format, look: Look, out: &mut dyn Write) -> io::Result<()>;
}

struct One<T>(T);
struct List<T>(Vec<T>);
struct Verbatim(String);

impl<T: View> Body for One<T> {
    fn render(&self, format: Format, look: Look, out: &mut dyn Write) -> io::Result<()> {
        let values = std::slice::from_ref(&self.0);
        match (format, self.0.card()) {
            (Format::Table | Format::Wide, Some(card)) => table::card(&card, look, out),
            (Format::Plain, Some(card)) if T::PLAIN_CARD => plain::card(&card, out),
            (Format::Json, _) => json::write(&self.0, out),
            _ => rows(values, format, look, out),
        }
    }
}

impl<T: View> Body for List<T> {
    fn render(&self, format: Format, look: Look, out: &mut dyn Write) -> io::Result<()> {
        match format {
            Format::Json => json::write(&self.0, out),
            // What tells everything about one thing does so about each of several.
            Format::Table | Format::Wide | Format::Plain if T::PLAIN_CARD => cards(&self.0, format, look, out),
            _ => rows(&self.0, format, look, out),
        }
    }
}

impl Body for Verbatim {
    fn render(&self, _format: Format, _look: Look, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(self.0.as_bytes())
    }
}

/// Writes values one a line (or row); what streams calls this page by page.
pub fn rows<T: View>(values: &[T], format: Format, look: Look, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Table => table::rows(values, table::Columns::Fitting, look, out),
        Format::Wide => table::rows(values, table::Columns::All, look, out),
        Format::Plain => plain::rows(values, out),
        Format::Json => json::write(values, out),
        Format::Jsonl => jsonl::rows(values, out),
        Format::Csv => csv::rows(values, out),
        Format::Name => name::rows(values, out),
    }
}

/// Writes the card of each value, an empty line between them.
pub fn cards<T: View>(values: &[T], format: Format, look: Look, out: &mut dyn Write) -> io::Result<()> {
    for (index, card) in values.iter().filter_map(View::card).enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        match format {
            Format::Plain => plain::card(&card, out)?,
            _ => table::card(&card, look, out)?,
        }
    }
    Ok(())
}

/// Labels and values below each other, as people see them.
pub fn card(blocks: &[Block], look: Look) -> String {
    let mut text = Vec::new();
    table::card(blocks, look, &mut text).expect("writing to memory cannot fail");
    String::from_utf8_lossy(&text).into_owned()
}

/// Writes one JSON value: indented, or on one line.
pub fn write_json(value: &impl Serialize, pretty: bool, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", to_json(value, pretty)?)
}

/// JSON text, as every JSON format begins.
fn to_json(value: &(impl Serialize + ?Sized), pretty: bool) -> io::Result<String> {
    let text = if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
    text.map_err(io::Error::other).map(|text| visible_json(text, !pretty))
}
