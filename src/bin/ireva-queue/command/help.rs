//! `help`: a command's help, or a page on something that all of them share.

use std::fmt::Write as _;

use anyhow::Result;
use clap::{Command, CommandFactory};
use ireva_queue::config::VARIABLES;

use crate::args::Cli;
use crate::output::Answer;

/// Show the help of a command, or a page on a topic
///
/// 'help COMMAND' is 'COMMAND --help'.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue help queues set
  ireva-queue help examples")]
pub struct Args {
    /// examples, environment, exit-codes, formats, partitions or profiles
    #[arg(value_name = "TOPIC", hide_possible_values = true)]
    topic: Topic,
}

/// What there is a page on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Topic {
    /// What every command is used for
    Examples,
    /// The variables that are read
    Environment,
    /// What the exit codes mean
    ExitCodes,
    /// How answers are written
    Formats,
    /// A queue over several slots of a cluster
    Partitions,
    /// Servers under names, and read-only ones
    Profiles,
}

const FORMATS: &str = "\
An answer goes to stdout, everything else (progress, prompts, warnings, errors)
to stderr. -o says how the answer is written:

  table   columns for people, the default on a terminal; what is longer than
          the terminal goes through $PAGER, or less -FRX (--no-pager: never)
  wide    the same with every column
  plain   tab separated, a line for each thing, no header, exact values, times
          in RFC 3339; '-' where there is nothing; the default when piped
  json    one JSON value, the same that the REST API answers
  jsonl   one JSON value a line
  csv     with a header, safe to open in a spreadsheet
  name    ids or names alone, for the next command of a pipeline

A column or key that was released stays. Colours are shown on a terminal only,
unless --color or CLICOLOR_FORCE says so; NO_COLOR turns them off.

  ireva-queue stats -o json | jq '.[] | select(.dead > 0) | .queue'
  ireva-queue jobs list email --state retrying -o name | xargs ireva-queue jobs retry
";

const PARTITIONS: &str = "\
A queue is in one slot of Redis, and so as fast as one node of a cluster. One
that outgrows its node is spread over several slots; all commands look at it as
one. On one server partitions bring nothing. Take two to four times as many as
the cluster has masters.

  ireva-queue queues set email --partitions 8
  ireva-queue queues get email

A job goes to the partition of its batch, else of its unique key, else of its
order key (--order-key), else of its id. So jobs of one order key keep their
order; the same id under another of these keys is another job.

--concurrency, --max-length and --rate are divided. Refused: limits per key, a
concurrency or length below the number of partitions, --unless-queued, and a job
with a batch and a unique key.

The number can be changed at any time: jobs are moved while producers and
workers go on, and nothing is lost or doubled. Ctrl-C is safe: the workers go
on, and so does the same command again. stats and queues get tell a change that
is on; doctor finds one that stands still.

  ireva-queue queues set email --partitions 1 --concurrency 1
";

const PROFILES: &str = "\
A profile is a TOML file with the values of the environment under names of its
own, and settings of queues: $XDG_CONFIG_HOME/ireva-queue/profiles/NAME.toml
($HOME/.config where XDG_CONFIG_HOME is not set). Without one
$XDG_CONFIG_HOME/ireva-queue/config.toml is read, or what IREVA_QUEUE_CONFIG
names.

  read_only = true

  [redis]
  host = \"redis.example.com\"
  port = 6380
  tls = true
  password_file = \"/etc/ireva-queue/password\"

  [queues.email]
  rate = \"100/s\"

A worker sets what stands under [queues.NAME] when it starts, where nobody has
set it; other commands go by what is set.

A flag goes before a variable, a variable before the file, the file before the
default. With read_only every act that writes is refused, with exit code 5.
No secret stands in the file: it names a file that holds it.

  ireva-queue --profile prod stats
  IREVA_QUEUE_PROFILE=prod ireva-queue dlq list email
  ireva-queue --profile prod config show --origin
  ireva-queue config list
";

/// The page.
pub fn run(args: Args) -> Result<Answer> {
    let text = match args.topic {
        Topic::Examples => examples(),
        Topic::Environment => environment(),
        Topic::ExitCodes => Cli::command().get_after_help().map(|text| format!("{text}\n")).unwrap_or_default(),
        Topic::Formats => FORMATS.to_owned(),
        Topic::Partitions => PARTITIONS.to_owned(),
        Topic::Profiles => PROFILES.to_owned(),
    };
    Ok(Answer::page(text))
}

/// Whether there is a page of that name.
pub fn is_topic(word: &str) -> bool {
    <Topic as clap::ValueEnum>::from_str(word, false).is_ok()
}

/// The examples of every command, below what it does.
fn examples() -> String {
    let mut root = Cli::command();
    root.build();
    let mut text = String::new();
    root.get_subcommands().for_each(|command| add_examples(command, command.get_name(), &mut text));
    text
}

fn add_examples(command: &Command, name: &str, text: &mut String) {
    if command.is_hide_set() {
        return;
    }
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let shown = command.get_before_help().map(ToString::to_string).unwrap_or_default();
    let lines: Vec<_> = shown.lines().filter(|line| !line.starts_with("Example")).collect();
    if !lines.is_empty() {
        let gap = if text.is_empty() { "" } else { "\n" };
        let _ = writeln!(text, "{gap}{name}: {}\n{}", about.replace('\n', " "), lines.join("\n"));
    }
    for verb in command.get_subcommands() {
        add_examples(verb, &format!("{name} {}", verb.get_name()), text);
    }
}

/// The table that the environment is read by.
fn environment() -> String {
    let mut text = "A flag goes before a variable, a variable before the profile file.\n".to_owned();
    for variable in VARIABLES {
        let note = match (variable.secret, variable.default.is_empty()) {
            (true, _) => "\n  a secret: never a flag, never shown".to_owned(),
            (false, true) => String::new(),
            (false, false) => format!("\n  default: {}", variable.default),
        };
        let key = variable.profile.map(|key| format!(" (in a profile: {key})")).unwrap_or_default();
        let _ = writeln!(text, "\n{}{key}\n  {}{note}", variable.name, variable.meaning);
    }
    text
}
