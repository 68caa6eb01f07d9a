//! What commands work with: made when it is first needed, so that what needs nothing costs nothing.

use std::cell::{Cell, OnceCell};
use std::future::Future;

use ireva_queue::config::Config;
use ireva_queue::{Client, Result};
use tokio_util::sync::CancellationToken;

use crate::ui::Ui;

/// Configuration and connection on demand, and the terminal.
pub struct Context {
    /// The terminal.
    pub ui: Ui,
    /// Ctrl-C.
    pub interrupt: Interrupt,
    config: OnceCell<Config>,
    client: OnceCell<Client>,
}

impl Context {
    /// Nothing is read and nobody is called yet.
    pub fn new(ui: Ui) -> Self {
        Self { ui, interrupt: Interrupt::default(), config: OnceCell::new(), client: OnceCell::new() }
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

/// Ctrl-C, for what has something to tell when it is broken off. Whatever does not heed it is ended where it stands.
#[derive(Default)]
pub struct Interrupt {
    come: CancellationToken,
    heeded: Cell<bool>,
}

impl Interrupt {
    /// The outcome of `work`, or `None` where Ctrl-C came first.
    pub async fn or<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.heeded.set(true);
        let outcome = tokio::select! {
            biased;
            outcome = work => Some(outcome),
            () = self.come.cancelled() => None,
        };
        self.heeded.set(false);
        outcome
    }

    /// What Ctrl-C cancels, for work that ends by itself when it is told to.
    pub fn token(&self) -> CancellationToken {
        self.come.clone()
    }

    /// Ends `work` in its own time: Ctrl-C does not break it off, `or` of what comes next does.
    pub async fn after<T>(&self, work: impl Future<Output = T>) -> T {
        self.heeded.set(true);
        let outcome = work.await;
        self.heeded.set(false);
        outcome
    }

    /// Ctrl-C came. Whether somebody heeds it and has not been told before: then it is not ended here.
    pub fn tell(&self) -> bool {
        let told = self.heeded.get() && !self.come.is_cancelled();
        self.come.cancel();
        told
    }
}
