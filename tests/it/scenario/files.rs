//! Files under faults: disks that are full, mounts that vanish, workers that die, names that lead elsewhere.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ireva_queue::builtin::portfolio::Database;
use serde_json::json;

use crate::support::files::{FileDesk, names};
use crate::support::*;

const LONG: Duration = Duration::from_secs(120);

/// A worker that has a file system of its own, of `size`, at `place`: it vanishes with the worker.
pub(super) fn mounted(cli: &Cli, place: &Path, size: &str, queue: &str) -> WorkProcess {
    std::fs::create_dir_all(place).unwrap();
    let script = "mount -t tmpfs -o size=$0,mode=0700 ireva-test \"$1\" && shift && exec \"$@\"";
    let mut wrapper = vec!["unshare", "--mount"];
    if !rustix::process::getuid().is_root() {
        wrapper.push("--map-root-user");
    }
    wrapper.extend(["sh", "-c", script, size, place.to_str().unwrap()]);
    cli.service_around(&wrapper, ["work", "--log-format", "json", queue]).ready()
}

/// A path as a process sees it.
pub(super) fn seen_by(worker: &WorkProcess, path: &Path) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root{}", worker.pid(), path.display()))
}

/// Runs a command in the worker's view of the file system.
fn inside(worker: &WorkProcess, command: &[&str]) {
    let mut nsenter = Command::new("nsenter");
    nsenter.args(["--target", &worker.pid().to_string(), "--mount"]);
    if !rustix::process::getuid().is_root() {
        nsenter.args(["--user", "--preserve-credentials"]);
    }
    let status = nsenter.arg("--").args(command).status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

#[test]
fn r24_an_export_to_a_full_disk_waits_for_room_and_leaves_nothing_behind() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let place = cli.home().join("full");
    let cli = cli.env("EXPORT_DIR", place.to_str().unwrap());
    cli.ok(["db", "seed"]);
    let mut worker = mounted(&cli, &place, "64k", "data-export");
    let view = seen_by(&worker, &place);
    std::fs::write(view.join("filler"), vec![0; 60 * 1024]).unwrap();

    let payload = r#"{"source":"transactions","destination":"t.csv"}"#;
    let id = cli.enqueue("data-export", payload, &["--backoff", "fixed:1s", "--attempts", "50"]);
    let failed = worker.wait_event("retrying");
    assert_eq!((&failed["class"], &failed["code"]), (&json!("transient"), &json!("storage_full")), "{failed}");
    assert_eq!(names(&view), ["filler"], "no file at the final path, and no draft");

    std::fs::remove_file(view.join("filler")).unwrap();
    wait_until(LONG, "the retry succeeds", || {
        worker.events("completed").iter().any(|event| event["job"] == id.as_str())
    });
    assert_eq!(names(&view), ["t.csv"]);
    let rows = csv::Reader::from_path(view.join("t.csv")).unwrap().records().count();
    assert!(rows > 300, "{rows}");
    assert_eq!(worker.stop(LONG), Some(0));
}

#[test]
fn r24_an_import_from_a_mount_that_vanishes_waits_until_it_is_back() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let place = cli.home().join("mount");
    let cli = cli.env("IMPORT_DIR", place.to_str().unwrap());
    let mut worker = mounted(&cli, &place, "1m", "data-import");
    let view = seen_by(&worker, &place);
    let text = "id,name,country,joinedOn\ni1,Ada,NG,2024-01-31\n";
    std::fs::write(view.join("i.csv"), text).unwrap();
    inside(&worker, &["umount", place.to_str().unwrap()]);

    let payload = r#"{"source":"i.csv","target":"investors"}"#;
    let id = cli.enqueue("data-import", payload, &["--backoff", "fixed:1s", "--attempts", "50"]);
    let failed = worker.wait_event("retrying");
    assert_eq!((&failed["class"], &failed["code"]), (&json!("transient"), &json!("file_missing")), "{failed}");

    inside(&worker, &["mount", "-t", "tmpfs", "ireva-test", place.to_str().unwrap()]);
    std::fs::write(view.join("i.csv"), text).unwrap();
    wait_until(LONG, "the retry succeeds", || {
        worker.events("completed").iter().any(|event| event["job"] == id.as_str())
    });
    assert_eq!(worker.stop(LONG), Some(0));
}

/// Rows of an import, as they should come out of it.
struct Wanted {
    text: String,
    /// Id and name of every row that is well.
    good: Vec<(String, String)>,
    /// Row number and column of every row that is not.
    bad: Vec<(u64, String)>,
}

/// Ten thousand rows with everything that goes wrong in files: a mark at the beginning, line ends of two characters,
/// quotes, delimiters and line breaks in cells, a cell of a mebibyte, a bad row in the middle, and ids that come again.
fn ten_thousand() -> Wanted {
    let mut wanted =
        Wanted { text: "\u{feff}id,name,country,joinedOn\r\n".to_owned(), good: Vec::new(), bad: Vec::new() };
    let taken: Vec<u64> = (1..=10_000).filter(|row| row % 997 == 0).collect();
    for row in 1..=10_000_u64 {
        let mut name = match row % 4 {
            0 => format!("O'Neil, \"Ada\" {row}"),
            1 => format!("two\nlines; {row}"),
            2 => format!("Ünïcode {row}"),
            _ => format!("Ada {row}"),
        };
        let id = if taken.contains(&row) { format!("i{}", row - 990) } else { format!("i{row}") };
        let mut date = "2024-01-31";
        if row == 5_000 {
            date = "31.01.2024";
            wanted.bad.push((row, "joinedOn".to_owned()));
        } else if row == 8_000 {
            name = "x".repeat(1 << 20);
            wanted.bad.push((row, "name".to_owned()));
        } else if taken.contains(&row) {
            wanted.bad.push((row, "id".to_owned()));
        } else {
            wanted.good.push((id.clone(), name.clone()));
        }
        wanted.text.push_str(&format!("{id},\"{}\",NG,{date}\r\n", name.replace('"', "\"\"")));
    }
    wanted
}

/// A database as a test asks it while a worker writes to it.
struct Watcher {
    runtime: tokio::runtime::Runtime,
    database: Database,
}

impl Watcher {
    fn new(url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let database = runtime.block_on(async { Database::open(url).unwrap() });
        Self { runtime, database }
    }

    /// Rows that are read of the only import; none before it has begun.
    fn rows_read(&self) -> i64 {
        let sql = "SELECT COALESCE(max(rows_read), 0) FROM imports";
        self.runtime.block_on(async {
            match &self.database {
                Database::Sqlite(pool) => sqlx::query_scalar(sql).fetch_one(pool).await.unwrap(),
                Database::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await.unwrap(),
            }
        })
    }

    fn investors(&self) -> Vec<(String, String)> {
        let sql = "SELECT id, name FROM investors";
        self.runtime.block_on(async {
            match &self.database {
                Database::Sqlite(pool) => sqlx::query_as(sql).fetch_all(pool).await.unwrap(),
                Database::Postgres(pool) => sqlx::query_as(sql).fetch_all(pool).await.unwrap(),
            }
        })
    }
}

/// An import whose workers are killed twice on the way.
fn killed_on_the_way(cli: Cli, url: &str) {
    cli.ok(["db", "migrate"]);
    cli.keep_completed("data-import");
    let imports = cli.home().join("in");
    std::fs::create_dir(&imports).unwrap();
    let cli = cli.env("IMPORT_DIR", imports.to_str().unwrap());
    let wanted = ten_thousand();
    std::fs::write(imports.join("investors.csv"), &wanted.text).unwrap();
    let watcher = Watcher::new(url);
    let work = ["data-import", "--lease", "4s", "--concurrency", "1"];
    let id = cli.enqueue("data-import", r#"{"source":"investors.csv","target":"investors"}"#, &[]);
    for least in [500, 4_000] {
        let mut worker = cli.work(work);
        wait_until(LONG, "rows come in", || watcher.rows_read() >= least);
        worker.kill9();
        let rows = watcher.rows_read();
        eprintln!("killed with {rows} of 10000 rows in");
        assert!(rows < 10_000, "the import was over before the worker was killed");
    }
    let mut last = cli.work(work);
    wait_until(LONG, "it is completed", || cli.json(["jobs", "show", &id])["state"] == "completed");
    assert_eq!(last.stop(LONG), Some(0), "{:?}", last.log());

    let mut found = watcher.investors();
    let mut good = wanted.good;
    found.sort();
    good.sort();
    assert_eq!(found.len(), good.len(), "no row is lost, none is in twice");
    assert!(found == good, "every cell is as it stood in the file");
    let mut reader = csv::Reader::from_path(imports.join(format!("investors.rejects-{id}.csv"))).unwrap();
    let mut rejects: Vec<(u64, u64, String)> = reader
        .records()
        .map(|record| record.unwrap())
        .map(|record| (record[0].parse().unwrap(), record[1].parse().unwrap(), record[2].to_owned()))
        .collect();
    rejects.sort();
    let told: Vec<_> = rejects.iter().map(|(_, row, column)| (*row, column.clone())).collect();
    assert_eq!(told, wanted.bad);
    // The header has a line, and every fourth row before it two.
    let line_of = |row: u64| row + 1 + (1..row).filter(|before| before % 4 == 1).count() as u64;
    assert!(rejects.iter().all(|(line, row, _)| *line == line_of(*row)), "{rejects:?}");
}

#[test]
fn r55_no_row_is_lost_or_doubled_by_workers_that_die_on_sqlite() {
    let redis = TestRedis::start();
    let cli = Cli::new(&redis);
    let url = format!("sqlite://{}", cli.home().join("files.db").display());
    killed_on_the_way(cli.env("DATABASE_URL", &url), &url);
}

#[test]
fn r55_no_row_is_lost_or_doubled_by_workers_that_die_on_postgresql() {
    let (redis, postgres) = (TestRedis::start(), TestPostgres::start());
    killed_on_the_way(Cli::new(&redis).env("DATABASE_URL", postgres.url()), &postgres.url());
}

#[tokio::test]
async fn r61_no_name_leads_out_of_a_storage() {
    let desk = FileDesk::sqlite().await;
    let outside = tempfile::tempdir().unwrap();
    let text = "id,name,country,joinedOn\ni1,Ada,NG,2024-01-31\n";
    std::fs::write(outside.path().join("secret.csv"), text).unwrap();
    std::os::unix::fs::symlink(outside.path(), desk.imports().join("way")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret.csv"), desk.imports().join("link.csv")).unwrap();
    std::os::unix::fs::symlink(outside.path(), desk.exports().join("way")).unwrap();
    let long = format!("{}.csv", "x".repeat(256));
    let table = [
        ("../x.csv", "payload_invalid"),
        ("a/../../x.csv", "payload_invalid"),
        ("/etc/passwd", "file_name_invalid"),
        ("file:///etc/passwd", "file_name_invalid"),
        ("s3://other/x.csv", "file_name_invalid"),
        ("x\u{0}.csv", "payload_invalid"),
        (long.as_str(), "payload_invalid"),
        ("CON", "payload_invalid"),
        ("nul.csv", "payload_invalid"),
        ("x.csv.", "payload_invalid"),
        ("way/secret.csv", "file_refused"),
    ];
    for (name, code) in table {
        let import = desk.import(&json!({"source": name, "format": "csv", "target": "investors"})).await;
        let export = desk.export(&json!({"source": "investors", "format": "csv", "destination": name})).await;
        assert_eq!((import.refused().0, export.refused().0), (code, code), "{name:?}");
    }
    let import = desk.import(&json!({"source": "link.csv", "target": "investors"})).await;
    assert_eq!(import.refused().0, "file_refused");
    assert_eq!(names(outside.path()), ["secret.csv"]);
    assert_eq!(names(&desk.exports()), ["way"]);
    assert_eq!(desk.number("SELECT count(*) FROM imports").await, 0);
}
