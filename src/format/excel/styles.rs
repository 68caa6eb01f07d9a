//! Which cells of a workbook are dates: it says so by how they are shown.

use std::collections::HashMap;

use crate::error::Result;

use super::xml::{Node, Xml};

/// The most styles that a workbook may have (Excel's own limit).
const STYLES_MAX: usize = 65_490;

/// What a number is shown as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A number.
    Number,
    /// A date, a time of day, or both.
    Date,
    /// A span of hours, minutes and seconds.
    Span,
}

/// Reads the forms of cells by the number of their style.
pub(super) fn read_forms(mut xml: Xml) -> Result<Vec<Form>> {
    let mut custom: HashMap<u32, Form> = HashMap::new();
    let mut forms = Vec::new();
    let mut is_of_cells = false;
    loop {
        match xml.next()? {
            Node::Open(tag) if tag.name() == "numFmt" => {
                let id = tag.attribute("numFmtId").and_then(|id| id.parse().ok());
                if let (Some(id), Some(code)) = (id, tag.attribute("formatCode")) {
                    custom.insert(id, form_of(&code));
                }
            }
            Node::Open(tag) if tag.name() == "cellXfs" => is_of_cells = true,
            Node::Close(name) if name == "cellXfs" => is_of_cells = false,
            Node::Open(tag) if is_of_cells && tag.name() == "xf" => {
                let id = tag.attribute("numFmtId").and_then(|id| id.parse().ok()).unwrap_or_default();
                forms.push(custom.get(&id).copied().unwrap_or_else(|| builtin(id)));
            }
            Node::End => return Ok(forms),
            _ => {}
        }
        if forms.len() > STYLES_MAX || custom.len() > STYLES_MAX {
            return Err(xml.damaged(format!("there are more than {STYLES_MAX} styles")));
        }
    }
}

/// The formats that have a number and no code in the file (ECMA-376, part 1, 18.8.30).
fn builtin(id: u32) -> Form {
    match id {
        14..=22 | 27..=36 | 45 | 47 | 50..=58 => Form::Date,
        46 => Form::Span,
        _ => Form::Number,
    }
}

/// What a format code shows: a date where it has the letters of one outside of quotes, brackets and escapes.
fn form_of(code: &str) -> Form {
    let mut chars = code.chars();
    let mut form = Form::Number;
    while let Some(char) = chars.next() {
        match char.to_ascii_lowercase() {
            // The next character is shown as it is, or stands for its width.
            '\\' | '_' | '*' => {
                chars.next();
            }
            '"' => while chars.next().is_some_and(|char| char != '"') {},
            '[' => {
                let inside: String = chars.by_ref().take_while(|char| *char != ']').collect();
                let inside = inside.to_ascii_lowercase();
                if ['h', 'm', 's'].iter().any(|unit| !inside.is_empty() && inside.chars().all(|char| char == *unit)) {
                    return Form::Span;
                }
            }
            // Text in a number: what follows is for cells that are none.
            ';' => break,
            'y' | 'm' | 'd' | 'h' | 's' => form = Form::Date,
            // General is a word with none of those letters; its rest is passed over all the same.
            'g' if code.eq_ignore_ascii_case("general") => return Form::Number,
            _ => {}
        }
    }
    form
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_told_from_numbers_by_their_format() {
        let table = [
            ("General", Form::Number),
            ("0.00", Form::Number),
            ("#,##0.00_);[Red]\\(#,##0.00\\)", Form::Number),
            ("[$USD] #,##0.00", Form::Number),
            ("0.00\" days\"", Form::Number),
            ("#,##0\\d", Form::Number),
            ("0.00E+00", Form::Number),
            ("0%", Form::Number),
            ("yyyy-mm-dd", Form::Date),
            ("[$-409]d\\-mmm\\-yy;@", Form::Date),
            ("h:mm AM/PM", Form::Date),
            ("DD/MM/YYYY HH:MM", Form::Date),
            ("[h]:mm:ss", Form::Span),
            ("[mm]:ss", Form::Span),
        ];
        for (code, form) in table {
            assert_eq!(form_of(code), form, "{code}");
        }
        assert_eq!([14, 22, 46, 2, 49].map(builtin), [Form::Date, Form::Date, Form::Span, Form::Number, Form::Number]);
    }
}
