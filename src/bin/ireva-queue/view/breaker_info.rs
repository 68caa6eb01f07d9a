//! Breakers: listed, opened, closed.

use ireva_queue::{BreakerClosed, BreakerInfo, BreakerState, local_now};

use crate::output::{Cell, Tone};
use crate::view::{Block, Column, View};

impl View for BreakerInfo {
    const COLUMNS: &'static [Column] = &[
        Column::new("DEPENDENCY"),
        Column::new("STATE"),
        Column::number("FAILURES"),
        Column::new("OPENED").gives_way(2),
        Column::new("NEXT TRY").gives_way(1),
        Column::new("LAST FAILURE").wide(),
        Column::new("OPENED BY").wide(),
        Column::new("LAST ERROR").wide(),
    ];

    fn cells(&self) -> Vec<Cell> {
        let tone = match self.state {
            BreakerState::Closed => Tone::Dim,
            BreakerState::Open => Tone::Bad,
            BreakerState::HalfOpen => Tone::Warn,
        };
        vec![
            Cell::text(&self.dependency),
            Cell::text(self.state.as_str()).tone(tone),
            Cell::count(self.failures),
            Cell::maybe_at(self.opened_at),
            match self.probe_at {
                _ if self.is_open_ended(local_now()) => Cell::text("until closed"),
                Some(at) => Cell::due(at),
                None => Cell::none(),
            },
            Cell::maybe_at(self.last_failure_at),
            Cell::maybe(self.opened_by.as_ref()),
            Cell::maybe(self.last_error.as_ref().map(|error| format!("{}: {}", error.code, error.message))),
        ]
    }

    fn name(&self) -> String {
        self.dependency.clone()
    }
}

impl View for BreakerClosed {
    const COLUMNS: &'static [Column] = &[Column::new("DEPENDENCY"), Column::new("WAS OPEN")];

    fn cells(&self) -> Vec<Cell> {
        vec![Cell::text(&self.dependency), Cell::text(if self.was_open { "yes" } else { "no" })]
    }

    fn name(&self) -> String {
        self.dependency.clone()
    }

    fn card(&self) -> Option<Vec<Block>> {
        let already = if self.was_open { "" } else { " already" };
        Some(vec![Block::Text(format!("{} is{already} closed", self.dependency))])
    }
}
