//! `man`: the manual pages.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::{Command, CommandFactory};
use clap_mangen::Man;

use crate::args::Cli;
use crate::output::Answer;

/// Print the manual page, or write all of them into a directory
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue man | man -l -
  ireva-queue man ~/.local/share/man/man1")]
pub struct Args {
    /// Where to write one page per command
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Generates them from the very definitions that parse the command line.
pub fn run(args: Args) -> Result<Answer> {
    let mut command = Cli::command().bin_name("ireva-queue");
    command.build();
    let Some(dir) = args.dir else {
        return Ok(Answer::verbatim(page(&command)?));
    };
    fs::create_dir_all(&dir).with_context(|| format!("cannot make the directory {}", dir.display()))?;
    write_all(&command, "ireva-queue", &dir)?;
    Ok(Answer::none())
}

fn write_all(command: &Command, name: &str, dir: &Path) -> Result<()> {
    let path = dir.join(format!("{name}.1"));
    fs::write(&path, page(command)?).with_context(|| format!("cannot write {}", path.display()))?;
    let shown = command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help");
    for command in shown {
        write_all(command, &format!("{name}-{}", command.get_name()), dir)?;
    }
    Ok(())
}

/// The example stands before the options, as it does in the help.
fn page(command: &Command) -> Result<String> {
    let man = Man::new(command.clone()).title(command.get_display_name().unwrap_or(command.get_name()));
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    if let Some(example) = command.get_before_help() {
        page.extend_from_slice(examples(&example.to_string()).as_bytes());
    }
    man.render_description_section(&mut page)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(&mut page)?;
    }
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    if let Some(after) = command.get_after_help() {
        page.extend_from_slice(block("EXIT CODES", after.to_string().trim_start_matches("Exit codes:\n")).as_bytes());
    }
    Ok(String::from_utf8(page)?)
}

fn examples(text: &str) -> String {
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with("Example")).map(str::trim).collect();
    block("EXAMPLES", &lines.join("\n"))
}

/// Lines that are kept as they are.
fn block(title: &str, text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-");
    // A line that begins with a control character of roff would be taken for a request.
    let lines = escaped
        .lines()
        .map(|line| if line.starts_with(['.', '\'']) { format!("\\&{line}\n") } else { format!("{line}\n") });
    format!(".SH {title}\n.nf\n{}.fi\n", lines.collect::<String>())
}
