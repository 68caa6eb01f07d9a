//! Names of files: plain components that cannot lead out of their storage, on any system that may read them.

use std::fmt;

use crate::builtin::fields::shown;
use crate::processor::ProcessError;

const NAME_MAX_BYTES: usize = 1_024;
const COMPONENT_MAX_BYTES: usize = 255;
const COMPONENTS_MAX: usize = 16;
/// Names that are devices on Windows, whatever ending they bear.
const DEVICES: [&str; 4] = ["CON", "PRN", "AUX", "NUL"];
const NUMBERED_DEVICES: [&str; 2] = ["COM", "LPT"];

/// A name that was checked: one component or several, the last one the file's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileName(Vec<String>);

impl FileName {
    /// Reads the name of a file in the storage at `place`; it may be the whole path.
    ///
    /// # Errors
    /// Permanent, naming the rule.
    pub fn parse(place: &str, name: &str) -> Result<Self, ProcessError> {
        let inside = [place, &format!("file://{place}")]
            .into_iter()
            .find_map(|root| name.strip_prefix(root).and_then(|rest| rest.strip_prefix('/')));
        let inside = inside.unwrap_or(name);
        let refused = |problem: String| {
            ProcessError::permanent("file_name_invalid", format!("file name {:?} {problem}", shown_plain(name)))
        };
        if inside.starts_with('/') || inside.contains("://") {
            return Err(refused(format!("leads out of {place}: it must be relative to it")));
        }
        check_name(inside).map_err(refused)?;
        Ok(Self(inside.split('/').map(str::to_owned).collect()))
    }

    /// The directories on the way.
    pub fn parents(&self) -> &[String] {
        &self.0[..self.0.len() - 1]
    }

    /// The last component.
    pub fn leaf(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("/"))
    }
}

/// Without the quotes' escapes, which `{:?}` adds.
fn shown_plain(name: &str) -> String {
    let short: String = name.chars().take(80).collect();
    if short.len() < name.len() { short + "…" } else { short }
}

/// Checks a name that is relative to its storage; the problem reads on from the name.
pub(in crate::builtin) fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("is empty".to_owned());
    }
    if name.len() > NAME_MAX_BYTES {
        return Err(format!("has more than {NAME_MAX_BYTES} bytes"));
    }
    if name.starts_with('/') {
        return Err("must be relative: it must not begin with /".to_owned());
    }
    let components: Vec<_> = name.split('/').collect();
    if components.len() > COMPONENTS_MAX {
        return Err(format!("has more than {COMPONENTS_MAX} components"));
    }
    components.into_iter().try_for_each(check_component)
}

fn check_component(component: &str) -> Result<(), String> {
    let stem = component.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let is_numbered = |device: &str| {
        let digit = stem.strip_prefix(device).map(str::as_bytes);
        digit.is_some_and(|digit| digit.len() == 1 && digit[0].is_ascii_digit())
    };
    let said = shown(component);
    match component {
        "" => Err("has an empty component: // or / at its end".to_owned()),
        "." | ".." => Err(format!("must not have the component {component}")),
        _ if component.len() > COMPONENT_MAX_BYTES => {
            Err(format!("has a component of more than {COMPONENT_MAX_BYTES} bytes"))
        }
        _ if component.contains('\0') => Err("has a NUL character".to_owned()),
        _ if component.chars().any(is_invisible) => Err("has a control character, or one that is not seen".to_owned()),
        _ if component.contains(is_reserved) => Err("must have none of \\ : * ? \" < > |".to_owned()),
        _ if component.starts_with('.') => Err(format!("must not have a hidden component: {said} begins with a dot")),
        _ if component.starts_with(' ') => Err(format!("must not have a component that begins with a space: {said}")),
        _ if component.ends_with(['.', ' ']) => {
            Err(format!("must not have a component that ends with a dot or a space: {said}"))
        }
        _ if DEVICES.contains(&stem.as_str()) || NUMBERED_DEVICES.into_iter().any(is_numbered) => {
            Err(format!("must not have the name of a device: {said}"))
        }
        _ => Ok(()),
    }
}

/// Controls, and marks that change the direction of what is read.
fn is_invisible(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn is_reserved(letter: char) -> bool {
    matches!(letter, '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r61_names_that_lead_out_or_are_no_names_are_refused_with_the_rule() {
        let long = "x".repeat(COMPONENT_MAX_BYTES + 1);
        let longer = ["x"; 600].join("/");
        let deep = ["x"; COMPONENTS_MAX + 1].join("/");
        let table = [
            ("../x.csv", "must not have the component .."),
            ("a/../../x.csv", "must not have the component .."),
            ("./x.csv", "must not have the component ."),
            ("/etc/passwd", "leads out of /srv/files: it must be relative"),
            ("/srv/files/../x", "must not have the component .."),
            ("/srv/filesx/a.csv", "leads out of /srv/files"),
            ("file:///etc/passwd", "leads out of"),
            ("s3://other/a.csv", "leads out of"),
            ("x\0.csv", "NUL"),
            ("x\n.csv", "control character"),
            ("\u{202e}vsc.x", "not seen"),
            (long.as_str(), "more than 255 bytes"),
            (longer.as_str(), "more than 1024 bytes"),
            (deep.as_str(), "more than 16 components"),
            ("CON", "name of a device"),
            ("con.csv", "name of a device"),
            ("a/lpt1.tar.gz", "name of a device"),
            ("COM0", "name of a device"),
            ("x.", "ends with a dot"),
            ("x.csv ", "ends with a dot or a space"),
            ("a./x.csv", "ends with a dot"),
            (" x.csv", "begins with a space"),
            (".x.csv", "begins with a dot"),
            ("a//x.csv", "empty component"),
            ("a/", "empty component"),
            ("", "is empty"),
            ("a\\..\\x.csv", "none of \\"),
            ("x.csv:stream", "none of \\ :"),
        ];
        for (name, part) in table {
            let refused = FileName::parse("/srv/files", name).unwrap_err();
            assert_eq!(refused.code(), "file_name_invalid", "{name:?}");
            assert!(refused.message().contains(part), "{name:?}: {}", refused.message());
            assert!(refused.message().len() < 400, "{name:?}: {}", refused.message());
        }
    }

    #[test]
    fn plain_names_and_whole_paths_inside_are_names() {
        let table = [
            ("investors.csv", "investors.csv"),
            ("2024/Q1/Übersicht 1.csv.gz", "2024/Q1/Übersicht 1.csv.gz"),
            ("console.csv", "console.csv"),
            ("com10", "com10"),
            ("a..b", "a..b"),
            ("/srv/files/a/b.csv", "a/b.csv"),
            ("file:///srv/files/b.csv", "b.csv"),
        ];
        for (name, expected) in table {
            assert_eq!(FileName::parse("/srv/files", name).unwrap().to_string(), expected);
        }
        let name = FileName::parse("s3://bucket/in", "s3://bucket/in/2024/a.csv").unwrap();
        assert_eq!((name.parents(), name.leaf()), (&["2024".to_owned()][..], "a.csv"));
    }
}
