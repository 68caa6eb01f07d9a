//! The screen as a function of the state.

mod glyphs;
mod pages;
mod palette;
mod panes;
mod table;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::output::visible;
use crate::tui::layout::LEAST;
use crate::tui::rows::Pane;
use crate::tui::state::{Mode, State};
use glyphs::Glyphs;
use palette::Palette;

/// Draws everything.
pub fn draw(frame: &mut Frame<'_>, state: &State) {
    let Some(layout) = state.layout() else { return too_small(frame, state) };
    let pen = Pen { glyphs: Glyphs::of(state.about.unicode), palette: Palette::of(state.about.color) };
    header(frame, layout.header, state, &pen);
    match &state.mode {
        Mode::Look(look) => pages::look(frame, layout.body, look, &pen),
        Mode::Help => pages::help(frame, layout.body, &pen),
        Mode::Watch | Mode::Filter(_) | Mode::Ask(_) => {
            Pane::ALL.into_iter().for_each(|pane| panes::draw(frame, layout.pane(pane), (pane, state), &pen));
        }
    }
    footer(frame, layout.footer, state, &pen);
}

/// What the terminal can show.
struct Pen {
    glyphs: &'static Glyphs,
    palette: Palette,
}

fn too_small(frame: &mut Frame<'_>, state: &State) {
    let (width, height) = (state.size.width, state.size.height);
    let lines = [
        format!("{width}x{height} is too small:"),
        format!("{}x{} at least", LEAST.width, LEAST.height),
        "q quits".to_owned(),
    ];
    frame.render_widget(Paragraph::new(lines.map(Line::from).to_vec()), frame.area());
}

fn header(frame: &mut Frame<'_>, area: Rect, state: &State, pen: &Pen) {
    let style = if state.outage.is_some() || !state.facts.left_out.is_empty() {
        pen.palette.alarm()
    } else {
        pen.palette.title()
    };
    let lines: Vec<_> = state.header().into_iter().map(|line| Line::from(line).style(style)).collect();
    frame.render_widget(Paragraph::new(lines), area);
    if !state.filter.is_empty() && state.outage.is_none() && !matches!(state.mode, Mode::Filter(_)) {
        let text = format!("  only {} (Esc: all)", visible(&state.filter));
        let right = Line::from(text).style(pen.palette.question());
        let width = u16::try_from(right.width()).unwrap_or(area.width).min(area.width);
        frame.render_widget(Paragraph::new(right), Rect { x: area.right() - width, width, ..area });
    }
}

fn footer(frame: &mut Frame<'_>, area: Rect, state: &State, pen: &Pen) {
    let bad = state.notice.as_ref().is_some_and(|notice| notice.bad);
    let style = match &state.mode {
        Mode::Ask(_) | Mode::Filter(_) => pen.palette.question(),
        _ if bad => pen.palette.alarm(),
        _ if state.notice.is_some() || state.doing.is_some() => pen.palette.title(),
        _ => pen.palette.dim(),
    };
    let lines: Vec<_> = state.footer().into_iter().map(|line| Line::from(line).style(style)).collect();
    frame.render_widget(Paragraph::new(lines), area);
}

/// A pane's or a page's first line: what it is, and a rule to the end.
fn title(frame: &mut Frame<'_>, area: Rect, (text, in_use): (&str, bool), pen: &Pen) {
    let glyphs = pen.glyphs;
    let (mark, style) = if in_use { (glyphs.cursor, pen.palette.in_use()) } else { (glyphs.rule, pen.palette.dim()) };
    let head = format!("{mark} {} ", visible(text));
    let used = Span::raw(head.as_str()).width();
    let rule = glyphs.rule.repeat(usize::from(area.width).saturating_sub(used));
    let line = Line::from(vec![Span::styled(head, style), Span::styled(rule, pen.palette.dim())]);
    frame.render_widget(Paragraph::new(line), Rect { height: 1, ..area });
}
