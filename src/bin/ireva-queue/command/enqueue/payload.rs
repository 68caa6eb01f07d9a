//! A payload as the command line gives it: JSON text, stdin, a file, or fields.

use std::fs::File;
use std::io::Read;

use anyhow::{Context as _, Result};

use super::pairs;
use crate::exit::Stop;

/// The library's limit, and some white space around it.
const READ_MAX_BYTES: u64 = 1024 * 1024 + 64 * 1024;

/// The payload that these arguments make.
///
/// # Errors
/// Usage (2) when they are neither fields nor one payload; what reading says.
pub fn from_args(args: &[String]) -> Result<String> {
    match args {
        [] => Ok("{}".to_owned()),
        [one] if !pairs::is_pair(one) => {
            let payload = read(one)?;
            if !one.starts_with('@') && one != "-" {
                check_text(&payload)?;
            }
            Ok(payload)
        }
        fields => Ok(pairs::object(fields)?),
    }
}

/// JSON text as it stands, `-` for stdin, `@FILE` for a file.
pub fn read(text: &str) -> Result<String> {
    let payload = match text.strip_prefix('@') {
        _ if text == "-" => bounded(std::io::stdin().lock()).context("cannot read standard input")?,
        Some(path) => {
            let file = File::open(path).map_err(|error| Stop::usage(format!("cannot open {path}: {error}")))?;
            bounded(file).with_context(|| format!("cannot read {path}"))?
        }
        None => text.to_owned(),
    };
    Ok(payload.trim_matches([' ', '\t', '\r', '\n']).to_owned())
}

/// An argument that is no JSON may have been meant as a field or as a text.
fn check_text(text: &str) -> Result<()> {
    let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) else { return Ok(()) };
    let shown: String = text.chars().take(60).collect();
    let why = format!("payload {shown:?} is not JSON: {error}; a field is written key=value, a text '\"text\"'");
    Err(Stop::usage(why).into())
}

/// Reads no more than it takes to see that it is too much.
fn bounded(from: impl Read) -> Result<String> {
    let mut bytes = Vec::new();
    from.take(READ_MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > READ_MAX_BYTES {
        return Err(Stop::usage(format!("payload has more than {} bytes", 1024 * 1024)).into());
    }
    String::from_utf8(bytes).map_err(|_| Stop::usage("payload is not UTF-8").into())
}
