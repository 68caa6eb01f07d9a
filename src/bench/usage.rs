//! What this process and the servers have used so far.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::client::Client;
use crate::error::Result;

/// Taken at one instant, as nearly as may be.
pub(super) struct Usage {
    pub at: Instant,
    /// The time of a core that this process has used, in microseconds.
    pub own_us: f64,
    /// The same of Redis, of all masters where there are several.
    pub redis_us: f64,
    /// The memory of Redis.
    pub redis_bytes: f64,
    /// How often Redis has read from a connection.
    pub redis_reads: f64,
}

impl Usage {
    pub(super) async fn now(client: &Client) -> Result<Self> {
        let servers = client.store().server_infos().await?;
        let sum = |fields: &[&str]| {
            let of = |info: &BTreeMap<String, String>| {
                fields.iter().filter_map(|name| info.get(*name)?.parse::<f64>().ok()).sum::<f64>()
            };
            servers.iter().map(of).sum::<f64>()
        };
        Ok(Self {
            redis_us: sum(&["used_cpu_user", "used_cpu_sys"]) * 1e6,
            redis_bytes: sum(&["used_memory"]),
            redis_reads: sum(&["total_reads_processed"]),
            own_us: own_us(),
            at: Instant::now(),
        })
    }
}

/// The time of a core that this process has used.
fn own_us() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}
