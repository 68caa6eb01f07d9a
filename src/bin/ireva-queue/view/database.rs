//! The platform's database: its schema, what a seed added, what an audit found.

use ireva_queue::builtin::portfolio::{Audit, MigrationStatus, Seeded};

use crate::output::{Cell, Tone, grouped};
use crate::view::{Block, Column, View};

impl View for MigrationStatus {
    const COLUMNS: &'static [Column] =
        &[Column::new("DATABASE").wraps(), Column::number("APPLIED"), Column::number("PENDING")];

    fn cells(&self) -> Vec<Cell> {
        let applied = self.steps.iter().filter(|step| step.applied).count() as u64;
        let pending = self.steps.len() as u64 - applied;
        vec![Cell::text(&self.database), Cell::count(applied), Cell::alarm(pending, Tone::Warn)]
    }

    fn name(&self) -> String {
        if self.is_current() { "current" } else { "pending" }.to_owned()
    }

    fn card(&self) -> Option<Vec<Block>> {
        let mut lines = vec![Block::Text(self.database.clone())];
        lines.extend(self.steps.iter().map(|step| {
            let state = if step.applied { "applied" } else { "pending: run ireva-queue db migrate" };
            Block::Text(format!("  {}  {}: {state}", step.version, step.description))
        }));
        Some(lines)
    }
}

impl View for Seeded {
    const COLUMNS: &'static [Column] = &[
        Column::number("PROPERTIES"),
        Column::number("INVESTORS"),
        Column::number("INVESTMENTS"),
        Column::number("VALUATIONS"),
        Column::number("TRANSACTIONS"),
    ];

    fn cells(&self) -> Vec<Cell> {
        let Self { properties, investors, investments, valuations, transactions } = *self;
        [properties, investors, investments, valuations, transactions].map(Cell::count).to_vec()
    }

    fn name(&self) -> String {
        let Self { properties, investors, investments, valuations, transactions } = *self;
        (properties + investors + investments + valuations + transactions).to_string()
    }

    fn card(&self) -> Option<Vec<Block>> {
        let line = format!(
            "added {} properties, {} investors, {} investments, {} valuations, {} transactions",
            grouped(self.properties),
            grouped(self.investors),
            grouped(self.investments),
            grouped(self.valuations),
            grouped(self.transactions)
        );
        Some(vec![Block::Text(line)])
    }
}

impl View for Audit {
    const COLUMNS: &'static [Column] = &[
        Column::number("DISTRIBUTIONS"),
        Column::number("LINES"),
        Column::number("MAILS WAITING"),
        Column::number("FINDINGS"),
    ];

    fn cells(&self) -> Vec<Cell> {
        let findings = self.findings.len() as u64;
        vec![
            Cell::count(self.distributions),
            Cell::count(self.lines),
            Cell::alarm(self.mails_waiting, Tone::Warn),
            Cell::alarm(findings, Tone::Bad),
        ]
    }

    fn name(&self) -> String {
        self.findings.len().to_string()
    }

    fn card(&self) -> Option<Vec<Block>> {
        let many = |count: u64, thing: &str| format!("{} {thing}{}", grouped(count), if count == 1 { "" } else { "s" });
        let (distributions, lines) = (many(self.distributions, "distribution"), many(self.lines, "line"));
        let verdict = match self.findings.len() {
            0 => "everything adds up".to_owned(),
            1 => "1 finding".to_owned(),
            many => format!("{many} findings"),
        };
        let mut blocks = vec![Block::Text(format!("{distributions}, {lines}: {verdict}"))];
        if self.mails_waiting > 0 {
            let waiting = many(self.mails_waiting, "mail");
            blocks.push(Block::Text(format!("{waiting} to be queued when these distributions are run again:")));
            blocks.extend(self.waiting.iter().map(|reference| Block::Text(format!("  {reference}"))));
        }
        blocks.extend(
            self.findings
                .iter()
                .map(|finding| Block::Text(format!("  {}  {}: {}", finding.code, finding.about, finding.message))),
        );
        Some(blocks)
    }
}
