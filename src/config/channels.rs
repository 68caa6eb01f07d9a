//! Where notifications go: services of text messages and of devices, a chat, and the exceptions from the guard of URLs.

use std::path::PathBuf;

use super::endpoint;
use super::redis::Secret;
use super::source::Source;

/// Where notifications go, as it was configured. A channel without its service fails the jobs of that channel alone.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChannelsConfig {
    /// `SMS_URL`: an `http://` or `https://` URL without a login.
    pub sms_url: Option<String>,
    /// `SMS_FROM`: the number or name that text messages come from.
    pub sms_from: Option<String>,
    /// `SMS_USER`; set with the password or not at all.
    pub sms_user: Option<String>,
    /// `SMS_PASSWORD` or `SMS_PASSWORD_FILE`.
    pub sms_password: Option<Secret>,
    /// `PUSH_URL`: an `http://` or `https://` URL without a login.
    pub push_url: Option<String>,
    /// `PUSH_TOKEN`, or what `PUSH_TOKEN_FILE` holds now.
    pub push_token: Option<Secret>,
    /// `PUSH_TOKEN_FILE` where it is what holds: it is renewed from outside.
    pub push_token_file: Option<PathBuf>,
    /// `SLACK_URL` or `SLACK_URL_FILE`: the whole of it is a secret.
    pub slack_url: Option<Secret>,
    /// `NOTIFY_ALLOW`: hosts and networks, each with a port if wanted.
    pub allow: Vec<String>,
}

/// Reads this part; what is wrong goes to the source's problems.
pub(super) fn read(source: &mut Source<'_>) -> ChannelsConfig {
    let expected = "a URL such as https://api.example.com/messages, without a login";
    let url = |text: &str| is_http_url(text).then(|| text.to_owned());
    let config = ChannelsConfig {
        sms_url: source.parse("SMS_URL", expected, url),
        sms_from: source.text("SMS_FROM"),
        sms_user: source.text("SMS_USER"),
        sms_password: source.secret("SMS_PASSWORD", Some("SMS_PASSWORD_FILE")),
        push_url: source.parse("PUSH_URL", expected, url),
        push_token: source.secret("PUSH_TOKEN", Some("PUSH_TOKEN_FILE")),
        push_token_file: source
            .text("PUSH_TOKEN_FILE")
            .filter(|_| source.text("PUSH_TOKEN").is_none())
            .map(PathBuf::from),
        slack_url: source.secret("SLACK_URL", Some("SLACK_URL_FILE")),
        allow: entries(&source.text("NOTIFY_ALLOW").unwrap_or_default()),
    };
    if config.sms_user.is_some() != config.sms_password.is_some() {
        let (there, missing) = match config.sms_user {
            Some(_) => ("SMS_USER", "SMS_PASSWORD or SMS_PASSWORD_FILE"),
            None => ("SMS_PASSWORD", "SMS_USER"),
        };
        source.problem(format!("{there}: needs {missing}"));
    }
    config
}

fn entries(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
}

/// Scheme, host and port only; the rest is for the one who asks it to judge.
fn is_http_url(text: &str) -> bool {
    let Some(("http" | "https", rest)) = text.split_once("://") else { return false };
    let place = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (place, None),
    };
    endpoint::host(host).is_some() && port.is_none_or(|port| endpoint::port(port).is_some())
}
