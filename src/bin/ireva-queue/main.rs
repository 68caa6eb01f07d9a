//! The command line of the queue: parses, calls the library, renders.

#![forbid(unsafe_code)]

mod args;
mod command;
mod context;
mod daemon;
mod exit;
#[cfg(test)]
#[path = "../../tests/fuzz.rs"]
mod fuzz;
mod log;
mod output;
mod pager;
mod parse;
mod signals;
mod systemd;
mod tui;
mod ui;
mod view;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Cli;
use crate::context::Context;
use crate::exit::Code;
use crate::ui::Ui;

fn main() -> ExitCode {
    let arguments = ui::arguments();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return command::check::usage_code(ui::usage(&error), &arguments).into(),
    };
    let context = Context::new(Ui::new(&cli.globals), cli.globals.profile);
    log::start(&context.ui, &cli.command);
    let ended = command::run(cli.command, &context).and_then(|answer| {
        context.ui.last_answer(&answer)?;
        Ok(answer.into_end())
    });
    let ended = ended.unwrap_or_else(|error| {
        let code = exit::code_of(&error);
        (vec![error], code)
    });
    let (errors, code) = exit::without(context.unreached(), ended);
    // A reader that closed the pipe has what it wanted.
    if code != Code::Done {
        errors.iter().for_each(|error| context.ui.error(error));
    }
    code.into()
}
