//! What became of an alert.

use ireva_queue::AlertEntry;

use crate::output::{Cell, Tone};
use crate::view::{Column, View};

impl View for AlertEntry {
    const COLUMNS: &'static [Column] = &[
        Column::new("AT"),
        Column::new("ALERT"),
        Column::new("EVENT"),
        Column::new("ABOUT"),
        Column::new("MESSAGE").wraps(),
        Column::new("MUTED").gives_way(2),
        Column::new("BY").gives_way(3),
        Column::new("SEVERITY").wide(),
        Column::new("VALUE").wide(),
    ];

    fn cells(&self) -> Vec<Cell> {
        let tone = match self.event.as_str() {
            "firing" | "repeated" | "dropped" => Tone::Bad,
            "recovered" => Tone::Good,
            _ => Tone::Plain,
        };
        let text = |text: &String| Cell::maybe(Some(text).filter(|text| !text.is_empty()));
        vec![
            Cell::at(self.at),
            Cell::text(&self.alert),
            Cell::text(&self.event).tone(tone),
            text(&self.subject),
            text(&self.message),
            Cell::yes(self.muted, Tone::Dim),
            text(&self.by),
            Cell::maybe(self.severity),
            Cell::maybe(self.value),
        ]
    }

    fn name(&self) -> String {
        self.alert.clone()
    }
}
