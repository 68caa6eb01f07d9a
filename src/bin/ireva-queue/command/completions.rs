//! `completions`: what a shell needs to complete our commands.

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Cli;
use crate::output::Answer;

/// Print the completions for a shell
///
/// Load them as the shell wants it, for bash
/// ~/.local/share/bash-completion/completions/ireva-queue.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue completions bash > ~/.local/share/bash-completion/completions/ireva-queue")]
pub struct Args {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Generates them from the very definitions that parse the command line.
pub fn run(args: Args) -> Result<Answer> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "ireva-queue", &mut script);
    let mut script = String::from_utf8(script)?;
    if args.shell == Shell::Bash {
        // clap_complete spells the name of a program with a hyphen in two ways, and finds no subcommand then.
        script = script.replace("ireva__subcmd__queue", "ireva__queue");
    }
    Ok(Answer::verbatim(script))
}
