//! `breaker`: services that are left alone for a while.

use std::time::Duration;

use anyhow::Result;
use clap::Subcommand;

use crate::context::Context;
use crate::output::Answer;
use crate::parse;

/// Show breakers, open and close them
///
/// A breaker guards a service that jobs need: an SMTP server, the host of a URL,
/// a database. After five failures in a row (work --breaker) it opens. Then jobs
/// that need the service wait without using attempts, and one at a time tries
/// it, after waits that double up to five minutes; the first answer closes it.
/// All workers under a prefix share it.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue breaker list
  ireva-queue breaker open smtp://mail.example.com:587 --for 2h
  ireva-queue breaker close smtp://mail.example.com:587")]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the services that have failed of late, and how their breakers stand
    #[command(before_help = "Example:
  ireva-queue breaker list -o wide")]
    List,
    /// Leave a service alone until its breaker is closed, or for a span of time
    #[command(before_help = "Example:
  ireva-queue breaker open https://partner.example.com --for 30m")]
    Open {
        /// The service, as the list names it
        #[arg(value_name = "DEPENDENCY")]
        dependency: String,

        /// Try it again after this span
        #[arg(long = "for", value_name = "SPAN", allow_hyphen_values = true, value_parser = parse::positive_span)]
        span: Option<Duration>,
    },
    /// Let jobs use a service again, and forget its failures
    #[command(before_help = "Example:
  ireva-queue breaker close smtp://mail.example.com:587")]
    Close {
        /// The services, as the list names them
        #[arg(value_name = "DEPENDENCY", required = true)]
        dependencies: Vec<String>,
    },
}

/// Runs the verb.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    let breakers = context.client()?.breakers();
    match args.verb {
        Verb::List => {
            let list = breakers.list().await?;
            if list.is_empty() {
                context.ui.note("no service has failed of late");
            }
            Ok(Answer::list(list))
        }
        Verb::Open { dependency, span } => {
            let known = breakers.list().await.is_ok_and(|list| list.iter().any(|known| known.dependency == dependency));
            let opened = breakers.open(&dependency, span).await?;
            let needed = breakers.needed().await.unwrap_or_default();
            if !known && !needed.contains(&dependency) {
                let needed: Vec<_> = needed.iter().map(String::as_str).collect();
                let those =
                    if needed.is_empty() { String::new() } else { format!("; they need {}", needed.join(", ")) };
                context.ui.note(&format!(
                    "no queue whose worker runs needs {dependency} for all of its jobs, and it has not failed of late{those}"
                ));
            }
            Ok(Answer::one(opened))
        }
        Verb::Close { dependencies } => {
            let (asked_for, mut closed, mut errors) = (dependencies.len(), Vec::new(), Vec::<anyhow::Error>::new());
            for dependency in dependencies {
                match breakers.close(&dependency).await {
                    Ok(breaker) => closed.push(breaker),
                    Err(error) if error.kind() == ireva_queue::ErrorKind::NotFound => errors.push(error.into()),
                    Err(error) => return Err(error.into()),
                }
            }
            let done = closed.len();
            let answer = if closed.is_empty() { Answer::none() } else { Answer::one_or_list(asked_for, closed) };
            Ok(answer.errors(done, errors))
        }
    }
}
