//! `openapi`: the document of the REST API.

use anyhow::Result;

use crate::output::Answer;

/// Print the OpenAPI document of the REST API
///
/// The same that GET /api/openapi.json serves.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue openapi > openapi.json")]
pub struct Args {}

/// Prints it.
pub fn run(Args {}: Args) -> Result<Answer> {
    Ok(Answer::verbatim(ireva_queue::api::document()))
}
