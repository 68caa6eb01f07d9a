//! The platform's database through `db`, on both kinds.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use ireva_queue::builtin::portfolio::Database;
use serde_json::json;

use crate::support::*;

#[test]
fn db_brings_a_file_of_its_own_into_being_and_fills_it_once() {
    let cli = Cli::bare();
    let status = cli.json(["db", "status"]);
    assert_eq!(status["steps"][0]["applied"], false, "{status}");
    assert!(status["database"].as_str().unwrap().ends_with(".local/share/ireva-queue/portfolio.db"), "{status}");
    let seeded = cli.json(["db", "seed"]);
    assert_eq!((&seeded["properties"], &seeded["investors"]), (&json!(6), &json!(24)), "the file needs no migrate");
    assert!(seeded["transactions"].as_u64().unwrap() > 300, "{seeded}");
    let again = cli.json(["db", "seed"]);
    assert!(again.as_object().unwrap().values().all(|added| *added == json!(0)), "{again}");
    let migrated = cli.json(["db", "migrate"]);
    assert!(migrated["steps"].as_array().unwrap().iter().all(|step| step["applied"] == true), "{migrated}");
    assert_eq!(cli.json(["db", "check"])["findings"], json!([]));
    assert_eq!(cli.ok(["db", "check", "-o", "table"]), "0 distributions, 0 lines: everything adds up\n");
}

#[tokio::test]
async fn two_first_starts_on_one_file_both_find_it_up_to_date_and_nobody_else_may_read_it() {
    for _ in 0..10 {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data").join("portfolio.db");
        let [one, other] = [Database::open_file(&path).unwrap(), Database::open_file(&path).unwrap()];
        let (one, other) = tokio::join!(one.migrate(), other.migrate());
        assert!(one.unwrap().is_current() && other.unwrap().is_current());
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(path.parent().unwrap()), mode(&path)), (0o700, 0o600));
    }
}

#[test]
fn db_asks_for_the_migration_of_a_database_that_is_not_its_own() {
    let postgres = TestPostgres::start();
    let cli = Cli::bare().env("DATABASE_URL", postgres.url());
    let refused = cli.run(["db", "seed"]).expect(78);
    assert!(refused.stderr.contains("is not up to date: run ireva-queue db migrate"), "{}", refused.stderr);
    let both = std::thread::scope(|scope| {
        let two = [scope.spawn(|| cli.run(["db", "migrate"])), scope.spawn(|| cli.run(["db", "migrate"]))];
        two.map(|one| one.join().unwrap().expect(0).stdout)
    });
    assert_eq!(both[0], both[1], "two at once wait for each other");
    assert_eq!(cli.json(["db", "seed"])["properties"], 6);
    assert_eq!(postgres.ask("SELECT price FROM properties WHERE id = '123'"), "250000000.0000");
    assert_eq!(cli.json(["db", "check"])["findings"], json!([]));
}

#[test]
fn db_check_finds_what_does_not_add_up() {
    let postgres = TestPostgres::start();
    let cli = Cli::bare().env("DATABASE_URL", postgres.url());
    cli.ok(["db", "migrate"]);
    cli.ok(["db", "seed"]);
    postgres.ask(
        "INSERT INTO distributions VALUES ('default', '123', 'p', '2024-01-31', 100, 'NGN', 'pro-rata', '{}', NULL, 'j', 1, now());
         INSERT INTO distribution_lines VALUES ('default', '123', 'p', '456', '1', 99.99);
         INSERT INTO transactions VALUES ('default', 'x', '123', '456', 'distribution', 99.98, 'NGN', '2024-01-31', 'distribution/123/p')",
    );
    let found = cli.run(["db", "check", "-o", "json"]).expect(1).json();
    let mut codes: Vec<_> = found["findings"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap()).collect();
    codes.sort_unstable();
    let expected =
        ["entry_missing", "ledger_differs", "ledger_differs", "lines_differ", "outbox_missing", "reference_unbalanced"];
    assert_eq!(codes, expected, "{found}");
    let plain = cli.run(["db", "check", "-o", "plain"]).expect(1);
    assert!(plain.stderr.contains("lines_differ  default/distribution/123/p: "), "{}", plain.stderr);
}

#[test]
fn a_database_that_cannot_be_used_is_named_without_its_password() {
    let cli = Cli::bare();
    let table = [
        ("postgres://ireva:hunter2@127.0.0.1:1/ireva", 69, "database ireva at 127.0.0.1:1"),
        ("mysql://ireva:hunter2@localhost/ireva", 78, "DATABASE_URL: expected sqlite://FILE or postgres://"),
        ("sqlite://", 78, "DATABASE_URL"),
        ("sqlite:///nowhere/at/all.db", 69, "database /nowhere/at/all.db"),
    ];
    for (url, code, part) in table {
        let refused = cli.clone().env("DATABASE_URL", url).run(["db", "status"]).expect(code);
        assert!(refused.stderr.contains(part), "{url}: {}", refused.stderr);
        assert!(!refused.stderr.contains("hunter2") && refused.stdout.is_empty(), "{}", refused.stderr);
        assert!(refused.elapsed.as_secs() < 7, "{url}: {:?}", refused.elapsed);
    }
}
