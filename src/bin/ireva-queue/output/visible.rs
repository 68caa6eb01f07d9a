//! The one way from untrusted text to a terminal: nothing in it may act, everything in it can be seen.

use std::borrow::Cow;
use std::fmt::Write;

/// `text` on one line: tabs and line ends become spaces, every other control character its visible form.
pub fn visible(text: &str) -> Cow<'_, str> {
    clean(text, false)
}

/// The same, but line feeds stay.
pub fn visible_lines(text: &str) -> Cow<'_, str> {
    clean(text, true)
}

/// JSON that holds no control character: outside strings they are white space, inside they can be escaped, so the value
/// stays the same.
pub fn visible_json(json: String, one_line: bool) -> String {
    if !json.chars().any(|c| is_hidden(c) && (one_line || c != '\n')) {
        return json;
    }
    let mut safe = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        match c {
            '\n' if !one_line => safe.push('\n'),
            '\n' | '\r' | '\t' => safe.push(' '),
            c if is_hidden(c) => write_json_escape(&mut safe, c),
            c => safe.push(c),
        }
    }
    safe
}

fn write_json_escape(safe: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        write!(safe, "\\u{unit:04x}").expect("writing to a string cannot fail");
    }
}

fn clean(text: &str, lines: bool) -> Cow<'_, str> {
    if !text.chars().any(|c| is_hidden(c) && !(lines && c == '\n')) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' if lines => safe.push('\n'),
            '\n' | '\r' | '\t' => safe.push(' '),
            c if (c as u32) < 0x100 && is_hidden(c) => {
                write!(safe, "\\x{:02x}", c as u32).expect("writing to a string cannot fail");
            }
            c if is_hidden(c) => write!(safe, "\\u{{{:x}}}", c as u32).expect("writing to a string cannot fail"),
            c => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// C0, DEL, C1, and what reorders, hides or breaks text: bidirectional controls, line and paragraph separators,
/// zero-width characters, tags.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_act_on_a_terminal_is_shown() {
        let table = [
            ("plain ümlaut 日本", "plain ümlaut 日本"),
            ("\x1b[31mred", "\\x1b[31mred"),
            ("\x1b]52;c;aGk=\x07", "\\x1b]52;c;aGk=\\x07"),
            ("a\u{9b}2J\u{85}", "a\\x9b2J\\x85"),
            ("del\x7f nul\0", "del\\x7f nul\\x00"),
            ("abc\u{202e}cba\u{2066}", "abc\\u{202e}cba\\u{2066}"),
            ("a\tb\r\nc", "a b  c"),
        ];
        for (text, shown) in table {
            assert_eq!(visible(text), shown);
        }
        assert_eq!(visible_lines("a\nb\r\x1b"), "a\nb \\x1b");
    }

    #[test]
    fn json_keeps_its_value() {
        let json = "{\"a\":\"\u{9b}\u{202e}\u{e0041}\u{7f}\",\r\n\t\"b\":1}".to_owned();
        let before: serde_json::Value = serde_json::from_str(&json).unwrap();
        for one_line in [true, false] {
            let safe = visible_json(json.clone(), one_line);
            assert!(!safe.chars().any(|c| is_hidden(c) && c != '\n') && safe.contains('\n') != one_line, "{safe:?}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), before);
        }
    }

    #[test]
    fn fuzz_no_text_gets_through_unseen() {
        use crate::fuzz::{any_json, fuzz, text_of};
        use proptest::prelude::*;

        let pieces = &[
            "\u{1b}[31m",
            "\u{1b}]52;c;",
            "\u{7}",
            "\u{9b}",
            "\r",
            "\n",
            "\t",
            "\u{202e}",
            "\u{200b}",
            "\u{e0041}",
            "\0",
            "a",
        ];
        fuzz((text_of(pieces, 20), any_json()), |(text, json)| {
            let (line, lines) = (visible(&text), visible_lines(&text));
            prop_assert!(!line.chars().any(is_hidden));
            prop_assert!(!lines.chars().any(|c| is_hidden(c) && c != '\n'));
            prop_assert!(line.len() <= 10 * text.len() && lines.len() <= 10 * text.len());
            prop_assert_eq!((visible(&line), visible_lines(&lines)), (line.clone(), lines.clone()));
            let value = serde_json::json!({"json": json, "text": text});
            for one_line in [true, false] {
                let safe = visible_json(serde_json::to_string_pretty(&value).unwrap(), one_line);
                prop_assert!(!safe.chars().any(|c| is_hidden(c) && (one_line || c != '\n')));
                prop_assert_eq!(&serde_json::from_str::<serde_json::Value>(&safe).unwrap(), &value);
            }
            Ok(())
        });
    }
}
