//! Every foreign error becomes a class and a code here, one total function for each kind of source.
//!
//! What is not known is transient: attempts are bounded. Errors of the set-up (a wrong password, an authority that is not
//! trusted) are transient too, so that the jobs wait for the operator instead of dying.

#[cfg(any(feature = "email", feature = "http"))]
use std::error::Error as StdError;
#[cfg(any(feature = "email", feature = "exec", feature = "http", all(feature = "db", feature = "tables")))]
use std::io;

#[cfg(any(feature = "email", feature = "http", feature = "db"))]
use crate::retry::ErrorClass::Throttled;
use crate::retry::ErrorClass::{self, Permanent, Transient};

/// A class and its stable code word.
pub(super) type Verdict = (ErrorClass, &'static str);

/// A negative SMTP reply.
#[cfg(feature = "email")]
pub(super) fn smtp_reply(code: u16, text: &str) -> Verdict {
    const RATE_WORDS: [&str; 6] = ["rate limit", "ratelimit", "too many", "throttl", "slow down", "4.7.28"];
    let text = text.to_ascii_lowercase();
    match code {
        530 | 534 | 535 | 538 => (Transient, "smtp_auth"),
        500..600 => (Permanent, "smtp_5xx"),
        421 | 451 | 452 => (Throttled, "smtp_throttled"),
        400..500 if RATE_WORDS.iter().any(|word| text.contains(word)) => (Throttled, "smtp_throttled"),
        400..500 => (Transient, "smtp_4xx"),
        _ => (Transient, "smtp_protocol"),
    }
}

/// An SMTP error of whatever kind.
#[cfg(feature = "email")]
pub(super) fn smtp(error: &lettre::transport::smtp::Error) -> Verdict {
    let text = error.to_string();
    match error.status() {
        Some(code) => smtp_reply(code.into(), &text),
        None if error.is_client() => smtp_client(&text),
        // lettre says so when the connection ends before the reply does.
        None if error.is_response() && text.contains("incomplete response") => (Transient, "connection_lost"),
        None if error.is_response() => (Transient, "smtp_protocol"),
        None => connection(error),
    }
}

/// An SMTP error before the first mail was offered: a refusal then is not about any mail.
#[cfg(feature = "email")]
pub(super) fn smtp_connect(error: &lettre::transport::smtp::Error) -> Verdict {
    match smtp(error) {
        (Permanent, "smtp_5xx") => (Transient, "smtp_refused"),
        verdict => verdict,
    }
}

/// What the SMTP client itself refused to do with this server; it has no codes for it, only words.
#[cfg(feature = "email")]
fn smtp_client(text: &str) -> Verdict {
    if text.contains("STARTTLS") {
        (Transient, "tls_unavailable")
    } else if text.contains("authentication mechanism") {
        (Transient, "smtp_auth")
    } else if text.contains("SMTPUTF8") {
        (Permanent, "address_not_supported")
    } else {
        (Transient, "smtp_client")
    }
}

/// An error of a connection: the first cause in its chain that says something decides.
#[cfg(any(feature = "email", feature = "http"))]
pub(super) fn connection(error: &(dyn StdError + 'static)) -> Verdict {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(tls) = error.downcast_ref() {
            return tls_error(tls);
        }
        let io = error.downcast_ref::<io::Error>();
        // An I/O error does not name the error that it wraps as its source.
        let wrapped = io.and_then(io::Error::get_ref).map(|wrapped| wrapped as &(dyn StdError + 'static));
        if let (Some(io), None) = (io, wrapped.filter(|wrapped| wrapped.is::<rustls::Error>()))
            && let Some(verdict) = io_error(io)
        {
            return verdict;
        }
        cause = wrapped.or_else(|| error.source());
    }
    (Transient, "connection_failed")
}

#[cfg(any(feature = "email", feature = "http"))]
fn tls_error(error: &rustls::Error) -> Verdict {
    match error {
        rustls::Error::InvalidCertificate(_) => (Transient, "tls_untrusted"),
        _ => (Transient, "tls_failed"),
    }
}

#[cfg(any(feature = "email", feature = "http"))]
fn io_error(error: &io::Error) -> Option<Verdict> {
    let code = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection_refused",
        io::ErrorKind::TimedOut => "timeout",
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::NotConnected
        | io::ErrorKind::UnexpectedEof => "connection_lost",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
            "host_unreachable"
        }
        // The standard library has no kind for a name that does not resolve.
        _ if error.to_string().contains("failed to lookup address") => "dns_failed",
        _ => return None,
    };
    Some((Transient, code))
}

/// A status of an HTTP answer; `None` for success. `told` is whether the answer said when to come again.
#[cfg(feature = "http")]
pub(super) fn http_status(status: u16, told: bool) -> Option<Verdict> {
    Some(match status {
        200..300 => return None,
        300..400 => (Permanent, "http_3xx"),
        429 => (Throttled, "http_429"),
        408 => (if told { Throttled } else { Transient }, "http_408"),
        425 => (if told { Throttled } else { Transient }, "http_425"),
        400..500 => (if told { Throttled } else { Permanent }, "http_4xx"),
        500..600 => (if told { Throttled } else { Transient }, "http_5xx"),
        _ => (Transient, "http_protocol"),
    })
}

/// The same for a service that the operator has an account with: that it does not let us in is no fault of the job.
#[cfg(feature = "notify")]
pub(super) fn own_http_status(status: u16, told: bool) -> Option<Verdict> {
    match status {
        401 | 403 | 407 if !told => Some((Transient, "http_auth")),
        _ => http_status(status, told),
    }
}

/// An HTTP request without a usable answer.
#[cfg(feature = "http")]
pub(super) fn http(error: &reqwest::Error) -> Verdict {
    if error.is_builder() {
        (Permanent, "http_request_invalid")
    } else if error.is_timeout() {
        (Transient, "timeout")
    } else if error.is_dns() {
        (Transient, "dns_failed")
    } else {
        match connection(error) {
            (class, "connection_failed") if !error.is_connect() => (class, "http_protocol"),
            verdict => verdict,
        }
    }
}

/// A name that could not be looked up.
#[cfg(feature = "notify")]
pub(super) fn look_up(error: &io::Error) -> Verdict {
    match io_error(error) {
        Some(verdict) => verdict,
        None => (Transient, "dns_failed"),
    }
}

/// A file with a token that could not be read.
#[cfg(feature = "notify")]
pub(super) fn token_file(error: &io::Error) -> Verdict {
    match error.kind() {
        io::ErrorKind::NotFound => (Transient, "token_missing"),
        _ => (Transient, "token_unreadable"),
    }
}

/// A template that did not render.
#[cfg(feature = "email")]
pub(super) fn template(error: &minijinja::Error) -> Verdict {
    use minijinja::ErrorKind;
    match error.kind() {
        ErrorKind::UndefinedError => (Permanent, "template_variable_missing"),
        ErrorKind::TemplateNotFound => (Permanent, "template_unknown"),
        ErrorKind::OutOfFuel | ErrorKind::WriteFailure => (Permanent, "template_limit"),
        _ => (Permanent, "template_failed"),
    }
}

/// A process that did not start.
#[cfg(feature = "exec")]
pub(super) fn spawn(error: &io::Error) -> Verdict {
    match error.kind() {
        io::ErrorKind::NotFound => (Transient, "exec_not_found"),
        io::ErrorKind::PermissionDenied => (Transient, "exec_not_allowed"),
        _ => (Transient, "exec_failed"),
    }
}

/// The exit code of a process, where the operator's table says nothing; `None` for success.
#[cfg(feature = "exec")]
pub(super) fn exit_code(code: i32) -> Option<ErrorClass> {
    match code {
        0 => None,
        64..=68 | 76..=78 => Some(Permanent),
        _ => Some(Transient),
    }
}

/// A file that was not opened, read, written or named.
#[cfg(all(feature = "db", feature = "tables"))]
pub(super) fn file(error: &io::Error) -> Verdict {
    use rustix::io::Errno;
    match Errno::from_io_error(error) {
        Some(Errno::NOENT) => (Transient, "file_missing"),
        Some(Errno::NOSPC | Errno::DQUOT) => (Transient, "storage_full"),
        Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => (Transient, "storage_access"),
        Some(
            Errno::STALE | Errno::IO | Errno::NODEV | Errno::NXIO | Errno::NOTCONN | Errno::TIMEDOUT | Errno::HOSTDOWN,
        ) => (Transient, "storage_unreachable"),
        // A symbolic link on the way, a file in place of a directory or a directory in place of a file, a pipe.
        Some(Errno::LOOP | Errno::NOTDIR | Errno::ISDIR | Errno::NOTSUP) => (Permanent, "file_refused"),
        Some(Errno::NAMETOOLONG | Errno::INVAL | Errno::ILSEQ) => (Permanent, "file_name_invalid"),
        Some(Errno::FBIG) => (Permanent, "file_too_large"),
        _ => (Transient, "storage_failed"),
    }
}

/// A table that was not written or read: the file's trouble where there is one, else what its format says.
#[cfg(all(feature = "db", feature = "tables"))]
pub(super) fn table(error: &crate::error::Error) -> Verdict {
    use crate::error::ErrorKind;
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    match (error.kind(), source) {
        (ErrorKind::Invalid, _) => (Permanent, "table_invalid"),
        (_, Some(error)) => file(error),
        (ErrorKind::NotNow, None) => (Transient, "storage_full"),
        _ => (Transient, "table_failed"),
    }
}

/// What an object store says.
#[cfg(feature = "s3")]
pub(super) fn object(error: &object_store::Error) -> Verdict {
    use object_store::Error;
    match error {
        Error::NotFound { .. } => (Transient, "file_missing"),
        Error::InvalidPath { .. } => (Permanent, "file_name_invalid"),
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => (Transient, "storage_access"),
        Error::NotSupported { .. } | Error::NotImplemented { .. } => (Permanent, "storage_unfit"),
        _ => (Transient, "storage_unreachable"),
    }
}

/// Why a queue has not taken what was handed to it. What will pass by itself uses no attempt: the work before it is done.
#[cfg(feature = "db")]
pub(super) fn handing_over(error: &crate::error::Error) -> Verdict {
    use crate::error::ErrorKind::{Full, NotNow};
    let class = if matches!(error.kind(), Full | NotNow) { Throttled } else { Transient };
    (class, "queue_refused")
}

/// What a database says; PostgreSQL by its SQLSTATE, SQLite by its result code.
#[cfg(feature = "db")]
pub(super) fn database(error: &sqlx::Error) -> Verdict {
    use sqlx::Error::{Configuration, Database, Io, PoolClosed, PoolTimedOut, Protocol, Tls};
    match error {
        Io(_) | Tls(_) | PoolTimedOut | PoolClosed | Protocol(_) => (Transient, "database_unreachable"),
        Configuration(_) => (Transient, "database_access"),
        Database(refusal) => database_refusal(refusal.code().as_deref().unwrap_or_default()),
        _ => (Transient, "database_error"),
    }
}

#[cfg(feature = "db")]
fn database_refusal(code: &str) -> Verdict {
    match code {
        // SQLite: cannot open; not allowed, read-only, not authorised; busy or locked in any way, full.
        "14" => (Transient, "database_unreachable"),
        "3" | "8" | "23" => (Transient, "database_access"),
        "5" | "6" | "13" | "261" | "262" | "517" => (Transient, "database_busy"),
        // SQLite: a constraint; 787 a foreign key, 1299 a missing value, 1555 and 2067 a key that is taken.
        "19" | "275" | "787" | "1299" | "1555" | "2067" => (Permanent, "database_constraint"),
        // PostgreSQL, by class: connection; login, rights; serialization, resources, locks, operator; integrity, data.
        _ if code.len() == 5 => match &code[..2] {
            "08" => (Transient, "database_unreachable"),
            // It shuts down, crashed, starts up.
            _ if ["57P01", "57P02", "57P03"].contains(&code) => (Transient, "database_unreachable"),
            "28" => (Transient, "database_access"),
            _ if code == "42501" || code == "3D000" => (Transient, "database_access"),
            "40" | "53" | "55" | "57" => (Transient, "database_busy"),
            "22" | "23" => (Permanent, "database_constraint"),
            _ => (Transient, "database_error"),
        },
        _ => (Transient, "database_error"),
    }
}

/// What a database said, without statement and values.
#[cfg(feature = "db")]
pub(super) fn database_words(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(refusal) => refusal.message().to_owned(),
        sqlx::Error::PoolTimedOut => "it does not answer".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "email")]
    #[test]
    fn smtp_replies_are_classified() {
        let table = [
            (421, "service not available", Throttled, "smtp_throttled"),
            (450, "mailbox busy", Transient, "smtp_4xx"),
            (450, "4.7.1 Rate limit exceeded", Throttled, "smtp_throttled"),
            (450, "Too many messages", Throttled, "smtp_throttled"),
            (451, "local error", Throttled, "smtp_throttled"),
            (452, "insufficient storage", Throttled, "smtp_throttled"),
            (454, "temporary authentication failure", Transient, "smtp_4xx"),
            (499, "", Transient, "smtp_4xx"),
            (530, "authentication required", Transient, "smtp_auth"),
            (535, "bad credentials", Transient, "smtp_auth"),
            (550, "no such user", Permanent, "smtp_5xx"),
            (550, "rate limit", Permanent, "smtp_5xx"),
            (554, "refused", Permanent, "smtp_5xx"),
            (354, "go on", Transient, "smtp_protocol"),
        ];
        for (code, text, class, word) in table {
            assert_eq!(smtp_reply(code, text), (class, word), "{code} {text}");
        }
        let table = [
            ("internal client error: STARTTLS is not supported on this server", Transient, "tls_unavailable"),
            ("internal client error: No compatible authentication mechanism was found", Transient, "smtp_auth"),
            (
                "Envelope contains non-ascii chars but server does not support SMTPUTF8",
                Permanent,
                "address_not_supported",
            ),
            ("something else", Transient, "smtp_client"),
        ];
        for (text, class, word) in table {
            assert_eq!(smtp_client(text), (class, word), "{text}");
        }
    }

    #[cfg(any(feature = "email", feature = "http"))]
    #[test]
    fn connection_errors_are_classified() {
        let untrusted = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let table = [
            (io::Error::from(io::ErrorKind::ConnectionRefused), "connection_refused"),
            (io::Error::from(io::ErrorKind::TimedOut), "timeout"),
            (io::Error::from(io::ErrorKind::ConnectionReset), "connection_lost"),
            (io::Error::from(io::ErrorKind::UnexpectedEof), "connection_lost"),
            (io::Error::from(io::ErrorKind::HostUnreachable), "host_unreachable"),
            (io::Error::other("failed to lookup address information: Name or service not known"), "dns_failed"),
            (io::Error::new(io::ErrorKind::InvalidData, untrusted), "tls_untrusted"),
            (io::Error::new(io::ErrorKind::InvalidData, rustls::Error::DecryptError), "tls_failed"),
            (io::Error::other("odd"), "connection_failed"),
        ];
        for (error, word) in table {
            assert_eq!(connection(&error), (Transient, word), "{error}");
        }
    }

    #[cfg(feature = "http")]
    #[test]
    fn http_statuses_are_classified() {
        let table = [
            (200, false, None),
            (204, true, None),
            (301, false, Some((Permanent, "http_3xx"))),
            (304, true, Some((Permanent, "http_3xx"))),
            (400, false, Some((Permanent, "http_4xx"))),
            (404, true, Some((Throttled, "http_4xx"))),
            (408, false, Some((Transient, "http_408"))),
            (425, false, Some((Transient, "http_425"))),
            (429, false, Some((Throttled, "http_429"))),
            (500, false, Some((Transient, "http_5xx"))),
            (503, true, Some((Throttled, "http_5xx"))),
            (101, false, Some((Transient, "http_protocol"))),
            (999, false, Some((Transient, "http_protocol"))),
        ];
        for (status, told, verdict) in table {
            assert_eq!(http_status(status, told), verdict, "{status} {told}");
        }
    }

    #[cfg(feature = "notify")]
    #[test]
    fn names_and_tokens_that_are_missing_are_classified() {
        let table = [
            (io::Error::other("failed to lookup address information: Name or service not known"), "dns_failed"),
            (io::Error::from(io::ErrorKind::TimedOut), "timeout"),
            (io::Error::other("odd"), "dns_failed"),
        ];
        for (error, word) in table {
            assert_eq!(look_up(&error), (Transient, word), "{error}");
        }
        let table = [
            (io::ErrorKind::NotFound, "token_missing"),
            (io::ErrorKind::PermissionDenied, "token_unreadable"),
            (io::ErrorKind::InvalidData, "token_unreadable"),
        ];
        for (kind, word) in table {
            assert_eq!(token_file(&io::Error::from(kind)), (Transient, word), "{kind}");
        }
    }

    #[cfg(feature = "email")]
    #[test]
    fn template_errors_are_classified() {
        use minijinja::{Error, ErrorKind};
        let table = [
            (ErrorKind::UndefinedError, "template_variable_missing"),
            (ErrorKind::TemplateNotFound, "template_unknown"),
            (ErrorKind::OutOfFuel, "template_limit"),
            (ErrorKind::WriteFailure, "template_limit"),
            (ErrorKind::SyntaxError, "template_failed"),
        ];
        for (kind, word) in table {
            assert_eq!(template(&Error::from(kind)), (Permanent, word), "{kind}");
        }
    }

    #[cfg(feature = "exec")]
    #[cfg(feature = "db")]
    #[test]
    fn what_a_queue_does_not_take_is_classified() {
        use crate::error::{Error, ErrorKind};
        let table = [(ErrorKind::Full, Throttled), (ErrorKind::NotNow, Throttled), (ErrorKind::Unreachable, Transient)];
        for (kind, class) in table {
            assert_eq!(handing_over(&Error::new(kind, "")), (class, "queue_refused"), "{kind:?}");
        }
    }

    #[test]
    fn exit_codes_are_classified() {
        let table = [(0, None), (1, Some(Transient)), (2, Some(Transient)), (63, Some(Transient))];
        let permanent = [64, 65, 66, 67, 68, 76, 77, 78].map(|code| (code, Some(Permanent)));
        let transient = [69, 70, 71, 72, 73, 74, 75, 79, 126, 127, 255].map(|code| (code, Some(Transient)));
        for (code, class) in table.into_iter().chain(permanent).chain(transient) {
            assert_eq!(exit_code(code), class, "{code}");
        }
        let table = [
            (io::ErrorKind::NotFound, "exec_not_found"),
            (io::ErrorKind::PermissionDenied, "exec_not_allowed"),
            (io::ErrorKind::OutOfMemory, "exec_failed"),
        ];
        for (kind, word) in table {
            assert_eq!(spawn(&io::Error::from(kind)), (Transient, word), "{kind}");
        }
    }

    #[cfg(all(feature = "db", feature = "tables"))]
    #[test]
    fn troubles_of_files_are_classified() {
        use rustix::io::Errno;
        let table = [
            (Errno::NOENT, Transient, "file_missing"),
            (Errno::NOSPC, Transient, "storage_full"),
            (Errno::DQUOT, Transient, "storage_full"),
            (Errno::ACCESS, Transient, "storage_access"),
            (Errno::ROFS, Transient, "storage_access"),
            (Errno::STALE, Transient, "storage_unreachable"),
            (Errno::IO, Transient, "storage_unreachable"),
            (Errno::NODEV, Transient, "storage_unreachable"),
            (Errno::LOOP, Permanent, "file_refused"),
            (Errno::NOTDIR, Permanent, "file_refused"),
            (Errno::ISDIR, Permanent, "file_refused"),
            (Errno::NAMETOOLONG, Permanent, "file_name_invalid"),
            (Errno::FBIG, Permanent, "file_too_large"),
            (Errno::NOMEM, Transient, "storage_failed"),
        ];
        for (errno, class, word) in table {
            assert_eq!(file(&errno.into()), (class, word), "{errno}");
        }
        assert_eq!(file(&io::Error::other("odd")), (Transient, "storage_failed"));
    }

    #[cfg(all(feature = "db", feature = "tables"))]
    #[test]
    fn tables_that_fail_are_classified_by_what_failed() {
        use crate::error::{Error, ErrorKind};
        let full = io::Error::from(rustix::io::Errno::NOSPC);
        let cut = io::Error::from(io::ErrorKind::UnexpectedEof);
        let table = [
            (Error::invalid("row 1 does not fit"), Permanent, "table_invalid"),
            (Error::invalid("the file is damaged").with_source(cut), Permanent, "table_invalid"),
            (Error::new(ErrorKind::NotNow, "not written").with_source(full), Transient, "storage_full"),
            (Error::new(ErrorKind::NotNow, "no room"), Transient, "storage_full"),
            (Error::internal("odd"), Transient, "table_failed"),
        ];
        for (error, class, word) in table {
            assert_eq!(super::table(&error), (class, word), "{error}");
        }
    }

    #[cfg(feature = "s3")]
    #[test]
    fn troubles_of_objects_are_classified() {
        use object_store::Error;
        let path = || "a".to_owned();
        let source = || "why".into();
        let table = [
            (Error::NotFound { path: path(), source: source() }, Transient, "file_missing"),
            (Error::PermissionDenied { path: path(), source: source() }, Transient, "storage_access"),
            (Error::Unauthenticated { path: path(), source: source() }, Transient, "storage_access"),
            (Error::NotSupported { source: source() }, Permanent, "storage_unfit"),
            (Error::Generic { store: "S3", source: source() }, Transient, "storage_unreachable"),
        ];
        for (error, class, word) in table {
            assert_eq!(object(&error), (class, word), "{error}");
        }
    }

    #[cfg(feature = "db")]
    #[test]
    fn refusals_of_databases_are_classified() {
        let table = [
            ("5", Transient, "database_busy"),
            ("13", Transient, "database_busy"),
            ("14", Transient, "database_unreachable"),
            ("8", Transient, "database_access"),
            ("2067", Permanent, "database_constraint"),
            ("1", Transient, "database_error"),
            ("40001", Transient, "database_busy"),
            ("57P01", Transient, "database_unreachable"),
            ("57P03", Transient, "database_unreachable"),
            ("57014", Transient, "database_busy"),
            ("08006", Transient, "database_unreachable"),
            ("28P01", Transient, "database_access"),
            ("42501", Transient, "database_access"),
            ("23505", Permanent, "database_constraint"),
            ("42P01", Transient, "database_error"),
            ("", Transient, "database_error"),
        ];
        for (code, class, word) in table {
            assert_eq!(database_refusal(code), (class, word), "{code}");
        }
        assert_eq!(database(&sqlx::Error::PoolTimedOut), (Transient, "database_unreachable"));
    }
}
