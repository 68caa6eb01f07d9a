//! Sentinels that are dead, foreign or ignorant, as a command tells of them.

use std::time::Duration;

use crate::support::{Cli, TestRedis, free_port};

fn through(urls: &[u16], name: &str) -> Cli {
    let urls: Vec<_> = urls.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let cli = Cli::bare().env("REDIS_MODE", "sentinel").env("REDIS_SENTINEL_NAME", name);
    cli.env("REDIS_SENTINEL_URLS", urls.join(","))
}

#[test]
fn r20_commands_skip_what_is_no_sentinel_and_name_what_is_wrong() {
    let mut master = TestRedis::start();
    let watch = format!("sentinel monitor mymaster 127.0.0.1 {} 2", master.port());
    let sentinel = TestRedis::builder().sentinel().set(&watch).start();
    let (dead, foreign, good) = (free_port(), master.port(), sentinel.port());

    let output = through(&[dead, foreign, good], "mymaster").run(["stats"]).expect(0);
    assert!(output.elapsed < Duration::from_secs(3), "{:?}", output.elapsed);

    let output = through(&[good], "nosuch").run(["stats"]).expect(78);
    assert!(output.stderr.contains("nosuch") && output.stderr.contains(&good.to_string()), "{}", output.stderr);

    master.kill9();
    for args in [&["stats"][..], &["enqueue", "q", "{}"]] {
        let output = through(&[dead, good], "mymaster").run(args).expect(69);
        assert!(output.elapsed < Duration::from_secs(6), "{:?}", output.elapsed);
        assert!(output.stderr.contains("mymaster") && output.stderr.contains("NOQUORUM"), "{}", output.stderr);
        assert!(output.stderr.contains(&good.to_string()), "{}", output.stderr);
    }
}
