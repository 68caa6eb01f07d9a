//! The scripts: each file of `lua/` declared once, put together with the shared functions that its header names.
//!
//! A header says `KEYS` (names of [`Key`]; `pending` stands for its four lines and `parked`), `ARGV` (names; `jobs...` the first of
//! many), `flags` and `uses`. `presence`, `audit`, `breakers` and those of alerts are no queue's keys. From it come the locals that a body works
//! with, so that no body counts positions.

use std::sync::LazyLock;

use redis::{Cmd, Value};

use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::store::codec::read;
use crate::store::connection::{Answer, Connection};
use crate::store::keys::{Key, QueueKeys};
use crate::store::rights;

/// The words in a header for keys that are no queue's: what a worker says of itself, the audit, the breakers, the alerts.
const OUTSIDE: [&str; 8] =
    ["presence", "audit", "breakers", "alerts", "alerting", "alerts_turn", "alerts_outbox", "alerts_history"];

/// A script, ready to be sent.
pub(crate) struct Script {
    /// The file's name without its ending.
    pub name: &'static str,
    keys: Vec<Key>,
    source: String,
    sha: String,
}

macro_rules! scripts {
    ($($constant:ident $name:literal,)*) => {
        $(pub(crate) static $constant: LazyLock<Script> =
            LazyLock::new(|| Script::assemble($name, include_str!(concat!("lua/", $name, ".lua"))));)*

        /// Every script with its text.
        #[cfg(test)]
        pub(crate) const FILES: &[(&str, &str)] = &[$(($name, include_str!(concat!("lua/", $name, ".lua"))),)*];
    };
}

macro_rules! shared {
    ($($name:literal,)*) => {
        /// The functions that scripts share.
        const SHARED: &[(&str, &str)] = &[$(($name, include_str!(concat!("lua/shared/", $name, ".lua"))),)*];
    };
}

scripts! {
    ENQUEUE "enqueue",
    FORMER "former",
    CONFIRM "confirm",
    FETCH "fetch",
    COMPLETE "complete",
    RETRY "retry",
    SNOOZE "snooze",
    BURY "bury",
    RELEASE "release",
    CANCELLED "cancelled",
    RENEW "renew",
    PASS_ON "pass_on",
    OVERDUE "overdue",
    LAST_WORDS "last_words",
    RECOVER "recover",
    FORGET "forget",
    SIGN_OFF "sign_off",
    TOLD_END "told_end",
    LAPSE "lapse",
    PROMOTE "promote",
    LOG "log",
    PROGRESS "progress",
    STATS "stats",
    PAGE "page",
    LOCATE "locate",
    SHOW "show",
    ENDED "ended",
    SETTINGS "settings",
    REMOVE "remove",
    CANCEL "cancel",
    ADVANCE "advance",
    REVIVE "revive",
    REPLACE "replace",
    TRIM "trim",
    SWEEP "sweep",
    ANNOUNCE "announce",
    DISCLAIM "disclaim",
    ORPHANS "orphans",
    STRAYS "strays",
    READMIT "readmit",
    RECOUNT "recount",
    DELETE "delete",
    DIAGNOSE "diagnose",
    RIGHTS "rights",
    FIRE "fire",
    APPOINT "appoint",
    DUE "due",
    AGENDA "agenda",
    SETTLE "settle",
    RESTORE "restore",
    RIVALS "rivals",
    PEEK_ASIDE "peek_aside",
    PUT_ASIDE "put_aside",
    CUT_ASIDE "cut_aside",
    ADMIT "admit",
    NOTE "note",
    BREAKER_FAILED "breaker_failed",
    BREAKER_PROBE "breaker_probe",
    BREAKER_CLOSE "breaker_close",
    BREAKER_OPEN "breaker_open",
    AMISS "amiss",
    MEND "mend",
    MARK "mark",
    BATCH_OPEN "batch_open",
    BATCH_SEAL "batch_seal",
    BATCHES "batches",
    BATCH_SWEEP "batch_sweep",
    TEND "tend",
    LIMIT "limit",
    LIMITS "limits",
    HASTEN "hasten",
    SPREAD "spread",
    INTENT "intent",
    IMPRINT "imprint",
    GATE "gate",
    MOVE_OUT "move_out",
    MOVE_APART "move_apart",
    MOVE_LOCKS "move_locks",
    MOVE_IN "move_in",
    MOVE_DONE "move_done",
    TURN "turn",
    ROOM "room",
    VACANCY "vacancy",
    RETIRE "retire",
    ALERT_TURN "alert_turn",
    ALERT_MOVE "alert_move",
    ALERT_PUT "alert_put",
}

shared! {
    "now", "int", "layout", "count", "arrive", "wake", "emit", "unlock", "drop", "keep", "leave", "put_off", "rank", "promote",
    "expire", "options", "place", "line", "grant", "replay", "claim", "unline", "hand", "fallen",
    "lines", "durable", "schedule", "supersede", "aside", "back", "batch", "tally", "breaker", "keyed", "parked", "slots", "right",
    "amiss", "allow", "charge", "sort_out", "park", "resume", "unpark", "limited", "luggage", "settle_in", "away", "sift",
}

/// What the header of a script says.
pub(crate) struct Header<'a> {
    pub keys: Vec<&'a str>,
    pub args: Vec<&'a str>,
    pub flags: &'a str,
    pub uses: Vec<&'a str>,
    #[cfg(test)]
    pub moves: Vec<&'a str>,
}

/// The value of a header line such as `-- KEYS: …`; empty where there is none.
fn field<'a>(text: &'a str, name: &str) -> &'a str {
    let line = |line: &'a str| line.strip_prefix("-- ")?.strip_prefix(name)?.strip_prefix(':');
    text.lines().take_while(|line| line.starts_with("--")).find_map(line).unwrap_or_default().trim()
}

impl<'a> Header<'a> {
    pub(crate) fn parse(text: &'a str) -> Self {
        let words = |name: &str| field(text, name).split_whitespace().collect::<Vec<_>>();
        let args = field(text, "ARGV").split("   ").next().unwrap_or_default().split_whitespace().collect();
        Self {
            keys: words("KEYS"),
            args,
            flags: field(text, "flags"),
            uses: words("uses"),
            #[cfg(test)]
            moves: words("moves"),
        }
    }

    /// The keys in their order, `pending` as its four lines and the jobs that are parked beside them.
    fn key_list(&self) -> Vec<Key> {
        let mut keys = Vec::new();
        for &name in self.keys.iter().filter(|name| !OUTSIDE.contains(name)) {
            let in_line = |key: &Key| key.suffix().starts_with("pending:") || *key == Key::Parked;
            let named = |key: &&Key| key.suffix() == name || (name == "pending" && in_line(key));
            let before = keys.len();
            keys.extend(Key::ALL.iter().filter(named));
            assert!(keys.len() > before, "no key is called {name}");
        }
        keys
    }

    /// The locals that name keys and arguments.
    fn locals(&self) -> String {
        let mut text = String::new();
        let mut position = 1;
        for name in &self.keys {
            if *name == "pending" {
                let [a, b, c, d] = [0, 1, 2, 3].map(|level| position + level);
                text += &format!("local pending = {{KEYS[{a}], KEYS[{b}], KEYS[{c}], KEYS[{d}]}}\n");
                text += &format!("local parked = KEYS[{}]\n", position + 4);
                position += 5;
            } else {
                text += &format!("local {name} = KEYS[{position}]\n");
                position += 1;
            }
        }
        for (index, name) in self.args.iter().enumerate() {
            text += &match name.strip_suffix("...") {
                Some(many) => format!("local {many}_at = {}\n", index + 1),
                None => format!("local {name} = ARGV[{}]\n", index + 1),
            };
        }
        text
    }
}

impl Script {
    fn assemble(name: &'static str, text: &'static str) -> Self {
        let header = Header::parse(text);
        let mut source = match header.flags {
            "" => "#!lua\n".to_owned(),
            flags => format!("#!lua flags={flags}\n"),
        };
        source += &header.locals();
        for used in &header.uses {
            let shared = SHARED.iter().find(|(name, _)| name == used).map(|(_, text)| *text);
            source += shared.unwrap_or_else(|| panic!("{name} uses {used}, which is not there"));
        }
        source += text;
        let sha = redis::Script::new(&source).get_hash().to_owned();
        Self { name, keys: header.key_list(), source, sha }
    }

    /// A call on a queue, to which the arguments behind the clock are still to be added.
    pub(crate) fn on(&self, keys: &QueueKeys, clock: &Clock) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        command.arg(self.sha.as_str()).arg(self.keys.len());
        for &key in &self.keys {
            command.arg(keys.name(key));
        }
        command.arg(clock.argument());
        command
    }

    /// A call on a key that is no queue's, to which the arguments behind the clock are still to be added.
    pub(crate) fn on_key(&self, key: &str, clock: &Clock) -> Cmd {
        self.on_keys(&[key], clock)
    }

    /// The same on several of them.
    pub(crate) fn on_keys(&self, keys: &[impl redis::ToRedisArgs], clock: &Clock) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        command.arg(self.sha.as_str()).arg(keys.len());
        for key in keys {
            command.arg(key);
        }
        command.arg(clock.argument());
        command
    }

    /// Its text, for who sends it on a connection of its own.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Sends the call.
    pub(crate) async fn send(&self, connection: &Connection, command: &Cmd) -> Result<Answer> {
        let began = std::time::Instant::now();
        let outcome = connection.eval(command, &self.source).await;
        tracing::debug!("{} took {:.1} ms", self.name, began.elapsed().as_secs_f64() * 1e3);
        match outcome {
            Err(error) if error.kind() == ErrorKind::Corrupt => Err(match self.misfit(connection, command).await {
                Some(misfit) => misfit,
                None => error.context(self.name),
            }),
            // A command inside a script: the server does not say which one it refused.
            Err(error) if error.kind() == ErrorKind::AccessDenied && !error.to_string().contains("NOPERM") => {
                Err(match key_of(command) {
                    Some(key) => rights::named(connection, self.name, &key, error).await,
                    None => error,
                })
            }
            // Where the script itself is at fault its name helps; what became of the connection has nothing to do with it.
            Err(error) if error.kind() == ErrorKind::Internal => Err(error.context(self.name)),
            outcome => outcome,
        }
    }

    /// The first key of the queue that a hand has made another type of: Redis does not say which one it met.
    async fn misfit(&self, connection: &Connection, command: &Cmd) -> Option<Error> {
        let base = key_of(command)?.strip_suffix(self.keys.first()?.suffix())?.to_owned();
        for key in Key::ALL {
            let name = format!("{base}{}", key.suffix());
            let mut command = redis::cmd("TYPE");
            command.arg(&name);
            let found: String = read("TYPE", connection.call(&command).await.ok()?.value).ok()?;
            if found != "none" && found != key.kind() {
                let (expected, id) = (key.kind(), self.name);
                return Some(Error::corrupt(format!(
                    "{id}: key {name} holds a {found}, not a {expected} (WRONGTYPE): move it away (redis-cli RENAME) or delete it"
                )));
            }
        }
        None
    }

    /// Sends the call where it does not matter whether it had to be repeated.
    pub(crate) async fn ask(&self, connection: &Connection, command: &Cmd) -> Result<Value> {
        Ok(self.send(connection, command).await?.value)
    }
}

/// The first key of a call.
fn key_of(command: &Cmd) -> Option<String> {
    match command.args_iter().nth(3)? {
        redis::Arg::Simple(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{TRANSITIONS, Transition};

    #[test]
    fn every_script_has_a_whole_header_and_fits_a_screen() {
        for (name, text) in FILES {
            let header = Header::parse(text);
            assert!(text.starts_with(&format!("-- {name}: ")), "{name}: the first line says what it does");
            assert!(!header.keys.is_empty() && header.args.first() == Some(&"clock"), "{name}");
            for needed in ["returns", "cost"] {
                assert!(!field(text, needed).is_empty(), "{name}: no {needed}");
            }
            assert!(text.lines().count() <= 60, "{name} has {} lines", text.lines().count());
            assert!(!text.contains("KEYS["), "{name} counts key positions");
            Script::assemble(name, text);
        }
        for (name, text) in SHARED {
            assert!(text.starts_with("-- "), "{name}");
            assert!(text.lines().count() <= 60, "{name} has {} lines", text.lines().count());
        }
    }

    #[test]
    fn scripts_make_exactly_the_moves_of_the_table() {
        let mut by_table: Vec<(String, String)> = TRANSITIONS
            .iter()
            .flat_map(|row| {
                row.scripts.iter().map(move |script| ((*script).to_owned(), format!("{:?}", row.transition)))
            })
            .collect();
        let mut by_header: Vec<(String, String)> = FILES
            .iter()
            .flat_map(|(name, text)| {
                Header::parse(text).moves.into_iter().map(move |step| ((*name).to_owned(), step.to_owned()))
            })
            .collect();
        by_table.sort();
        by_table.dedup();
        by_header.sort();
        assert_eq!(by_header, by_table);
        assert_eq!(format!("{:?}", Transition::Claim), "Claim");
    }
}
