//! A line of bash, split into words as bash would.

/// The words of a line that ends at the cursor; the last one is the word at the cursor, empty behind a space.
pub fn words(line: &str) -> Vec<String> {
    let (mut words, mut word) = (Vec::new(), String::new());
    let (mut quote, mut begun) = (None, false);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (None, ' ' | '\t' | '\n') => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
                continue;
            }
            (None, '\'' | '"') => quote = Some(letter),
            (Some(open), letter) if letter == open => quote = None,
            (None, '\\') => word.extend(letters.next()),
            (Some('"'), '\\') => match letters.peek() {
                Some('"' | '\\' | '$' | '`') => word.extend(letters.next()),
                _ => word.push(letter),
            },
            _ => word.push(letter),
        }
        begun = true;
    }
    words.push(word);
    words
}

/// Whether the line ends within quotes.
pub fn is_quoted(line: &str) -> bool {
    ['\'', '"'].iter().any(|quote| line.matches(*quote).count() % 2 == 1)
}

/// A value as bash reads it as one word.
pub fn escaped(value: &str) -> String {
    let special = |letter: &char| letter.is_whitespace() || "\\'\"$`&|;<>()*?[]{}!#~".contains(*letter);
    value.chars().flat_map(|letter| special(&letter).then_some('\\').into_iter().chain([letter])).collect()
}

#[cfg(test)]
mod tests {
    use super::{escaped, is_quoted, words};

    #[test]
    fn a_value_with_blanks_stays_one_word() {
        for value in ["database platform at db:5432", "smtp://mail:25", "it's $5"] {
            assert_eq!(words(&format!("iq {}", escaped(value))), ["iq", value]);
        }
        assert!(is_quoted("iq 'database pl") && !is_quoted("iq 'a' b"));
    }

    #[test]
    fn a_line_is_split_as_bash_does() {
        let table: &[(&str, &[&str])] = &[
            ("", &[""]),
            ("iq", &["iq"]),
            ("iq stats ", &["iq", "stats", ""]),
            ("iq  jobs show a:b", &["iq", "jobs", "show", "a:b"]),
            ("iq enqueue q 'a b' \"c \\\" d\" e\\ f", &["iq", "enqueue", "q", "a b", "c \" d", "e f"]),
            ("iq '' x", &["iq", "", "x"]),
            ("iq 'unfinished wor", &["iq", "unfinished wor"]),
        ];
        for (line, expected) in table {
            assert_eq!(words(line), *expected, "{line:?}");
        }
    }
}
