//! Files in a real directory: what appears, what is left behind, and what is refused.

use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, symlink};
use std::time::{Duration, SystemTime};

use futures_util::stream;

use super::*;
use crate::format::{Column, Compression, Format, Kind, Value, WriteOptions};
use crate::retry::ErrorClass::{self, Permanent, Transient};

fn storage() -> (tempfile::TempDir, Storage) {
    let directory = tempfile::tempdir().unwrap();
    let storage = Storage::open(directory.path().to_str().unwrap(), &StorageSettings::default()).unwrap();
    (directory, storage)
}

/// The names in a directory, hidden ones too.
fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn verdict<T: std::fmt::Debug>(outcome: Result<T, ProcessError>) -> (ErrorClass, String) {
    let error = outcome.unwrap_err();
    (error.class(), error.code().to_owned())
}

fn refusal<T: std::fmt::Debug>(outcome: Result<T, ProcessError>) -> String {
    let (class, code) = verdict(outcome);
    assert_eq!(class, Permanent, "{code}");
    code
}

#[test]
fn roots_are_absolute_directories_or_buckets() {
    let open = |root: &str| Storage::open(root, &StorageSettings::default());
    let place = |root: &str| open(root).unwrap().place().to_owned();
    assert_eq!((place("/srv/files/"), place("file:///srv/files")), ("/srv/files".to_owned(), "/srv/files".to_owned()));
    for (root, part) in [
        ("files", "expected an absolute path"),
        ("../files", "expected an absolute path"),
        ("file://host/files", "expected an absolute path"),
        ("http://host/", "expected an absolute path"),
        ("", "expected an absolute path"),
        ("/", "the whole file system"),
        ("file:///", "the whole file system"),
        ("/srv\n", "control character"),
        ("s3://bucket/x", if cfg!(feature = "s3") { "set AWS_ACCESS_KEY_ID" } else { "the feature s3" }),
    ] {
        let error = open(root).unwrap_err();
        assert!(error.kind() == ErrorKind::Config && error.to_string().contains(part), "{root}: {error}");
    }
}

#[cfg(feature = "s3")]
#[test]
fn a_key_is_shown_nowhere() {
    let key = |text: &str| Some(text.to_owned());
    let s3 = S3Settings { access_key_id: key("hunter1"), secret_access_key: key("hunter2"), ..S3Settings::default() };
    let settings = StorageSettings { s3, ..StorageSettings::default() };
    let storage = Storage::open("s3://bucket/exports", &settings).unwrap();
    assert_eq!(storage.place(), "s3://bucket/exports");
    let shown = format!("{settings:?} {storage:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    for (root, part) in [("s3://", "a bucket's name"), ("s3://A", "a bucket's name"), ("s3://bucket/a//b", "prefix")] {
        let error = Storage::open(root, &settings).unwrap_err().to_string();
        assert!(error.contains(part), "{root}: {error}");
    }
}

#[tokio::test]
async fn a_file_appears_when_it_is_whole_and_is_its_owners_alone() {
    let (directory, storage) = storage();
    let mut draft = storage.create("2024/q1/a.csv").await.unwrap();
    draft.write_all(b"abc").unwrap();
    let inner = directory.path().join("2024/q1");
    assert!(names(&inner).iter().all(|name| name.starts_with(".ireva-")), "{:?}", names(&inner));
    let stored = draft.finish().await.unwrap();
    assert_eq!(names(&inner), ["a.csv"]);
    let path = inner.join("a.csv");
    assert_eq!((std::fs::read(&path).unwrap().as_slice(), stored.size_bytes), (&b"abc"[..], 3));
    assert_eq!(stored.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(stored.path, path.to_str().unwrap());

    // Its path is a name of it, and a file of the same name is replaced.
    let mut text = String::new();
    storage.open_file(&stored.path).await.unwrap().file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "abc");
    storage.create("2024/q1/a.csv").await.unwrap().finish().await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"");
}

#[tokio::test]
async fn a_draft_that_is_not_finished_leaves_nothing_behind() {
    let (directory, storage) = storage();
    std::fs::write(directory.path().join("a.csv"), "before").unwrap();
    let mut draft = storage.create("a.csv").await.unwrap();
    draft.write_all(b"half").unwrap();
    assert_eq!(names(directory.path()).len(), 2);
    drop(draft);
    assert_eq!(names(directory.path()), ["a.csv"]);
    assert_eq!(std::fs::read(directory.path().join("a.csv")).unwrap(), b"before");
}

#[tokio::test]
async fn drafts_of_processes_that_are_gone_are_swept_and_others_are_not() {
    let (directory, storage) = storage();
    let long_ago = SystemTime::now() - Duration::from_secs(7_200);
    let age =
        |name: &str| File::options().write(true).open(directory.path().join(name)).unwrap().set_modified(long_ago);
    let held = storage.create("held.csv").await.unwrap();
    let held_name = names(directory.path())[0].clone();
    age(&held_name).unwrap();
    for name in [".ireva-gone.part", ".ireva-young.part", ".mine.part"] {
        std::fs::write(directory.path().join(name), "x").unwrap();
    }
    age(".ireva-gone.part").unwrap();
    age(".mine.part").unwrap();
    storage.create("a.csv").await.unwrap().finish().await.unwrap();
    let mut expected = vec![held_name, ".ireva-young.part".to_owned(), ".mine.part".to_owned(), "a.csv".to_owned()];
    expected.sort();
    assert_eq!(names(directory.path()), expected);
    drop(held);
}

#[tokio::test]
async fn r61_no_link_is_followed_and_nothing_but_a_plain_file_is_read() {
    let (directory, storage) = storage();
    let root = directory.path();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret.csv"), "secret").unwrap();
    std::fs::create_dir(root.join("directory")).unwrap();
    std::fs::write(root.join("file"), "x").unwrap();
    symlink(outside.path(), root.join("way")).unwrap();
    symlink(outside.path().join("secret.csv"), root.join("link.csv")).unwrap();
    symlink("file", root.join("inner-link")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(root.join("pipe")).status().unwrap();
    assert!(made.success());

    for name in ["link.csv", "inner-link", "way/secret.csv", "directory", "pipe", "file/x"] {
        assert_eq!(refusal(storage.open_file(name).await), "file_refused", "{name}");
    }
    for name in ["way/new.csv", "file/new.csv"] {
        assert_eq!(refusal(storage.create(name).await), "file_refused", "{name}");
    }
    for name in ["../x", "/etc/passwd", "a/../../x", "x\0", "CON", "x."] {
        assert_eq!(refusal(storage.open_file(name).await), "file_name_invalid", "{name:?}");
        assert_eq!(refusal(storage.create(name).await), "file_name_invalid", "{name:?}");
    }
    // A link in place of the file itself is replaced, not written through; a directory is not replaced.
    storage.create("link.csv").await.unwrap().finish().await.unwrap();
    assert_eq!(std::fs::read(outside.path().join("secret.csv")).unwrap(), b"secret");
    assert_eq!(refusal(storage.create("directory").await.unwrap().finish().await), "file_refused");
    assert_eq!(names(outside.path()), ["secret.csv"]);
    assert!(names(root).iter().all(|name| !name.starts_with(".ireva-")), "{:?}", names(root));
}

#[tokio::test]
async fn what_is_away_may_come_back() {
    let (directory, storage) = storage();
    let missing = |code: &str| (Transient, code.to_owned());
    assert_eq!(verdict(storage.open_file("a.csv").await), missing("file_missing"));
    assert_eq!(verdict(storage.open_file("b/a.csv").await), missing("file_missing"));
    let path = directory.path().to_owned();
    directory.close().unwrap();
    assert_eq!(verdict(storage.open_file("a.csv").await), missing("storage_unreachable"));
    assert_eq!(verdict(storage.create("a.csv").await), missing("storage_unreachable"));
    std::fs::write(&path, "no directory").unwrap();
    assert_eq!(verdict(storage.create("a.csv").await), missing("storage_unreachable"));
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_directory_of_ones_own_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/b");
    Storage::open_own(&path, &StorageSettings::default()).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
}

fn table(name: &str, format: Format, compression: Compression) -> TableFile {
    let columns = vec![Column::new("name", Kind::Text), Column::new("count", Kind::Integer)];
    let options = WriteOptions { compression, ..WriteOptions::default() };
    TableFile { name: name.to_owned(), format, columns, options }
}

fn batches(count: i64) -> Vec<Result<Vec<Vec<Value>>, ProcessError>> {
    (0..count).map(|number| Ok(vec![vec!["Ada".into(), number.into()], vec!["Bob".into(), number.into()]])).collect()
}

#[tokio::test]
async fn rows_become_a_file_of_each_format_and_compression() {
    let (directory, storage) = storage();
    for format in [Format::Csv, Format::Json, Format::Ndjson, Format::Excel] {
        for compression in Compression::ALL {
            let name = format!("rows{}{}", format.ending(), compression.ending());
            let table = table(&name, format, compression);
            let stored = store_table::<ProcessError>(&storage, table, stream::iter(batches(50))).await.unwrap();
            assert_eq!(stored.rows, 100);
            let bytes = std::fs::read(directory.path().join(&name)).unwrap();
            assert_eq!(bytes.len() as u64, stored.file.size_bytes);
            let options = crate::format::ReadOptions { compression, ..Default::default() };
            let mut reader = format.reader(&bytes[..], &options).unwrap();
            let mut rows = 0;
            while reader.next_row().unwrap().is_some() {
                rows += 1;
            }
            assert_eq!(rows, 100, "{name}");
        }
    }
    assert_eq!(names(directory.path()).len(), 12);
}

#[tokio::test]
async fn rows_that_break_off_or_do_not_fit_leave_no_file() {
    let (directory, storage) = storage();
    let csv = || table("rows.csv", Format::Csv, Compression::None);
    let broken = batches(20).into_iter().chain([Err(ProcessError::transient("database_busy", "busy"))]);
    let ended = store_table(&storage, csv(), stream::iter(broken)).await;
    assert_eq!(verdict(ended), (Transient, "database_busy".to_owned()));
    let unfit = batches(1).into_iter().chain([Ok(vec![vec![1.into(), 2.into()]])]).chain(batches(20));
    assert_eq!(refusal(store_table(&storage, csv(), stream::iter(unfit)).await), "table_invalid");
    // The writer of the first may still be on its way out.
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while !names(directory.path()).is_empty() {
        assert!(std::time::Instant::now() < deadline, "{:?}", names(directory.path()));
        tokio::task::yield_now().await;
    }
}
