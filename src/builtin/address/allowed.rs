//! The operator's list of hosts and networks that may be reached although they are not public.

use std::net::IpAddr;

use reqwest::Url;

use super::{USUAL_PORTS, literal};
use crate::error::{Error, Result};

/// Hosts and networks, each with a port if wanted.
#[derive(Debug, Clone, Default)]
pub(in crate::builtin) struct Allowed(Vec<Entry>);

#[derive(Debug, Clone)]
struct Entry {
    place: Place,
    /// `None`: the usual ones.
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// A name, in lower case.
    Host(String),
    /// The first `bits` of an address.
    Network { address: IpAddr, bits: u32 },
}

impl Allowed {
    /// Reads `host`, `host:port`, `10.0.0.0/8`, `10.0.0.7:9000`, `fd00::/8`, `[fd00::7]:9000`.
    ///
    /// # Errors
    /// `Invalid`, naming the first entry that is none of these.
    pub fn parse(entries: &[String]) -> Result<Self> {
        let read = |entry: &String| {
            let wrong = || {
                let forms = "a host or a network, with a port if wanted: hooks.internal, 10.0.0.0/8, [fd00::7]:9000";
                Error::invalid(format!("{entry:?} is not {forms}"))
            };
            self::entry(entry.trim()).ok_or_else(wrong)
        };
        entries.iter().map(read).collect::<Result<_>>().map(Self)
    }

    /// Whether the name itself is on the list.
    pub fn host(&self, host: &str, port: u16) -> bool {
        self.0.iter().any(|entry| entry.fits(port) && matches!(&entry.place, Place::Host(known) if known == host))
    }

    /// Whether the address is in a network of the list.
    pub fn address(&self, address: IpAddr, port: u16) -> bool {
        self.0.iter().any(|entry| entry.fits(port) && entry.place.holds(address))
    }
}

impl Entry {
    fn fits(&self, port: u16) -> bool {
        self.port.map_or(USUAL_PORTS.contains(&port), |own| own == port)
    }
}

impl Place {
    fn holds(&self, address: IpAddr) -> bool {
        let Self::Network { address: first, bits } = self else { return false };
        // Bits that both have in common from the left.
        let same = match (first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => (u32::from(*first) ^ u32::from(address)).leading_zeros(),
            (IpAddr::V6(first), IpAddr::V6(address)) => (u128::from(*first) ^ u128::from(address)).leading_zeros(),
            _ => return false,
        };
        same >= *bits
    }
}

fn entry(text: &str) -> Option<Entry> {
    if let Some(place) = network(text) {
        return Some(Entry { place, port: None });
    }
    let (place, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']')? {
            (inside, "") => (network(inside)?, None),
            (inside, rest) => (network(inside)?, Some(rest.strip_prefix(':')?)),
        },
        None => {
            let (place, port) = text.rsplit_once(':').map_or((text, None), |(place, port)| (place, Some(port)));
            (network(place).or_else(|| host(place))?, port)
        }
    };
    let port = match port {
        Some(port) => Some(port.parse().ok().filter(|port: &u16| *port > 0)?),
        None => None,
    };
    Some(Entry { place, port })
}

/// `10.0.0.7`, `10.0.0.0/8`, `fd00::/8`.
fn network(text: &str) -> Option<Place> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Some(most), |bits| bits.parse().ok().filter(|bits| *bits <= most))?;
    Some(Place::Network { address, bits })
}

/// A name as URLs have it: in lower case, and with what is beyond ASCII encoded.
fn host(text: &str) -> Option<Place> {
    if text.is_empty() || text.contains(|c: char| "/?#@\\:[]".contains(c) || c.is_whitespace()) {
        return None;
    }
    let url = Url::parse(&format!("http://{text}/")).ok()?;
    let name = url.host_str()?.trim_end_matches('.').to_ascii_lowercase();
    match literal(&name) {
        Some(address) => network(&address.to_string()),
        None => (!name.is_empty()).then_some(Place::Host(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(entry: &str) -> Allowed {
        Allowed::parse(&[entry.to_owned()]).unwrap()
    }

    #[test]
    fn entries_are_hosts_or_networks_with_a_port_if_wanted() {
        let table = [
            ("10.0.0.0/8", "10.255.0.1", 443, true),
            ("10.0.0.0/8", "11.0.0.1", 443, false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", 8080, true),
            ("10.0.0.7", "10.0.0.7", 80, true),
            ("10.0.0.7", "10.0.0.6", 80, false),
            ("10.0.0.7:9000", "10.0.0.7", 9000, true),
            ("10.0.0.7:9000", "10.0.0.7", 80, false),
            ("10.0.0.0/8:9000", "10.2.0.7", 9000, true),
            ("0.0.0.0/0", "192.168.0.1", 80, true),
            ("0.0.0.0/0", "::1", 80, false),
            ("fd00::/8", "fd12::1", 80, true),
            ("[fd00::7]:9000", "fd00::7", 9000, true),
            ("[fd00::/8]:9000", "fd12::7", 9000, true),
            ("[::1]", "::1", 80, true),
            ("::1", "::1", 80, true),
            ("0x7f.1", "127.0.0.1", 80, true),
        ];
        for (entry, address, port, fits) in table {
            assert_eq!(allowed(entry).address(address.parse().unwrap(), port), fits, "{entry} {address} {port}");
        }
        let table = [
            ("hooks.internal", "hooks.internal", 443, true),
            ("Hooks.Internal.", "hooks.internal", 443, true),
            ("bücher.example", "xn--bcher-kva.example", 443, true),
            ("hooks.internal", "x.hooks.internal", 443, false),
            ("hooks.internal:9000", "hooks.internal", 9000, true),
            ("hooks.internal:9000", "hooks.internal", 443, false),
        ];
        for (entry, host, port, fits) in table {
            assert_eq!(allowed(entry).host(host, port), fits, "{entry} {host} {port}");
        }
    }

    #[test]
    fn what_is_no_entry_is_named() {
        for entry in [
            "",
            "a b",
            "http://a",
            "a/b",
            "10.0.0.0/33",
            "fd00::/129",
            "a:0",
            "a:x",
            "a:99999",
            "[::1",
            "[::1]x",
            "[a]:80",
            "u@h",
        ] {
            let said = Allowed::parse(&["ok.example".to_owned(), entry.to_owned()]).unwrap_err().to_string();
            assert!(said.contains(&format!("{entry:?}")), "{entry}: {said}");
        }
    }
}
