//! `__complete`: what may stand where the cursor is, for the scripts of `completions`. Never an error, never late.

mod line;
mod place;
mod values;

use std::time::Duration;

use anyhow::Result;
use clap::CommandFactory;

use crate::args::Cli;
use crate::output::Answer;

use self::place::{Candidate, Place};

/// Redis is asked no longer than this; a shell that waits is worse than one that offers less.
const PATIENCE: Duration = Duration::from_millis(80);

/// Say what may stand where the cursor is
#[derive(Debug, clap::Args)]
pub struct Args {
    /// bash, zsh or fish
    #[arg(value_name = "SHELL")]
    shell: Shell,

    /// For bash the line up to the cursor; else the word at the cursor, then
    /// those before it, without the name of the program
    #[arg(value_name = "WORD", allow_hyphen_values = true, trailing_var_arg = true)]
    words: Vec<String>,
}

/// How a shell hands over what was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// A candidate a line, its meaning behind a tab; `:files` or `:dirs` where the shell itself knows them.
pub fn run(args: Args) -> Result<Answer> {
    let mut in_quotes = false;
    let (current, before) = match args.shell {
        Shell::Bash => {
            in_quotes = args.words.first().is_some_and(|line| line::is_quoted(line));
            let mut words = line::words(args.words.first().map_or("", String::as_str));
            let current = words.pop().unwrap_or_default();
            (current, words.split_off(words.len().min(1)))
        }
        Shell::Zsh | Shell::Fish => {
            let mut words = args.words.into_iter();
            (words.next().unwrap_or_default(), words.collect())
        }
    };
    let mut root = Cli::command();
    root.build();
    let place = Place::find(&root, &before, &current);
    let quotes = args.shell == Shell::Bash && !in_quotes;
    let offer = place.offer();
    let mut candidates = offer.candidates;
    if let Some(wanted) = &offer.ask {
        candidates.extend(values::ask(wanted, &place, PATIENCE));
    }
    // Bash replaces only what stands behind the last of these letters.
    let shown = match args.shell {
        Shell::Bash => current.rfind([':', '=']).map_or(0, |at| at + 1),
        _ => 0,
    };
    let mut text = offer.directive.map(|directive| format!("{directive}\n")).unwrap_or_default();
    for Candidate { value, meaning } in candidates {
        let whole = format!("{}{value}", place.kept());
        let Some(value) = whole.strip_prefix(current.as_str()).map(|rest| format!("{current}{rest}")) else { continue };
        let Some(value) = value.get(shown..) else { continue };
        let value = if quotes { line::escaped(value) } else { value.to_owned() };
        text.push_str(&format!("{value}\t{}\n", meaning.lines().next().unwrap_or_default()));
    }
    Ok(Answer::verbatim(text))
}
