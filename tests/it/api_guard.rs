//! Who may use the REST API: tokens and their scopes, origins and hosts, limits.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::http::{Reply, Request};
use crate::support::*;

/// New and revoked tokens take effect within this.
const SOON: Duration = Duration::from_secs(5);

fn create(cli: &Cli, name: &str, scope: &str) -> String {
    cli.ok(["token", "create", name, "--scope", scope]).trim().to_owned()
}

/// Every route of the document: method, path with names in it, the scope that it needs.
fn routes(cli: &Cli) -> Vec<(String, String, Option<String>)> {
    let document: Value = serde_json::from_str(&cli.ok(["openapi"])).unwrap();
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let scope = operation["security"][0]["token"][0].as_str().map(str::to_owned);
            let path = path.replace("{queue}", "q").replace("{id}", "job-0001");
            let query = if path.ends_with("/events") { "?queue=none" } else { "" };
            routes.push((method.to_uppercase(), format!("{path}{query}"), scope));
        }
    }
    assert!(routes.len() > 30, "only {} routes", routes.len());
    routes
}

fn request(method: &str, path: &str) -> Request {
    let request = Request::new(method, path);
    if method == "GET" { request } else { request.json("{}") }
}

#[test]
fn r63_every_route_wants_a_token_with_its_scope() {
    let (_redis, cli, serve) = served();
    let tokens = ["enqueue", "read", "admin"].map(|scope| (scope, create(&cli, scope, scope)));
    wait_until(SOON, "a token is needed", || serve.get("/api/queues").status == 401);
    let mut guarded = 0;
    for (method, path, needed) in routes(&cli) {
        let send = |token: Option<&str>| {
            let request = request(&method, &path);
            serve.send(token.into_iter().fold(request, Request::token))
        };
        let Some(needed) = needed else {
            // For whoever watches over the service, and for whoever has any token.
            let wanted = if path == "/api/openapi.json" { 401 } else { 200 };
            assert_eq!((send(None).status, send(Some(&tokens[0].1)).status), (wanted, 200), "{method} {path}");
            continue;
        };
        guarded += 1;
        let without = send(None).expect(401);
        assert_eq!(without.problem(), "no-token", "{method} {path}");
        assert!(without.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer")));
        for (scope, token) in &tokens {
            let status = send(Some(token)).status;
            let allowed = *scope == "admin" || *scope == needed;
            assert_eq!(status == 403, !allowed, "{method} {path} with {scope}: {status}");
            assert!(status != 401 && status < 500, "{method} {path} with {scope}: {status}");
        }
    }
    assert!(guarded > 28, "{guarded}");
    // What is not there tells nothing to those who may not ask.
    for path in ["/", "/api/nothing", "/api/openapi.json"] {
        assert_eq!(serve.get(path).expect(401).problem(), "no-token");
        assert_ne!(serve.send(Request::new("GET", path).token(&tokens[0].1)).status, 401);
    }
}

#[test]
fn r63_money_takes_an_administrator_whichever_way_it_goes() {
    let (_redis, cli, serve) = served();
    let (web, root) = (create(&cli, "web", "enqueue"), create(&cli, "root", "admin"));
    wait_until(SOON, "a token is needed", || serve.get("/api/queues").status == 401);
    for path in ["/api/jobs/roi-distribution", "/api/jobs/queues/roi-distribution"] {
        let send = |token: &str| serve.send(Request::new("POST", path).json("{\"payload\":{}}").token(token));
        assert_eq!(send(&web).expect(403).problem(), "scope");
        assert_ne!(send(&root).status, 403);
    }
    serve.send(Request::new("POST", "/api/jobs/queues/q").json("{\"payload\":{}}").token(&web)).expect(202);
}

#[test]
fn r63_wrong_tokens_are_refused_and_then_told_to_wait() {
    let (_redis, cli, serve) = served();
    let token = create(&cli, "web", "read");
    wait_until(SOON, "a token is needed", || serve.get("/api/queues").status == 401);
    let (mut wrong, mut waits) = (0, 0);
    let near = [&token[..token.len() - 1], "ivq_", "x", &token.to_uppercase(), &format!("{token}0")].map(str::to_owned);
    for n in 0..1_000 {
        let sent = near.get(n).cloned().unwrap_or_else(|| format!("ivq_{n:064x}"));
        let reply = serve.send(Request::new("GET", "/api/queues").token(&sent));
        match reply.status {
            401 => {
                wrong += 1;
                assert_eq!(reply.problem(), "wrong-token");
            }
            429 => {
                waits += 1;
                assert_eq!(reply.problem(), "too-many-attempts");
                let secs: u64 = reply.header("retry-after").unwrap().parse().unwrap();
                assert!((1..=60).contains(&secs), "{secs}");
            }
            status => panic!("{status}: {}", reply.body),
        }
    }
    // The minute may have ended once on the way.
    assert!(wrong <= 20 && wrong + waits == 1_000, "{wrong} wrong, {waits} told to wait");
    // Behind a proxy all callers come from one place: who has a token is let in all the same.
    serve.send(Request::new("GET", "/api/queues").token(&token)).expect(200);
    let log = serve.process.log().join("\n");
    assert!(!log.contains(&token) && !log.contains("ivq_"), "no token is in the log");
}

#[test]
fn a_new_token_and_a_revoked_one_take_effect_on_a_running_server() {
    let (redis, cli, serve) = served();
    serve.get("/api/queues").expect(200);
    let token = create(&cli, "web", "read,enqueue");
    let ask = || serve.send(Request::new("GET", "/api/queues").token(&token)).status;
    wait_until(SOON, "a token is needed", || serve.get("/api/queues").status == 401);
    assert_eq!(ask(), 200);
    let kept: String = redis.query(&["HGET", "ireva:queue:tokens", "web"]);
    assert!(!kept.contains(&token[4..]) && kept.contains("hash"), "only the hash is stored: {kept}");
    create(&cli, "other", "admin");
    cli.ok(["token", "revoke", "web"]);
    wait_until(SOON, "the token is refused", || ask() == 401);
    cli.ok(["token", "revoke", "other"]);
    wait_until(SOON, "without any token loopback is trusted again", || serve.get("/api/queues").status == 200);
    assert_eq!(ask(), 401, "a token that is none is refused all the same");
    assert_eq!(schema_faults(&redis), Vec::<String>::new());
}

#[test]
fn a_token_that_a_hand_broke_locks_nobody_in() {
    let (redis, cli, serve) = served();
    redis.query::<()>(&["HSET", "ireva:queue:tokens", "broken", "{"]);
    wait_until(SOON, "a token is needed", || serve.get("/api/queues").status == 401);
    let named = cli.run(["token", "list"]).expect(1);
    assert!(named.stderr.contains("\"broken\"") && named.stderr.contains("revoke"), "{}", named.stderr);
    cli.ok(["token", "revoke", "broken"]);
    wait_until(SOON, "loopback is trusted again", || serve.get("/api/queues").status == 200);
}

#[test]
fn tokens_are_created_listed_and_revoked() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let created = cli.run(["token", "create", "web", "--scope", "read,enqueue", "--scope", "read"]).expect(0);
    let token = created.stdout.trim().to_owned();
    assert!(token.len() == 68 && token.starts_with("ivq_") && created.stderr.contains("only time"), "{created:?}");
    assert_ne!(create(&cli, "other", "admin"), token);
    let list = cli.json(["token", "list"]);
    assert_eq!((&list[1]["name"], &list[1]["scopes"]), (&json!("web"), &json!(["enqueue", "read"])));
    assert!(list[0]["createdAt"].is_string() && !list.to_string().contains("ivq_"), "{list}");
    assert_eq!(cli.ok(["token", "list", "-o", "name"]), "other\nweb\n");
    let again = cli.run(["token", "create", "web", "--scope", "read"]).expect(5);
    assert!(again.stderr.contains("\"web\""), "{}", again.stderr);
    for args in
        [&["create", "x"][..], &["create", "x", "--scope", "root"], &["create", "a b", "--scope", "read"], &["revoke"]]
    {
        cli.run(["token"].iter().chain(args)).expect(2);
    }
    assert_eq!(cli.json(["token", "revoke", "web"]), json!({"name": "web", "revoked": true}));
    cli.run(["token", "revoke", "web"]).expect(4);
    let last = cli.run(["token", "revoke", "other", "web"]).expect(3);
    assert!(last.stderr.contains("every caller is trusted again"), "{}", last.stderr);
    let shown = cli.json(["token", "create", "web", "--scope", "admin"]);
    assert_eq!((&shown["name"], &shown["scopes"]), (&json!("web"), &json!(["admin"])));
    assert!(shown["token"].as_str().is_some_and(|token| token.starts_with("ivq_")));
}

#[test]
fn r63_pages_and_names_of_other_places_are_refused() {
    let (_redis, cli, serve) = served();
    let refused = |request: Request, word: &str| {
        let reply = serve.send(request).expect(403);
        assert_eq!(reply.problem(), word);
        assert!(!reply.headers.iter().any(|(name, _)| name.starts_with("access-control-")), "{:?}", reply.headers);
    };
    for (method, path, scope) in routes(&cli) {
        if scope.is_some() {
            refused(request(&method, &path).header("Origin", "https://evil.example"), "foreign-origin");
            refused(request(&method, &path).host(Some("evil.example")), "foreign-host");
        }
    }
    let ask = || Request::new("GET", "/api/queues");
    for origin in ["null", "http://localhost:8080", "https://evil.example"] {
        refused(ask().header("Origin", origin), "foreign-origin");
    }
    refused(ask().header("Sec-Fetch-Site", "cross-site"), "foreign-origin");
    for host in ["localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1:8080", "[::2]", "a b"] {
        refused(ask().host(Some(host)), "foreign-host");
    }
    refused(ask().host(None), "foreign-host");
    refused(Request::new("GET", "http://evil.example/api/queues"), "foreign-host");
    refused(Request::new("OPTIONS", "/api/queues").header("Origin", "https://evil.example"), "foreign-origin");
    for host in ["localhost", "127.0.0.1:8080", "[::1]:9"] {
        serve.send(ask().host(Some(host))).expect(200);
    }
    // Those who watch over the service come under whatever name.
    serve.send(Request::new("GET", "/healthz").host(Some("10.1.2.3:8080"))).expect(200);
    // A page cannot know a token, so that with one any name will do.
    let token = create(&cli, "web", "read");
    wait_until(SOON, "the token is known", || {
        serve.send(ask().host(Some("queue.example.com")).token(&token)).status == 200
    });
    refused(ask().header("Origin", "https://evil.example").token(&token), "foreign-origin");
}

#[test]
fn pages_of_allowed_origins_may_ask() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let flags = ["--allow-origin", "https://app.example.com", "--allow-host", "queue.internal"];
    let serve = Serve::with(&cli, &flags);
    let ask = |origin: &str| serve.send(Request::new("GET", "/api/queues").header("Origin", origin));
    let allowed = ask("https://app.example.com").expect(200);
    assert_eq!(allowed.header("access-control-allow-origin"), Some("https://app.example.com"));
    assert_eq!(ask("https://evil.example").expect(403).header("access-control-allow-origin"), None);
    let preflight = Request::new("OPTIONS", "/api/jobs/email")
        .header("Origin", "https://app.example.com")
        .header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", "authorization,content-type,idempotency-key");
    let preflight = serve.send(preflight).expect(200);
    let headers = preflight.header("access-control-allow-headers").unwrap();
    assert!(headers.contains("authorization") && headers.contains("idempotency-key"), "{headers}");
    serve.send(Request::new("GET", "/api/queues").host(Some("queue.internal:8080"))).expect(200);
    serve.send(Request::new("GET", "/api/queues").host(Some("queue.external"))).expect(403);
    for wrong in [["--allow-origin", "*"], ["--allow-origin", "https://a/b"], ["--allow-host", "a/b"]] {
        cli.run(["serve"].iter().chain(&wrong)).expect(2);
    }
}

#[test]
fn r63_bodies_and_numbers_are_bounded() {
    let (_redis, _cli, serve) = served();
    let large = format!("\"{}\"", "x".repeat(10 * 1024 * 1024));
    for path in ["/api/jobs/report", "/api/jobs/queues/q", "/api/queues/q/dead-letters/job-0001/replace"] {
        let reply = serve.post(path, &large).expect(413);
        assert_eq!(reply.problem(), "too-large", "{path}");
    }
    let reply = serve.patch("/api/queues/q/settings", &large).expect(413);
    assert_eq!(reply.problem(), "too-large");
    let asking = Request::new("POST", "/api/jobs/report").header("Content-Type", "application/json");
    let asking = asking.header("Content-Length", "10485760").header("Expect", "100-continue");
    assert_eq!(serve.send(asking).expect(413).problem(), "too-large", "before anything is sent");
    // Without a length the body is counted as it comes.
    let chunk = format!("{:x}\r\n{}\r\n", 1024 * 1024, "x".repeat(1024 * 1024));
    let chunked = Request::new("POST", "/api/jobs/report").header("Content-Type", "application/json");
    let reply = chunked
        .header("Transfer-Encoding", "chunked")
        .send_raw(&serve.address, format!("{}0\r\n\r\n", chunk.repeat(10)).as_bytes());
    assert_eq!(reply.expect(413).problem(), "too-large");
    for (path, field) in [
        ("/api/queues/q/jobs?limit=-1", "limit"),
        ("/api/queues/q/jobs?limit=99999999", "limit"),
        ("/api/queues/q/jobs?offset=99999999999", "offset"),
        ("/api/queues/q/dead-letters?limit=-1", "limit"),
        ("/api/jobs/stats?days=99999999", "days"),
        ("/api/jobs/stats/q?days=99999999", "days"),
        ("/api/workers?limit=-1", "limit"),
    ] {
        assert_eq!(serve.get(path).expect(400).fields(), [field], "{path}");
    }
}

#[test]
fn r63_other_addresses_need_a_token() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    for bind in ["0.0.0.0:0", "[::]:0"] {
        let refused = cli.run(["serve", "--bind", bind]).expect(78);
        assert!(refused.stderr.contains(bind) && refused.stderr.contains("token create"), "{}", refused.stderr);
    }
    let away = Cli::bare().env("REDIS_HOST", "127.0.0.1").env("REDIS_PORT", free_port().to_string());
    away.run(["serve", "--bind", "0.0.0.0:0"]).expect(69);

    let token = create(&cli, "web", "read");
    let serve = Serve::on(&cli, "0.0.0.0:0", &[]);
    let said = serve.process.log();
    assert!(said.iter().any(|line| line.contains("unencrypted")), "{said:?}");
    assert_eq!(serve.get("/api/queues").expect(401).problem(), "no-token");
    serve.send(Request::new("GET", "/api/queues").token(&token)).expect(200);
    serve.get("/healthz").expect(200);
    cli.ok(["token", "revoke", "web"]);
    // Not even when no token is left.
    wait_until(SOON, "the token is refused", || {
        serve.send(Request::new("GET", "/api/queues").token(&token)).status == 401
    });
    serve.get("/api/queues").expect(401);
}

#[test]
fn r63_every_answer_is_for_programs_alone() {
    let (_redis, cli, serve) = served();
    let safe = |reply: &Reply| {
        let wanted = [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
        ];
        for (name, value) in wanted {
            assert_eq!(reply.header(name), Some(value), "{:?}", reply.headers);
        }
        let kind = reply.header("content-type").unwrap();
        assert!(kind == "application/json" || kind == "application/problem+json", "{kind}");
        assert!(!reply.headers.iter().any(|(name, _)| name == "server" || name == "set-cookie"), "{:?}", reply.headers);
    };
    cli.enqueue("q", "{}", &[]);
    for path in ["/healthz", "/readyz", "/api/queues", "/api/openapi.json", "/nothing", "/api/jobs/stats?x=1"] {
        safe(&serve.get(path));
    }
    safe(&serve.post("/api/jobs/report", "{"));
    safe(&serve.delete("/api/queues").expect(405));
    safe(&serve.send(Request::new("GET", "/api/queues").header("Origin", "https://evil.example")));
}
