//! The four panes.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::{Pen, table, title};
use crate::output::grouped;
use crate::tui::load::LETTERS_MAX;
use crate::tui::rows::Pane;
use crate::tui::state::{Shown, State};

/// Draws a pane: a title, and what it lists.
pub fn draw(frame: &mut Frame<'_>, area: Rect, (pane, state): (Pane, &State), pen: &Pen) {
    let shown = state.shown(pane);
    title(frame, area, (&headline(pane, &shown, state), state.focus == pane), pen);
    let below = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    if shown.rows.is_empty() {
        let words = Line::from(format!("  {}", nothing(pane, state))).style(pen.palette.dim());
        return frame.render_widget(Paragraph::new(words), below);
    }
    table::draw(frame, below, (pane.columns(), &shown, state), pen);
}

/// What it is, how many there are, and which of them are seen.
fn headline(pane: Pane, shown: &Shown, state: &State) -> String {
    let (name, all) = match pane {
        Pane::Queues => ("Queues", state.facts.queues.len() as u64),
        Pane::Running => ("Running jobs", state.facts.active()),
        Pane::Dead => ("Dead letters by code", state.facts.dead()),
        Pane::Workers => ("Workers", state.facts.workers.len() as u64),
    };
    let mut words = format!("{name} {}", grouped(all));
    let last = shown.top + shown.rows.len();
    if shown.top > 0 || last < shown.count {
        // Of the jobs that run only those are asked for that fit.
        let of = if pane == Pane::Running && state.filter.is_empty() { all } else { shown.count as u64 };
        words.push_str(&format!(" ({}-{last} of {})", shown.top + 1, grouped(of.max(last as u64))));
    }
    if pane == Pane::Dead && state.facts.causes.iter().any(|cause| cause.at_least) {
        words.push_str(&format!(", + in the oldest {} of a queue", grouped(LETTERS_MAX)));
    }
    words
}

/// What stands where nothing is listed.
fn nothing(pane: Pane, state: &State) -> &'static str {
    let filtered = !state.filter.is_empty();
    match pane {
        Pane::Queues if !filtered => "no queues yet: the first job makes one",
        Pane::Running if state.facts.active() == 0 => "no job runs",
        Pane::Dead if state.facts.dead() == 0 => "no dead letters",
        Pane::Workers if state.facts.workers.is_empty() => "no workers",
        _ if filtered => "none fits the filter",
        _ => "none seen yet",
    }
}
