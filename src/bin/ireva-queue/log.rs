//! What the library logs, on stderr: warnings, with `-v` notices, with `-vv` details.

use tracing_subscriber::filter::LevelFilter;

use crate::ui::Ui;

/// Starts logging for the whole process.
pub fn start(ui: &Ui) {
    let level = match ui.verbosity() {
        _ if ui.is_quiet() => LevelFilter::ERROR,
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(ui.colors_stderr())
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
}
