//! Tokens of the REST API: listed, just created, revoked.

use ireva_queue::{NewToken, TokenInfo, TokenName};
use serde::Serialize;

use crate::output::Cell;
use crate::view::{Block, Column, View};

fn scopes(token: &TokenInfo) -> Cell {
    let words: Vec<_> = token.scopes.iter().map(|scope| scope.as_str()).collect();
    Cell::text(words.join(","))
}

impl View for TokenInfo {
    const COLUMNS: &'static [Column] = &[Column::new("NAME"), Column::new("SCOPES"), Column::new("CREATED")];

    fn cells(&self) -> Vec<Cell> {
        vec![Cell::text(self.name.as_str()), scopes(self), Cell::at(self.created_at)]
    }

    fn name(&self) -> String {
        self.name.to_string()
    }
}

impl View for NewToken {
    const COLUMNS: &'static [Column] = &[
        Column::new("TOKEN"),
        Column::new("NAME").wide(),
        Column::new("SCOPES").wide(),
        Column::new("CREATED").wide(),
    ];

    fn cells(&self) -> Vec<Cell> {
        let info = &self.info;
        vec![Cell::text(&self.token), Cell::text(info.name.as_str()), scopes(info), Cell::at(info.created_at)]
    }

    fn name(&self) -> String {
        self.info.name.to_string()
    }

    fn card(&self) -> Option<Vec<Block>> {
        Some(vec![Block::Text(self.token.clone())])
    }
}

/// A token that was revoked.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Revoked {
    /// Its name.
    pub name: TokenName,
    /// Always true.
    pub revoked: bool,
}

impl View for Revoked {
    const COLUMNS: &'static [Column] = &[Column::new("NAME"), Column::new("REVOKED")];

    fn cells(&self) -> Vec<Cell> {
        vec![Cell::text(self.name.as_str()), Cell::text("yes")]
    }

    fn name(&self) -> String {
        self.name.to_string()
    }

    fn card(&self) -> Option<Vec<Block>> {
        Some(vec![Block::Text(format!("{} is revoked", self.name))])
    }
}
