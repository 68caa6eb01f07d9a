//! Watches whether any call holds up a server.

use super::TestRedis;

/// No call may hold up the server for longer.
const SLOW_MICROS: u64 = 20_000;

/// What the server did since it is watched.
pub struct Watch<'a> {
    redis: &'a TestRedis,
    waited_micros: u64,
}

impl<'a> Watch<'a> {
    pub fn start(redis: &'a TestRedis) -> Self {
        redis.watch_slow_commands(SLOW_MICROS);
        Self { redis, waited_micros: redis.waited_for_core() }
    }

    /// Fails with every call that was slower; those of the test itself are left out.
    ///
    /// The server measures by the wall clock. What it took too long in all may be explained by its waits for a core, when
    /// the machine is busy with something else, and by nothing else.
    #[track_caller]
    pub fn assert_quick(&self) {
        let own = ["KEYS", "HKEYS", "ZRANGE", "HVALS", "CONFIG", "HSET", "ZADD"];
        let mut slow = self.redis.slow_commands();
        slow.retain(|(_, call)| !own.iter().any(|verb| call.starts_with(verb)));
        let over: u64 = slow.iter().map(|(micros, _)| micros - SLOW_MICROS).sum();
        let waited = self.redis.waited_for_core() - self.waited_micros;
        assert!(over <= waited, "over {SLOW_MICROS} µs, with {waited} µs of waiting for a core: {slow:#?}");
    }
}
