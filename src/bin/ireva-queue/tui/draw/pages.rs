//! What fills the body instead of the panes: one thing shown whole, and the help.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::{Pen, title};
use crate::tui::look::Look;

const HELP: &[&str] = &[
    "up down j k    move the cursor; PgUp PgDn Home End g G too",
    "Tab left right go to the next or the previous pane",
    "Enter          look at the queue, job, dead letter, worker",
    "p              pause or resume the queue at the cursor",
    "r              retry: revive the dead letters of a code",
    "c              cancel a running job",
    "/              show only what holds these letters",
    "Esc            back; stop a retry; show all again",
    "Ctrl-L Ctrl-Z  draw anew; to the shell, and back with fg",
    "q Ctrl-C       quit; the same with exit code 130",
    "",
    "p r c ask first. IN/S DONE/S: a second, over five looks.",
];

/// Draws a thing as far as it fits.
pub fn look(frame: &mut Frame<'_>, area: Rect, look: &Look, pen: &Pen) {
    let below = below(area);
    let lines = usize::from(below.height);
    let last = (look.top + lines).min(look.lines.len());
    let place = if look.lines.len() > lines {
        format!(" (lines {}-{last} of {})", look.top + 1, look.lines.len())
    } else {
        String::new()
    };
    let problem = look.problem.as_ref().map_or_else(String::new, |why| format!(": {why}"));
    title(frame, area, (&format!("{}{problem}{place}", look.title()), true), pen);
    let shown = look.lines.iter().skip(look.top).take(lines).map(|line| Line::from(line.as_str()));
    frame.render_widget(Paragraph::new(shown.collect::<Vec<_>>()), below);
}

/// Draws the keys.
pub fn help(frame: &mut Frame<'_>, area: Rect, pen: &Pen) {
    title(frame, area, ("Keys", true), pen);
    let lines: Vec<_> = HELP.iter().map(|line| Line::from(format!("  {line}"))).collect();
    frame.render_widget(Paragraph::new(lines), below(area));
}

fn below(area: Rect) -> Rect {
    Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area }
}
