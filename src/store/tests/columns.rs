//! What the scripts on the path of a job make of many jobs in one call: ids, claims, ends, each in its column.

use super::config;
use super::redis_server::TestRedis;
use crate::client::Client;
use crate::config::Durable;
use crate::job::{JobId, NewJob, Priority, QueueName};
use crate::store::{Accepted, Claimed, End, EnqueueCall, FetchCall, Key, QueueKeys, Standing, Store};

const WORKER: &str = "host-1-01ARZ3NDEKTSV4RRFFQ69G5FAV01ARZ3NDEK";

fn start() -> (TestRedis, Store, QueueKeys) {
    let redis = TestRedis::start();
    let store = Client::new(&config(redis.env())).unwrap().open_store();
    let keys = store.keys(&QueueName::new("q").unwrap());
    (redis, store, keys)
}

async fn add(store: &Store, keys: &QueueKeys, call: u64, jobs: &[&NewJob]) -> Vec<Accepted> {
    let told = EnqueueCall { producer: "p", call, usual: Durable::Off, former: None, key: None };
    store.enqueue(keys, told, jobs).await.unwrap().accepted
}

async fn take(store: &Store, keys: &QueueKeys, call: u64, slots: usize) -> Vec<Claimed> {
    let ask = FetchCall { worker: WORKER, call, slots, prefetch: 0, lease_ms: 60_000, alone: false };
    store.fetch(keys, ask).await.unwrap().jobs
}

fn jobs(count: usize) -> Vec<NewJob> {
    (0..count).map(|n| NewJob::from_json(format!(r#"{{"n":{n}}}"#)).unwrap()).collect()
}

#[tokio::test]
async fn plain_jobs_of_one_id_in_a_call_are_one_job_and_the_first() {
    let (_redis, store, keys) = start();
    let made = jobs(4);
    let again = NewJob { payload: made[3].payload.clone(), ..made[1].clone() };
    let answers = add(&store, &keys, 1, &[&made[0], &made[1], &again, &made[2]]).await;
    assert_eq!(answers, [Accepted::Added, Accepted::Added, Accepted::Duplicate, Accepted::Added]);
    let taken: Vec<_> = take(&store, &keys, 1, 10).await.into_iter().map(|job| (job.id, job.record)).collect();
    assert_eq!(taken.len(), 3);
    assert!(taken[1].0 == made[1].id && taken[1].1.ends_with(r#"{"payload":{"n":1}}"#), "{taken:?}");
    // One that is known already does not keep the others out, wherever it stands.
    let more = jobs(2);
    let answers = add(&store, &keys, 2, &[&more[0], &made[0], &more[1]]).await;
    assert_eq!(answers, [Accepted::Added, Accepted::Duplicate, Accepted::Added]);
}

#[tokio::test]
async fn claims_of_a_call_rise_by_one_and_each_has_its_job() {
    let (_redis, store, keys) = start();
    let levels = [Priority::Normal, Priority::Low, Priority::Critical, Priority::High];
    let made: Vec<_> = jobs(48).into_iter().enumerate().map(|(n, job)| job.priority(levels[n % 4])).collect();
    add(&store, &keys, 1, &made.iter().collect::<Vec<_>>()).await;
    let plain = jobs(250);
    add(&store, &keys, 2, &plain.iter().collect::<Vec<_>>()).await;
    let mut last = 0;
    let mut order = Vec::new();
    for call in 1..=3 {
        let taken = take(&store, &keys, call, 100).await;
        assert_eq!(taken.len(), if call < 3 { 100 } else { 98 });
        if call > 1 {
            assert!(taken[0].fence() > last);
            last = taken[0].fence() - 1;
        }
        for job in &taken {
            assert!(last == 0 || job.fence() == last + 1, "{} after {last}", job.claim);
            last = job.fence();
            let parts: Vec<_> = job.claim.split('|').collect();
            let (level, arrival) = parts[1].split_once(':').unwrap();
            let arrived = job.record.split('{').next().unwrap();
            assert_eq!((arrival, parts[3], parts.len()), (arrived, WORKER, 6), "{}", job.claim);
            order.push((level.parse::<u8>().unwrap(), arrival.parse::<i64>().unwrap(), job.id.clone()));
        }
    }
    assert!(order.is_sorted(), "the most urgent first, then by arrival");
    let arrivals: std::collections::BTreeSet<_> = order.iter().map(|(_, arrival, _)| arrival).collect();
    assert_eq!(arrivals.len(), 298, "each has its own");
}

#[tokio::test]
async fn each_end_of_a_call_goes_by_its_own_claim() {
    let (redis, store, keys) = start();
    let made = jobs(6);
    add(&store, &keys, 1, &made.iter().collect::<Vec<_>>()).await;
    let taken = take(&store, &keys, 1, 6).await;
    let unknown = JobId::new("unknown").unwrap();
    // Of another's claim, cancelled, and of no job. Whoever has lost a claim writes no result either.
    redis.query::<()>(&["HSET", keys.name(Key::Active), taken[2].id.as_str(), "1|2:1|1|other||"]);
    let marked = format!("cancelled|{}", taken[3].claim);
    redis.query::<()>(&["HSET", keys.name(Key::Active), taken[3].id.as_str(), &marked]);
    let result = |n: usize| ["", "one", "two", "three", "", "five"][n];
    let mut ends: Vec<_> =
        taken.iter().enumerate().map(|(n, job)| (&job.id, &*job.claim, End::Complete { result: result(n) })).collect();
    ends.insert(4, (&unknown, "1|2:1|1|nobody||", End::Complete { result: "of nobody" }));
    let settled = store.end(&keys, WORKER, &ends).await.unwrap();
    assert_eq!(settled.others, [(2, Standing::Taken), (3, Standing::Cancelled), (4, Standing::Gone)]);
    let read = |id: &JobId| redis.query::<Option<String>>(&["GET", &format!("ireva:queue:{{q}}:result:{id}")]);
    assert_eq!((read(&taken[1].id).as_deref(), read(&taken[5].id).as_deref()), (Some("one"), Some("five")));
    let others = [&taken[0].id, &taken[2].id, &taken[3].id, &unknown];
    assert_eq!(others.map(read), [const { None }; 4]);
    let mut left: Vec<String> = redis.query(&["HKEYS", keys.name(Key::Active)]);
    left.sort();
    let mut expected = [taken[2].id.to_string(), taken[3].id.to_string()];
    expected.sort();
    assert_eq!(left, expected);
}

#[tokio::test]
async fn a_key_of_another_type_is_met_before_anything_is_claimed() {
    let (redis, store, keys) = start();
    let made = jobs(2);
    add(&store, &keys, 1, &[&made[0], &made[1]]).await;
    for (key, call) in [(Key::History, 1), (Key::Crashes, 2)] {
        redis.query::<()>(&["SET", keys.name(key), "a hand"]);
        let ask = FetchCall { worker: WORKER, call, slots: 10, prefetch: 0, lease_ms: 60_000, alone: false };
        assert_eq!(store.fetch(&keys, ask).await.unwrap_err().kind(), crate::ErrorKind::Corrupt);
        assert_eq!(redis.query::<usize>(&["HLEN", keys.name(Key::Active)]), 0, "{key:?}");
        redis.query::<()>(&["DEL", keys.name(key)]);
    }
    assert_eq!(take(&store, &keys, 3, 10).await.len(), 2);
}

/// How often the server has executed each command since `CONFIG RESETSTAT`, and the bytes that it has read and written.
fn spent(redis: &TestRedis) -> (std::collections::BTreeMap<String, u64>, [u64; 2]) {
    let info: String = redis.query(&["INFO", "all"]);
    let number = |text: &str| text.split(['=', ',']).nth(1).and_then(|number| number.parse().ok());
    let command = |line: &str| {
        let (name, told) = line.strip_prefix("cmdstat_")?.split_once(':')?;
        Some((name.to_owned(), number(told)?))
    };
    let field =
        |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse().ok());
    let bytes = ["total_net_input_bytes", "total_net_output_bytes"].map(|name| field(name).unwrap());
    let counted = info.lines().filter_map(command).filter(|(name, _)| !name.starts_with("info") && !name.contains('|'));
    (counted.collect(), bytes)
}

/// A change that makes the path of a job dearer fails here, whatever the machine is at: commands and bytes are counted, not
/// seconds. What is cheaper is written down.
#[tokio::test]
async fn what_a_call_of_many_jobs_costs_the_server_is_counted() {
    let (redis, store, keys) = start();
    // Scripts are loaded, the queue is known, a job has been completed.
    let first = jobs(1);
    add(&store, &keys, 1, &[&first[0]]).await;
    let taken = take(&store, &keys, 1, 1).await;
    store.end(&keys, WORKER, &[(&taken[0].id, &taken[0].claim, End::Complete { result: "" })]).await.unwrap();
    let payload = format!(r#"{{"text":"{}"}}"#, "x".repeat(188));
    let made: Vec<_> = (0..300).map(|_| NewJob::from_json(payload.clone()).unwrap()).collect();
    let mut costs = Vec::new();
    let reset = || redis.query::<()>(&["CONFIG", "RESETSTAT"]);
    reset();
    add(&store, &keys, 2, &made.iter().collect::<Vec<_>>()).await;
    costs.push(("enqueue", spent(&redis)));
    reset();
    let taken = take(&store, &keys, 2, 300).await;
    costs.push(("fetch", spent(&redis)));
    let ends: Vec<_> = taken.iter().map(|job| (&job.id, &*job.claim, End::Complete { result: "" })).collect();
    reset();
    store.end(&keys, WORKER, &ends).await.unwrap();
    costs.push(("complete", spent(&redis)));
    // The most that each may take: commands in the script, bytes to the server and from it a job.
    let most = [("enqueue", 14, 260, 1), ("fetch", 25, 3, 375), ("complete", 19, 140, 1)];
    for ((name, (commands, bytes)), (of, commands_most, in_most, out_most)) in costs.iter().zip(most) {
        let total: u64 =
            commands.iter().filter(|(name, _)| !["evalsha", "config"].contains(&name.as_str())).map(|(_, n)| n).sum();
        let [read, written] = bytes.map(|bytes| bytes / 300);
        assert_eq!((*name, commands.get("evalsha")), (of, Some(&1)), "one call: {commands:?}");
        assert!(total <= commands_most, "{name}: {total} commands, {commands_most} at most: {commands:#?}");
        assert!(read <= in_most && written <= out_most, "{name}: {read} bytes in and {written} out a job");
        eprintln!("{name}: {total} commands, {read} bytes in and {written} out a job");
    }
}
