//! One master of a cluster is away and has no replica: what the others have is seen and acted on, and the rest is named.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use expectrl::Expect;
use serde_json::Value;

use crate::cli_top::{rest, session, until};
use crate::support::*;

const LONG: Duration = Duration::from_secs(60);
/// Nodes that are away are asked at once, so this is for all that was left out together.
const ONE_TIMEOUT: Duration = Duration::from_secs(8);
const PARTITIONS: u16 = 6;
const JOBS: usize = 48;

fn masters() -> Cluster {
    Cluster::with(0, |node| node.set("cluster-require-full-coverage no"))
}

/// A name of which the node has the own place, or has it not.
fn name_on(cluster: &Cluster, stem: &str, fits: impl Fn(usize) -> bool) -> String {
    let mut names = (0..1_000).map(|n| format!("{stem}-{n}"));
    names.find(|name| fits(cluster.owner(name))).expect("each node has some")
}

fn list_node(cluster: &Cluster) -> usize {
    let has = |server: &TestRedis| server.try_query::<redis::Value>(&["EXISTS", "ireva:queue:registry"]).is_ok();
    cluster.servers.iter().position(has).unwrap()
}

/// The partitions of a queue that a node has.
fn partitions_on(cluster: &Cluster, queue: &str, node: usize) -> BTreeSet<String> {
    let all = (1..=PARTITIONS).map(|number| format!("{number}/{PARTITIONS}"));
    all.filter(|partition| cluster.owner(&format!("{queue}:{partition}")) == node).collect()
}

fn place(cluster: &Cluster, node: usize) -> String {
    format!("127.0.0.1:{}", cluster.servers[node].port())
}

/// Jobs in a queue of several partitions: those on the node, and the others.
fn spread_jobs(cli: &Cli, queue: &str, away: &BTreeSet<String>) -> (BTreeSet<String>, BTreeSet<String>) {
    cli.ok(["queues", "set", queue, "--partitions", &PARTITIONS.to_string()]);
    cli.enqueue_lines(queue, (0..JOBS).map(|n| format!(r#"{{"id":"job-{n:04}","payload":{n}}}"#)));
    let ids: Vec<_> = (0..JOBS).map(|n| format!("job-{n:04}")).collect();
    let shown = cli.json(["jobs", "show", "--queue", queue].into_iter().chain(ids.iter().map(String::as_str)));
    let rows = shown.as_array().unwrap().iter();
    let at = rows.map(|job| (job["id"].as_str().unwrap().to_owned(), job["partition"].as_str().unwrap().to_owned()));
    let (lost, there): (Vec<_>, Vec<_>) = at.partition(|(_, partition)| away.contains(partition));
    let only_ids = |jobs: Vec<(String, String)>| jobs.into_iter().map(|(id, _)| id).collect::<BTreeSet<_>>();
    (only_ids(lost), only_ids(there))
}

fn lines(output: &Output) -> BTreeSet<String> {
    output.stdout.lines().map(str::to_owned).collect()
}

fn rows(output: &Output) -> Vec<Value> {
    output.json().as_array().unwrap().clone()
}

fn queues(rows: &[Value]) -> BTreeSet<&str> {
    rows.iter().map(|row| row["queue"].as_str().unwrap()).collect()
}

/// Ends with 69, and says which node does not answer and what it has; no later than one that is away is waited for.
#[track_caller]
fn partly(cli: &Cli, args: &[&str], told: &[&str]) -> Output {
    let began = Instant::now();
    let output = cli.run(args).expect(69);
    assert!(began.elapsed() < ONE_TIMEOUT, "{args:?} took {:?}", began.elapsed());
    for word in told {
        assert!(output.stderr.contains(word), "{args:?}: {word:?} is not in {}", output.stderr);
    }
    output
}

/// `doctor` and `check` while a node is away that has a queue, and some of the partitions of another.
#[track_caller]
fn examined(cli: &Cli, (node, gone): (&str, &str), (wide, there): (&str, usize), here: &str) {
    let findings = rows(&cli.run(["doctor", "-o", "json"]).expect(1));
    let is_down = |row: &&Value| row["code"] == "cluster_node_down";
    let down: Vec<_> = findings.iter().filter(is_down).collect();
    assert_eq!((down.len(), down[0]["about"].as_str()), (1, Some(node)), "{findings:#?}");
    assert!(down[0]["message"].as_str().unwrap().contains(&format!("queue {gone}")), "{down:#?}");
    assert!(findings.iter().any(|row| row["about"] == here), "the others are looked at: {findings:#?}");
    let of_one = rows(&cli.run(["doctor", wide, "-o", "json"]).expect(1));
    assert!(of_one.iter().any(|row| is_down(&row)), "{of_one:#?}");
    let waits = |row: &Value| row["code"] == "no_worker" && row["about"] == wide;
    assert!(of_one.iter().any(waits) && findings.iter().any(waits), "what is there is judged: {of_one:#?}");
    cli.run(["check", "backlog", here]).expect(0);
    let checked = cli.run(["check", "backlog", wide]).expect(2);
    assert!(checked.stdout.contains(&format!("{there} jobs in line")) && checked.stdout.contains(node), "{checked:?}");
    cli.run(["check", "backlog", gone]).expect(2);
}

#[test]
fn what_the_other_nodes_have_is_shown_and_the_rest_named() {
    let mut cluster = masters();
    let cli = cluster.cli();
    let dead = (list_node(&cluster) + 1) % 3;
    let (wide, gone) = (name_on(&cluster, "wide", |node| node != dead), name_on(&cluster, "gone", |node| node == dead));
    let here = name_on(&cluster, "here", |node| node != dead);
    let away = partitions_on(&cluster, &wide, dead);
    assert!(!away.is_empty() && away.len() < usize::from(PARTITIONS), "{away:?}");
    let (lost, there) = spread_jobs(&cli, &wide, &away);
    for queue in [&gone, &here] {
        cli.enqueue(queue, "1", &[]);
    }
    let node = place(&cluster, dead);
    cluster.servers[dead].kill9();

    let named = [node.as_str(), &format!("queue {gone}"), &format!("of queue {wide}"), away.first().unwrap().as_str()];
    let stats = rows(&partly(&cli, &["stats", "-o", "json"], &named));
    assert_eq!(queues(&stats), BTreeSet::from([here.as_str(), &wide]));
    let of_wide = stats.iter().find(|row| row["queue"] == *wide).unwrap();
    let not_counted: BTreeSet<_> =
        of_wide["partitionsAway"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    assert_eq!(not_counted, away.iter().map(String::as_str).collect());
    assert_eq!((of_wide["pending"].as_u64(), of_wide["partitions"].as_u64()), (Some(there.len() as u64), Some(6)));
    let listed = rows(&partly(&cli, &["queues", "list", "-o", "json"], &named));
    assert_eq!(queues(&listed), BTreeSet::from([here.as_str(), &wide]));
    partly(&cli, &["workers", "list"], &named);
    cli.run(["stats", here.as_str()]).expect(0);
    partly(&cli, &["stats", &gone], &[&node, &format!("queue {gone}")]);

    let of_wide = [node.as_str(), &format!("of queue {wide}")];
    assert_eq!(partly(&cli, &["stats", &wide, "-o", "json"], &of_wide).json()["pending"], there.len());
    assert!(partly(&cli, &["stats", &wide, "-o", "table"], &of_wide).stdout.contains("not counted"));
    assert_eq!(lines(&partly(&cli, &["jobs", "list", &wide, "-o", "name"], &of_wide)), there);
    let (seen, unseen) = (there.first().unwrap(), lost.first().unwrap());
    for args in [["jobs", "show", seen, "--queue", &wide], ["jobs", "show", &seen[..], "-o", "json"]] {
        assert!(partly(&cli, &args, &[&node]).stdout.contains(seen.as_str()), "{args:?}");
    }
    assert!(partly(&cli, &["explain", seen, "--queue", &wide], &of_wide).stdout.contains(seen.as_str()));
    let missing = partly(&cli, &["jobs", "show", unseen, "--queue", &wide], &of_wide);
    assert!(missing.stderr.contains("not found") && missing.stdout.is_empty(), "{missing:?}");
    partly(&cli, &["dlq", "list", &wide], &of_wide);
    partly(&cli, &["schedule", "list"], &[&node]);

    examined(&cli, (&node, &gone), (&wide, there.len()), &here);

    let serve = Serve::start(&cli);
    let reply = serve.get("/api/jobs/stats").expect(200);
    let header = reply.header("ireva-unreached").unwrap_or_default();
    assert!(header.contains(&gone) && header.contains(&format!("{wide}:{}", away.first().unwrap())), "{header}");
    assert_eq!(reply.json().as_array().map(Vec::len), Some(2));

    cluster.servers[dead].restart();
    wait_until(LONG, "all is shown again", || cli.run(["stats"]).code == Some(0));
    assert_eq!(cli.json(["stats", &wide])["pending"], JOBS);
    assert_eq!(serve.get("/api/jobs/stats").expect(200).header("ireva-unreached"), None);
}

#[test]
fn an_act_on_many_jobs_does_what_it_can_and_is_repeated_for_the_rest() {
    let mut cluster = masters();
    let cli = cluster.cli();
    let audit = cluster
        .servers
        .iter()
        .position(|server| server.try_query::<redis::Value>(&["EXISTS", "ireva:queue:audit"]).is_ok());
    let dead = (0..3).find(|node| Some(*node) != audit && *node != list_node(&cluster)).unwrap();
    let wide = name_on(&cluster, "wide", |node| node != dead);
    let away = partitions_on(&cluster, &wide, dead);
    let (lost, there) = spread_jobs(&cli, &wide, &away);
    let of_wide = [place(&cluster, dead), format!("of queue {wide}")];
    let of_wide = of_wide.each_ref().map(String::as_str);
    cluster.servers[dead].kill9();
    let cleared = partly(&cli, &["clear", &wide, "--yes", "-o", "json"], &of_wide).json();
    assert_eq!(cleared["changed"], there.len(), "{cleared}");
    let act = cleared["act"].as_str().unwrap();
    let undone = partly(&cli, &["undo", act, "-o", "json"], &of_wide).json();
    assert_eq!(undone["restored"], there.len(), "{undone}");
    assert_eq!(lines(&partly(&cli, &["jobs", "list", &wide, "-o", "name"], &of_wide)), there);
    partly(&cli, &["clear", &wide, "--yes"], &of_wide);

    cluster.servers[dead].restart();
    wait_until(LONG, "all is there again", || cli.run(["stats"]).code == Some(0));
    assert_eq!(lines(&cli.run(["jobs", "list", &wide, "-o", "name"]).expect(0)), lost);
    let rest = cli.json(["clear", &wide, "--yes"]);
    assert_eq!(rest["changed"], lost.len(), "{rest}");
}

#[test]
fn what_is_left_of_a_queue_whose_own_node_is_away_is_found_on_the_others() {
    let mut cluster = masters();
    let cli = cluster.cli();
    // It has the list of queues, too.
    let dead = list_node(&cluster);
    let (wide, gone) = (name_on(&cluster, "wide", |node| node == dead), name_on(&cluster, "gone", |node| node == dead));
    let here = name_on(&cluster, "here", |node| node != dead);
    let away = partitions_on(&cluster, &wide, dead);
    let (_, there) = spread_jobs(&cli, &wide, &away);
    for queue in [&gone, &here] {
        cli.enqueue(queue, "1", &[]);
    }
    let node = place(&cluster, dead);
    cluster.servers[dead].kill9();
    let named = [node.as_str(), "the list of queues", &format!("the settings of queue {wide}")];
    let stats = rows(&partly(&cli, &["stats", "-o", "json"], &named));
    assert_eq!(queues(&stats), BTreeSet::from([here.as_str(), &wide]));
    let of_wide = stats.iter().find(|row| row["queue"] == *wide).unwrap();
    assert_eq!((of_wide["pending"].as_u64(), of_wide["partitions"].as_u64()), (Some(there.len() as u64), Some(6)));
    assert_eq!(lines(&partly(&cli, &["jobs", "list", &wide, "-o", "name"], &[&node])), there);
    let seen = there.first().unwrap();
    assert!(partly(&cli, &["jobs", "show", seen], &[&node]).stdout.contains(seen.as_str()));
    assert!(partly(&cli, &["explain", seen], &[&node]).stdout.contains(seen.as_str()));
    let found = rows(&cli.run(["doctor", "-o", "json"]).expect(1));
    assert!(found.iter().any(|row| row["about"] == *here), "{found:#?}");
    partly(&cli, &["stats", &gone], &[&node, &format!("queue {gone}")]);
}

#[test]
fn schedules_and_alerts_of_the_other_nodes_go_on() {
    let mut cluster = masters();
    let cli = cluster.cli();
    let alerts = cluster.owner(":alerts");
    let dead = (0..3).find(|node| *node != alerts && *node != list_node(&cluster)).unwrap();
    let (here, gone) = (name_on(&cluster, "here", |node| node != dead), name_on(&cluster, "gone", |node| node == dead));
    for queue in [&here, &gone] {
        cli.ok(["schedule", "add", &format!("tick-{queue}"), queue, "{}", "--every", "1s"]);
    }
    cli.ok(["alerts", "set", "full", "--when", "backlog", "--above", "3", "--for", "0s", "--queue", &here]);
    cli.ok(["alerts", "set", "any", "--when", "backlog", "--above", "1000000"]);
    let mut scheduler = cli.service(["scheduler", "--log-format", "json"]);
    let mut alerter = cli.clone().env("ALERT_INTERVAL", "1s").service(["alerts", "run", "--log-format", "json"]);
    let pending = |queue: &str| cli.json(["stats", queue])["pending"].as_u64().unwrap();
    wait_until(LONG, "both tick", || pending(&here) > 0 && pending(&gone) > 0);
    cluster.servers[dead].kill9();
    let node = place(&cluster, dead);
    let says = |process: &WorkProcess, word: &str| process.log().iter().filter(|line| line.contains(word)).count();
    wait_until(LONG, "it is told", || says(&scheduler, "left out") > 0);
    let before = pending(&here);
    let began = Instant::now();
    wait_until(LONG, "it ticks on", || pending(&here) >= before + 8);
    assert!(began.elapsed() < Duration::from_secs(13), "8 ticks of a second took {:?}", began.elapsed());
    assert_eq!(says(&scheduler, "left out"), 1, "{:#?}", scheduler.log());
    let once = cli.run(["scheduler", "--once"]).expect(69);
    assert!(once.stderr.contains(&gone), "{once:?}");
    wait_until(LONG, "the alert fires", || {
        let history = cli.json(["alerts", "history"]);
        history.as_array().unwrap().iter().any(|entry| entry["alert"] == "full" && entry["event"] == "firing")
    });
    cluster.servers[dead].restart();
    wait_until(LONG, "its return is told", || says(&scheduler, &format!("{node} answers again")) == 1);
    let before = wait_for(LONG, "it is there", || {
        cli.run(["stats", &gone]).code.filter(|code| *code == 0).map(|_| pending(&gone))
    });
    wait_until(LONG, "and its schedule is fired", || pending(&gone) > before);
    assert_eq!((scheduler.stop(LONG), alerter.stop(LONG)), (Some(0), Some(0)));
}

#[test]
fn an_alert_about_what_cannot_be_seen_stands() {
    let mut cluster = masters();
    let cli = cluster.cli();
    let dead = list_node(&cluster);
    assert_ne!(dead, cluster.owner(":alerts"));
    let elsewhere = |name: &str| name_on(&cluster, name, |node| node != dead);
    let ([here, there], gone) = (["here", "there"].map(elsewhere), name_on(&cluster, "gone", |node| node == dead));
    let wide = (0..).map(|n| elsewhere(&format!("wide-{n}")));
    let (wide, away) = wide
        .map(|wide| (partitions_on(&cluster, &wide, dead), wide))
        .find_map(|(away, wide)| (!away.is_empty()).then_some((wide, away)))
        .unwrap();
    let (_, seen) = spread_jobs(&cli, &wide, &away);
    let enqueue = |queue: &str, count: usize| (0..count).for_each(|_| _ = cli.enqueue(queue, "1", &[]));
    enqueue(&gone, 5);
    enqueue(&here, 1);
    enqueue(&there, 1);
    cli.ok(["alerts", "set", "any", "--when", "backlog", "--above", "4", "--for", "0s"]);
    let more = (seen.len() + 1).to_string();
    cli.ok(["alerts", "set", "wide", "--when", "backlog", "--above", &more, "--for", "0s", "--queue", &wide]);
    let mut alerter = cli.clone().env("ALERT_INTERVAL", "1s").service(["alerts", "run", "--log-format", "json"]);
    let told = |alert: &str, about: &str, event: &str| {
        let history = cli.json(["alerts", "history"]);
        let is_it = |entry: &&Value| entry["alert"] == alert && entry["subject"] == about && entry["event"] == event;
        history.as_array().unwrap().iter().filter(is_it).count()
    };
    for (alert, about) in [("any", &gone), ("any", &wide), ("wide", &wide)] {
        wait_until(LONG, "it fires", || told(alert, about, "firing") == 1);
    }
    cluster.servers[dead].kill9();
    // Each is seen in a round that began behind the death.
    for queue in [&here, &there] {
        enqueue(queue, 4);
        wait_until(LONG, "the others are watched", || told("any", queue, "firing") == 1);
    }
    for (alert, about) in [("any", &gone), ("any", &wide), ("wide", &wide)] {
        assert_eq!(told(alert, about, "recovered"), 0, "{alert} of {about}: {}", cli.json(["alerts", "history"]));
    }
    cluster.servers[dead].restart();
    assert_eq!(alerter.stop(LONG), Some(0));
}

#[test]
fn a_worker_says_once_which_partitions_it_cannot_ask_and_once_that_it_can_again() {
    let mut cluster = masters();
    let cli = cluster.cli();
    let dead = (list_node(&cluster) + 1) % 3;
    let wide = name_on(&cluster, "wide", |node| node != dead);
    let away = partitions_on(&cluster, &wide, dead);
    cli.ok(["queues", "set", &wide, "--partitions", &PARTITIONS.to_string()]);
    cluster.servers[dead].kill9();
    let mut worker = cli.work([&wide, "--lease", "5s", "--exec", "true"]).ready();
    let says = |worker: &WorkProcess, word: &str| worker.log().iter().filter(|line| line.contains(word)).count();
    let called = format!("of queue {wide}");
    let first = away.first().unwrap();
    wait_until(LONG, "it is told", || says(&worker, "does not answer for partition") > 0);
    let told: Vec<_> = worker.log().into_iter().filter(|line| line.contains("does not answer for partition")).collect();
    assert!(told[0].contains(&called) && told[0].contains(first.as_str()), "{told:?}");
    cluster.servers[dead].restart();
    wait_until(LONG, "its return is told", || says(&worker, "redis answers for partition") > 0);
    assert_eq!(says(&worker, "does not answer for partition"), 1, "{:#?}", worker.log());
    assert_eq!(worker.stop(LONG), Some(0));
}

#[test]
fn the_dashboard_shows_what_the_other_nodes_have_and_names_the_rest() {
    let mut cluster = masters();
    let cli = cluster.cli();
    let dead = (list_node(&cluster) + 1) % 3;
    let (here, gone) = (name_on(&cluster, "here", |node| node != dead), name_on(&cluster, "gone", |node| node == dead));
    for queue in [&here, &gone] {
        cli.enqueue(queue, "1", &[]);
    }
    cluster.servers[dead].kill9();
    let mut session = session(&cli, &[], &["--interval", "1s"]);
    until(&mut session, "left out");
    until(&mut session, &here);
    cli.enqueue(&here, "1", &[]);
    cluster.servers[dead].restart();
    until(&mut session, &gone);
    session.send("q").unwrap();
    rest(&mut session);
}
