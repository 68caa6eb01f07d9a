//! What commands work with: made when it is first needed, so that what needs nothing costs nothing.

use std::cell::OnceCell;

use ireva_queue::config::Config;
use ireva_queue::{Client, Result};

use crate::ui::Ui;

/// Configuration and connection on demand, and the terminal.
pub struct Context {
    /// The terminal.
    pub ui: Ui,
    config: OnceCell<Config>,
    client: OnceCell<Client>,
}

impl Context {
    /// Nothing is read and nobody is called yet.
    pub fn new(ui: Ui) -> Self {
        Self { ui, config: OnceCell::new(), client: OnceCell::new() }
    }

    /// The configuration of the environment and the profile file.
    ///
    /// # Errors
    /// `Config`, naming every problem.
    pub fn config(&self) -> Result<&Config> {
        if let Some(config) = self.config.get() {
            return Ok(config);
        }
        let config = Config::from_env()?;
        Ok(self.config.get_or_init(|| config))
    }

    /// The client of that configuration.
    pub fn client(&self) -> Result<&Client> {
        match self.client.get() {
            Some(client) => Ok(client),
            None => Client::new(self.config()?).map(|client| self.client.get_or_init(|| client)),
        }
    }
}
