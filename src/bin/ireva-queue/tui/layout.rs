//! Where everything stands on a screen of a given size.

use ratatui::layout::{Rect, Size};

use crate::tui::rows::Pane;

/// What fits on less cannot be read.
pub const LEAST: Size = Size { width: 60, height: 15 };
/// From here on two panes stand beside each other.
const BESIDE_WIDTH: u16 = 78;
/// Title and header of a pane.
const FRAME: u16 = 2;

/// The parts of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Where it looks, or why it sees nothing.
    pub header: Rect,
    /// All between header and footer.
    pub body: Rect,
    /// What is asked or said, and the keys.
    pub footer: Rect,
    panes: [Rect; 4],
}

impl Layout {
    /// The parts, for so many queues, and so many lines at the top and the bottom; `None` where it is too small.
    pub fn of(size: Size, queues: usize, (header, footer): (u16, u16)) -> Option<Self> {
        if size.width < LEAST.width || size.height < LEAST.height {
            return None;
        }
        let header = Rect::new(0, 0, size.width, header);
        let footer = Rect::new(0, size.height - footer, size.width, footer);
        let body = Rect::new(0, header.height, size.width, footer.y - header.height);
        let beside = size.width >= BESIDE_WIDTH;
        // Of three parts of the height, or four where nothing stands beside another, the queues take no more than they
        // need and the others share the rest.
        let parts = if beside { 3 } else { 4 };
        let wanted = FRAME + u16::try_from(queues.max(1)).unwrap_or(u16::MAX - FRAME);
        let queues = wanted.min(if beside { body.height * 2 / 5 } else { body.height / 4 }).max(FRAME + 1);
        let share = (body.height - queues) / (parts - 1);
        let row = |y: u16, height: u16| Rect::new(0, y, size.width, height);
        let first = row(body.y, queues);
        let running = row(first.bottom(), share);
        let rest = body.bottom() - running.bottom();
        let (dead, workers) = if beside {
            // A column between the two stays empty.
            let left = size.width * 11 / 20;
            let all = row(running.bottom(), rest);
            (Rect { width: left - 1, ..all }, Rect { x: left, width: size.width - left, ..all })
        } else {
            let dead = row(running.bottom(), share);
            (dead, row(dead.bottom(), body.bottom() - dead.bottom()))
        };
        Some(Self { header, body, footer, panes: [first, running, dead, workers] })
    }

    /// Where a pane stands.
    pub fn pane(&self, pane: Pane) -> Rect {
        self.panes[pane as usize]
    }

    /// How many rows of a pane can be seen.
    pub fn rows(&self, pane: Pane) -> usize {
        usize::from(self.pane(pane).height.saturating_sub(FRAME))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_shows_every_pane() {
        assert_eq!(Layout::of(Size::new(59, 40), 1, (1, 1)), None);
        assert_eq!(Layout::of(Size::new(200, 14), 1, (1, 1)), None);
        for (width, height) in (60..200).step_by(7).flat_map(|width| (15..80).map(move |height| (width, height))) {
            for (queues, edges) in [(0, (1, 1)), (1, (1, 1)), (5, (2, 1)), (200, (1, 1)), (3, (2, 3))] {
                let layout = Layout::of(Size::new(width, height), queues, edges).unwrap();
                let panes = Pane::ALL.map(|pane| layout.pane(pane));
                let area: u32 = panes.iter().map(|rect| rect.area()).sum();
                let gap = if width >= BESIDE_WIDTH { u32::from(panes[2].height) } else { 0 };
                assert_eq!(area + gap, layout.body.area(), "{width}x{height}: nothing is left out");
                let least = if edges.1 == 1 { 1 } else { 0 };
                assert!(Pane::ALL.iter().all(|pane| layout.rows(*pane) >= least), "{width}x{height}: {layout:?}");
                assert!(panes.iter().all(|rect| rect.intersection(layout.footer).is_empty()));
            }
        }
    }

    #[test]
    fn the_queues_take_no_more_than_they_need() {
        let rows = |queues| Layout::of(Size::new(80, 24), queues, (1, 1)).unwrap().rows(Pane::Queues);
        assert_eq!([0, 1, 3, 50].map(rows), [1, 1, 3, 6]);
    }
}
