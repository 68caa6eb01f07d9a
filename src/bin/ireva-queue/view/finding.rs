//! What the doctor found, and the table of its codes.

use std::io::{self, Write};

use ireva_queue::Finding;
use ireva_queue::doctor::{CodeInfo, Severity};

use crate::output::{Body, Cell, Format, Look, Tone, cards, rows};
use crate::view::{Block, Column, View};

/// Findings: to people each by itself with all that is to be said, to scripts one a line.
pub struct Findings(pub Vec<Finding>);

impl Body for Findings {
    fn render(&self, format: Format, look: Look, out: &mut dyn Write) -> io::Result<()> {
        match format {
            Format::Table => cards(&self.0, format, look, out),
            _ => rows(&self.0, format, look, out),
        }
    }
}

fn tone(finding: &Finding) -> Tone {
    match finding.severity {
        _ if finding.fixed.is_some() => Tone::Good,
        Severity::Critical => Tone::Bad,
        Severity::Warning => Tone::Warn,
        Severity::Note => Tone::Dim,
    }
}

impl View for Finding {
    const COLUMNS: &'static [Column] = &[
        Column::new("SEVERITY"),
        Column::new("CODE"),
        Column::new("ABOUT"),
        Column::new("MESSAGE").wraps(),
        Column::new("REMEDY").wraps(),
        Column::new("FIXED").wraps(),
        Column::new("QUEUE").wide(),
        Column::new("MEANING").wraps().wide(),
        Column::new("CAUSES").wraps().wide(),
    ];

    fn cells(&self) -> Vec<Cell> {
        let causes: Vec<_> = self.causes.iter().map(ToString::to_string).collect();
        vec![
            Cell::text(self.severity.as_str()).tone(tone(self)),
            Cell::text(self.code.as_str()),
            Cell::text(&self.about),
            Cell::text(&self.message),
            Cell::text(&self.remedy),
            Cell::maybe(self.fixed.as_ref()),
            Cell::maybe(self.queue.as_ref()),
            Cell::text(self.meaning),
            Cell::maybe((!causes.is_empty()).then(|| causes.join("; "))),
        ]
    }

    fn name(&self) -> String {
        self.code.to_string()
    }

    fn card(&self) -> Option<Vec<Block>> {
        let title = Cell::text(format!("{}: {}", self.code, self.about)).tone(tone(self));
        let mut blocks =
            vec![Block::Field(self.severity.as_str(), title), Block::Field("found", Cell::text(&self.message))];
        blocks.extend(self.causes.iter().map(|cause| Block::Field("cause", Cell::text(cause.to_string()))));
        blocks.push(Block::Field("means", Cell::text(self.meaning)));
        blocks.push(match &self.fixed {
            Some(fixed) => Block::Field("done", Cell::text(fixed).tone(Tone::Good)),
            None => Block::Field("remedy", Cell::text(&self.remedy)),
        });
        Some(blocks)
    }
}

impl View for CodeInfo {
    const COLUMNS: &'static [Column] =
        &[Column::new("CODE"), Column::new("SEVERITY"), Column::new("MEANING").wraps(), Column::new("REMEDY").wraps()];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(self.code.as_str()),
            Cell::text(self.severity.as_str()),
            Cell::text(self.meaning),
            Cell::text(self.remedy.replace("{about}", "QUEUE")),
        ]
    }

    fn name(&self) -> String {
        self.code.to_string()
    }
}
