//! `token`: who may use the REST API.

use anyhow::Result;
use clap::Subcommand;
use ireva_queue::{Scope, TokenName};

use crate::context::Context;
use crate::output::Answer;
use crate::view::Revoked;

/// Create, list and revoke the tokens of the REST API
///
/// A token is sent as 'Authorization: Bearer TOKEN'. It may enqueue jobs, read,
/// or, as admin, do everything. Only its hash is stored. New and revoked tokens
/// take effect on running servers within seconds.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue token create web --scope enqueue,read
  ireva-queue token list
  ireva-queue token revoke web")]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Create a token, and print it this once
    #[command(before_help = "Example:
  TOKEN=$(ireva-queue token create web --scope enqueue,read)")]
    Create {
        /// What it is listed and revoked by
        #[arg(value_name = "NAME")]
        name: TokenName,

        /// What it may do: enqueue, read, admin (separated by commas)
        #[arg(long, value_name = "SCOPE", value_delimiter = ',', required = true)]
        scope: Vec<Scope>,
    },
    /// List the tokens
    #[command(before_help = "Example:
  ireva-queue token list")]
    List,
    /// Take the rights of tokens back
    #[command(before_help = "Example:
  ireva-queue token revoke web")]
    Revoke {
        /// Their names
        #[arg(value_name = "NAME", required = true)]
        names: Vec<TokenName>,
    },
}

/// Runs the verb.
pub async fn run(args: Args, context: &Context) -> Result<Answer> {
    let tokens = context.client()?.tokens();
    match args.verb {
        Verb::Create { name, scope } => {
            let token = tokens.create(&name, &scope).await?;
            context.ui.note("this is the only time that the token is shown");
            Ok(Answer::one(token))
        }
        Verb::List => {
            let tokens = tokens.list().await?;
            if tokens.is_empty() {
                context.ui.note("no tokens: on loopback every caller is trusted");
            }
            Ok(Answer::list(tokens))
        }
        Verb::Revoke { names } => {
            let (asked_for, mut revoked, mut errors) = (names.len(), Vec::new(), Vec::<anyhow::Error>::new());
            for name in names {
                match tokens.revoke(&name).await {
                    Ok(()) => revoked.push(Revoked { name, revoked: true }),
                    Err(error) if error.kind() == ireva_queue::ErrorKind::NotFound => errors.push(error.into()),
                    Err(error) => return Err(error.into()),
                }
            }
            if !revoked.is_empty() && tokens.all().await?.is_empty() {
                context.ui.note("no token is left: on loopback every caller is trusted again");
            }
            let done = revoked.len();
            let answer = if revoked.is_empty() { Answer::none() } else { Answer::one_or_list(asked_for, revoked) };
            Ok(answer.errors(done, errors))
        }
    }
}
