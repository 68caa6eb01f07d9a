//! A running `ireva-queue serve`, and requests to it.

use std::time::Duration;

use serde_json::Value;

use super::cli::Cli;
use super::http::{Reply, Request};
use super::redis_server::TestRedis;
use super::wait::wait_for;
use super::work::WorkProcess;

const LISTENING: &str = "listening on http://";

/// A Redis of its own, the tool on it, and a server.
#[track_caller]
pub fn served() -> (TestRedis, Cli, Serve) {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let serve = Serve::start(&cli);
    (redis, cli, serve)
}

/// A server on a free loopback port. Killed and reaped on drop.
pub struct Serve {
    pub process: WorkProcess,
    /// `127.0.0.1:port`.
    pub address: String,
}

impl Serve {
    /// Starts it on loopback, and waits until it listens.
    #[track_caller]
    pub fn start(cli: &Cli) -> Self {
        Self::with(cli, &[])
    }

    /// The same with more flags.
    #[track_caller]
    pub fn with(cli: &Cli, flags: &[&str]) -> Self {
        Self::on(cli, "127.0.0.1:0", flags)
    }

    /// Bound to an address; requests go to its port on loopback.
    #[track_caller]
    pub fn on(cli: &Cli, bind: &str, flags: &[&str]) -> Self {
        let args = [&["serve", "--bind", bind], flags].concat();
        let process = cli.service(args);
        let port = wait_for(Duration::from_secs(60), "the server listens", || {
            let line = process.log().into_iter().find_map(|line| line.strip_prefix(LISTENING).map(str::to_owned));
            line.and_then(|address| address.rsplit_once(':').map(|(_, port)| port.to_owned()))
        });
        Self { process, address: format!("127.0.0.1:{port}") }
    }

    pub fn get(&self, path: &str) -> Reply {
        self.send(Request::new("GET", path))
    }

    /// A GET that must succeed; its JSON.
    #[track_caller]
    pub fn json(&self, path: &str) -> Value {
        self.get(path).expect(200).json()
    }

    pub fn post(&self, path: &str, body: &str) -> Reply {
        self.send(Request::new("POST", path).json(body))
    }

    /// A POST without a body.
    pub fn act(&self, path: &str) -> Reply {
        self.send(Request::new("POST", path))
    }

    pub fn put(&self, path: &str, body: &str) -> Reply {
        self.send(Request::new("PUT", path).json(body))
    }

    pub fn patch(&self, path: &str, body: &str) -> Reply {
        self.send(Request::new("PATCH", path).json(body))
    }

    pub fn delete(&self, path: &str) -> Reply {
        self.send(Request::new("DELETE", path))
    }

    pub fn send(&self, request: Request) -> Reply {
        request.send(&self.address)
    }
}
