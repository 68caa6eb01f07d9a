//! Why a job waits or where it ended.

use ireva_queue::stats::{Explanation, Reason};

use crate::output::Cell;
use crate::view::job_summary::waits;
use crate::view::{Block, Column, View};

impl View for Explanation {
    const COLUMNS: &'static [Column] = &[
        Column::new("ID"),
        Column::new("QUEUE"),
        Column::new("STATE"),
        Column::new("SINCE"),
        Column::new("WHY"),
        Column::new("REASONS").wraps(),
        Column::new("NEXT").wraps().wide(),
    ];
    const PLAIN_CARD: bool = true;

    fn cells(&self) -> Vec<Cell> {
        let codes: Vec<_> = self.reasons.iter().map(|reason| reason.code.as_str()).collect();
        let texts: Vec<_> = self.reasons.iter().map(|reason| reason.text.as_str()).collect();
        vec![
            Cell::text(self.id.as_str()),
            Cell::text(self.queue.as_str()),
            self.state.map_or_else(Cell::none, Cell::state),
            if self.state.is_some_and(waits) { Cell::due(self.since) } else { Cell::at(self.since) },
            Cell::text(codes.join(",")),
            Cell::text(texts.join("; ")),
            Cell::text(self.next.join("; ")),
        ]
    }

    fn name(&self) -> String {
        self.id.to_string()
    }

    fn card(&self) -> Option<Vec<Block>> {
        let mut blocks = vec![
            Block::Field("id", Cell::text(self.id.as_str())),
            Block::Field("queue", Cell::text(self.queue.as_str())),
            Block::Field("state", self.state.map_or_else(Cell::none, Cell::state)),
            Block::Field(if self.state.is_some_and(waits) { "due" } else { "since" }, Cell::at(self.since)),
        ];
        blocks.extend(passages(self));
        Some(blocks)
    }
}

/// Why, and what to do next.
pub fn passages(explanation: &Explanation) -> [Block; 2] {
    let why = |reason: &Reason| format!("{}: {}", reason.code, reason.text);
    let whys: Vec<_> = explanation.reasons.iter().map(why).collect();
    [Block::Passage("why", whys.join("\n")), Block::Passage("next", explanation.next.join("\n"))]
}
