//! `man`: the manual pages.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use ireva_queue::config::{VARIABLES, Variable};

use crate::args::Cli;
use crate::output::Answer;

const NAME: &str = "ireva-queue";
const PROMISES: &str = "\
A job that enqueue has reported is run at least once, or ends among the dead letters: no crash of a worker, of this
tool or of a Redis with its append-only file loses it. A job may start more than once: after a failure, after its worker
died (within lease + 5 s), after a shutdown; each start bears the same job id, and the third crash buries the job. A
worker that lost its lease cannot end the job. Payloads come out byte for byte as they went in. Delays follow the clock
of Redis. Dead letters are kept until they are deleted, unless remove-on-fail says otherwise.
.PP
A Redis without its append-only file, or one that evicts, loses jobs when it ends. Replication is asynchronous: a
failover may lose the last moments before it, but for what was enqueued in a durable queue (queues set --durable), where
enqueue reports a job only once a replica holds it. What operators do and what workers report is never waited for.";

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
    let mut command = Cli::command().bin_name(NAME);
    command.build();
    let Some(dir) = args.dir else {
        return Ok(Answer::verbatim(page(&command)?));
    };
    fs::create_dir_all(&dir).with_context(|| format!("cannot make the directory {}", dir.display()))?;
    write_all(&command, NAME, &dir)?;
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
    page.extend_from_slice(synopsis(command).as_bytes());
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
        let after = after.to_string().replace("see\nireva-queue(1).", "see\nENVIRONMENT below.");
        let (title, after) = after.split_once(":\n").unwrap_or(("NOTES", after.as_str()));
        page.extend_from_slice(block(&title.to_uppercase(), after).as_bytes());
    }
    if command.get_name() == NAME {
        page.extend_from_slice(environment().as_bytes());
        let promises = PROMISES.split("\n.PP\n").map(escaped).collect::<Vec<_>>().join(".PP\n");
        page.extend_from_slice(format!(".SH PROMISES\n{promises}").as_bytes());
    }
    // Not every terminal's roff knows the letter.
    Ok(String::from_utf8(page)?.replace('…', "..."))
}

/// As the help has it: what must be given, what may be, what may be repeated.
fn synopsis(command: &Command) -> String {
    let usage = command.clone().render_usage().to_string();
    format!(".SH SYNOPSIS\n{}", escaped(usage.trim_start_matches("Usage: ").trim()))
}

/// What the environment can say, from the table that it is read by.
fn environment() -> String {
    let entry = |variable: &Variable| {
        let Variable { name, default, meaning, secret, .. } = variable;
        let note = match (secret, default.is_empty()) {
            (true, _) => " (a secret: never a flag, never shown)".to_owned(),
            (false, true) => String::new(),
            (false, false) => format!(" [default: {default}]"),
        };
        format!(".TP\n\\fB{name}\\fR\n{}", escaped(&format!("{meaning}{note}")))
    };
    let entries: String = VARIABLES.iter().map(entry).collect();
    format!(".SH ENVIRONMENT\nA flag goes before a variable, a variable before the profile file.\n{entries}")
}

fn examples(text: &str) -> String {
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with("Example")).map(str::trim).collect();
    block("EXAMPLES", &lines.join("\n"))
}

/// Lines that are kept as they are.
fn block(title: &str, text: &str) -> String {
    format!(".SH {title}\n.nf\n{}.fi\n", escaped(text))
}

fn escaped(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-");
    // A line that begins with a control character of roff would be taken for a request.
    let lines = escaped
        .lines()
        .map(|line| if line.starts_with(['.', '\'']) { format!("\\&{line}\n") } else { format!("{line}\n") });
    lines.collect()
}
