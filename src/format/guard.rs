//! The formula guard of CSV: no text of ours becomes a formula in the spreadsheet that opens the file (CWE-1236).
//!
//! A spreadsheet takes a cell for a formula when it begins with `=`, `+`, `-` or `@` (also in full width), some after
//! spaces, quotes or control characters; a tab or line break in front is how checks for that are passed by. So an
//! apostrophe goes in front of such a text. Numbers are no formulas and stay as they are.
//!
//! A program that splits the file by another character than ours (a spreadsheet of a country with decimal commas takes
//! the semicolon) sees cells begin in the middle of our texts, quotes or not: each place where it would is guarded in
//! the same way.
//!
//! The guard can be taken off exactly: an apostrophe in front of what would be guarded was put there by it, since a
//! text that has one of its own gets another.

use std::borrow::Cow;

const GUARD: char = '\'';

/// Whether the formula guard is on: the writer puts an apostrophe in front of what a spreadsheet would take for a
/// formula, the reader takes it away again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Guard {
    /// Texts are made safe to open in a spreadsheet, and read back as they were. In files of others, an apostrophe in
    /// front of what looks like a formula is taken for a guard as well.
    #[default]
    On,
    /// Texts are written and read byte for byte. For files that only programs read.
    Off,
}

impl Guard {
    /// A text as it is written into a file whose cells are parted by `delimiter`; not yet quoted.
    pub fn put_on<'a>(self, text: &'a str, delimiter: u8) -> Cow<'a, str> {
        if self == Self::Off || !text.contains(is_trigger) && !leads_with_break(text) {
            return Cow::Borrowed(text);
        }
        let mut guarded = String::with_capacity(text.len() + 1);
        for (index, part) in parts(text, delimiter).enumerate() {
            if is_formula(without_end(part, delimiter)) || index == 0 && leads_with_break(text) {
                guarded.push(GUARD);
            }
            guarded.push_str(part);
        }
        Cow::Owned(guarded)
    }

    /// The text behind what [`put_on`](Self::put_on) made of it.
    pub fn take_off<'a>(self, text: &'a str, delimiter: u8) -> Cow<'a, str> {
        if self == Self::Off || !text.contains(GUARD) {
            return Cow::Borrowed(text);
        }
        let mut bare = String::with_capacity(text.len());
        for (index, part) in parts(text, delimiter).enumerate() {
            let guarded = part.strip_prefix(GUARD).filter(|rest| {
                is_formula(without_end(rest, delimiter))
                    || index == 0 && leads_with_break(text.strip_prefix(GUARD).unwrap_or_default())
            });
            bare.push_str(guarded.unwrap_or(part));
        }
        Cow::Owned(bare)
    }
}

/// The stretches of a text that some program may take for cells of their own, each with the character that ends it.
fn parts(text: &str, delimiter: u8) -> impl Iterator<Item = &str> {
    text.split_inclusive(move |char| is_end(char, delimiter))
}

fn without_end(part: &str, delimiter: u8) -> &str {
    part.strip_suffix(|char| is_end(char, delimiter)).unwrap_or(part)
}

/// Whether some program may end a cell with this character, where ours does not.
fn is_end(char: char, delimiter: u8) -> bool {
    matches!(char, ',' | ';' | '\t' | '\r' | '\n') && char != char::from(delimiter)
}

/// Whether a spreadsheet would take a cell with this text for a formula.
pub(super) fn is_formula(text: &str) -> bool {
    text.trim_start_matches(is_passed_over).starts_with(is_trigger) && !is_number(text.trim())
}

/// What a formula begins with.
fn is_trigger(char: char) -> bool {
    matches!(char, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠')
}

/// What may stand before a formula, with some program or other: spaces of every kind, quotes, delimiters, controls.
fn is_passed_over(char: char) -> bool {
    let invisible = matches!(char, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}');
    char.is_whitespace() || char.is_control() || invisible || matches!(char, '"' | GUARD | ',' | ';')
}

/// Whether the first thing in a text is a tab or a line break.
fn leads_with_break(text: &str) -> bool {
    text.trim_start_matches([' ', '"', GUARD]).starts_with(['\t', '\r', '\n'])
}

/// `[+-]1234[.56][e[+-]7]`, nothing else.
fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, power) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let power = power.strip_prefix(['+', '-']).unwrap_or(power);
    whole.len() + fraction.len() > 0 && digits(whole) && digits(fraction) && !power.is_empty() && digits(power)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn formulas_get_an_apostrophe_and_nothing_else_does() {
        let table = [
            ("=1+1", "'=1+1"),
            ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
            ("-2.5+x", "'-2.5+x"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t'=1"),
            ("\tplain", "'\tplain"),
            ("\r\nplain", "'\r\nplain"),
            (" \"=1", "' \"=1"),
            (",=1", "',=1"),
            ("＝1", "'＝1"),
            ("－x", "'－x"),
            ("\u{a0}=1", "'\u{a0}=1"),
            ("\u{feff}=1", "'\u{feff}=1"),
            ("\0=1", "'\0=1"),
            // A semicolon begins a cell in half of Europe, a line break everywhere that quotes are not understood.
            ("a;=1", "a;'=1"),
            ("a\n=1", "a\n'=1"),
            ("Smith; -5 % off", "Smith;' -5 % off"),
            // Its own apostrophe gets another, so that the guard can be taken off.
            ("'=1", "''=1"),
            ("'-5", "''-5"),
            // No formulas.
            ("-5", "-5"),
            ("+49.5e-3", "+49.5e-3"),
            ("a;-5;b", "a;-5;b"),
            ("a, =1", "a, =1"),
            ("a=b", "a=b"),
            ("'quoted'", "'quoted'"),
            ("O'Brien", "O'Brien"),
            ("plain", "plain"),
            ("", ""),
        ];
        for (text, guarded) in table {
            assert_eq!(Guard::On.put_on(text, b','), guarded, "{text:?}");
            assert_eq!(Guard::On.take_off(guarded, b','), text, "{guarded:?}");
            assert_eq!(Guard::Off.put_on(text, b','), text);
            assert_eq!(Guard::Off.take_off(guarded, b','), guarded);
        }
    }

    proptest! {
        #[test]
        fn the_guard_comes_off_exactly_and_leaves_no_formula(text in "([=+@,;\t\r\n\" '0-9a.-]|－|\u{feff}){0,12}") {
            for delimiter in [b',', b';', b'\t'] {
                let guarded = Guard::On.put_on(&text, delimiter).into_owned();
                prop_assert_eq!(Guard::On.take_off(&guarded, delimiter), &*text);
                for part in parts(&guarded, delimiter) {
                    let runs = is_formula(without_end(part, delimiter)) && !part.starts_with(GUARD);
                    prop_assert!(!runs, "{:?} in {:?}", part, guarded);
                }
            }
        }

        #[test]
        fn a_text_that_needs_no_guard_is_read_as_it_is(text in "([=+@,;\t\r\n\" '0-9a.-]|－|\u{feff}){0,12}") {
            if Guard::On.put_on(&text, b',') == text {
                prop_assert_eq!(Guard::On.take_off(&text, b','), &*text);
            }
        }
    }
}
