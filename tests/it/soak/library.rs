//! A worker and a producer inside the test, through the library: no command line between them and the queue.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ireva_queue::config::Config;
use ireva_queue::{
    Client, Concurrency, EventKind, JobContext, Outcome, ProcessError, Processor, QueueName, Registry, Stopper, Worker,
};
use tokio::runtime::Runtime;

use super::history::Said;
use crate::support::{TestRedis, now_ms};

/// A client of this server on another port, such as a proxy's.
pub fn client(redis: &TestRedis, port: u16) -> Client {
    let mut env: BTreeMap<String, String> = redis.env().into_iter().collect();
    env.insert("REDIS_PORT".to_owned(), port.to_string());
    Client::new(&Config::from_lookup(|name| env.get(name).cloned(), None).unwrap()).unwrap()
}

/// Does what the payload says, and notes it as the commands do.
#[derive(Clone)]
struct Noting {
    ledger: PathBuf,
}

impl Noting {
    fn note(&self, ctx: &JobContext, event: &str) {
        let line = format!("{} {} {} {} {event}\n", now_ms(), ctx.job_id(), ctx.attempt(), ctx.fence());
        let mut ledger = OpenOptions::new().append(true).open(&self.ledger).unwrap();
        ledger.write_all(line.as_bytes()).unwrap();
    }
}

impl Processor for Noting {
    type Payload = String;

    async fn process(&self, payload: String, ctx: &JobContext) -> Result<Outcome, ProcessError> {
        self.note(ctx, "start");
        match payload.as_str() {
            "fail" if ctx.attempt() == 1 => return Err(ProcessError::transient("told_to", "told to fail")),
            "bad" => return Err(ProcessError::permanent("told_to", "told to die")),
            "slow" => tokio::time::sleep(Duration::from_secs(1)).await,
            _ => tokio::time::sleep(Duration::from_millis(30)).await,
        }
        self.note(ctx, "end");
        Ok(Outcome::default())
    }
}

/// A worker on a runtime of its own.
pub struct LibraryWorker {
    runtime: Runtime,
    stopper: Stopper,
    running: tokio::task::JoinHandle<ireva_queue::Result<ireva_queue::WorkerReport>>,
    said: Arc<Mutex<Vec<(String, Said)>>>,
}

impl LibraryWorker {
    pub fn start(client: &Client, queues: &[&str], ledger: PathBuf) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (mut registry, said) = (Registry::new(), Arc::new(Mutex::new(Vec::new())));
        for queue in queues {
            registry.register(QueueName::new(queue).unwrap(), Noting { ledger: ledger.clone() });
        }
        let heard: Arc<Mutex<Vec<(String, Said)>>> = said.clone();
        let builder = Worker::builder(client, registry)
            .concurrency(Concurrency::Shared(4))
            .lease(Duration::from_secs(4))
            .on_event(move |event| {
                if let (EventKind::Completed, Some(job), Some(queue)) = (event.event, &event.job, &event.queue) {
                    let said = Said { event: "completed".to_owned(), id: job.to_string() };
                    heard.lock().unwrap().push((queue.to_string(), said));
                }
            });
        let _entered = runtime.enter();
        let worker = builder.build().unwrap();
        let stopper = worker.stopper();
        let running = runtime.spawn(worker.run());
        Self { runtime, stopper, running, said }
    }

    /// Stops it in order; what it said, by queue.
    pub fn stop(self) -> Vec<(String, Said)> {
        self.stopper.stop();
        let ended = self.runtime.block_on(self.running).expect("the worker does not panic");
        ended.expect("the worker ends in order");
        std::mem::take(&mut *self.said.lock().unwrap())
    }
}
