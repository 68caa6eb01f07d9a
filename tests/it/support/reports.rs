//! A queue and a portfolio to make reports of.

use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Cli, TestPostgres, TestRedis, WorkProcess};

pub const STATEMENT: &str = r#""userId":456,"startDate":"2024-01-01","endDate":"2024-06-30""#;
pub const PERFORMANCE: &str = r#""propertyId":123,"startDate":"2024-01-01","endDate":"2024-06-30""#;
pub const VALUATION: &str = r#""portfolioId":"all","startDate":"2024-01-01","endDate":"2024-06-30""#;
pub const PERIOD: &str = r#""startDate":"2024-01-01","endDate":"2024-06-30""#;

/// Every report with its parameters.
pub const TYPES: [(&str, &str); 6] = [
    ("investor-statement", STATEMENT),
    ("property-performance", PERFORMANCE),
    ("roi-summary", PERIOD),
    ("portfolio-valuation", VALUATION),
    ("transaction-history", PERIOD),
    ("tax-document", STATEMENT),
];

/// A queue and a seeded database.
pub struct Desk {
    pub redis: TestRedis,
    pub postgres: Option<TestPostgres>,
    pub cli: Cli,
}

/// The payload of a report.
pub fn payload(report: &str, format: &str, parameters: &str) -> String {
    format!(r#"{{"reportType":"{report}","format":"{format}","parameters":{{{parameters}}}}}"#)
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Desk {
    /// On the file that is the tool's own.
    pub fn new() -> Self {
        Self::on(None)
    }

    /// On a server.
    pub fn with_server() -> Self {
        Self::on(Some(TestPostgres::start()))
    }

    /// One on each kind of database.
    pub fn both() -> [Self; 2] {
        [Self::new(), Self::with_server()]
    }

    fn on(postgres: Option<TestPostgres>) -> Self {
        let redis = TestRedis::start();
        let mut cli = Cli::new(&redis);
        if let Some(postgres) = &postgres {
            cli = cli.env("DATABASE_URL", postgres.url());
        }
        cli.ok(["db", "migrate"]);
        cli.ok(["db", "seed"]);
        Self { redis, postgres, cli }
    }

    /// The same desk with a variable set.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.cli = self.cli.env(name, value);
        self
    }

    /// Distributes something in naira, twice, and in dollars.
    pub fn distribute(&self) {
        for (property, month, total) in
            [("123", "01", "2500000.01"), ("123", "02", "1750000"), ("126", "03", "9000.05")]
        {
            let payload = format!(
                r#"{{"propertyId":{property},"periodId":"2024{month}","distributionDate":"2024-{month}-28","totalAmount":"{total}"}}"#
            );
            self.cli.enqueue("roi-distribution", &payload, &[]);
        }
        let mut worker = self.cli.work(["roi-distribution", "--until-empty"]);
        assert_eq!(worker.wait(Duration::from_secs(60)), Some(0), "{:?}", worker.log());
        assert_eq!(self.cli.json(["db", "check"])["distributions"], 3, "{:?}", worker.log());
        // The mails that follow are not what reports are about.
        self.cli.ok(["clear", "email", "--yes"]);
    }

    /// Adds so many entries to the ledger of the file, all of them in 2024.
    pub fn fill(&self, entries: u64) {
        self.fill_more(0..entries);
    }

    /// Adds the entries of these numbers.
    pub fn fill_more(&self, numbers: std::ops::Range<u64>) {
        let script = "import sqlite3, sys\n\
            db = sqlite3.connect(sys.argv[1])\n\
            numbers = range(int(sys.argv[2]), int(sys.argv[3]))\n\
            rows = ((f'fill/{n:07}', f'2024-{n % 12 + 1:02}-{n % 28 + 1:02}', n * 101 - 5000) for n in numbers)\n\
            db.executemany(\"INSERT INTO transactions VALUES ('default', ?1, '123', '456', 'rent', ?3, 'NGN', ?2, 'reference of ' || ?1)\", rows)\n\
            db.commit()\n";
        let file = self.cli.home().join(".local/share/ireva-queue/portfolio.db");
        let range = [numbers.start.to_string(), numbers.end.to_string()];
        let filled = super::python().args(["-c", script]).arg(file).args(range).output().unwrap();
        assert!(filled.status.success(), "{}", String::from_utf8_lossy(&filled.stderr));
    }

    /// A worker of reports, ready.
    pub fn worker(&self) -> WorkProcess {
        self.cli.work(["report-generation"]).ready()
    }

    /// How a report ended; a worker is at work.
    pub fn ended(&self, payload: &str) -> Value {
        let wait = ["enqueue", "report-generation", payload, "--wait", "--no-check", "-o", "json"];
        self.cli.clone().deadline(Duration::from_secs(180)).run(wait).json()
    }

    /// Makes a report: its result, and its file.
    pub fn file(&self, report: &str, format: &str, parameters: &str) -> (Value, Vec<u8>) {
        let _worker = self.worker();
        let ended = self.ended(&payload(report, format, parameters));
        assert_eq!(ended["state"], "completed", "{report} {format}: {ended}");
        let result = ended["result"].clone();
        let file = std::fs::read(result["path"].as_str().unwrap()).unwrap();
        (result, file)
    }
}
