//! A job in a list.

use ireva_queue::JobState;
use ireva_queue::stats::JobSummary;

use crate::output::Cell;
use crate::view::{Column, View};

/// Whether a job of this state has its time still before it.
pub fn waits(state: JobState) -> bool {
    matches!(state, JobState::Scheduled | JobState::Retrying)
}

impl View for JobSummary {
    const COLUMNS: &'static [Column] = &[
        Column::new("ID"),
        Column::new("STATE"),
        Column::new("PRIORITY").gives_way(2),
        Column::number("ATTEMPT").gives_way(1),
        Column::new("SINCE"),
        Column::new("CODE").gives_way(3),
        Column::new("LAST ERROR").wraps().gives_way(4),
        Column::new("QUEUE").wide(),
        Column::new("ENQUEUED").wide(),
    ];

    fn cells(&self) -> Vec<Cell> {
        let error = self.last_error.as_ref();
        vec![
            Cell::text(self.id.as_str()),
            Cell::state(self.state),
            Cell::text(self.priority.as_str()),
            Cell::count(self.attempt),
            if waits(self.state) { Cell::due(self.since) } else { Cell::at(self.since) },
            Cell::maybe(error.map(|error| &error.code)),
            Cell::maybe(error.map(|error| &error.message)),
            Cell::text(self.queue.as_str()),
            Cell::maybe_at(self.enqueued_at),
        ]
    }

    fn name(&self) -> String {
        self.id.to_string()
    }
}
