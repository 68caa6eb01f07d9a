//! Redis through TLS: who is trusted, who is not, and what a refusal names.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::*;

const LONG: Duration = Duration::from_secs(60);

fn file(path: &Path) -> String {
    path.display().to_string()
}

/// The tool, told of an authority.
fn through(redis: &TestRedis, authority: &Authority) -> Cli {
    Cli::new(redis).env("REDIS_TLS", "on").env("REDIS_TLS_CA", file(&authority.ca()))
}

/// The error of a command that must be refused so, in time; it names all of `words`.
#[track_caller]
fn refused(cli: &Cli, code: i32, words: &[&str]) {
    for args in [&["stats"][..], &["enqueue", "q", "{}"]] {
        let output = cli.run(args).expect(code);
        assert!(words.iter().all(|word| output.stderr.contains(word)), "{words:?}: {}", output.stderr);
        assert!(output.stdout.is_empty() && output.stderr.lines().count() == 1, "{output:?}");
        assert!(output.elapsed < Duration::from_secs(6), "{:?}", output.elapsed);
    }
}

#[test]
fn a_server_is_known_by_the_authority_that_is_configured() {
    let authority = Authority::new();
    let redis = TestRedis::builder()
        .password("s3cret-horse")
        .tls(&authority.settings(&authority.for_loopback(), false))
        .start();
    let cli = through(&redis, &authority);
    cli.keep_completed("q");
    cli.enqueue("q", "{}", &[]);
    let mut worker = cli.work(["q", "--until-empty", "--exec", "true"]);
    assert_eq!(worker.wait(LONG), Some(0), "{:#?}", worker.log());
    assert_eq!(cli.json(["stats", "q"])["completed"], 1);
    cli.clone().env("REDIS_HOST", "localhost").run(["stats"]).expect(0);
    refused(&cli.clone().env("REDIS_PASSWORD", "wrong-horse"), 77, &["REDIS_PASSWORD"]);
}

#[test]
fn a_server_that_cannot_be_trusted_is_refused_and_told_of_with_what_to_set() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let server = |certificate: &Certificate| TestRedis::builder().tls(&authority.settings(certificate, false)).start();

    let redis = server(&authority.for_loopback());
    refused(&through(&redis, &stranger), 78, &["not trusted", "REDIS_TLS_CA", &redis.port().to_string()]);
    refused(&through(&redis, &authority).without("REDIS_TLS_CA"), 78, &["not trusted", "REDIS_TLS_CA"]);
    refused(&through(&redis, &authority).without("REDIS_TLS"), 69, &["REDIS_TLS=on"]);
    refused(&through(&redis, &authority).env("REDIS_TLS_CA", "/nowhere.pem"), 78, &["REDIS_TLS_CA", "/nowhere.pem"]);
    let key = file(&authority.itself().key);
    refused(&through(&redis, &authority).env("REDIS_TLS_CA", &key), 78, &["REDIS_TLS_CA", &key]);

    let redis = server(&stranger.itself());
    refused(&through(&redis, &authority), 78, &["not trusted", "REDIS_TLS_CA"]);
    let redis = server(&authority.sign("DNS:redis.example,IP:10.9.8.7", 2));
    refused(&through(&redis, &authority), 78, &["other names", "REDIS_HOST"]);

    let certificate = authority.sign("IP:127.0.0.1", 0);
    let made = Instant::now();
    let redis = server(&certificate);
    wait_until(LONG, "the certificate has run out", || made.elapsed() > Duration::from_millis(1_100));
    refused(&through(&redis, &authority), 78, &["run out", &redis.port().to_string()]);

    let plain = TestRedis::start();
    refused(&through(&plain, &authority), 69, &["REDIS_TLS"]);
}

#[test]
fn a_server_that_asks_for_a_certificate_gets_the_configured_one() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let redis = TestRedis::builder().tls(&authority.settings(&authority.for_loopback(), true)).start();
    let with = |certificate: &Certificate| {
        let cli = through(&redis, &authority).env("REDIS_TLS_CERT", file(&certificate.cert));
        cli.env("REDIS_TLS_KEY", file(&certificate.key))
    };
    let own = authority.sign("DNS:client", 2);
    let cli = with(&own);
    cli.keep_completed("q");
    cli.enqueue("q", "{}", &[]);
    let mut worker = cli.work(["q", "--until-empty", "--exec", "true"]);
    assert_eq!(worker.wait(LONG), Some(0), "{:#?}", worker.log());
    assert_eq!(cli.json(["stats", "q"])["completed"], 1);

    let both = ["REDIS_TLS_CERT", "REDIS_TLS_KEY"];
    refused(&through(&redis, &authority), 78, &both);
    refused(&with(&stranger.sign("DNS:client", 2)), 78, &both);
    let other = authority.sign("DNS:other", 2);
    refused(&with(&Certificate { key: other.key, ..own.clone() }), 78, &["REDIS_TLS_KEY"]);
    refused(
        &with(&Certificate { cert: "/nowhere.pem".into(), ..own.clone() }),
        78,
        &["REDIS_TLS_CERT", "/nowhere.pem"],
    );
    refused(&with(&own).without("REDIS_TLS_KEY"), 78, &both);
}

#[test]
fn sentinels_and_servers_are_reached_through_tls_with_users_of_their_own() {
    let authority = Authority::new();
    let certificate = authority.for_loopback();
    let server = |builder: RedisBuilder| builder.tls(&authority.settings(&certificate, true));
    // The sentinels keep a user that may do nothing but what the tool needs of them.
    let rules = Cli::bare().ok(["config", "acl", "--sentinels", "--user", "guard"]);
    let rules = rules.trim().strip_prefix("ACL SETUSER guard ").unwrap();
    let sentinel = |builder: RedisBuilder| {
        builder.tls(&authority.settings(&certificate, true)).set(&format!("user guard >guard-horse {rules}"))
    };
    let home = tempfile::tempdir().unwrap();
    let password = home.path().join("password");
    std::fs::write(&password, "guard-horse\n").unwrap();
    let variables = [
        ("REDIS_TLS", "on".to_owned()),
        ("REDIS_TLS_CA", file(&authority.ca())),
        ("REDIS_TLS_CERT", file(&certificate.cert)),
        ("REDIS_TLS_KEY", file(&certificate.key)),
        ("REDIS_SENTINEL_USERNAME", "guard".to_owned()),
        ("REDIS_SENTINEL_PASSWORD_FILE", file(&password)),
    ];
    let mut set = Sentinels::start_with(&server, &sentinel, &variables);
    let cli = set.env().into_iter().fold(Cli::bare(), |cli, (name, value)| cli.env(&name, value));
    cli.keep_completed("q");
    let mut worker = cli.work(["q", "--exec", "true"]).ready();
    cli.enqueue("q", "{}", &[]);
    let completed = |count: u64| {
        let stats = cli.run(["stats", "q", "-o", "json"]);
        stats.code == Some(0) && stats.json()["completed"] == count
    };
    wait_until(LONG, "it works", || completed(1));
    let found = cli.run(["doctor", "-o", "json"]).json();
    assert!(!found.to_string().contains("sentinel_"), "{found}");

    set.kill_master();
    let elected = Instant::now();
    wait_until(LONG, "a job is taken", || cli.run(["enqueue", "q", "{}"]).code == Some(0));
    wait_until(LONG, "it works on", || completed(2));
    assert!(elected.elapsed() < Duration::from_millis(7_500), "{:?}", elected.elapsed());
    assert!(worker.ended().is_none(), "{:#?}", worker.log());
    for (name, value, named) in [
        ("REDIS_SENTINEL_PASSWORD", "wrong-horse", "REDIS_SENTINEL_PASSWORD"),
        ("REDIS_SENTINEL_USERNAME", "nobody", "REDIS_SENTINEL_USERNAME"),
    ] {
        let output = cli.clone().env(name, value).run(["stats"]).expect(77);
        assert!(output.stderr.contains(named) && !output.stderr.contains("horse"), "{}", output.stderr);
    }
    let stranger = cli.clone().env("REDIS_TLS_CA", file(&Authority::new().ca()));
    let output = stranger.run(["stats"]).expect(78);
    assert!(output.stderr.contains("REDIS_TLS_CA") && output.stderr.contains("sentinel"), "{}", output.stderr);
}
