//! Comma separated values (quoted as RFC 4180 says) with a header, safe to open in a spreadsheet.

use std::io::{self, Write};

use ireva_queue::format::Guard;

use crate::view::View;

/// Writes every column.
pub fn rows<T: View>(values: &[T], out: &mut dyn Write) -> io::Result<()> {
    let header: Vec<_> = T::COLUMNS.iter().map(|column| column.title.to_lowercase().replace([' ', '/'], "_")).collect();
    writeln!(out, "{}", header.join(","))?;
    for value in values {
        let fields: Vec<_> = value.cells().iter().map(|cell| field(&cell.exact(""))).collect();
        writeln!(out, "{}", fields.join(","))?;
    }
    Ok(())
}

/// Quotes where RFC 4180 asks for it; a text that a spreadsheet would take for a formula gets an apostrophe in front.
fn field(text: &str) -> String {
    let guarded = Guard::On.put_on(text, b',');
    match guarded.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", guarded.replace('"', "\"\"")),
        false => guarded.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn fields_are_quoted_and_no_formula_gets_through() {
        let table = [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("=1+1", "'=1+1"),
            (" @SUM(A1)", "' @SUM(A1)"),
            ("-2.5", "-2.5"),
            ("-2.5+cmd", "'-2.5+cmd"),
            ("＝1", "'＝1"),
            ("a;=1", "a;'=1"),
            ("two\n=1", "\"two\n'=1\""),
            ("\"=1", "\"'\"\"=1\""),
        ];
        for (text, written) in table {
            assert_eq!(field(text), written);
        }
    }
}
