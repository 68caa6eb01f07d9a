//! The URL that says where mails go.

use std::path::PathBuf;

/// Where mails go.
#[derive(Debug, PartialEq)]
pub(super) enum MailUrl {
    Smtp(SmtpUrl),
    Files(PathBuf),
}

/// An SMTP server, how to speak to it and who is asking.
#[derive(PartialEq)]
pub(super) struct SmtpUrl {
    pub host: String,
    pub port: u16,
    pub encryption: Encryption,
    /// User and password.
    pub login: Option<(String, String)>,
}

/// When a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encryption {
    FromTheStart,
    /// STARTTLS, or no mail.
    Required,
    /// STARTTLS where the server offers it. Whoever sits between can take the offer away.
    Opportunistic,
    None,
}

impl std::fmt::Debug for SmtpUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, port, encryption, login } = self;
        let login = login.as_ref().map(|_| "********");
        f.debug_struct("SmtpUrl")
            .field("host", host)
            .field("port", port)
            .field("encryption", encryption)
            .field("login", &login)
            .finish()
    }
}

impl MailUrl {
    /// Reads a URL; the error says what is wrong and holds no secret.
    pub fn parse(url: &str) -> Result<Self, String> {
        if let Some(directory) = url.strip_prefix("file://") {
            return match directory {
                "" => Err("file:// needs a directory after it".to_owned()),
                _ => Ok(Self::Files(PathBuf::from(directory))),
            };
        }
        let (implicit, rest) = match url.split_once("://") {
            Some(("smtp", rest)) => (false, rest),
            Some(("smtps", rest)) => (true, rest),
            _ => return Err("it must begin with smtp://, smtps:// or file://".to_owned()),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let encryption = encryption(query, implicit)?;
        let (login, server) = match rest.trim_end_matches('/').rsplit_once('@') {
            Some((login, server)) => (Some(parse_login(login)?), server),
            None => (None, rest.trim_end_matches('/')),
        };
        if login.is_some() && encryption == Encryption::Opportunistic {
            return Err("tls=opportunistic cannot protect a password: leave it out, or say tls=none".to_owned());
        }
        let (host, port) = parse_server(server, if implicit { 465 } else { 587 })?;
        Ok(Self::Smtp(SmtpUrl { host, port, encryption, login }))
    }
}

fn encryption(query: &str, implicit: bool) -> Result<Encryption, String> {
    match (query, implicit) {
        ("", true) => Ok(Encryption::FromTheStart),
        ("" | "tls=required", false) => Ok(Encryption::Required),
        ("tls=opportunistic", false) => Ok(Encryption::Opportunistic),
        ("tls=none", false) => Ok(Encryption::None),
        (_, true) => Err("smtps:// takes no options".to_owned()),
        (_, false) => Err("its only option is tls=required, tls=opportunistic or tls=none".to_owned()),
    }
}

fn parse_login(login: &str) -> Result<(String, String), String> {
    let (user, password) = login.split_once(':').ok_or("a user needs a password: user:password@host")?;
    let decoded = |text| percent_decoded(text).ok_or("user or password is not percent-encoded text");
    Ok((decoded(user)?, decoded(password)?))
}

fn parse_server(server: &str, default_port: u16) -> Result<(String, u16), String> {
    let (host, port) = match server.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => server.split_once(':').map_or((server, None), |(host, port)| (host, Some(port))),
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    if host.is_empty() || !host.bytes().all(allowed) {
        return Err("its host is missing or not a name".to_owned());
    }
    let port = port.map_or(Ok(default_port), str::parse).ok().filter(|port| *port > 0);
    Ok((host.to_owned(), port.ok_or("its port is not a number from 1 to 65535")?))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            _ => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn smtp(url: &str) -> SmtpUrl {
        match MailUrl::parse(url).unwrap() {
            MailUrl::Smtp(url) => url,
            files => panic!("{files:?}"),
        }
    }

    #[test]
    fn smtp_urls_are_read() {
        let table = [
            ("smtp://mail.example", "mail.example", 587, Encryption::Required),
            ("smtp://mail.example:25/?tls=none", "mail.example", 25, Encryption::None),
            ("smtp://mail.example?tls=opportunistic", "mail.example", 587, Encryption::Opportunistic),
            ("smtps://mail.example/", "mail.example", 465, Encryption::FromTheStart),
            ("smtp://[::1]:2525", "::1", 2525, Encryption::Required),
        ];
        for (url, host, port, encryption) in table {
            assert_eq!(smtp(url), SmtpUrl { host: host.to_owned(), port, encryption, login: None }, "{url}");
        }
        let login = smtp("smtp://us%40er:p%3Aa%2Fss@w%25rd@mail.example").login;
        assert_eq!(login, Some(("us@er".to_owned(), "p:a/ss@w%rd".to_owned())));
        assert_eq!(MailUrl::parse("file://mails/out"), Ok(MailUrl::Files("mails/out".into())));
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_its_secrets() {
        for url in [
            "",
            "mail.example",
            "http://secret@x",
            "smtp://",
            "smtp://user@host",
            "smtp://u:secret@host:0",
            "smtp://u:secret@host:99999",
            "smtp://u:secret%zz@host",
            "smtp://u:secret@host?tls=maybe",
            "smtp://u:secret@host?tls=opportunistic",
            "smtps://u:secret@host?tls=none",
            "smtp://u:secret@a b",
            "file://",
        ] {
            let problem = MailUrl::parse(url).unwrap_err();
            assert!(!problem.contains("secret"), "{problem}");
        }
        assert!(!format!("{:?}", smtp("smtp://u:secret@host")).contains("secret"));
    }

    #[test]
    fn fuzz_a_mail_url_is_read_or_refused_and_never_shown_with_its_login() {
        use crate::fuzz::{fuzz, text_of};
        use proptest::prelude::*;

        let pieces = &[
            "smtp://",
            "smtps://",
            "file://",
            "user:",
            "hunter2hunter2",
            "@",
            "host",
            "[::1]",
            ":25",
            ":0",
            ":99999",
            "/",
            "?tls=",
            "none",
            "required",
            "opportunistic",
            "%40",
            "%",
            "%00",
            "\r\n",
            " ",
        ];
        fuzz(text_of(pieces, 8), |url| match MailUrl::parse(&url) {
            Ok(MailUrl::Smtp(server)) => {
                prop_assert!(server.port > 0 && !server.host.is_empty());
                prop_assert!(
                    !server.host.contains(|char: char| char.is_control() || char.is_whitespace()),
                    "{:?}",
                    server.host
                );
                let secret = server.login.as_ref().is_some_and(|(_, password)| password.contains("hunter2hunter2"));
                let shown = format!("{server:?}");
                prop_assert!(!secret || server.host.contains("hunter2") || !shown.contains("hunter2"), "{}", shown);
                Ok(())
            }
            Ok(MailUrl::Files(directory)) => {
                prop_assert!(!directory.as_os_str().is_empty());
                Ok(())
            }
            Err(said) => {
                prop_assert!(!said.contains("hunter2hunter2") || !url.contains('@'), "{}", said);
                Ok(())
            }
        });
    }
}
