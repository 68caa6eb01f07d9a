//! Rows in columns, as many as fit.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::Pen;
use crate::tui::rows::{Column, Field, so_far};
use crate::tui::state::{Shown, State};

/// The cursor and a space.
const MARK: usize = 2;
/// Between two columns, where there is room for more than that.
const GAP_WIDE: usize = 2;
const WIDE: usize = 100;
/// No name takes more of a line than this.
const TEXT_MAX: usize = 26;
/// Trends and queues get no more than this, however wide the screen is.
const REST_MAX: usize = 60;
/// A gauge is drawn beside the words where there is room for both.
const GAUGE: usize = 12;
const GAUGE_FROM: usize = 40;

/// A field as it will be drawn, but for what takes the width that is left.
fn words(field: &Field, state: &State) -> String {
    match field {
        Field::Cell(cell) => cell.human(state.now),
        Field::Bars(_) => String::new(),
        Field::Progress(progress) => progress.as_ref().map_or_else(|| "-".to_owned(), |progress| so_far(progress).1),
    }
}

/// Draws the header and the rows.
pub fn draw(frame: &mut Frame<'_>, area: Rect, (columns, shown, state): (&[Column], &Shown, &State), pen: &Pen) {
    let texts: Vec<Vec<String>> =
        shown.rows.iter().map(|row| row.fields.iter().map(|field| words(field, state)).collect()).collect();
    let gap = if usize::from(area.width) >= WIDE { GAP_WIDE } else { 1 };
    let widths = widths(columns, &texts, (usize::from(area.width).saturating_sub(MARK), gap));
    let space = " ".repeat(gap);
    let header = widths.iter().map(|&(index, width)| {
        let column = &columns[index];
        Span::styled(aligned(column.title, width, column.right) + &space, pen.palette.dim())
    });
    let mut lines = vec![Line::from([Span::raw(" ".repeat(MARK))].into_iter().chain(header).collect::<Vec<_>>())];
    for (at, (row, texts)) in shown.rows.iter().zip(&texts).enumerate() {
        let chosen = shown.cursor == Some(at);
        let mark = if chosen { format!("{} ", pen.glyphs.cursor) } else { " ".repeat(MARK) };
        let mut spans = vec![Span::raw(mark)];
        for &(index, width) in &widths {
            let (text, style) = field(&row.fields[index], &texts[index], width, pen);
            let text = pen.glyphs.fit(&text, width, columns[index].keeps_end);
            spans.push(Span::styled(aligned(&text, width, columns[index].right), style));
            spans.push(Span::raw(space.clone()));
        }
        let line = Line::from(spans);
        lines.push(if chosen { line.style(pen.palette.cursor()) } else { line });
    }
    frame.render_widget(Paragraph::new(lines), area);
}

fn field(field: &Field, text: &str, width: usize, pen: &Pen) -> (String, Style) {
    match field {
        Field::Cell(cell) => (text.to_owned(), pen.palette.tone(cell.tone)),
        Field::Bars(values) => (pen.glyphs.bars(values, width), pen.palette.bars()),
        Field::Progress(Some(progress)) if width >= GAUGE_FROM => match so_far(progress) {
            (Some(part), words) => (format!("{} {words}", pen.glyphs.gauge(part, GAUGE)), Style::new()),
            (None, words) => (words, Style::new()),
        },
        Field::Progress(_) => (text.to_owned(), Style::new()),
    }
}

/// The columns that fit and the width of each: while they are too wide together, the one that matters least goes; what is
/// left over goes to the one that takes the rest.
fn widths(columns: &[Column], texts: &[Vec<String>], (room, gap): (usize, usize)) -> Vec<(usize, usize)> {
    let natural = |index: usize| {
        let longest = texts.iter().map(|row| console::measure_text_width(&row[index])).max().unwrap_or(0);
        let longest = columns[index].rest.map_or(longest.min(TEXT_MAX), |least| least);
        longest.max(columns[index].title.len())
    };
    let mut kept: Vec<_> = (0..columns.len()).map(|index| (index, natural(index))).collect();
    let used = |kept: &[(usize, usize)]| kept.iter().map(|(_, width)| width + gap).sum::<usize>() - gap;
    while used(&kept) > room {
        let least = kept.iter().copied().filter(|(index, _)| columns[*index].gives_way > 0);
        let Some((least, _)) = least.max_by_key(|(index, _)| columns[*index].gives_way) else { break };
        kept.retain(|(index, _)| *index != least);
    }
    let left = room.saturating_sub(used(&kept));
    let over = used(&kept).saturating_sub(room);
    if let Some((_, width)) = kept.iter_mut().find(|(index, _)| columns[*index].rest.is_some()) {
        *width = (*width + left).min(REST_MAX.max(*width));
    }
    // Where even the least is too much, the first text gets shorter: a name is known by its beginning.
    if let Some((_, width)) =
        kept.iter_mut().filter(|(index, _)| !columns[*index].right).max_by_key(|(_, width)| *width)
    {
        *width -= over.min(width.saturating_sub(6));
    }
    kept
}

fn aligned(text: &str, width: usize, right: bool) -> String {
    let missing = " ".repeat(width.saturating_sub(console::measure_text_width(text)));
    if right { missing + text } else { format!("{text}{missing}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::rows::Pane;

    fn shown(pane: Pane, room: usize, row: &[&str]) -> Vec<(&'static str, usize)> {
        let columns = pane.columns();
        let texts = vec![row.iter().map(|text| (*text).to_owned()).collect()];
        widths(columns, &texts, (room, 1)).into_iter().map(|(index, width)| (columns[index].title, width)).collect()
    }

    #[test]
    fn what_matters_least_gives_way_and_one_column_takes_the_rest() {
        let row = ["roi-distribution", "no worker", "1,234,567", "12", "3", "4", "5", "1m", "2%", "1", "1", "2", ""];
        let narrow = shown(Pane::Queues, 58, &row);
        let titles: Vec<_> = narrow.iter().map(|(title, _)| *title).collect();
        assert_eq!(titles, ["QUEUE", "STATE", "PENDING", "ACTIVE", "RETRYING", "DEAD", "TREND"]);
        assert!(narrow.iter().map(|(_, width)| width + 1).sum::<usize>() <= 58 + 1);
        let wide = shown(Pane::Queues, 200, &row);
        assert_eq!(wide.len(), 13, "everything");
        assert_eq!(wide.last(), Some(&("TREND", REST_MAX)));
    }

    #[test]
    fn a_name_is_cut_before_a_number_is() {
        let row = ["12345", "connection_refused_by_the_server", "1m ago", "2h ago", "a-very-long-name-of-a-queue"];
        let narrow = shown(Pane::Dead, 30, &row);
        assert_eq!(narrow, [("COUNT", 5), ("CODE", 15), ("QUEUE", 8)], "26 and two gaps of one");
    }
}
