//! R15 on a network of its own: three hosts as network namespaces on one bridge, one of them with its cable pulled.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::*;

const LONG: Duration = Duration::from_secs(120);

/// A bridge and hosts on it; all of it is gone with its value.
struct Hosts {
    bridge: String,
    names: Vec<String>,
}

fn ip(words: &[&str]) -> bool {
    Command::new("ip").args(words).output().is_ok_and(|output| output.status.success())
}

impl Hosts {
    /// The address of the bridge, where Redis listens.
    const REDIS: &str = "10.211.77.1";

    /// `None` where the machine does not allow it.
    fn start(count: usize) -> Option<Self> {
        let mark = std::process::id() % 100_000;
        let mut hosts = Self { bridge: format!("iq{mark}"), names: Vec::new() };
        let bridge = hosts.bridge.clone();
        let is_up = ip(&["link", "add", &bridge, "type", "bridge"])
            && ip(&["addr", "add", &format!("{}/24", Self::REDIS), "dev", &bridge])
            && ip(&["link", "set", &bridge, "up"]);
        for index in 0..count {
            hosts.names.push(format!("iq{mark}-{index}"));
        }
        (is_up && (0..count).all(|index| hosts.add(index))).then_some(hosts)
    }

    fn add(&self, index: usize) -> bool {
        let (name, cable, plug) = (&self.names[index], self.cable(index), format!("iqp{index}"));
        ip(&["netns", "add", name])
            && ip(&["link", "add", &cable, "type", "veth", "peer", "name", &plug, "netns", name])
            && ip(&["link", "set", &cable, "master", &self.bridge, "up"])
            && ip(&["-n", name, "addr", "add", &format!("10.211.77.{}/24", index + 2), "dev", &plug])
            && ip(&["-n", name, "link", "set", &plug, "up"])
            && ip(&["-n", name, "link", "set", "lo", "up"])
    }

    /// The end of a host's cable at the bridge.
    fn cable(&self, index: usize) -> String {
        format!("{}c{index}", self.bridge)
    }

    /// A command on a host.
    fn on(&self, index: usize) -> [&str; 4] {
        ["ip", "netns", "exec", &self.names[index]]
    }

    /// Pulls a host's cable out of the bridge: packets go nowhere and nobody is told.
    fn pull(&self, index: usize) {
        assert!(ip(&["link", "set", &self.cable(index), "nomaster"]));
    }

    fn plug_in(&self, index: usize) {
        assert!(ip(&["link", "set", &self.cable(index), "master", &self.bridge]));
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for (index, name) in self.names.iter().enumerate() {
            ip(&["link", "delete", &self.cable(index)]);
            ip(&["netns", "delete", name]);
        }
        ip(&["link", "delete", &self.bridge]);
    }
}

#[test]
fn r15_three_hosts_work_one_queue_while_one_of_them_is_cut_off() {
    if !is_full_length() {
        eprintln!("by `make chaos` alone: it makes interfaces of the machine's own");
        return;
    }
    let Some(hosts) = Hosts::start(3) else {
        eprintln!("no network can be made here: it takes root and `ip`");
        return;
    };
    let redis = TestRedis::builder().set(&format!("bind 127.0.0.1 {}", Hosts::REDIS)).set("protected-mode no").start();
    let (local, ledger) = (Cli::new(&redis), Ledger::new());
    let cli = local.clone().env("REDIS_HOST", Hosts::REDIS);
    // The second attempt runs until the first one's acknowledgement has been refused.
    let go_on = ledger.directory().join("go-on");
    let wait = format!("until test -e {}; do sleep 0.1; done", go_on.display());
    let program =
        ledger.program(&format!("case $payload$IREVA_ATTEMPT in 21) sleep 6;; 22) {wait};; *) sleep 0.2;; esac"));
    local.keep_completed("q");
    let work = ["work", "--log-format", "json", "q", "--concurrency", "4", "--lease", "4s", "--exec", &program];
    let mut cut_off = cli.service_around(&hosts.on(0), work).ready();
    let mut ids = vec![local.enqueue("q", "2", &[])];
    ledger.wait("start", 1, LONG);
    let mut heir = cli.service_around(&hosts.on(1), work).ready();
    let mut produce = |count: usize| {
        for _ in 0..count {
            let mut enqueue = cli.around(&hosts.on(2), ["enqueue", "-q", "q", "1"]);
            let output = cli.finish({
                enqueue.stdin(std::process::Stdio::null());
                enqueue
            });
            ids.push(output.expect(0).stdout.trim().to_owned());
        }
    };
    produce(10);
    hosts.pull(0);
    let (cut, cut_ms) = (Instant::now(), now_ms());
    produce(40);
    let noticed_ms = cut_off.wait_event_ms("redis_lost") - cut_ms;
    assert!(noticed_ms < 10_000, "it noticed after {noticed_ms} ms");
    produce(20);
    wait_until(LONG, "it was cut off for two leases and a little", || cut.elapsed() >= Duration::from_secs(10));
    wait_until(LONG, "the other has done the rest", || local.json(["stats", "q"])["completed"] == 70);
    hosts.plug_in(0);
    let mended_ms = now_ms();
    let back_ms = cut_off.wait_event_ms("redis_back") - mended_ms;
    assert!(back_ms < 5_000 + 1_500, "back after {back_ms} ms");
    cut_off.wait_event("lease_lost");
    assert_eq!(local.json(["stats", "q"])["totals"]["completed"], 70, "its acknowledgement was refused");
    std::fs::write(&go_on, "").unwrap();
    produce(20);
    wait_until(LONG, "all are done", || local.json(["stats", "q"])["completed"] == 91);
    let starts = ledger.starts();
    assert!(starts.values().all(|starts| *starts <= 2), "{starts:?}");
    assert!(starts.values().filter(|starts| **starts == 2).count() <= 4, "what was in hand: {starts:?}");
    assert_eq!((cut_off.stop(LONG), heir.stop(LONG)), (Some(0), Some(0)));
    Snapshot::of(&redis, "q").assert_conserves(&ids);
    assert_balanced(&redis, &local, "q");
    assert_eq!(schema_faults(&redis), Vec::<String>::new());
}
