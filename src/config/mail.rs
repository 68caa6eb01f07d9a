//! What the builtin processors need: mail server, sender, templates, database, signing key.

use std::path::PathBuf;

use super::ProcessorsConfig;
use super::endpoint;
use super::redis::Secret;
use super::source::Source;

/// Reads this part; what is wrong goes to the source's problems.
pub(super) fn read(source: &mut Source<'_>) -> ProcessorsConfig {
    let smtp_url = source.parse("SMTP_URL", "smtp://user:password@host:port, smtps://… or file://DIR", |text| {
        is_smtp_url(text).then(|| Secret::new(text))
    });
    ProcessorsConfig {
        smtp_url,
        smtp_ca: source.text("SMTP_CA").map(PathBuf::from),
        mail_from: source.parse("MAIL_FROM", "an address such as Queue <queue@example.org>", |text| {
            let sound = text.contains('@') && !text.chars().any(char::is_control);
            sound.then(|| text.to_owned())
        }),
        mail_templates: source.text("MAIL_TEMPLATES").map(PathBuf::from),
        http_url: source.secret("HTTP_URL", Some("HTTP_URL_FILE")),
        database_url: source.parse(
            "DATABASE_URL",
            "sqlite://FILE or postgres://user:password@host:port/name",
            |text| {
                let rest =
                    ["sqlite:", "postgres://", "postgresql://"].iter().find_map(|scheme| text.strip_prefix(scheme));
                rest.filter(|rest| !rest.trim_matches('/').is_empty()).map(|_| Secret::new(text))
            },
        ),
        http_signing_key: source.secret("HTTP_SIGNING_KEY", Some("HTTP_SIGNING_KEY_FILE")),
        ..ProcessorsConfig::default()
    }
}

/// Scheme and host only; the rest is the mail transport's to judge.
fn is_smtp_url(text: &str) -> bool {
    match text.split_once("://") {
        Some(("file", dir)) => !dir.is_empty(),
        Some(("smtp" | "smtps", rest)) => {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
            let (host, port) = match place.rsplit_once(':') {
                Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
                _ => (place, None),
            };
            endpoint::host(host).is_some() && port.is_none_or(|port| endpoint::port(port).is_some())
        }
        _ => false,
    }
}
