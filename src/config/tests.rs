//! The configuration as a table: what is read, what is refused, and in which words.

use std::time::Duration;

use super::*;

fn read(pairs: &[(&str, &str)]) -> Result<Config, ConfigProblems> {
    with_profile(pairs, None)
}

fn with_profile(pairs: &[(&str, &str)], profile: Option<&str>) -> Result<Config, ConfigProblems> {
    let lookup = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    let profile = profile.map(|text| ProfileFile { path: "c.toml".into(), text: text.to_owned() });
    Config::from_lookup(lookup, profile.as_ref())
}

#[test]
fn nothing_set_gives_the_documented_defaults() {
    let config = read(&[("HOME", "/home/u")]).unwrap();
    let endpoint = Endpoint { host: "localhost".into(), port: 6379, tls: false };
    assert_eq!(config.redis.mode, RedisMode::Standalone(endpoint));
    assert_eq!((config.redis.db, config.redis.prefix.as_str()), (0, "ireva:queue:"));
    assert_eq!((config.redis.password, config.redis.username), (None, None));
    assert_eq!(config.worker, WorkerConfig::default());
    assert_eq!(config.worker.lease, Duration::from_secs(30));
    assert_eq!(config.data_dir, PathBuf::from("/home/u/.local/share/ireva-queue"));
    assert_eq!(read(&[("REDIS_PORT", ""), ("REDIS_MODE", "")]).unwrap().redis, config_defaults());
}

fn config_defaults() -> RedisConfig {
    read(&[]).unwrap().redis
}

#[test]
fn r50_every_bad_value_is_named_with_what_was_expected() {
    let table: &[(&str, &str, &str)] = &[
        ("REDIS_PORT", "abc", "65535"),
        ("REDIS_PORT", "0", "65535"),
        ("REDIS_PORT", "65536", "65535"),
        ("REDIS_HOST", "redis://a:1", "host name"),
        ("REDIS_HOST", "a b", "host name"),
        ("REDIS_HOST", "a:6379", "host name"),
        ("REDIS_MODE", "foo", "standalone, sentinel, cluster or embedded"),
        ("REDIS_CLUSTER_URLS", "a:1,http://b", "host:port"),
        ("REDIS_MODE", "sentinel", "REDIS_SENTINEL_URLS"),
        ("REDIS_MODE", "embedded", "IREVA_QUEUE_DATA_DIR"),
        ("REDIS_DB", "-1", "whole number"),
        ("REDIS_DB", "x", "whole number"),
        ("REDIS_TLS", "maybe", "on or off"),
        ("REDIS_TLS_CERT", "/x", "REDIS_TLS_KEY"),
        ("REDIS_SENTINEL_URLS", "a:1,http://b", "host:port"),
        ("QUEUE_PREFIX", "a{b", "braces"),
        ("QUEUE_PREFIX", "a*", "braces"),
        ("QUEUE_PREFIX", "ä", "printable"),
        ("QUEUE_WORKER_CONCURRENCY", "0", "1 to 10000"),
        ("QUEUE_WORKER_CONCURRENCY", "-1", "1 to 10000"),
        ("QUEUE_WORKER_CONCURRENCY", "1e9", "1 to 10000"),
        ("QUEUE_WORKER_CONCURRENCY", "1000000000", "1 to 10000"),
        ("QUEUE_WORKER_CONCURRENCY", "NaN", "1 to 10000"),
        ("QUEUE_WORKER_LEASE", "3s", "4s or more"),
        ("QUEUE_WORKER_LEASE", "30", "4s or more"),
        ("MAIL_FROM", "nobody", "address"),
        ("SMS_URL", "api.example.com", "without a login"),
        ("SMS_URL", "https://user:hunter2@api.example.com/", "without a login"),
        ("SMS_USER", "AC1", "SMS_PASSWORD"),
        ("SMS_PASSWORD", "hunter2", "needs SMS_USER"),
        ("PUSH_URL", "ftp://push.example.com/", "a URL such as"),
        ("PUSH_TOKEN_FILE", "/nonexistent/file", "no such file"),
        ("REPORT_DIR", "reports", "an absolute path"),
        ("IMPORT_DIR", "imports", "absolute path"),
        ("EXPORT_DIR", "/", "absolute path"),
        ("EXPORT_DIR", "s3://", "s3://bucket/prefix"),
        ("AWS_REGION", "a b", "region"),
        ("AWS_ENDPOINT_URL", "minio:9000", "https://host:port"),
        ("REDIS_PASSWORD_FILE", "/nonexistent/file", "no such file"),
    ];
    for (name, value, expected) in table {
        let problems = read(&[(name, value)]).unwrap_err();
        let problem = problems.to_string();
        assert_eq!(problems.iter().count(), 1, "{problem}");
        assert!(problem.starts_with(name) && problem.contains(expected), "{problem}");
        assert!(!problem.contains("hunter2"), "{problem}");
    }
}

#[test]
fn channels_are_configured_each_for_itself() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "t0ken\n").unwrap();
    let path = file.path().to_str().unwrap();
    let pairs = [
        ("SMS_URL", "https://api.example.com/2010-04-01/Accounts/AC1/Messages.json"),
        ("SMS_USER", "AC1"),
        ("SMS_PASSWORD", "hunter2"),
        ("PUSH_TOKEN_FILE", path),
        ("NOTIFY_ALLOW", " hooks.internal:9000, 10.0.0.0/8,,"),
    ];
    let channels = read(&pairs).unwrap().processors.channels;
    assert_eq!(channels.push_token.as_ref().unwrap().reveal(), "t0ken");
    assert_eq!(channels.push_token_file.as_deref(), Some(file.path()));
    assert_eq!((channels.allow.len(), channels.allow[1].as_str()), (2, "10.0.0.0/8"));
    assert_eq!((&channels.push_url, &channels.slack_url), (&None, &None));
    let fixed = read(&[("PUSH_TOKEN", "other"), ("PUSH_TOKEN_FILE", path)]).unwrap().processors.channels;
    assert_eq!((fixed.push_token.as_ref().unwrap().reveal(), fixed.push_token_file), ("other", None));
    let profile = "[notify]\nallow = ['a.internal', '10.0.0.7:9000']\n[push]\nurl = 'https://push.example.com/'\n";
    let channels = with_profile(&[], Some(profile)).unwrap().processors.channels;
    assert_eq!(channels.allow, ["a.internal", "10.0.0.7:9000"]);
    assert!(with_profile(&[], Some("[push]\ntoken = 'x'\n")).is_err());
}

#[test]
fn all_problems_are_told_at_once() {
    let problems = read(&[("REDIS_PORT", "abc"), ("REDIS_MODE", "foo"), ("QUEUE_WORKER_LEASE", "1s")]).unwrap_err();
    let error = crate::Error::from(problems);
    assert_eq!(error.kind(), crate::ErrorKind::Config);
    let lines: Vec<String> = error.to_string().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0], "REDIS_PORT=\"abc\": expected a port from 1 to 65535");
    assert_eq!(lines[1], "REDIS_MODE=\"foo\": expected standalone, sentinel, cluster or embedded");
}

#[test]
fn the_environment_goes_before_the_profile_and_that_before_the_default() {
    let profile = "data_dir = '/d'\n[redis]\nhost = 'file'\nport = 7000\ntls = true\n[worker]\nconcurrency = 3\n";
    let config = with_profile(&[("REDIS_HOST", "env"), ("QUEUE_WORKER_LEASE", "5s")], Some(profile)).unwrap();
    let endpoint = Endpoint { host: "env".into(), port: 7000, tls: true };
    assert_eq!(config.redis.mode, RedisMode::Standalone(endpoint));
    assert_eq!(config.worker, WorkerConfig { concurrency: 3, lease: Duration::from_secs(5) });
    assert_eq!(config.data_dir, PathBuf::from("/d"));
}

#[test]
fn the_profile_sets_queues_and_refuses_unknown_keys() {
    let profile = r#"
        [queues.email]
        removeOnComplete = 50
        removeOnFail = "30d"
        rate = "100/s"
        concurrency = 4
        priorityMode = "aging:10m"
        durable = "on"
        retry = { attempts = 9 }
    "#;
    let config = with_profile(&[], Some(profile)).unwrap();
    let settings = &config.queues["email"];
    assert_eq!(settings.len(), 7);
    assert!(settings.contains(&Setting::Durable(Durable::On)), "{settings:?}");
    assert!(settings.contains(&Setting::RemoveOnComplete(Retention::Count(50))), "{settings:?}");
    assert!(settings.contains(&Setting::Concurrency(Some(4))), "{settings:?}");

    let wrong = "x = 1\n[redis]\nhots = 'a'\nport = 'abc'\npassword = 'hunter2'\n[queues.q]\nrates = 1\nrate = 'often'\n\
                 concurrency = 0\ndurable = 'yes'\n[queues.'a b']\n";
    let problems = with_profile(&[], Some(wrong)).unwrap_err().to_string();
    let named = [
        "unknown key x",
        "unknown key redis.hots",
        "c.toml: redis.port=\"abc\"",
        "redis.password:",
        "queues.q.rates",
        "queues.q.rate:",
        "queues.q.concurrency",
        "queues.q.durable",
        "\"a b\"",
    ];
    for named in named {
        assert!(problems.contains(named), "{named} in:\n{problems}");
    }
    assert!(!problems.contains("hunter2"), "{problems}");
    assert!(with_profile(&[], Some("[redis\n")).unwrap_err().to_string().starts_with("c.toml: "));
}

#[test]
fn no_secret_shows() {
    let pairs = [
        ("REDIS_PASSWORD", "hunter2"),
        ("REDIS_SENTINEL_PASSWORD", "hunter2"),
        ("REDIS_SENTINEL_USERNAME", "guard"),
        ("SMTP_URL", "smtp://u:hunter2@h"),
        ("HTTP_SIGNING_KEY", "hunter2"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ("AWS_SESSION_TOKEN", "hunter2"),
        ("REDIS_MODE", "sentinel"),
        ("REDIS_SENTINEL_URLS", "a"),
    ];
    let config = read(&pairs).unwrap();
    assert_eq!(config.redis.password.as_ref().unwrap().reveal(), "hunter2");
    assert!(!format!("{config:?}").contains("hunter2"));
    for (name, value) in [("SMTP_URL", "htp://u:hunter2@h"), ("REDIS_SENTINEL_URLS", "redis://:hunter2@h")] {
        let problems = read(&[(name, value)]).unwrap_err().to_string();
        assert!(problems.starts_with(name) && !problems.contains("hunter2"), "{problems}");
    }
}

#[test]
fn a_secret_file_loses_only_its_last_newline() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), " hunter2 \n").unwrap();
    let file = file.path().to_str().unwrap();
    let config = read(&[("REDIS_PASSWORD_FILE", file)]).unwrap();
    assert_eq!(config.redis.password.unwrap().reveal(), " hunter2 ");
    let sentinels = [("REDIS_MODE", "sentinel"), ("REDIS_SENTINEL_URLS", "a"), ("REDIS_SENTINEL_PASSWORD_FILE", file)];
    let RedisMode::Sentinel { username, password, .. } = read(&sentinels).unwrap().redis.mode else {
        panic!("no sentinels")
    };
    assert_eq!((username, password.unwrap().reveal()), (None, " hunter2 "));
}

#[test]
fn a_socket_that_would_be_too_long_goes_to_the_runtime_directory() {
    let socket = |mode: RedisMode| match mode {
        RedisMode::Embedded { socket, .. } => socket,
        other => panic!("{other:?}"),
    };
    let short = read(&[("REDIS_MODE", "embedded"), ("IREVA_QUEUE_DATA_DIR", "/d")]).unwrap();
    assert_eq!(socket(short.redis.mode), PathBuf::from("/d/redis.sock"));
    let long = format!("/{}", "d".repeat(120));
    let pairs = [("REDIS_MODE", "embedded"), ("IREVA_QUEUE_DATA_DIR", &long), ("XDG_RUNTIME_DIR", "/run/user/1")];
    let elsewhere = socket(read(&pairs).unwrap().redis.mode);
    assert!(elsewhere.starts_with("/run/user/1") && elsewhere.as_os_str().len() < 108);
    assert_eq!(elsewhere, socket(read(&pairs).unwrap().redis.mode));
    assert!(read(&pairs[..2]).unwrap_err().to_string().contains("XDG_RUNTIME_DIR"));
}

#[test]
fn storages_are_directories_or_buckets() {
    for root in ["/srv/files", "file:///srv/files", "s3://bucket", "s3://bucket/prefix/"] {
        let config = read(&[("IMPORT_DIR", root), ("EXPORT_DIR", root)]).unwrap();
        assert_eq!(config.processors.files.import_dir.as_deref(), Some(root));
        assert_eq!(config.processors.files.export_dir.as_deref(), Some(root));
    }
    assert_eq!(read(&[]).unwrap().processors.files, FilesConfig::default());
}

#[test]
fn smtp_urls_are_judged_by_scheme_and_host() {
    for url in ["smtp://h", "smtps://u:p@h:465", "smtp://[::1]:25?tls=required", "file:///tmp/x"] {
        assert!(read(&[("SMTP_URL", url)]).is_ok(), "{url}");
    }
    for url in ["h:25", "smtp://", "smtp://h:x", "file://", "http://h"] {
        assert!(read(&[("SMTP_URL", url)]).is_err(), "{url}");
    }
}
