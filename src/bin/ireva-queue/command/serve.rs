//! `serve`: the REST API.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result};
use ireva_queue::Client;
use ireva_queue::api::{ApiSettings, Server, is_loopback};

use crate::context::Context;
use crate::daemon::Daemon;
use crate::exit::{Code, Stop};
use crate::output::Answer;
use crate::parse;

/// Serve the REST API
///
/// GET /api/openapi.json describes it. On loopback every caller is trusted as
/// long as no token exists; otherwise, and on other addresses always, each
/// request needs one ('ireva-queue token create'). It speaks no TLS: beyond this
/// machine put a proxy that does in front of it. Each request is logged on
/// stderr.
///
/// SIGTERM, SIGINT or SIGHUP: no more connections are taken, requests under way
/// get the grace period. A second signal ends it at once. Under systemd use
/// Type=notify; the watchdog is served.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  ireva-queue serve
  ireva-queue token create web --scope enqueue,read
  ireva-queue serve --bind 10.0.0.5:8080 --allow-origin https://app.example.com")]
pub struct Args {
    /// Where it listens
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080", value_parser = address)]
    bind: SocketAddr,

    /// Let pages of this origin ask, such as https://app.example.com (may be
    /// repeated)
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    allow_origin: Vec<String>,

    /// Answer callers without a token under this name too, not only under
    /// localhost (may be repeated)
    #[arg(long, value_name = "HOST", value_parser = host)]
    allow_host: Vec<String>,

    /// How long requests under way get when it is told to stop
    #[arg(long, value_name = "SPAN", allow_hyphen_values = true, default_value = "10s", value_parser = parse::span)]
    grace: Duration,
}

/// Serves until it is told to stop.
pub fn run(args: Args, context: &Context) -> Result<Answer> {
    context.config()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start")?;
    let ended = runtime.block_on(serve(args, context));
    // Whatever is still under way had its time.
    runtime.shutdown_background();
    ended.map(|()| Answer::none())
}

async fn serve(args: Args, context: &Context) -> Result<()> {
    let client = context.client()?;
    if !is_loopback(args.bind.ip()) {
        must_be_guarded(args.bind, client).await?;
        let bind = args.bind;
        context
            .ui
            .note(&format!("tokens and payloads travel unencrypted to {bind}: put a proxy that speaks TLS in front"));
    }
    let daemon = Daemon::begin()?;
    let settings =
        ApiSettings { allowed_origins: args.allow_origin, allowed_hosts: args.allow_host, ..ApiSettings::default() };
    let server = Server::bind(args.bind, client.clone(), settings).await;
    let server = server.with_context(|| format!("cannot listen on {}", args.bind))?;
    context.ui.note(&format!("listening on http://{}", server.address()));
    if is_loopback(args.bind.ip()) {
        context.ui.note(
            "as long as no token exists, every caller on this machine is trusted: behind a proxy create one first",
        );
    }

    let in_time = daemon.run(client, |stopped| server.run(async { _ = stopped.await }, args.grace)).await?;
    if !in_time {
        context.ui.note("some requests were cut off: they took longer than the grace period");
    }
    Ok(())
}

/// Beyond this machine nobody is let in without a token, so that one must exist.
async fn must_be_guarded(bind: SocketAddr, client: &Client) -> Result<()> {
    if client.tokens().all().await?.is_empty() {
        let why = format!(
            "{bind} is not loopback, and no token exists: create one first, such as 'ireva-queue token create web --scope \
             enqueue,read', or bind 127.0.0.1"
        );
        return Err(Stop::new(Code::Config, why).into());
    }
    Ok(())
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let local = || text.strip_prefix("localhost:")?.parse().ok().map(|port| (Ipv4Addr::LOCALHOST, port).into());
    let wrong = "write ADDRESS:PORT like 127.0.0.1:8080, 0.0.0.0:8080 or [::1]:8080";
    text.parse().ok().or_else(local).ok_or_else(|| wrong.to_owned())
}

/// An origin as browsers send it: scheme and host, a port where it is not the usual one, and nothing else.
fn origin(text: &str) -> Result<String, String> {
    let place = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    let fits = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-.:[]".contains(letter);
    if place.is_empty() || !place.chars().all(fits) {
        return Err("write it like https://app.example.com, without a path and in lower case".to_owned());
    }
    Ok(text.to_owned())
}

fn host(text: &str) -> Result<String, String> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "-.:[]".contains(letter);
    if text.is_empty() || !text.chars().all(fits) {
        return Err("write a host name like queue.internal, with a port where it is meant".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_port() {
        for (text, wanted) in [("127.0.0.1:80", "127.0.0.1:80"), ("[::1]:5", "[::1]:5"), ("localhost:0", "127.0.0.1:0")]
        {
            assert_eq!(address(text).unwrap().to_string(), wanted);
        }
        for text in
            ["", "8080", ":8080", "127.0.0.1", "example.com:80", "127.0.0.1:99999", "::1:80", "http://127.0.0.1:1"]
        {
            assert!(address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn origins_are_written_as_browsers_send_them() {
        for good in ["https://app.example.com", "http://localhost:3000", "http://[::1]:3000"] {
            assert!(origin(good).is_ok(), "{good}");
        }
        for bad in ["*", "null", "app.example.com", "https://", "https://a/", "https://a b", "https://A", "ftp://a"] {
            assert!(origin(bad).is_err(), "{bad}");
        }
        assert!(host("queue.internal:8080").is_ok() && host("").is_err() && host("a/b").is_err());
    }
}
