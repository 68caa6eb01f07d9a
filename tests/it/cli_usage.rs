//! Wrong usage: 2, naming the flag or the argument.

use crate::support::*;

#[test]
fn wrong_usage_is_2_and_names_the_flag_or_argument() {
    let cli = Cli::bare();
    let table: &[(&[&str], &str)] = &[
        (&["enqueue"], "QUEUE"),
        (&["enqueue", "a b"], "QUEUE"),
        (&["enqueue", "../x"], "QUEUE"),
        (&["enqueue", "q", "{"], "payload"),
        (&["enqueue", "q", "a=1", "b"], "\"b\""),
        (&["enqueue", "q", "a:=nope"], "\"a\""),
        (&["enqueue", "q", "@/does/not/exist"], "/does/not/exist"),
        (&["enqueue", "q", "--delay", "-1"], "--delay"),
        (&["enqueue", "q", "--delay", "NaN"], "--delay"),
        (&["enqueue", "q", "--at", "2026-12-01T08:00:00"], "--at"),
        (&["enqueue", "q", "--delay", "1s", "--at", "2026-12-01T08:00:00Z"], "--at"),
        (&["enqueue", "q", "--priority", "urgent"], "--priority"),
        (&["enqueue", "q", "--attempts", "0"], "--attempts"),
        (&["enqueue", "q", "--backoff", "soon"], "--backoff"),
        (&["enqueue", "q", "--timeout", "0s"], "--timeout"),
        (&["enqueue", "q", "--ttl", "x"], "--ttl"),
        (&["enqueue", "q", "--id", "a b"], "--id"),
        (&["enqueue", "q", "--unique-for", "1h"], "--unique"),
        (&["enqueue", "q", "--wait-timeout", "1s"], "--wait"),
        (&["enqueue", "q", "--bare", "{}"], "--bare"),
        (&["enqueue", "q", "--ndjson", "/does/not/exist"], "/does/not/exist"),
        (&["enqueue", "q", "--frobnicate"], "--frobnicate"),
        (&["work"], "QUEUE"),
        (&["work", "q", "--concurrency", "0", "--exec", "true"], "--concurrency"),
        (&["work", "q", "--concurrency", "-1", "--exec", "true"], "--concurrency"),
        (&["work", "q", "--concurrency", "1e9", "--exec", "true"], "--concurrency"),
        (&["work", "q", "--concurrency", "NaN", "--exec", "true"], "--concurrency"),
        (&["work", "q", "--concurrency", "other=2", "--exec", "true"], "--concurrency"),
        (&["work", "q", "--lease", "3s", "--exec", "true"], "--lease"),
        (&["work", "q", "--rate", "fast", "--exec", "true"], "--rate"),
        (&["work", "q", "--batch-size", "0", "--exec", "true"], "--batch-size"),
        (&["work", "q", "--batch-wait", "1s", "--exec", "true"], "--batch-size"),
        (&["work", "q", "--exit-codes", "x", "--exec", "true"], "--exit-codes"),
        (&["work", "q", "--exec"], "--exec"),
        (&["clear", "q", "--state", "active"], "--state"),
        (&["clear", "q", "--state", "nope"], "--state"),
        (&["dlq", "list", "q", "--class", "nope"], "--class"),
        (&["dlq", "list", "q", "--limit", "0"], "--limit"),
        (&["dlq", "list", "q", "--older-than", "x"], "--older-than"),
        (&["dlq", "list", "q", "--group-by", "colour"], "--group-by"),
        (&["dlq", "list", "q", "--error", "("], "--error"),
        (&["dlq", "retry", "q"], "--all"),
        (&["dlq", "retry", "q", "--all", "--code", "x", "--yes"], "--all"),
        (&["dlq", "delete", "q"], "--all"),
        (&["dlq", "show", "q"], "ID"),
        (&["jobs", "show"], "ID"),
        (&["jobs", "list", "q", "--state", "nope"], "--state"),
        (&["queues", "set", "q", "--rate", "1/d"], "--rate"),
        (&["queues", "set", "q", "--concurrency", "0"], "--concurrency"),
        (&["queues", "set", "q", "--remove-on-complete", "-1s"], "--remove-on-complete"),
        (&["queues", "set", "q", "--priority-mode", "fair"], "--priority-mode"),
        (&["check", "set", "q", "--latency", "5:6"], "--latency"),
        (&["doctor", "--codes", "--fix"], "--fix"),
        (&["stats", "--watch", "0s"], "--watch"),
        (&["stats", "-o", "yaml"], "--output"),
        (&["stats", "--color", "maybe"], "--color"),
        (&["serve", "--bind", "8080"], "--bind"),
        (&["serve", "--grace", "-1"], "--grace"),
        (&["token", "create", "web"], "--scope"),
        (&["completions", "tcsh"], "SHELL"),
        (&["nope"], "nope"),
    ];
    for (args, named) in table {
        let output = cli.run(*args).expect(2);
        assert!(output.stderr.contains(named) && output.stdout.is_empty(), "{args:?}: {}", output.stderr);
    }
}

#[test]
fn wrong_usage_of_batches_breakers_limits_and_alerts_is_2() {
    let cli = Cli::bare();
    let table: &[(&[&str], &str)] = &[
        (&["enqueue", "q", "--batch", "a b"], "--batch"),
        (&["enqueue", "q", "--on-complete", "q", "{}"], "--batch"),
        (&["enqueue", "q", "--batch", "b", "--on-complete", "q"], "--on-complete"),
        (&["enqueue", "q", "--batch", "b", "--on-complete", "q", "{"], "payload"),
        (&["batch", "list", "--limit", "0"], "--limit"),
        (&["batch", "seal"], "NAME"),
        (&["breaker", "open", "x", "--for", "0s"], "--for"),
        (&["breaker", "close"], "DEPENDENCY"),
        (&["work", "q", "--breaker", "5", "--exec", "true"], "--breaker"),
        (&["queues", "set", "q", "--key", "a b"], "--key"),
        (&["queues", "set", "q", "--key-concurrency", "0"], "--key-concurrency"),
        (&["queues", "set", "q", "--key-rate", "5/d"], "--key-rate"),
        (&["queues", "set", "q", "--key", ""], "--key"),
        (&["limits", "list"], "QUEUE"),
        (&["limits", "set", "q"], "KEY"),
        (&["limits", "set", "q", "acme"], "--concurrency"),
        (&["limits", "set", "q", "", "--rate", "1/s"], "KEY"),
        (&["limits", "set", "q", "acme", "--rate", "x"], "--rate"),
        (&["limits", "unset", "q"], "KEY"),
        (&["work", "q", "--weight", "q=0", "--exec", "true"], "--weight"),
        (&["work", "q", "--weight", "other=2", "--exec", "true"], "--weight"),
        (&["work", "q", "--weight", "q=3,q=2", "--exec", "true"], "--weight"),
        (&["jobs", "cancel", "a-1", "--rate", "1/s"], "--queue"),
        (&["schedule", "add", "s", "q", "{}"], "--every"),
        (&["schedule", "add", "s", "q", "{}", "--every", "1h", "--cron", "@daily"], "--cron"),
        (&["alerts", "set"], "ALERT"),
        (&["alerts", "set", "a b", "--when", "redis"], "ALERT"),
        (&["alerts", "set", "a"], "--when"),
        (&["alerts", "set", "a", "--when", "disk"], "--when"),
        (&["alerts", "set", "a", "--when", "backlog"], "--above"),
        (&["alerts", "set", "a", "--when", "backlog", "--above", "-1"], "--above"),
        (&["alerts", "set", "a", "--when", "backlog", "--above", "5", "--clear", "6"], "--clear"),
        (&["alerts", "set", "a", "--when", "workers", "--above", "5"], "--above"),
        (&["alerts", "set", "a", "--when", "latency", "--above", "5m", "--for", "soon"], "--for"),
        (&["alerts", "set", "a", "--when", "dead", "--sink", "a b"], "--sink"),
        (&["alerts", "set", "a", "--when", "dead", "--severity", "loud"], "--severity"),
        (&["alerts", "set", "a", "--when", "memory", "--queue", "q"], "--queue"),
        (&["alerts", "mute", "a"], "--for"),
        (&["alerts", "mute", "--for", "1h"], "--all"),
        (&["alerts", "mute", "a", "--all", "--for", "1h"], "--all"),
        (&["alerts", "history", "--limit", "0"], "--limit"),
    ];
    for (args, named) in table {
        let output = cli.run(*args).expect(2);
        assert!(output.stderr.contains(named) && output.stdout.is_empty(), "{args:?}: {}", output.stderr);
    }
}
