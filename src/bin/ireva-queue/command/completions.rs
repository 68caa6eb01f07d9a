//! `completions`: what a shell needs to complete our commands.

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Cli;
use crate::output::Answer;

/// Print the completions for a shell
///
/// Load them as the shell wants it, for bash
/// ~/.local/share/bash-completion/completions/ireva-queue. In bash, zsh and fish
/// they complete names of queues, schedules, batches, tokens and profiles, ids of
/// jobs and of acts to undo, and services with breakers too: Redis is asked for
/// at most 80 ms, and nothing is said where it is away.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue completions bash > ~/.local/share/bash-completion/completions/ireva-queue")]
pub struct Args {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// The scripts that ask this program itself; the others are generated from the definitions that parse the command line.
pub fn run(args: Args) -> Result<Answer> {
    let script = match args.shell {
        Shell::Bash => include_str!("complete/bash.sh").to_owned(),
        Shell::Zsh => include_str!("complete/zsh.sh").to_owned(),
        Shell::Fish => include_str!("complete/fish.fish").to_owned(),
        shell => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "ireva-queue", &mut script);
            String::from_utf8(script)?
        }
    };
    Ok(Answer::verbatim(script))
}
