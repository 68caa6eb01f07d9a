//! Which addresses anybody may be sent to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What speaks against an address; `None` for a public one.
///
/// After the special-purpose registries of IANA (RFC 6890). An IPv6 address that carries an IPv4 one is judged by that: a
/// gateway on the way would send it there.
pub(super) fn flaw(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => flaw_v4(address),
        IpAddr::V6(address) => flaw_v6(address),
    }
}

fn flaw_v4(address: Ipv4Addr) -> Option<&'static str> {
    Some(match address.octets() {
        [0, ..] => "an address of this network (0.0.0.0/8)",
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => "a private address",
        [100, 64..=127, ..] => "a shared address (100.64.0.0/10)",
        [127, ..] => "a loopback address",
        [169, 254, ..] => "a link-local address, where clouds keep their metadata",
        // Not in any registry: what Azure answers its own machines from.
        [168, 63, 129, 16] => "an address of cloud metadata",
        [192, 0, 0, _] | [192, 88, 99, _] => "an address of protocols",
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => "an address of examples",
        [198, 18..=19, ..] => "an address of benchmarks",
        [224..=239, ..] => "a multicast address",
        [240..=255, ..] => "a reserved address",
        _ => return None,
    })
}

fn flaw_v6(address: Ipv6Addr) -> Option<&'static str> {
    if let Some(carried) = carried(address) {
        return flaw_v4(carried);
    }
    // ISATAP (RFC 5214): the network is looked at as well as the address in it.
    if let [_, _, _, _, 0 | 0x200, 0x5efe, high, low] = address.segments()
        && let Some(flaw) = flaw_v4(joined(high, low))
    {
        return Some(flaw);
    }
    Some(match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => "an address of this network (::)",
        [0, 0, 0, 0, 0, 0, 0, 1] => "a loopback address",
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => "a private address",
        [0xfe80..=0xfebf, ..] => "a link-local address",
        [0xff00..=0xffff, ..] => "a multicast address",
        // Teredo, ORCHID, benchmarks, anycast of protocols.
        [0x2001, 0..=0x1ff, ..] => "an address of protocols",
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => "an address of examples",
        [0x2000..=0x3fff, ..] => return None,
        _ => "a reserved address",
    })
}

fn joined(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))
}

/// The IPv4 address that is all there is to this one: mapped (RFC 4291), NAT64 (RFC 6052) or 6to4 (RFC 3056).
fn carried(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            Some(joined(high, low))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r62_addresses_that_are_not_public_have_a_flaw() {
        let table: [(&str, &[&str]); 11] = [
            ("this network", &["0.0.0.0", "0.1.2.3", "::"]),
            (
                "private",
                &[
                    "10.0.0.0",
                    "10.255.255.255",
                    "172.16.0.1",
                    "172.31.255.255",
                    "192.168.1.1",
                    "fc00::1",
                    "fd00:ec2::254",
                    "fec0::1",
                    "::ffff:10.0.0.1",
                    "64:ff9b::a00:1",
                    "2002:c0a8:101::1",
                    "2606:4700::5efe:10.0.0.1",
                    "2606:4700::200:5efe:c0a8:101",
                    "fd00::5efe:808:808",
                ],
            ),
            ("shared", &["100.64.0.0", "100.127.255.255", "100.100.100.200"]),
            (
                "loopback",
                &["127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"],
            ),
            ("link-local", &["169.254.0.1", "169.254.169.254", "fe80::1", "febf::1", "::ffff:169.254.169.254"]),
            ("metadata", &["168.63.129.16", "169.254.169.254"]),
            ("protocols", &["192.0.0.192", "192.88.99.1", "2001::1", "2001:10::1", "2001:1ff::1"]),
            ("examples", &["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"]),
            ("benchmarks", &["198.18.0.1", "198.19.255.255"]),
            ("multicast", &["224.0.0.1", "239.255.255.255", "ff02::1"]),
            (
                "reserved",
                &["240.0.0.1", "255.255.255.255", "::127.0.0.1", "64:ff9b:1::1", "100::1", "4000::1", "5f00::1"],
            ),
        ];
        for (word, addresses) in table {
            for address in addresses {
                let flaw = flaw(address.parse().unwrap());
                assert!(flaw.is_some_and(|flaw| flaw.contains(word)), "{address}: {flaw:?}");
            }
        }
    }

    #[test]
    fn neighbours_of_special_networks_are_public() {
        let public = [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "3ffe::1",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2002:101:101::1",
        ];
        for address in public {
            assert_eq!(flaw(address.parse().unwrap()), None, "{address}");
        }
    }
}
