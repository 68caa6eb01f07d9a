//! Distributions from the queue to the ledger, on both kinds of database.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::*;

const DOCUMENTED: &str = r#"{"propertyId":123,"periodId":202401,"distributionDate":"2024-01-31","totalAmount":25000,"calculationMethod":"pro-rata"}"#;
const LONG: Duration = Duration::from_secs(60);

/// A queue and a seeded database.
struct Desk {
    _redis: TestRedis,
    _postgres: Option<TestPostgres>,
    cli: Cli,
}

fn desks() -> Vec<Desk> {
    [false, true]
        .map(|server| {
            let redis = TestRedis::start();
            let postgres = server.then(TestPostgres::start);
            let mut cli = Cli::new(&redis);
            if let Some(postgres) = &postgres {
                cli = cli.env("DATABASE_URL", postgres.url());
            }
            cli.ok(["db", "migrate"]);
            cli.ok(["db", "seed"]);
            Desk { _redis: redis, _postgres: postgres, cli }
        })
        .into()
}

impl Desk {
    /// Runs a distribution to its end: its result, or its dead letter.
    fn distribute(&self, payload: &str) -> Value {
        let mut worker = self.cli.work(["roi-distribution"]);
        let wait = ["enqueue", "roi-distribution", payload, "--wait", "--no-check", "-o", "json"];
        let ended = self.cli.run(wait).json();
        assert_eq!(worker.stop(LONG), Some(0), "{:?}", worker.log());
        ended
    }

    fn mails(&self) -> u64 {
        self.cli.run(["stats", "email", "-o", "json"]).json()["totals"]["enqueued"].as_u64().unwrap()
    }
}

fn amounts(result: &Value) -> Vec<u64> {
    let lines = result["result"]["lines"].as_array().unwrap_or_else(|| panic!("{result}"));
    lines.iter().map(|line| line["amount"].as_str().unwrap().replace('.', "").parse().unwrap()).collect()
}

#[test]
fn a_distribution_is_applied_once_and_every_investor_gets_one_mail() {
    let mut both = Vec::new();
    for desk in desks() {
        let dry = desk.distribute(&DOCUMENTED.replace('}', r#","dryRun":true}"#));
        assert_eq!(dry["result"]["state"], "dry run", "{dry}");
        assert_eq!(desk.cli.json(["db", "check"])["distributions"], 0);

        let first = desk.distribute(DOCUMENTED);
        assert_eq!((&first["state"], &first["result"]["state"]), (&json!("completed"), &json!("applied")), "{first}");
        assert_eq!(amounts(&first), amounts(&dry));
        assert_eq!(amounts(&first).iter().sum::<u64>(), 2_500_000);
        let investors = first["result"]["investors"].as_u64().unwrap();
        assert_eq!((first["result"]["mailsQueued"].as_u64(), desk.mails()), (Some(investors), investors));

        let second = desk.distribute(DOCUMENTED);
        assert_eq!(second["result"]["state"], "already applied", "{second}");
        assert_eq!((amounts(&second), &second["result"]["mailsQueued"]), (amounts(&first), &json!(0)));
        assert_eq!(desk.mails(), investors);
        let audit = desk.cli.json(["db", "check"]);
        assert_eq!(
            (&audit["findings"], &audit["lines"], &audit["mailsWaiting"]),
            (&json!([]), &json!(investors), &json!(0))
        );

        let mail = desk.cli.json(["jobs", "list", "email", "--limit", "1"])[0]["id"].as_str().unwrap().to_owned();
        let mail = desk.cli.json(["jobs", "show", &mail])["payload"].clone();
        assert_eq!(
            (&mail["template"], &mail["context"]["period"]),
            (&json!("distribution-paid"), &json!("January 2024"))
        );
        both.push(amounts(&first));
    }
    assert_eq!(both[0], both[1], "both databases share alike");
}

#[test]
fn the_mails_of_a_distribution_are_ones_that_the_email_processor_sends() {
    let desk = desks().remove(0);
    let investors = desk.distribute(DOCUMENTED)["result"]["investors"].as_u64().unwrap();
    let directory = desk.cli.home().join("mails");
    let cli = desk.cli.clone().env("SMTP_URL", format!("file://{}", directory.display()));
    let mut worker = cli.env("MAIL_FROM", "iREVA <no-reply@example.com>").work(["email", "--until-empty"]);
    assert_eq!(worker.wait(LONG), Some(0), "{:?}", worker.log());
    let mails: Vec<_> = std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(mails.len() as u64, investors);
    let text = std::fs::read_to_string(&mails[0]).unwrap();
    assert!(text.contains("Lekki Gardens Phase II") && text.contains("January 2024"), "{text}");
}

#[test]
fn what_is_wrong_with_a_distribution_ends_among_the_dead_letters_and_the_others_go_on() {
    for desk in desks() {
        desk.distribute(DOCUMENTED);
        let edit = |from: &str, to: &str| DOCUMENTED.replace(from, to);
        let more = |more: &str| DOCUMENTED.replace("202401", "202402").replace('}', &format!(",{more}}}"));
        let table = [
            (edit("25000", "26000"), "distribution_conflict", "25000.00 NGN then, 26000.00 now"),
            (edit("pro-rata", "fixed"), "distribution_conflict", "pro-rata then, fixed now"),
            (edit("2024-01-31", "2024-01-30"), "distribution_conflict", "its terms were"),
            (edit("123", "999"), "property_unknown", "there is no property 999 of tenant default"),
            (more(r#""tenantId":"acme""#), "property_unknown", "of tenant acme"),
            (more(r#""currency":"USD""#), "currency_mismatch", "currency is USD, but property 123 is in NGN"),
            (edit("25000", "0.001"), "amount_invalid", "more decimals than NGN"),
            (edit("25000", "-1"), "payload_invalid", "totalAmount must be more than 0"),
            (edit("2024-01-31", "1999-01-31").replace("202401", "199901"), "no_investors", "on 1999-01-31"),
            ("{}".to_owned(), "payload_invalid", "propertyId is missing; periodId is missing"),
        ];
        for (payload, code, part) in &table {
            let ended = desk.distribute(payload);
            assert_eq!(
                (&ended["state"], &ended["error"]["code"]),
                (&json!("dead"), &json!(code)),
                "{payload}: {ended}"
            );
            let message = ended["error"]["message"].as_str().unwrap();
            assert!(message.contains(part) && ended["error"]["class"] == "permanent", "{payload}: {ended}");
        }
        let next = desk.distribute(&DOCUMENTED.replace("202401", "202402"));
        assert_eq!(next["result"]["state"], "applied", "{next}");
        let audit = desk.cli.json(["db", "check"]);
        assert_eq!((&audit["findings"], &audit["distributions"]), (&json!([]), &json!(2)));
        assert_eq!(desk.cli.json(["stats", "roi-distribution"])["dead"], table.len());
    }
}

#[test]
fn an_investor_without_an_address_or_with_a_wrong_one_stops_a_distribution_before_anything_is_stored() {
    let desk = desks().remove(1);
    let postgres = desk._postgres.as_ref().unwrap();
    postgres.ask("UPDATE investors SET email = NULL WHERE id = '456'");
    let ended = desk.distribute(DOCUMENTED);
    let message = ended["error"]["message"].as_str().unwrap();
    assert_eq!(ended["error"]["code"], "email_missing");
    assert!(message.contains("no email address for investor 456 (John Akinwale): add it"), "{message}");
    assert_eq!(desk.cli.json(["db", "check"])["distributions"], 0);
    postgres.ask("UPDATE investors SET email = 'john,j@example.com' WHERE id = '456'");
    let ended = desk.distribute(DOCUMENTED);
    let message = ended["error"]["message"].as_str().unwrap();
    assert_eq!(ended["error"]["code"], "mail_invalid");
    assert!(message.contains("investor 456 (John Akinwale) could not be sent") && message.contains("to "), "{message}");
    assert_eq!(desk.cli.json(["db", "check"])["distributions"], 0);
    postgres.ask("UPDATE investors SET email = 'john@example.com' WHERE id = '456'");
    desk.cli.ok(["dlq", "retry", "roi-distribution", "--all", "--yes"]);
    let mut worker = desk.cli.work(["roi-distribution", "--until-empty"]);
    assert_eq!(worker.wait(LONG), Some(0));
    assert_eq!(desk.cli.json(["db", "check"])["distributions"], 1);
}

#[test]
fn a_database_that_is_away_is_waited_for() {
    let redis = TestRedis::start();
    let postgres = TestPostgres::start();
    let cli = Cli::new(&redis).env("DATABASE_URL", postgres.url());
    cli.ok(["db", "migrate"]);
    cli.ok(["db", "seed"]);
    let mut worker = cli.work(["roi-distribution"]).ready();
    drop(postgres);
    cli.enqueue("roi-distribution", DOCUMENTED, &["--backoff", "fixed:1h"]);
    let failed = worker.wait_event("retrying");
    assert_eq!((&failed["class"], &failed["code"]), (&json!("transient"), &json!("database_unreachable")), "{failed}");
    assert_eq!(worker.stop(LONG), Some(0));
}

#[test]
fn mails_that_a_full_queue_does_not_take_wait_without_using_an_attempt() {
    let [desk, _] = &desks()[..] else { unreachable!("two desks") };
    desk.cli.ok(["queues", "set", "email", "--max-length", "3"]);
    let enqueue = ["enqueue", "roi-distribution", DOCUMENTED, "--id", "jan", "--no-check", "--attempts", "1"];
    desk.cli.ok(enqueue);
    let mut worker = desk.cli.work(["roi-distribution"]);
    let shown = || desk.cli.json(["jobs", "show", "jan"]);
    wait_for(LONG, "the job to be put off", || (shown()["snoozed"].as_u64() >= Some(1)).then_some(()));
    assert_eq!((&shown()["failed"], desk.mails()), (&json!(0), 3));
    let audit = desk.cli.json(["db", "check"]);
    assert_eq!(audit["waiting"], json!(["default/distribution/123/202401"]), "{audit}");
    assert!(desk.cli.ok(["db", "check", "-o", "table"]).contains("default/distribution/123/202401"));

    desk.cli.ok(["queues", "set", "email", "--max-length", "none"]);
    wait_for(LONG, "the job to end", || (shown()["state"] == "completed").then_some(()));
    let audit = desk.cli.json(["db", "check"]);
    assert_eq!((audit["lines"].as_u64(), &audit["mailsWaiting"]), (Some(desk.mails()), &json!(0)));
    assert_eq!(worker.stop(LONG), Some(0), "{:?}", worker.log());
}
