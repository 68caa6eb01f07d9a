//! What this process uses of its machine, as Linux tells it under `/proc`; nothing where that is not there.

use std::fs;
use std::time::{Duration, Instant};

use crate::store::Vitals;

/// Ticks of `/proc/self/stat` in a second: `USER_HZ`, which the kernel's interface fixes.
const TICKS_PER_SEC: u64 = 100;
/// A share over a shorter span than this says nothing.
const SPAN_MIN: Duration = Duration::from_millis(500);

/// Reads again and again; the share of the cores is that since the reading before.
pub(crate) struct Pulse {
    at: Instant,
    ticks: Option<u64>,
    cores: u64,
    last: Option<Vitals>,
}

impl Pulse {
    /// Begins to count now.
    pub(crate) fn begin() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
        Self { at: Instant::now(), ticks: ticks_now(), cores, last: None }
    }

    /// What is used now; `None` where the system does not tell.
    pub(crate) fn read(&mut self) -> Option<Vitals> {
        let elapsed = self.at.elapsed();
        if elapsed < SPAN_MIN {
            return self.last;
        }
        let ticks = ticks_now()?;
        let cpu_permille = permille(ticks.saturating_sub(self.ticks?), elapsed, self.cores);
        (self.at, self.ticks) = (Instant::now(), Some(ticks));
        let memory_bytes = memory_bytes()?;
        let machine = kibibytes(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")?;
        let group = fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
        let memory_limit_bytes = group.map_or(machine, |group: u64| group.min(machine));
        self.last = Some(Vitals { cpu_permille, cores: self.cores, memory_bytes, memory_limit_bytes });
        self.last
    }
}

/// The memory that this process holds.
pub(crate) fn memory_bytes() -> Option<u64> {
    kibibytes(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

fn ticks_now() -> Option<u64> {
    ticks(&fs::read_to_string("/proc/self/stat").ok()?)
}

/// User and system time, of the process and of its children that have ended. The name before them may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let behind_name = stat.rsplit_once(')')?.1;
    let times: Vec<u64> = behind_name.split_whitespace().skip(11).take(4).map_while(|time| time.parse().ok()).collect();
    (times.len() == 4).then(|| times.iter().sum())
}

fn permille(ticks: u64, elapsed: Duration, cores: u64) -> u64 {
    let used = ticks as f64 / TICKS_PER_SEC as f64;
    let there = elapsed.as_secs_f64() * cores.max(1) as f64;
    ((used / there * 1000.0).round() as u64).min(1000)
}

/// A line such as `VmRSS:  1234 kB`, in bytes.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_stand_behind_a_name_that_may_hold_anything() {
        let stat = "7 (a) b) c) S 1 7 7 0 -1 4194560 9 8 7 6 150 30 15 5 20 0 3 0 99 1 2";
        assert_eq!(ticks(stat), Some(200));
        assert_eq!(ticks("7 (x) S 1 2"), None);
    }

    #[test]
    fn a_share_is_of_all_cores() {
        assert_eq!(permille(200, Duration::from_secs(2), 1), 1000);
        assert_eq!(permille(200, Duration::from_secs(2), 4), 250);
        assert_eq!(permille(900, Duration::from_secs(2), 1), 1000, "ticks and clocks differ a little");
    }

    #[test]
    fn memory_is_read_by_name() {
        assert_eq!(kibibytes("VmPeak:\t 9 kB\nVmRSS:\t  1234 kB\n", "VmRSS:"), Some(1_263_616));
        assert_eq!(kibibytes("", "VmRSS:"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_uses_memory() {
        let mut pulse = Pulse::begin();
        pulse.at = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
        let vitals = pulse.read().unwrap();
        assert!(vitals.memory_bytes > 100_000 && vitals.memory_bytes < vitals.memory_limit_bytes, "{vitals:?}");
    }
}
