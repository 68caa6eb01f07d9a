//! Hosts, ports and addresses of sentinels, as people write them.

use std::net::Ipv6Addr;

use super::redis::Endpoint;

/// Where a sentinel, or a node of a cluster, listens unless told otherwise.
const SENTINEL_PORT: u16 = 26_379;
const NODE_PORT: u16 = 6_379;

/// What an entry of a list of places looks like.
const LIST_FORM: &str = "host:port, host, redis://host:port or rediss://host:port";

/// A host name or an address, an IPv6 one with or without brackets.
pub(super) fn host(text: &str) -> Option<String> {
    // No name has these, nor the scope of an address, and both are shown.
    if text.contains(|char: char| char.is_control() || char.is_whitespace()) {
        return None;
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Some(address) = bare.or(Some(text)).filter(|text| text.contains(':')) {
        // A scope (`%eth0`) is the resolver's business.
        let plain = address.split('%').next().unwrap_or_default();
        return plain.parse::<Ipv6Addr>().is_ok().then(|| address.to_owned());
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte) || byte >= 0x80;
    (text.len() <= 253 && text.bytes().all(fits)).then(|| text.to_owned()).filter(|text| !text.is_empty())
}

/// A port that can be connected to.
pub(super) fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|&port| port > 0)
}

/// One entry of the list of sentinels; `tls` where the entry does not say.
pub(super) fn sentinel(entry: &str, tls: bool) -> Result<Endpoint, &'static str> {
    let no_login = "no login in it: user and password belong into REDIS_SENTINEL_USERNAME and REDIS_SENTINEL_PASSWORD";
    place(entry, tls, SENTINEL_PORT, no_login)
}

/// One entry of the list of nodes of a cluster; `tls` where the entry does not say.
pub(super) fn node(entry: &str, tls: bool) -> Result<Endpoint, &'static str> {
    place(entry, tls, NODE_PORT, "no login in it: user and password belong into REDIS_USERNAME and REDIS_PASSWORD")
}

fn place(entry: &str, tls: bool, usual_port: u16, no_login: &'static str) -> Result<Endpoint, &'static str> {
    let (rest, tls) = match entry.split_once("://") {
        Some(("redis", rest)) => (rest, false),
        Some(("rediss", rest)) => (rest, true),
        Some(_) => return Err(LIST_FORM),
        None => (entry, tls),
    };
    if rest.contains('@') {
        return Err(no_login);
    }
    let rest = if entry.contains("://") { rest.strip_suffix('/').unwrap_or(rest) } else { rest };
    let (name, number) = split(rest);
    let number = number.map_or(Some(usual_port), port);
    match (host(name), number) {
        (Some(host), Some(port)) => Ok(Endpoint { host, port, tls }),
        _ => Err(LIST_FORM),
    }
}

/// Host and port, parted by the colon that is none of an IPv6 address.
fn split(text: &str) -> (&str, Option<&str>) {
    if text.parse::<Ipv6Addr>().is_ok() {
        return (text, None);
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    }
}

/// An entry fit to be shown: what stands before an `@` may be a password.
pub(super) fn without_login(entry: &str) -> String {
    entry.rsplit_once('@').map_or_else(|| entry.to_owned(), |(_, place)| format!("********@{place}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentinels_are_read_as_people_write_them() {
        let table = [
            ("a", "a:26379", false),
            ("a:1", "a:1", false),
            ("10.0.0.1:26380", "10.0.0.1:26380", false),
            ("redis://b", "b:26379", false),
            ("rediss://b:7/", "b:7", true),
            ("::1", "[::1]:26379", false),
            ("[::1]:5", "[::1]:5", false),
            ("redis://[::1]", "[::1]:26379", false),
        ];
        for (entry, shown, tls) in table {
            let endpoint = sentinel(entry, false).unwrap_or_else(|expected| panic!("{entry}: {expected}"));
            assert_eq!((endpoint.to_string().as_str(), endpoint.tls), (shown, tls), "{entry}");
        }
        assert!(sentinel("a", true).unwrap().tls && !sentinel("redis://a", true).unwrap().tls);
        for entry in [
            "a:0",
            "a:x",
            "a:99999",
            "http://a",
            "redis://:pw@a",
            "a b",
            ":1",
            "redis://",
            "a/b",
            "[::1",
            "a:1:2",
            "a\u{80}",
            "a\u{a0}b",
            "fe80::1%e\r\nx",
        ] {
            assert!(sentinel(entry, false).is_err(), "{entry}");
        }
    }

    #[test]
    fn fuzz_an_entry_of_the_list_of_sentinels_is_read_back_and_hides_its_login() {
        use crate::fuzz::{fuzz, text_of};
        use proptest::prelude::*;

        let pieces = &[
            "redis://",
            "rediss://",
            "http://",
            "host",
            "10.0.0.1",
            "::1",
            "[",
            "]",
            ":",
            "26379",
            "0",
            "65536",
            "/",
            "@",
            "secret",
            "%eth0",
            ".",
            "-",
            " ",
            ",",
            "\r\n",
            "é",
        ];
        fuzz((text_of(pieces, 8), any::<bool>()), |(entry, tls)| {
            if entry.contains('@') {
                let after = entry.rsplit_once('@').unwrap().1;
                prop_assert_eq!(without_login(&entry), format!("********@{after}"));
            }
            let Ok(endpoint) = sentinel(&entry, tls) else { return Ok(()) };
            prop_assert!(endpoint.port > 0 && !endpoint.host.is_empty() && !entry.contains('@'));
            prop_assert!(
                !endpoint.host.contains(|char: char| char.is_control() || char.is_whitespace()),
                "{:?}",
                endpoint.host
            );
            let scheme = if endpoint.tls { "rediss" } else { "redis" };
            let again = sentinel(&format!("{scheme}://{endpoint}"), !endpoint.tls);
            prop_assert_eq!(
                again.map(|again| (again.host, again.port, again.tls)),
                Ok((endpoint.host, endpoint.port, endpoint.tls))
            );
            Ok(())
        });
    }
}
