//! A batch: how many of its jobs have ended, and how.

use ireva_queue::BatchInfo;

use crate::output::{Cell, Tone, grouped};
use crate::view::{Block, Column, View};

impl View for BatchInfo {
    const COLUMNS: &'static [Column] = &[
        Column::new("BATCH"),
        Column::new("QUEUE"),
        Column::number("TOTAL"),
        Column::number("PENDING"),
        Column::number("COMPLETED"),
        Column::number("DEAD"),
        Column::number("CANCELLED"),
        Column::new("SEALED"),
        Column::new("FINISHED").gives_way(1),
        Column::new("CREATED").wide(),
        Column::new("FOLLOWED BY").wide(),
        Column::new("IN QUEUE").wide(),
    ];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(self.batch.as_str()),
            Cell::text(self.queue.as_str()),
            Cell::count(self.total),
            Cell::count(self.pending),
            Cell::count(self.completed),
            Cell::alarm(self.dead, Tone::Bad),
            Cell::alarm(self.cancelled, Tone::Warn),
            Cell::text(if self.sealed { "yes" } else { "no" }),
            Cell::maybe_at(self.finished_at),
            Cell::at(self.created_at),
            Cell::maybe(self.on_complete.as_ref().map(|follower| &follower.id)),
            Cell::maybe(self.on_complete.as_ref().map(|follower| &follower.queue)),
        ]
    }

    fn name(&self) -> String {
        self.batch.to_string()
    }

    fn card(&self) -> Option<Vec<Block>> {
        let ended = self.total - self.pending;
        let standing = match (self.finished_at.is_some(), self.sealed) {
            (true, _) => "over",
            (false, true) => "sealed",
            (false, false) => "open: batch seal lets it end",
        };
        let mut blocks = vec![
            Block::Field("batch", Cell::text(self.batch.as_str())),
            Block::Field("queue", Cell::text(self.queue.as_str())),
            Block::Field("standing", Cell::text(standing)),
            Block::Field("ended", Cell::text(format!("{} of {}", grouped(ended), grouped(self.total)))),
            Block::Field("completed", Cell::count(self.completed)),
            Block::Field("dead", Cell::alarm(self.dead, Tone::Bad)),
            Block::Field("cancelled", Cell::alarm(self.cancelled, Tone::Warn)),
            Block::Field("created", Cell::at(self.created_at)),
            Block::Field("finished", Cell::maybe_at(self.finished_at)),
        ];
        if let Some(follower) = &self.on_complete {
            let job = format!("{} in {}", follower.id, follower.queue);
            blocks.push(Block::Field("followed by", Cell::text(job)));
        }
        Some(blocks)
    }
}
