//! Answers that are longer than the terminal go through a pager.

use std::io::{self, Write};
use std::process::{Child, Command, Stdio};

/// Shows `text` through the command line `pager`, as a shell reads it. Whether it did: where there is no such program,
/// nothing was shown.
///
/// # Errors
/// What writing to it says, save that it was left before the end.
pub fn show(pager: &str, text: &[u8]) -> io::Result<bool> {
    let Some(mut child) = start(pager) else { return Ok(false) };
    let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(text));
    let status = child.wait()?;
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        // The shell says so where it does not find the program.
        _ => Ok(!matches!(status.code(), Some(126 | 127))),
    }
}

fn start(pager: &str) -> Option<Child> {
    let mut command = Command::new("sh");
    command.arg("-c").arg(pager).stdin(Stdio::piped()).stderr(Stdio::null());
    // What less does where nobody has said otherwise: leave when it fits, pass colours, keep the screen.
    command.env("LESS", crate::ui::less_options());
    command.spawn().ok()
}
