//! The slots of a cluster: which one a key is in, which one a command is for, and which node has it.

use redis::{Arg, Cmd, Value};

use super::dial::text;
use crate::config::Endpoint;

/// Slots of a cluster.
pub(super) const SLOTS: usize = 16_384;
/// No node has it.
const NOBODY: u16 = u16::MAX;

/// The commands about no key; any node answers them.
const KEYLESS: [&[u8]; 7] = [b"PING", b"TIME", b"INFO", b"CONFIG", b"SCRIPT", b"CLUSTER", b"WAIT"];

/// Which node has which slot, as one of them tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SlotMap {
    owners: Vec<u16>,
    masters: Vec<Endpoint>,
    replicas: Vec<Endpoint>,
}

impl SlotMap {
    /// Reads an answer to CLUSTER SLOTS of the node at `asked`: an empty host is that of the one asked.
    pub(super) fn read(reply: &Value, asked: &Endpoint) -> Option<Self> {
        let Value::Array(ranges) = reply else { return None };
        let mut map = Self { owners: vec![NOBODY; SLOTS], masters: Vec::new(), replicas: Vec::new() };
        for range in ranges {
            let Value::Array(parts) = range else { return None };
            let [Value::Int(first), Value::Int(last), nodes @ ..] = &parts[..] else { return None };
            let (first, last) = (usize::try_from(*first).ok()?, usize::try_from(*last).ok()?);
            let mut nodes = nodes.iter().filter_map(|node| endpoint(node, asked));
            let owner = map.number(nodes.next()?);
            map.owners.get_mut(first..=last)?.fill(owner);
            // A master that has its slots in many ranges names its replicas with each.
            for replica in nodes {
                if !map.replicas.contains(&replica) {
                    map.replicas.push(replica);
                }
            }
        }
        (!map.masters.is_empty()).then_some(map)
    }

    fn number(&mut self, master: Endpoint) -> u16 {
        let known = self.masters.iter().position(|known| *known == master);
        let number = known.unwrap_or_else(|| {
            self.masters.push(master);
            self.masters.len() - 1
        });
        u16::try_from(number).unwrap_or(NOBODY)
    }

    /// Who has a slot.
    pub(super) fn owner(&self, slot: u16) -> Option<&Endpoint> {
        self.masters.get(usize::from(*self.owners.get(usize::from(slot))?))
    }

    /// How many slots nobody has.
    pub(super) fn uncovered(&self) -> usize {
        self.owners.iter().filter(|owner| **owner == NOBODY).count()
    }

    /// Another has the slot, as a node has just said.
    pub(super) fn moved(&mut self, slot: u16, to: Endpoint) {
        let owner = self.number(to);
        if let Some(place) = self.owners.get_mut(usize::from(slot)) {
            *place = owner;
        }
    }

    /// The nodes that have slots.
    pub(super) fn masters(&self) -> &[Endpoint] {
        &self.masters
    }

    /// Whether any node may take over from another.
    pub(super) fn has_replicas(&self) -> bool {
        !self.replicas.is_empty()
    }

    /// Every node that it names.
    pub(super) fn everybody(&self) -> impl Iterator<Item = &Endpoint> {
        self.masters.iter().chain(&self.replicas)
    }
}

fn endpoint(node: &Value, asked: &Endpoint) -> Option<Endpoint> {
    let Value::Array(parts) = node else { return None };
    let port = match parts.get(1)? {
        Value::Int(port) => u16::try_from(*port).ok()?,
        _ => return None,
    };
    let host = text(parts.first()?).filter(|host| !host.is_empty() && *host != "?").unwrap_or(&asked.host);
    Some(Endpoint { host: host.to_owned(), port, tls: asked.tls })
}

/// Reads the `host:port` of a redirection by the node at `asked`.
pub(super) fn redirected(place: &str, asked: &Endpoint) -> Option<Endpoint> {
    let (host, port) = place.rsplit_once(':')?;
    let host = if host.is_empty() { &asked.host } else { host };
    Some(Endpoint { host: host.to_owned(), port: port.parse().ok()?, tls: asked.tls })
}

/// The slot of a key: of what stands between its first braces, where they hold something, else of all of it.
pub(super) fn slot_of(key: &[u8]) -> u16 {
    let tag = tag(key).map_or(key, |(open, close)| &key[open + 1..close]);
    crc16(tag) % SLOTS as u16
}

/// Where the first braces that hold something open and close.
fn tag(key: &[u8]) -> Option<(usize, usize)> {
    let open = key.iter().position(|&byte| byte == b'{')?;
    let length = key[open + 1..].iter().position(|&byte| byte == b'}')?;
    (length > 0).then_some((open, open + 1 + length))
}

/// CRC-16/XMODEM, as the cluster specification of Redis has it.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| {
        (0..8)
            .fold(crc ^ (u16::from(byte) << 8), |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 })
    })
}

/// The slot that a command is for; `None` for one that any node answers.
pub(super) fn slot_of_command(cmd: &Cmd) -> Option<u16> {
    let mut words = cmd.args_iter().filter_map(|arg| match arg {
        Arg::Simple(bytes) => Some(bytes),
        _ => None,
    });
    let name = words.next()?;
    if KEYLESS.contains(&name) {
        return None;
    }
    // EVALSHA <sha> <count> <key> …
    let key = if name == b"EVALSHA" { words.nth(2) } else { words.next() };
    key.map(slot_of)
}

/// A script's call, held to a slot that is not on its way to another node.
///
/// While a slot moves, its keys are partly here and partly there. Redis refuses a call of which only some of the keys
/// are there (TRYAGAIN), but it looks at the declared keys alone: a key that the script computes may be missing, and then
/// the script ends in its middle. So the call declares one key more, which never exists: where the slot moves it is missing,
/// and the call is refused before its first command.
pub(super) fn held_to_slot(cmd: &Cmd) -> Option<Cmd> {
    let words: Vec<&[u8]> = cmd
        .args_iter()
        .filter_map(|arg| match arg {
            Arg::Simple(bytes) => Some(bytes),
            _ => None,
        })
        .collect();
    let [b"EVALSHA", sha, count, first, ..] = words[..] else { return None };
    let (_, close) = tag(first)?;
    let count: usize = std::str::from_utf8(count).ok()?.parse().ok()?;
    let mut held = redis::cmd("EVALSHA");
    held.arg(sha).arg(count + 1);
    words.get(3..3 + count)?.iter().for_each(|key| _ = held.arg(*key));
    held.arg([&first[..=close], b":still"].concat());
    words.get(3 + count..)?.iter().for_each(|word| _ = held.arg(*word));
    Some(held)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: &str, port: u16) -> Endpoint {
        Endpoint { host: host.to_owned(), port, tls: false }
    }

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(slot_of(b"foo"), 12_182);
        assert_eq!(slot_of(b"{user1000}.following"), slot_of(b"user1000"));
        assert_eq!(slot_of(b"foo{}{bar}"), crc16(b"foo{}{bar}") % 16_384);
        assert_eq!(slot_of(b"foo{bar}{zap}"), slot_of(b"bar"));
    }

    #[test]
    fn a_command_goes_where_its_key_is() {
        let mut cmd = redis::cmd("EVALSHA");
        cmd.arg("sha").arg(2).arg("p:{q}:jobs").arg("p:{q}:meta").arg("").arg("x");
        assert_eq!(slot_of_command(&cmd), Some(slot_of(b"q")));
        assert_eq!(slot_of_command(redis::cmd("HGET").arg("p:{q}:config").arg("f")), Some(slot_of(b"q")));
        assert_eq!(slot_of_command(redis::cmd("INFO").arg("server")), None);
        let held = held_to_slot(&cmd).unwrap().get_packed_command();
        let mut expected = redis::cmd("EVALSHA");
        expected.arg("sha").arg(3).arg("p:{q}:jobs").arg("p:{q}:meta").arg("p:{q}:still").arg("").arg("x");
        assert_eq!(held, expected.get_packed_command());
        assert!(held_to_slot(redis::cmd("EVALSHA").arg("sha").arg(1).arg("p:worker:1")).is_none(), "one key is whole");
    }

    #[test]
    fn who_has_a_slot_is_read_from_what_a_node_says() {
        let node = |host: Value, port| Value::Array(vec![host, Value::Int(port), Value::Nil]);
        let host = |host: &str| Value::BulkString(host.as_bytes().to_vec());
        let range =
            |first, last, nodes: Vec<Value>| Value::Array([vec![Value::Int(first), Value::Int(last)], nodes].concat());
        let reply = Value::Array(vec![
            range(0, 9, vec![node(host("a.example"), 1), node(host("b"), 2)]),
            range(10, 10, vec![node(host(""), 3), node(host("b"), 2)]),
            range(11, 11, vec![node(Value::Nil, 3)]),
        ]);
        let mut map = SlotMap::read(&reply, &at("asked", 9)).unwrap();
        assert_eq!(map.owner(9), Some(&at("a.example", 1)));
        assert_eq!((map.owner(10), map.owner(11)), (Some(&at("asked", 3)), Some(&at("asked", 3))));
        assert_eq!((map.owner(12), map.uncovered()), (None, SLOTS - 12));
        map.moved(9, at("b", 2));
        assert_eq!((map.owner(9), map.owner(8)), (Some(&at("b", 2)), Some(&at("a.example", 1))));
        assert_eq!(map.everybody().count(), 4);
        assert_eq!(SlotMap::read(&Value::Array(vec![]), &at("asked", 9)), None);
        assert_eq!(redirected(":7", &at("asked", 9)), Some(at("asked", 7)));
        assert_eq!(redirected("::1:7", &at("asked", 9)), Some(at("::1", 7)));
    }
}
