//! Guards where requests go whose URL came with a job.
//!
//! Whoever can enqueue could otherwise make the worker ask what only the worker can reach: itself, its network, the
//! metadata of its cloud. So a URL is `http://` or `https://`, holds no login, and has a usual port; its name is looked up
//! once, every address must be public, and the connection goes to these addresses and no others. What may be reached all the
//! same stands in a list of the operator's.

mod allowed;
mod public;
mod resolver;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::builtin::classify;
use crate::builtin::fields::shown;
use crate::builtin::post::Target;
use crate::processor::ProcessError;
pub(super) use allowed::Allowed;
use public::flaw;
pub(super) use resolver::Pinned;
pub use resolver::{Looking, Resolver, SystemResolver};

/// Ports that a URL may name without being on the list.
const USUAL_PORTS: [u16; 4] = [80, 443, 8080, 8443];
const ADVICE: &str = "NOTIFY_ALLOW of the worker can let it through";

/// Lets URLs through, or not.
pub(super) struct Guard {
    allowed: Allowed,
    resolver: Arc<dyn Resolver>,
}

/// A URL that may be asked, and the only addresses at which it may be.
#[derive(Debug, Clone)]
pub(super) struct Cleared {
    pub target: Target,
    pub addresses: Vec<SocketAddr>,
}

impl Guard {
    pub fn new(allowed: Allowed, resolver: Arc<dyn Resolver>) -> Self {
        Self { allowed, resolver }
    }

    /// The URL with its addresses, looked up now.
    ///
    /// # Errors
    /// Permanent `address_refused`, which names the host and the rule; transient where the name cannot be looked up.
    pub async fn clear(&self, url: &str) -> Result<Cleared, ProcessError> {
        let (target, host, port) = read(url)?;
        let addresses = match literal(&host) {
            Some(address) => vec![address],
            None => self.look_up(&host).await?,
        };
        for address in &addresses {
            self.decide(&host, port, *address).map_err(|rule| refused(&host, &rule))?;
        }
        let addresses = addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect();
        Ok(Cleared { target, addresses })
    }

    async fn look_up(&self, host: &str) -> Result<Vec<IpAddr>, ProcessError> {
        let found = self.resolver.look_up(host).await.map_err(|error| {
            let (class, code) = classify::look_up(&error);
            ProcessError::new(class, code, format!("host {} cannot be looked up: {error}", shown(host)))
        })?;
        if found.is_empty() {
            return Err(ProcessError::transient("dns_failed", format!("host {} has no address", shown(host))));
        }
        Ok(found)
    }

    /// Whether one address of a host may be asked at a port; the error is the rule against it.
    fn decide(&self, host: &str, port: u16, address: IpAddr) -> Result<(), String> {
        if self.allowed.host(host, port) || self.allowed.address(address, port) {
            return Ok(());
        }
        if !USUAL_PORTS.contains(&port) {
            return Err(format!("port {port} is not 80, 443, 8080 or 8443; {ADVICE}"));
        }
        match flaw(address) {
            Some(flaw) => Err(format!("it leads to {flaw}; {ADVICE}")),
            None => Ok(()),
        }
    }
}

/// The parts of a URL that can be judged without looking anything up: target, host and port.
fn read(url: &str) -> Result<(Target, String, u16), ProcessError> {
    let not_valid = |error: crate::Error| ProcessError::permanent("address_refused", error.to_string());
    let target = Target::parse(url).map_err(not_valid)?;
    let host = target.url.host_str().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
    if holds_login(&target) {
        return Err(refused(&host, "it holds a user or a password"));
    }
    let port = target.url.port_or_known_default().unwrap_or_default();
    Ok((target, host, port))
}

/// Whether the URL names a user or a password.
pub(super) fn holds_login(target: &Target) -> bool {
    !target.url.username().is_empty() || target.url.password().is_some()
}

/// The address that stands in a URL in place of a name; the URL's parser has read its other spellings already.
fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn refused(host: &str, rule: &str) -> ProcessError {
    ProcessError::permanent("address_refused", format!("URL with host {} is refused: {rule}", shown(host)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Knows one name.
    struct Only(&'static str, &'static [&'static str]);

    impl Resolver for Only {
        fn look_up<'a>(&'a self, host: &'a str) -> Looking<'a> {
            let known = host == self.0;
            let addresses = self.1.iter().filter(move |_| known).map(|text| text.parse().unwrap()).collect();
            Box::pin(std::future::ready(Ok(addresses)))
        }
    }

    async fn clear(url: &str, addresses: &'static [&'static str], allow: &[&str]) -> Result<Cleared, ProcessError> {
        let allow: Vec<String> = allow.iter().map(|entry| (*entry).to_owned()).collect();
        let guard = Guard::new(Allowed::parse(&allow).unwrap(), Arc::new(Only("hook.example", addresses)));
        guard.clear(url).await
    }

    #[tokio::test]
    async fn r62_a_url_that_leads_inside_is_refused_however_it_is_spelled() {
        let table = [
            ("http://127.0.0.1/", "127.0.0.1 is refused: it leads to a loopback address"),
            ("http://127.1/", "127.0.0.1 is refused: it leads to a loopback address"),
            ("http://0x7f000001/", "a loopback address"),
            ("http://0x7f.0.0.1/", "a loopback address"),
            ("http://2130706433/", "a loopback address"),
            ("http://0177.0.0.1/", "a loopback address"),
            ("http://127.0.0.1./", "a loopback address"),
            ("http://１２７.0.0.1/", "a loopback address"),
            ("http://127。0。0。1/", "a loopback address"),
            ("http://[::1]/", "a loopback address"),
            ("http://[::ffff:127.0.0.1]/", "a loopback address"),
            ("http://[::ffff:7f00:1]/", "a loopback address"),
            ("http://[64:ff9b::7f00:1]/", "a loopback address"),
            ("http://[2002:7f00:1::]/", "a loopback address"),
            ("http://0/", "an address of this network"),
            ("http://169.254.169.254/latest/meta-data/", "a link-local address"),
            ("https://10.0.0.7/", "a private address"),
            ("https://100.64.0.1/", "a shared address"),
            ("https://[fd00:ec2::254]/", "a private address"),
            ("file:///etc/passwd", "must be http:// or https://, not file://"),
            ("gopher://hook.example/", "must be http:// or https://, not gopher://"),
            ("http://user:pw@hook.example/", "hook.example is refused: it holds a user or a password"),
            ("http://hook.example@127.0.0.1/", "it holds a user or a password"),
            ("http://hook.example:22/", "hook.example is refused: port 22 is not 80, 443, 8080 or 8443"),
            ("http://", "is not valid"),
            ("hook.example/x", "is not valid"),
        ];
        for (url, part) in table {
            let error = clear(url, &["93.184.215.14"], &[]).await.expect_err(url);
            assert_eq!((error.code(), error.class()), ("address_refused", crate::ErrorClass::Permanent), "{url}");
            assert!(error.message().contains(part) && !error.message().contains("pw"), "{url}: {error}");
        }
    }

    #[tokio::test]
    async fn r62_every_address_of_a_name_must_be_public() {
        let cleared = clear("https://HOOK.example./x", &["93.184.215.14", "2606:2800:21f::1"], &[]).await.unwrap();
        let wanted =
            ["93.184.215.14:443", "[2606:2800:21f::1]:443"].map(|address| address.parse::<SocketAddr>().unwrap());
        assert_eq!(cleared.addresses, wanted);
        const INSIDE: [&[&str]; 4] =
            [&["93.184.215.14", "10.0.0.7"], &["::1"], &["::ffff:192.168.0.1"], &["169.254.169.254"]];
        for inside in INSIDE {
            let error = clear("https://hook.example/", inside, &[]).await.unwrap_err();
            assert_eq!(error.code(), "address_refused", "{inside:?}: {error}");
            let told = inside.iter().any(|address| error.message().contains(address));
            assert!(error.message().contains("hook.example") && !told, "{inside:?}: {error}");
        }
        let error = clear("https://other.example/", &["1.1.1.1"], &[]).await.unwrap_err();
        assert_eq!((error.code(), error.class()), ("dns_failed", crate::ErrorClass::Transient));
    }

    #[tokio::test]
    async fn what_is_on_the_list_is_let_through_and_nothing_else() {
        let inside: &'static [&'static str] = &["10.0.0.7"];
        let table: [(&str, &[&str], bool); 10] = [
            ("http://hook.example/", &["10.0.0.0/8"], true),
            ("http://hook.example/", &["hook.example"], true),
            ("http://hook.example:9000/", &["hook.example"], false),
            ("http://hook.example:9000/", &["hook.example:9000"], true),
            ("http://hook.example/", &["hook.example:9000"], false),
            ("http://hook.example:9000/", &["10.0.0.7:9000"], true),
            ("http://hook.example:9000/", &["10.0.0.0/8"], false),
            ("http://hook.example/", &["10.1.0.0/16", "example"], false),
            ("http://10.0.0.7:9000/", &["10.0.0.7:9000"], true),
            ("http://10.0.0.8/", &["10.0.0.7"], false),
        ];
        for (url, allow, lets_through) in table {
            let cleared = clear(url, inside, allow).await;
            assert_eq!(cleared.is_ok(), lets_through, "{url} {allow:?}: {cleared:?}");
        }
    }
}
