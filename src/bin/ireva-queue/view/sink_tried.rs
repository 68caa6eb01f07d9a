//! A sink that was tried, and what an alerter did.

use ireva_queue::{AlerterReport, SinkTried};

use crate::output::{Cell, Tone, counted};
use crate::view::{Block, Column, View};

impl View for SinkTried {
    const COLUMNS: &'static [Column] = &[Column::new("SINK"), Column::new("RESULT"), Column::new("MESSAGE").wraps()];

    fn cells(&self) -> Vec<Cell> {
        let (word, tone) = if self.ok { ("ok", Tone::Good) } else { ("failed", Tone::Bad) };
        vec![Cell::text(self.sink.as_str()), Cell::text(word).tone(tone), Cell::text(&self.message)]
    }

    fn name(&self) -> String {
        self.sink.to_string()
    }
}

impl View for AlerterReport {
    const COLUMNS: &'static [Column] = &[
        Column::new("EVALUATED"),
        Column::number("FIRED"),
        Column::number("RECOVERED"),
        Column::number("TOLD"),
        Column::number("NOT TOLD"),
    ];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(if self.evaluated { "yes" } else { "no" }),
            Cell::alarm(self.fired, Tone::Warn),
            Cell::count(self.recovered),
            Cell::count(self.told),
            Cell::alarm(self.not_told, Tone::Bad),
        ]
    }

    fn name(&self) -> String {
        self.fired.to_string()
    }

    fn card(&self) -> Option<Vec<Block>> {
        let Self { evaluated, fired, recovered, told, not_told } = self;
        let mut line = format!("{} fired, {recovered} recovered, {told} told", counted(*fired, "alert"));
        if *not_told > 0 {
            line.push_str(&format!(", {not_told} not told yet"));
        }
        if !evaluated {
            line.push_str("; another evaluates");
        }
        Some(vec![Block::Text(line)])
    }
}
