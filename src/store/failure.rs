//! What an error of the connection means, and what helps against it: one total table.

use std::fmt;
use std::io;

use redis::{RedisError, ServerErrorKind};

use super::tls;
use crate::error::{Error, ErrorKind};

/// What helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Nothing: the answer stands.
    Nothing,
    /// The same call on the same connection, a little later.
    Wait,
    /// The same call on a new connection.
    Reconnect,
    /// Loading the script, then the same call.
    LoadScript,
}

/// What is known of a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Judgement {
    pub kind: ErrorKind,
    pub remedy: Remedy,
    /// Whether the server may have executed the call all the same.
    pub executed: bool,
}

/// Judges an error; every cause has its row here.
pub(super) fn judge(error: &RedisError) -> Judgement {
    use redis::ErrorKind as R;
    match error.kind() {
        R::Io if is_broken_tls(error) => stands(ErrorKind::Config),
        // The reply is lost or garbled: whatever was sent may have been executed.
        R::Io | R::Parse => Judgement { kind: ErrorKind::Unreachable, remedy: Remedy::Reconnect, executed: true },
        R::AuthenticationFailed => stands(ErrorKind::AccessDenied),
        R::Server(kind) => judge_server(kind, error.detail().unwrap_or_default()),
        R::Extension => judge_code(error.code().unwrap_or_default()),
        R::InvalidClientConfig | R::RESP3NotSupported | R::EmptySentinelList => stands(ErrorKind::Config),
        R::MasterNameNotFoundBySentinel | R::NoValidReplicasFoundBySentinel | R::ClusterConnectionNotFound => {
            refused(ErrorKind::Unreachable, Remedy::Reconnect)
        }
        R::UnexpectedReturnType | R::Client => stands(ErrorKind::Internal),
        _ => stands(ErrorKind::Internal),
    }
}

fn judge_server(kind: ServerErrorKind, detail: &str) -> Judgement {
    use ServerErrorKind as S;
    match kind {
        S::BusyLoading | S::TryAgain => refused(ErrorKind::NotNow, Remedy::Wait),
        S::ClusterDown => refused(ErrorKind::Unreachable, Remedy::Wait),
        S::MasterDown | S::ReadOnly => refused(ErrorKind::NotNow, Remedy::Reconnect),
        S::NoScript => refused(ErrorKind::NotNow, Remedy::LoadScript),
        S::NoPerm => stands(ErrorKind::AccessDenied),
        S::Moved | S::Ask | S::CrossSlot => stands(ErrorKind::Config),
        S::ResponseError => judge_words(detail),
        S::ExecAbort | S::NotBusy | S::NoSub => stands(ErrorKind::Internal),
        _ => stands(ErrorKind::Internal),
    }
}

/// Replies that carry a code of their own.
fn judge_code(code: &str) -> Judgement {
    match code {
        "WRONGPASS" | "NOAUTH" | "DENIED" => stands(ErrorKind::AccessDenied),
        "OOM" | "MISCONF" | "NOREPLICAS" | "NOGOODSLAVE" => stands(ErrorKind::NotNow),
        "BUSY" | "INPROG" => refused(ErrorKind::NotNow, Remedy::Wait),
        "UNBLOCKED" => refused(ErrorKind::NotNow, Remedy::Reconnect),
        "NOPROTO" => stands(ErrorKind::Config),
        "WRONGTYPE" => stands(ErrorKind::Corrupt),
        // What our scripts say of a queue that another version of this crate laid out.
        "LAYOUT" => stands(ErrorKind::Refused),
        // And of a place that takes no new jobs, since its queue keeps them elsewhere.
        "PARTITIONS" => stands(ErrorKind::Moved),
        _ => stands(ErrorKind::Internal),
    }
}

/// Replies whose code is only `ERR`: their words are all there is.
fn judge_words(detail: &str) -> Judgement {
    let begins = |words: &str| detail.get(..words.len()).is_some_and(|start| start.eq_ignore_ascii_case(words));
    if begins("max number of clients") || begins("max number of total cluster connections") {
        refused(ErrorKind::NotNow, Remedy::Reconnect)
    } else if begins("the user executing the script")
        || begins("acl failure in script")
        || begins("operation not permitted")
    {
        stands(ErrorKind::AccessDenied)
    } else if begins("unknown command") || begins("unknown subcommand") || begins("db index is out of range") {
        stands(ErrorKind::Config)
    } else {
        stands(ErrorKind::Internal)
    }
}

fn stands(kind: ErrorKind) -> Judgement {
    refused(kind, Remedy::Nothing)
}

fn refused(kind: ErrorKind, remedy: Remedy) -> Judgement {
    Judgement { kind, remedy, executed: false }
}

/// A certificate that does not fit, or no TLS on the other side: no repeat mends that.
fn is_broken_tls(error: &RedisError) -> bool {
    io_source(error).is_some_and(|source| source.kind() == io::ErrorKind::InvalidData && !tls::is_alert(source))
}

fn io_source(error: &RedisError) -> Option<&io::Error> {
    std::error::Error::source(error).and_then(|source| {
        // The crate wraps the source in an `Arc`, which is the error that it reports.
        source
            .downcast_ref::<io::Error>()
            .or_else(|| source.downcast_ref::<std::sync::Arc<dyn std::error::Error + Send + Sync>>()?.downcast_ref())
    })
}

/// What a failed step says, before anyone decides whether to go on.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub kind: ErrorKind,
    pub message: String,
    pub remedy: Remedy,
    /// Whether the server may have executed the call all the same.
    pub executed: bool,
    /// Whether nobody listens there, so that a short wait is as good as a long one.
    pub absent: bool,
    /// Whether a replica answered where a master is needed.
    pub wrong_role: bool,
    /// Whether it tells of a wrong configuration, as long as no connection has ever stood.
    pub misfit: bool,
    /// Which node of the cluster has the slot, where the one that was asked says so.
    pub redirect: Option<Redirect>,
}

/// Where a node of a cluster sends a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Redirect {
    pub slot: u16,
    /// `host:port`; the host is empty where it is that of the node which says so.
    pub place: String,
    /// For this one call only: the slot is on its way there.
    pub once: bool,
}

impl Redirect {
    fn of(error: &RedisError) -> Option<Self> {
        let (place, slot) = error.redirect_node()?;
        let once = error.kind() == redis::ErrorKind::Server(ServerErrorKind::Ask);
        Some(Self { slot, place: place.to_owned(), once })
    }
}

impl Failure {
    /// A failure that no repeat mends.
    pub(super) fn final_(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            remedy: Remedy::Nothing,
            executed: false,
            absent: false,
            wrong_role: false,
            misfit: false,
            redirect: None,
        }
    }

    /// A defect of this crate.
    pub(super) fn internal(message: &str) -> Self {
        Self::final_(ErrorKind::Internal, message)
    }

    /// A failure to connect that may pass.
    pub(super) fn passing(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            remedy: Remedy::Reconnect,
            executed: false,
            absent: false,
            wrong_role: false,
            misfit: false,
            redirect: None,
        }
    }

    /// A connection to `place` could not be made.
    pub(super) fn connecting(place: impl fmt::Display, error: &RedisError) -> Self {
        let judgement = judge(error);
        let message = match judgement.kind {
            ErrorKind::AccessDenied => format!("redis at {place} denies access: {}{}", words(error), key_to_it(error)),
            ErrorKind::NotNow => format!("redis at {place} takes no connection now: {}", words(error)),
            _ => {
                let advice = match error.kind() {
                    redis::ErrorKind::InvalidClientConfig => {
                        Some("check REDIS_TLS_CA, and whether REDIS_TLS_CERT and REDIS_TLS_KEY belong together")
                    }
                    _ => io_source(error).and_then(tls::advice),
                };
                let advice = advice.map(|advice| format!(" ({advice})"));
                format!("cannot reach redis at {place}: {}{}", words(error), advice.unwrap_or_default())
            }
        };
        let kind = if judgement.kind == ErrorKind::Internal { ErrorKind::Config } else { judgement.kind };
        Self {
            kind,
            message,
            remedy: judgement.remedy,
            executed: false,
            absent: is_absent(error),
            wrong_role: false,
            misfit: io_source(error).is_some_and(tls::is_alert),
            redirect: None,
        }
    }

    /// A command failed at `place`.
    pub(super) fn answering(place: impl fmt::Display, error: &RedisError) -> Self {
        let judgement = judge(error);
        let message = match judgement.kind {
            ErrorKind::Unreachable if error.code() == Some("CLUSTERDOWN") => {
                format!("the cluster of redis at {place} is down: {}", words(error))
            }
            ErrorKind::Unreachable => format!("lost the connection to redis at {place}: {}", words(error)),
            ErrorKind::AccessDenied => format!("redis at {place} denies access: {}{}", words(error), key_to_it(error)),
            ErrorKind::Config if is_cluster(error) => cluster_refused(place),
            _ => format!("redis at {place} refuses: {}", words(error)),
        };
        Self {
            kind: judgement.kind,
            message,
            remedy: judgement.remedy,
            executed: judgement.executed,
            absent: false,
            wrong_role: false,
            misfit: false,
            redirect: Redirect::of(error),
        }
    }

    /// No answer came in time.
    pub(super) fn silent(place: impl fmt::Display, waited: std::time::Duration) -> Self {
        let message = format!("redis at {place} did not answer within {:.1} s", waited.as_secs_f32());
        Self {
            kind: ErrorKind::Unreachable,
            message,
            remedy: Remedy::Reconnect,
            executed: true,
            absent: false,
            wrong_role: false,
            misfit: false,
            redirect: None,
        }
    }

    /// For a connection of its own: where the slot has gone is found out when the next one is made.
    pub(super) fn found_anew(self) -> Self {
        match self.redirect {
            Some(_) => {
                let message = "the queue's slot has moved to another node";
                Self { executed: self.executed, ..Self::passing(ErrorKind::NotNow, message) }
            }
            None => self,
        }
    }

    /// The error that the caller sees.
    pub(super) fn into_error(self) -> Error {
        Error::new(self.kind, self.message)
    }
}

/// What to set where access is denied.
fn key_to_it(error: &RedisError) -> &'static str {
    match error.code() {
        Some("NOAUTH") => " (set REDIS_PASSWORD or REDIS_PASSWORD_FILE)",
        Some("WRONGPASS") => " (check REDIS_PASSWORD or REDIS_PASSWORD_FILE, and REDIS_USERNAME)",
        Some("NOPERM") => " (the user of REDIS_USERNAME needs that right: ireva-queue config acl)",
        _ => "",
    }
}

/// The one message where a cluster answers and none is configured.
pub(super) fn cluster_refused(place: impl fmt::Display) -> String {
    format!("redis at {place} is a node of a cluster: set REDIS_MODE=cluster")
}

fn is_cluster(error: &RedisError) -> bool {
    use ServerErrorKind as S;
    matches!(error.kind(), redis::ErrorKind::Server(S::Moved | S::Ask | S::CrossSlot))
}

fn is_absent(error: &RedisError) -> bool {
    let no_directory = io_source(error).is_some_and(|source| source.kind() == io::ErrorKind::NotADirectory);
    no_directory || error.is_connection_refusal() || error.to_string().starts_with("failed to lookup address")
}

/// The error in words of ours: without the arguments of a command, which may be secret.
pub(super) fn words(error: &RedisError) -> String {
    if error.is_connection_refusal() {
        let missing = io_source(error).is_some_and(|source| source.kind() == io::ErrorKind::NotFound);
        return if missing { "no such socket" } else { "connection refused" }.to_owned();
    }
    if let Some(code) = error.code() {
        let detail = error.detail().unwrap_or_default();
        let detail = detail.split(", with args beginning with").next().unwrap_or_default();
        return if matches!(code, "ERR" | "LAYOUT" | "PARTITIONS") {
            detail.to_owned()
        } else {
            format!("{code} {detail}").trim_end().to_owned()
        };
    }
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    if let Some(reason) = text.strip_prefix("failed to lookup address information: ") {
        return format!("the host name cannot be resolved ({})", lower_first(reason));
    }
    lower_first(text)
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    // An all-capital word (TLS, DNS) stays as it is.
    match (letters.next(), letters.next()) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().chain([second]).chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(line: &str) -> RedisError {
        let bytes = format!("-{line}\r\n");
        redis::parse_redis_value(bytes.as_bytes()).unwrap().extract_error().unwrap_err()
    }

    #[test]
    fn every_reply_has_its_meaning_and_remedy() {
        use ErrorKind::*;
        use Remedy::*;
        let table = [
            ("LOADING Redis is loading the dataset in memory", NotNow, Wait),
            ("BUSY Redis is busy running a script", NotNow, Wait),
            ("TRYAGAIN Multiple keys request during rehashing of slot", NotNow, Wait),
            ("CLUSTERDOWN The cluster is down", Unreachable, Wait),
            ("READONLY You can't write against a read only replica.", NotNow, Reconnect),
            ("MASTERDOWN Link with MASTER is down", NotNow, Reconnect),
            ("UNBLOCKED force unblock from blocking operation", NotNow, Reconnect),
            ("ERR max number of clients reached", NotNow, Reconnect),
            ("NOSCRIPT No matching script. Please use EVAL.", NotNow, LoadScript),
            ("OOM command not allowed when used memory > 'maxmemory'.", NotNow, Nothing),
            ("MISCONF Errors writing to the AOF file", NotNow, Nothing),
            ("NOREPLICAS Not enough good replicas to write.", NotNow, Nothing),
            ("WRONGPASS invalid username-password pair", AccessDenied, Nothing),
            ("NOAUTH Authentication required.", AccessDenied, Nothing),
            ("NOPERM this user has no permissions", AccessDenied, Nothing),
            ("ERR ACL failure in script: User app has no permissions to run the 'xadd' command", AccessDenied, Nothing),
            ("DENIED Redis is running in protected mode", AccessDenied, Nothing),
            ("ERR The user executing the script can't run this command", AccessDenied, Nothing),
            ("MOVED 3999 127.0.0.1:6381", Config, Nothing),
            ("CROSSSLOT Keys in request don't hash to the same slot", Config, Nothing),
            ("ERR unknown command 'FOO', with args beginning with: 'x'", Config, Nothing),
            ("ERR DB index is out of range", Config, Nothing),
            ("WRONGTYPE Operation against a key holding the wrong kind of value", Corrupt, Nothing),
            ("LAYOUT this queue is stored in layout 2, this version writes layout 1", Refused, Nothing),
            ("PARTITIONS the jobs of this queue are spread over partitions: 8", Moved, Nothing),
            ("ERR user_script:3: attempt to call a nil value", Internal, Nothing),
            ("SOMETHING else", Internal, Nothing),
        ];
        for (line, kind, remedy) in table {
            let judgement = judge(&reply(line));
            assert_eq!((judgement.kind, judgement.remedy), (kind, remedy), "{line}");
            assert!(!judgement.executed, "an answered call is not in doubt: {line}");
        }
    }

    #[test]
    fn a_lost_connection_leaves_the_call_in_doubt() {
        for kind in [io::ErrorKind::BrokenPipe, io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset] {
            let judgement = judge(&RedisError::from(io::Error::from(kind)));
            assert_eq!(judgement.remedy, Remedy::Reconnect);
            assert!(judgement.executed);
        }
    }

    #[test]
    fn a_bad_certificate_is_not_repeated() {
        let error = RedisError::from(io::Error::new(io::ErrorKind::InvalidData, "invalid peer certificate"));
        assert_eq!(judge(&error).kind, ErrorKind::Config);
        assert_eq!(judge(&error).remedy, Remedy::Nothing);
    }

    #[test]
    fn no_message_shows_the_arguments_of_a_command() {
        let error = reply("ERR unknown command `HELLO`, with args beginning with: `2`, `AUTH`, `default`, `hunter2`");
        let failure = Failure::connecting("localhost:6379", &error);
        assert!(!failure.message.contains("hunter2"), "{}", failure.message);
    }

    #[test]
    fn a_refused_connection_says_where() {
        let error = RedisError::from(io::Error::from_raw_os_error(111));
        let failure = Failure::connecting("localhost:6379", &error);
        assert_eq!(failure.message, "cannot reach redis at localhost:6379: connection refused");
        assert!(failure.absent);
    }
}
