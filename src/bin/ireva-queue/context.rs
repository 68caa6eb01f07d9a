//! What commands work with: made when it is first needed, so that what needs nothing costs nothing.

use std::cell::{Cell, OnceCell};
use std::future::Future;

use ireva_queue::config::{Config, Explained};
use ireva_queue::{Client, Result};
use tokio_util::sync::CancellationToken;

use crate::ui::Ui;

/// Configuration and connection on demand, and the terminal.
pub struct Context {
    /// The terminal.
    pub ui: Ui,
    /// Ctrl-C.
    pub interrupt: Interrupt,
    profile: Option<String>,
    config: OnceCell<Config>,
    client: OnceCell<Client>,
    answering: OnceCell<Client>,
}

impl Context {
    /// Nothing is read and nobody is called yet. `profile`: the one that was named on the command line.
    pub fn new(ui: Ui, profile: Option<String>) -> Self {
        Self {
            ui,
            interrupt: Interrupt::default(),
            profile,
            config: OnceCell::new(),
            client: OnceCell::new(),
            answering: OnceCell::new(),
        }
    }

    /// What flags say in place of variables.
    fn flag(&self, variable: &str) -> Option<String> {
        self.profile.clone().filter(|_| variable == "IREVA_QUEUE_PROFILE")
    }

    /// The configuration with where each value comes from, as far as it can be told.
    pub fn explained(&self) -> Explained {
        Config::explain_env_with(|variable| self.flag(variable))
    }

    /// The configuration of the environment and the profile file.
    ///
    /// # Errors
    /// `Config`, naming every problem.
    pub fn config(&self) -> Result<&Config> {
        if let Some(config) = self.config.get() {
            return Ok(config);
        }
        let config = Config::from_env_with(|variable| self.flag(variable))?;
        if let Some(profile) = &self.profile {
            // Whoever names a profile expects to work with its server.
            for value in self.explained().values.iter().filter(|value| value.before_profile) {
                self.ui.note(&format!("{} of the environment goes before profile {profile}", value.name));
            }
        }
        Ok(self.config.get_or_init(|| config))
    }

    /// The client of that configuration.
    pub fn client(&self) -> Result<&Client> {
        match self.client.get() {
            Some(client) => Ok(client),
            None => Client::new(self.config()?).map(|client| self.client.get_or_init(|| client)),
        }
    }

    /// The client of what looks over much: what nodes have that are away is left out, and told in the end.
    pub fn answering(&self) -> Result<&Client> {
        match self.answering.get() {
            Some(client) => Ok(client),
            None => self.client().map(|client| self.answering.get_or_init(|| client.of_what_answers())),
        }
    }

    /// What was left out, as errors.
    pub fn unreached(&self) -> Vec<anyhow::Error> {
        let unreached = self.answering.get().map(Client::unreached).unwrap_or_default();
        unreached.iter().map(|unreached| unreached.error().into()).collect()
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
