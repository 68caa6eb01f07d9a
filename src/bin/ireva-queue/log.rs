//! What the library logs, on stderr: warnings, with `-v` notices, with `-vv` details.

use tracing_subscriber::EnvFilter;

use crate::args::Command;
use crate::ui::Ui;

/// Starts logging for the whole process. A server of requests logs each of them.
pub fn start(ui: &Ui, command: &Command) {
    let level = match ui.verbosity() {
        // Nothing may appear between what is typed and what is offered.
        _ if matches!(command, Command::Complete(_)) => "off",
        // What is written beside it would spoil the screen.
        _ if matches!(command, Command::Top(_)) && ui.is_watched() => "off",
        _ if ui.is_quiet() => "error",
        0 if matches!(command, Command::Serve(_)) => "warn,ireva_queue::api=info",
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(level))
        .with_ansi(ui.colors_stderr())
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
}
