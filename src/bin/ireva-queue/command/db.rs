//! `db`: the platform's database.

use anyhow::Result;
use clap::Subcommand;
use ireva_queue::builtin::portfolio::{Database, Finding};
use ireva_queue::config::Config;

use crate::context::Context;
use crate::exit::Code;
use crate::output::{Answer, Format};

/// Bring the platform's database up to date, fill it, prove it
///
/// DATABASE_URL says where it is: sqlite://FILE or
/// postgres://user:password@host:port/name. Without it a file in the data
/// directory is used, and brought up to date by itself.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue db migrate
  ireva-queue db check")]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Bring the schema up to date
    #[command(before_help = "Example:
  DATABASE_URL=postgres://ireva@localhost/ireva ireva-queue db migrate")]
    Migrate,
    /// Show how far the schema is
    #[command(before_help = "Example:
  ireva-queue db status")]
    Status,
    /// Add a small portfolio, the same every time, for demos and tests
    #[command(before_help = "Example:
  ireva-queue db seed")]
    Seed,
    /// Prove that every distribution adds up to its lines and the ledger
    #[command(before_help = "Example:
  ireva-queue db check")]
    Check,
}

/// Runs the verb.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    let config = context.config()?;
    if matches!(args.verb, Verb::Migrate | Verb::Seed) {
        config.redis.must_be_writable()?;
    }
    let (database, is_own) = database(config)?;
    match args.verb {
        Verb::Migrate => Ok(Answer::one(database.migrate().await?)),
        Verb::Status => Ok(Answer::one(database.migration_status().await?)),
        Verb::Seed => {
            database.ready(is_own).await?;
            Ok(Answer::one(database.seed().await?))
        }
        Verb::Check => {
            database.ready(is_own).await?;
            let audit = database.audit().await?;
            if audit.findings.is_empty() {
                return Ok(Answer::one(audit));
            }
            // Where the answer is a line of numbers, this is what cron sends a mail about.
            if !matches!(context.ui.format(), Format::Table | Format::Wide) {
                for Finding { code, about, message } in &audit.findings {
                    context.ui.note(&format!("{code}  {about}: {message}"));
                }
            }
            Ok(Answer::one(audit).code(Code::Failed))
        }
    }
}

/// The configured database, and whether it is the tool's own file, which nobody else migrates.
///
/// # Errors
/// 78 where the data directory cannot be used.
pub fn database(config: &Config) -> ireva_queue::Result<(Database, bool)> {
    match &config.processors.database_url {
        Some(url) => Ok((Database::open(url.reveal())?, false)),
        None if config.data_dir.as_os_str().is_empty() => Err(ireva_queue::Error::new(
            ireva_queue::ErrorKind::Config,
            "no place for the database file: set DATABASE_URL, IREVA_QUEUE_DATA_DIR or HOME",
        )),
        None => Ok((Database::open_file(&config.data_dir.join("portfolio.db"))?, true)),
    }
}
