//! What really ran: an append-only file that real processor programs write, and its reader.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::wait::wait_until;

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Milliseconds since 1970.
    pub at_ms: u64,
    pub id: String,
    pub attempt: u32,
    /// The fence of the claim: the instant of the claim in microseconds, by the server's clock. 0 in batches.
    pub fence: u64,
    /// `start`, `end`, or what the program says.
    pub event: String,
}

/// A directory with the ledger and the programs that write it.
pub struct Ledger {
    directory: TempDir,
}

impl Ledger {
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("ireva-ledger-").tempdir().unwrap();
        fs::write(directory.path().join("ledger"), "").unwrap();
        Self { directory }
    }

    pub fn directory(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    /// A shell program for `work --exec` that notes `start`, runs `body` and notes `end`.
    ///
    /// `body` finds the payload in `$payload` and may `exit`; `note EVENT` writes a further line. Lines are single
    /// short appends, so that many processes can write at once.
    pub fn program(&self, body: &str) -> String {
        let ledger = self.directory.path().join("ledger");
        let mut text = String::from("#!/bin/sh\n");
        writeln!(
            text,
            "note() {{ echo \"$(date +%s%3N) $IREVA_JOB_ID $IREVA_ATTEMPT ${{IREVA_FENCE:-0}} $1\" >> '{}'; }}",
            ledger.display()
        )
        .unwrap();
        writeln!(text, "payload=$(cat)\nnote start\n{body}\nnote end").unwrap();
        self.write("program", &text)
    }

    /// A program of the test's own in the ledger's directory; its path.
    pub fn write(&self, name: &str, text: &str) -> String {
        let count = fs::read_dir(self.directory.path()).unwrap().count();
        let path = self.directory.path().join(format!("{name}-{count}"));
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    }

    /// Every whole line, in the order of the appends.
    pub fn lines(&self) -> Vec<Line> {
        let text = fs::read_to_string(self.directory.path().join("ledger")).unwrap();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().filter(|line| !line.is_empty()).map(parse).collect()
    }

    /// The lines of one event.
    pub fn of(&self, event: &str) -> Vec<Line> {
        self.lines().into_iter().filter(|line| line.event == event).collect()
    }

    /// How often each job started.
    pub fn starts(&self) -> BTreeMap<String, usize> {
        self.count("start")
    }

    /// How often each job noted `event`.
    pub fn count(&self, event: &str) -> BTreeMap<String, usize> {
        self.of(event).into_iter().fold(BTreeMap::new(), |mut counts, line| {
            *counts.entry(line.id).or_default() += 1;
            counts
        })
    }

    /// The most jobs that were between start and end at once. A start without an end counts until `lost_after`.
    pub fn most_at_once(&self, lost_after: Duration) -> usize {
        let lines = self.lines();
        let mut changes = Vec::new();
        for (index, line) in lines.iter().enumerate().filter(|(_, line)| line.event == "start") {
            let end = lines[index..]
                .iter()
                .find(|later| later.event == "end" && later.id == line.id && later.attempt == line.attempt);
            let lost = line.at_ms + u64::try_from(lost_after.as_millis()).unwrap();
            changes.push((line.at_ms, 1_i64));
            changes.push((end.map_or(lost, |end| end.at_ms), -1));
        }
        // At one and the same millisecond ends come first.
        changes.sort_unstable();
        let mut running = 0;
        let most = changes.iter().map(|(_, change)| {
            running += change;
            running
        });
        usize::try_from(most.max().unwrap_or_default()).unwrap()
    }

    /// The most claims in any window of `span`, its end left out, by the server's clock.
    pub fn most_claims_within(&self, span: Duration) -> usize {
        let span_us = u64::try_from(span.as_micros()).unwrap();
        let mut claims: Vec<_> = self.of("start").iter().map(|line| line.fence).collect();
        claims.sort_unstable();
        let within = |first: usize| claims[first..].iter().take_while(|&&at| at < claims[first] + span_us).count();
        (0..claims.len()).map(within).max().unwrap_or_default()
    }

    /// Waits until so many lines of `event` are there.
    #[track_caller]
    pub fn wait(&self, event: &str, count: usize, deadline: Duration) {
        wait_until(deadline, &format!("{count} lines of {event}"), || self.of(event).len() >= count);
    }
}

/// Now, in the ledger's time.
pub fn now_ms() -> u64 {
    u64::try_from(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap()
}

fn parse(line: &str) -> Line {
    let words: Vec<_> = line.split(' ').collect();
    let [at, id, attempt, fence, event] = words[..] else { panic!("a ledger line has five words: {line:?}") };
    Line {
        at_ms: at.parse().unwrap(),
        id: id.to_owned(),
        attempt: attempt.parse().unwrap(),
        fence: fence.parse().unwrap(),
        event: event.to_owned(),
    }
}
