//! Where the demo takes place: a directory of its own with a Redis, a database, mails and templates.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use ireva_queue::config::Config;

use crate::ui;

const SENDER: &str = "iREVA <no-reply@example.com>";

/// The directory and the configuration that points into it.
pub struct Site {
    directory: PathBuf,
    config: Config,
}

impl Site {
    /// A fresh directory that only this user can look into.
    pub fn build() -> Result<Self> {
        let name = format!("ireva-queue-demo-{}", std::process::id());
        let directory = ui::temporary_directory().join(name);
        let make = |path: &Path| {
            DirBuilder::new().mode(0o700).create(path).with_context(|| format!("cannot make {}", path.display()))
        };
        make(&directory)?;
        make(&directory.join("mails"))?;
        make(&directory.join("templates"))?;
        let variables = variables(&directory);
        let lookup = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        let config = Config::from_lookup(lookup, None).map_err(ireva_queue::Error::from)?;
        Ok(Self { directory, config })
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The lines that point a shell to it.
    pub fn exports(&self) -> Vec<String> {
        variables(&self.directory).into_iter().map(|(name, value)| format!("export {name}='{value}'")).collect()
    }

    /// Puts a template into its place.
    pub fn write_template(&self, name: &str) -> Result<()> {
        let path = self.directory.join("templates").join(format!("{name}.txt"));
        let text = "Dear {{ firstName }},\n\nyour figures for {{ quarter }} are in: {{ amount }}.\n";
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Ends the server and takes everything away.
    pub async fn remove(&self) -> Result<()> {
        ireva_queue::embedded_stop(&self.config).await?;
        fs::remove_dir_all(&self.directory).with_context(|| format!("cannot remove {}", self.directory.display()))
    }
}

fn variables(directory: &Path) -> [(&'static str, String); 5] {
    let inside = |name: &str| directory.join(name).display().to_string();
    [
        ("REDIS_MODE", "embedded".to_owned()),
        ("IREVA_QUEUE_DATA_DIR", inside("data")),
        ("SMTP_URL", format!("file://{}", inside("mails"))),
        ("MAIL_FROM", SENDER.to_owned()),
        ("MAIL_TEMPLATES", inside("templates")),
    ]
}
