//! What is configured: values, the file, the profiles, the user that the server must know.

use std::path::PathBuf;

use ireva_queue::config::{ConfigValue, Origin};
use ireva_queue::doctor::AclUser;
use serde::Serialize;

use crate::output::{Cell, Tone};
use crate::view::{Block, Column, View};

/// The variable, the file and the key, or that nobody set it.
fn origin(value: &ConfigValue) -> Cell {
    match (value.origin, &value.file, &value.key) {
        (Origin::Profile, Some(file), Some(key)) => Cell::text(format!("{}: {key}", file.display())),
        (origin @ Origin::Default, ..) => Cell::text(origin.as_str()).tone(Tone::Dim),
        (origin, ..) if value.before_profile => {
            Cell::text(format!("{}, before the profile", origin.as_str())).tone(Tone::Warn)
        }
        (origin, ..) => Cell::text(origin.as_str()),
    }
}

impl View for ConfigValue {
    const COLUMNS: &'static [Column] =
        &[Column::new("NAME"), Column::new("VALUE").wraps(), Column::new("ORIGIN").wide()];

    fn cells(&self) -> Vec<Cell> {
        vec![Cell::text(&self.name), Cell::maybe(self.value.as_ref()), origin(self)]
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

/// The same, with its origin in every format.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct WithOrigin(pub ConfigValue);

impl View for WithOrigin {
    const COLUMNS: &'static [Column] =
        &[Column::new("NAME"), Column::new("VALUE").wraps(), Column::new("ORIGIN").wraps()];

    fn cells(&self) -> Vec<Cell> {
        self.0.cells()
    }

    fn name(&self) -> String {
        self.0.name()
    }
}

/// The profile file.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProfilePath {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it is there.
    pub exists: bool,
}

impl View for ProfilePath {
    const COLUMNS: &'static [Column] = &[Column::new("PATH"), Column::new("EXISTS").wide()];

    fn cells(&self) -> Vec<Cell> {
        vec![Cell::text(self.path.display().to_string()), Cell::yes(self.exists, Tone::Plain)]
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn card(&self) -> Option<Vec<Block>> {
        Some(vec![Block::Text(self.path.display().to_string())])
    }
}

/// A profile in a list.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedProfile {
    /// Its name.
    pub name: String,
    /// Whether it is the one in force.
    pub current: bool,
    /// Its file.
    pub path: PathBuf,
}

impl View for ListedProfile {
    const COLUMNS: &'static [Column] = &[Column::new("NAME"), Column::new("CURRENT"), Column::new("PATH").wraps()];

    fn cells(&self) -> Vec<Cell> {
        vec![Cell::text(&self.name), Cell::yes(self.current, Tone::Good), Cell::text(self.path.display().to_string())]
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

impl View for AclUser {
    const COLUMNS: &'static [Column] = &[Column::new("COMMAND")];

    fn cells(&self) -> Vec<Cell> {
        vec![Cell::text(&self.command)]
    }

    fn name(&self) -> String {
        self.user.clone()
    }

    fn card(&self) -> Option<Vec<Block>> {
        Some(vec![Block::Text(self.command.clone())])
    }
}
