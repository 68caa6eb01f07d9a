//! Who is let in: where the request was sent to, where it was sent from, and by whom.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Api;
use super::problem::{Problem, Refusal};
use crate::{Error, Scope, TokenInfo};

/// What a caller without a token is told (RFC 6750).
/// What proxies say of those who asked them.
const FORWARDED: [&str; 5] = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];
const CHALLENGE: &str = "Bearer realm=\"ireva-queue\"";
const CHALLENGE_WRONG: &str = "Bearer realm=\"ireva-queue\", error=\"invalid_token\"";
const CHALLENGE_SCOPE: &str = "Bearer realm=\"ireva-queue\", error=\"insufficient_scope\"";
const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// Whoever asks, as recognised.
#[derive(Debug, Clone)]
pub(super) struct Caller(Arc<Recognised>);

#[derive(Debug)]
enum Recognised {
    /// No token exists, and the server listens on loopback alone.
    Trusted,
    /// The token, and what was sent for it.
    Token(TokenInfo, Presented),
}

/// A token as it was sent; shows in no log.
struct Presented(String);

impl std::fmt::Debug for Presented {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("********")
    }
}

impl Caller {
    /// How the log names it.
    pub(super) fn name(&self) -> &str {
        match self.0.as_ref() {
            Recognised::Trusted => "-",
            Recognised::Token(token, _) => token.name.as_str(),
        }
    }

    /// How the audit names it.
    pub(super) fn by(&self) -> String {
        match self.0.as_ref() {
            Recognised::Trusted => "REST API".to_owned(),
            Recognised::Token(token, _) => format!("REST API, token {}", token.name),
        }
    }

    /// Makes sure that it may do what `needed` is for.
    pub(super) fn must(&self, needed: Scope) -> Result<(), Problem> {
        match self.0.as_ref() {
            Recognised::Token(token, _) if !token.covers(needed) => {
                let detail = format!("token {} has not the scope {needed}", token.name);
                let challenge = HeaderValue::from_static(CHALLENGE_SCOPE);
                Err(Problem::new(Refusal::Scope, detail).header(header::WWW_AUTHENTICATE, challenge))
            }
            _ => Ok(()),
        }
    }

    /// Whether it would still be let in for `needed`: a stream may outlive its token.
    ///
    /// # Errors
    /// What reading the tokens says.
    pub(super) async fn still_may(&self, api: &Api, needed: Scope) -> Result<bool, Error> {
        match self.0.as_ref() {
            Recognised::Trusted => api.recognition.has_none().await,
            Recognised::Token(_, sent) => {
                Ok(api.recognition.find(&sent.0).await?.is_some_and(|token| token.covers(needed)))
            }
        }
    }
}

/// The caller of a route, once the gate has let it in.
impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        // Every route behind the gate has one; one that was mounted beside it must not be open.
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Problem::new(Refusal::NoToken, "the gate was not passed"))
    }
}

/// Lets a request in, or answers why not.
pub(super) async fn admit(State(api): State<Api>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match recognise(&api, &parts).await {
        Ok(caller) => {
            parts.extensions.insert(caller.clone());
            parts.extensions.insert(api);
            let mut response = next.run(Request::from_parts(parts, body)).await;
            response.extensions_mut().insert(caller);
            response
        }
        Err(problem) => problem.into_response(),
    }
}

async fn recognise(api: &Api, request: &Parts) -> Result<Caller, Problem> {
    check_origin(&api.settings.allowed_origins, &request.headers)?;
    if let Some(sent) = bearer(&request.headers) {
        let Some(token) = api.recognition.find(sent).await? else { return Err(wrong_token(api, request)) };
        return Ok(Caller(Arc::new(Recognised::Token(token, Presented(sent.to_owned())))));
    }
    if !(api.settings.trust_without_token && api.recognition.has_none().await?) {
        let problem = Problem::new(Refusal::NoToken, "send the header 'Authorization: Bearer TOKEN'");
        return Err(problem.header(header::WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE)));
    }
    check_direct(&request.headers)?;
    check_host(&api.settings.allowed_hosts, &request.uri, &request.headers)?;
    Ok(Caller(Arc::new(Recognised::Trusted)))
}

/// The token of the header, where it is one.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    Some(token.trim()).filter(|token| scheme.eq_ignore_ascii_case("bearer") && !token.is_empty())
}

/// A right token is let in however many wrong ones came from the same place: behind a proxy all callers share one, and 256
/// bits are not found by trying. What is limited is the noise.
fn wrong_token(api: &Api, request: &Parts) -> Problem {
    let peer = request.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    if let Some(wait) = api.attempts.note(peer, Instant::now()) {
        let secs = wait.as_secs().max(1);
        return Problem::new(Refusal::TooManyAttempts, format!("come again in {secs} s")).retry_after(secs);
    }
    let challenge = HeaderValue::from_static(CHALLENGE_WRONG);
    Problem::new(Refusal::WrongToken, "it was revoked, or never was one").header(header::WWW_AUTHENTICATE, challenge)
}

/// A page that some other place has served must not act with what this machine may do.
fn check_origin(allowed: &[String], headers: &HeaderMap) -> Result<(), Problem> {
    let foreign = |what: &str| {
        let detail = format!("{what} is not allowed: requests from pages need --allow-origin");
        Err(Problem::new(Refusal::ForeignOrigin, detail))
    };
    match headers.get(header::ORIGIN) {
        Some(origin) if allowed.iter().any(|known| known.as_bytes() == origin.as_bytes()) => Ok(()),
        Some(origin) => foreign(&format!("origin {:?}", String::from_utf8_lossy(origin.as_bytes()))),
        // Images and links of a page come without an origin; browsers say so otherwise.
        None => match headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes) {
            None | Some(b"none" | b"same-origin") => Ok(()),
            Some(_) => foreign("a request from a page of another place"),
        },
    }
}

/// Behind a proxy everybody comes from this machine, so that nobody is trusted for it.
fn check_direct(headers: &HeaderMap) -> Result<(), Problem> {
    match FORWARDED.into_iter().find(|name| headers.contains_key(*name)) {
        Some(name) => {
            let detail = format!("the request came through a proxy ({name}): behind one every caller needs a token");
            Err(Problem::new(Refusal::NoToken, detail)
                .header(header::WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE)))
        }
        None => Ok(()),
    }
}

/// A name that leads here without being ours is how a page reaches this machine under its own origin (DNS rebinding).
fn check_host(allowed: &[String], uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let header = headers.get(header::HOST).map(HeaderValue::as_bytes);
    let named = header.map(|host| Authority::try_from(host).map_err(|_| String::from_utf8_lossy(host).into_owned()));
    let names = named.into_iter().chain(uri.authority().cloned().map(Ok));
    let mut any = false;
    for name in names {
        any = true;
        let fits = name.as_ref().is_ok_and(|name| {
            is_loopback_name(name.host())
                || allowed.iter().any(|known| known.eq_ignore_ascii_case(name.host()) || known == name.as_str())
        });
        if !fits {
            let shown = name.map_or_else(|text| text, |name| name.to_string());
            let detail = format!("host {shown:?} is not allowed without a token: use localhost, or --allow-host");
            return Err(Problem::new(Refusal::ForeignHost, detail));
        }
    }
    if any { Ok(()) } else { Err(Problem::new(Refusal::ForeignHost, "the request has no Host header")) }
}

fn is_loopback_name(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || bare.parse().is_ok_and(is_loopback)
}

/// Whether an address leads to this machine alone.
pub fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|&(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_names_of_this_machine_are_hosts() {
        let allowed = ["queue.internal".to_owned()];
        let fits =
            |host: &'static str| check_host(&allowed, &Uri::from_static("/"), &headers(&[("host", host)])).is_ok();
        let good = ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.1.2.3:1", "[::1]:8080", "queue.internal:8080"];
        assert!(good.into_iter().all(fits));
        let bad = [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "[::2]",
            "",
            "a b",
            "0.0.0.0",
        ];
        for host in bad {
            assert!(!fits(host), "{host:?}");
        }
        assert!(check_host(&allowed, &Uri::from_static("/"), &HeaderMap::new()).is_err());
        // An absolute target counts beside the header.
        let absolute = Uri::from_static("http://evil.example/healthz");
        assert!(check_host(&allowed, &absolute, &headers(&[("host", "localhost")])).is_err());
    }

    #[test]
    fn nobody_is_trusted_behind_a_proxy() {
        assert!(check_direct(&headers(&[("host", "localhost")])).is_ok());
        for name in FORWARDED {
            assert!(check_direct(&headers(&[(name, "10.0.0.9")])).is_err(), "{name}");
        }
    }

    #[test]
    fn only_configured_origins_may_ask() {
        let allowed = ["https://app.example".to_owned()];
        let fits = |pairs: &[(&'static str, &'static str)]| check_origin(&allowed, &headers(pairs)).is_ok();
        assert!(fits(&[]) && fits(&[("origin", "https://app.example")]) && fits(&[("sec-fetch-site", "none")]));
        assert!(fits(&[("origin", "https://app.example"), ("sec-fetch-site", "cross-site")]));
        let foreign =
            ["null", "https://evil.example", "http://app.example", "https://app.example:8443", "http://localhost:8080"];
        for origin in foreign {
            assert!(!fits(&[("origin", origin)]), "{origin}");
        }
        assert!(!fits(&[("sec-fetch-site", "cross-site")]) && !fits(&[("sec-fetch-site", "same-site")]));
    }

    #[test]
    fn a_token_stands_behind_bearer() {
        let token = |value: &'static str| bearer(&headers(&[("authorization", value)])).map(str::to_owned);
        assert_eq!(token("Bearer ivq_1").as_deref(), Some("ivq_1"));
        assert_eq!(token("bearer  ivq_1 ").as_deref(), Some("ivq_1"));
        assert!(["Basic YTpi", "Bearer", "Bearer ", "ivq_1"].into_iter().all(|value| token(value).is_none()));
    }

    #[test]
    fn loopback_is_this_machine_alone() {
        let table = [("127.0.0.1", true), ("127.9.9.9", true), ("::1", true), ("::ffff:127.0.0.1", true)];
        let others = [("0.0.0.0", false), ("::", false), ("10.0.0.1", false), ("::ffff:10.0.0.1", false)];
        for (address, loopback) in table.into_iter().chain(others) {
            assert_eq!(is_loopback(address.parse().unwrap()), loopback, "{address}");
        }
    }
}
