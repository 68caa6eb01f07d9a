//! Reads a file on a thread of its own and hands its rows over in batches; only a few of them wait in between.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::sync::Arc;
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::payload::Order;
use super::reject::Reject;
use super::shape::{Record, Shape};
use crate::builtin::classify;
use crate::builtin::storage::{Opened, trouble};
use crate::error::Error;
use crate::format::{ReadError, ReadOptions, RowReader};
use crate::processor::ProcessError;

/// Rows of a batch, wrong ones included: what is stored in one transaction.
const BATCH_ROWS: usize = 500;
/// Batches that wait.
const BATCHES_WAITING: usize = 2;

/// A file that stays the same while it is read.
#[derive(Debug)]
pub(super) struct Source {
    pub path: String,
    pub identity: Identity,
    file: Arc<File>,
    /// When it was last written to; whoever writes to it meanwhile is noticed by it.
    modified: Option<SystemTime>,
}

/// What makes a file the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub size_bytes: u64,
    pub sha256: String,
}

/// The batches of a file as they are read.
#[derive(Debug)]
pub(super) struct Batches(mpsc::Receiver<Result<Option<Batch>, ProcessError>>);

impl Batches {
    /// The next one; `None` at the end of the file, which is told apart from a reader that broke off.
    ///
    /// # Errors
    /// What is wrong with the file; it is the last answer.
    pub async fn next(&mut self) -> Result<Option<Batch>, ProcessError> {
        let broken_off = || Err(ProcessError::transient("rows_broken_off", "reading the file broke off"));
        self.0.recv().await.unwrap_or_else(broken_off)
    }
}

/// Rows that follow each other in the file.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// The number of the last one.
    pub last_row: u64,
    pub records: Vec<Record>,
    pub rejects: Vec<Reject>,
    /// Rows that the rejects are of.
    pub rejected_rows: u64,
}

impl Source {
    /// Reads the whole file once, for its identity.
    pub async fn new(opened: Opened) -> Result<Self, ProcessError> {
        let Opened { path, file } = opened;
        let shown = path.clone();
        let hashed = tokio::task::spawn_blocking(move || {
            let modified = file.metadata()?.modified().ok();
            let identity = identity(&file)?;
            Ok::<_, io::Error>((Arc::new(file), modified, identity))
        });
        let hashed = hashed.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        let (file, modified, identity) = hashed.map_err(|error| trouble(&shown, &error))?;
        Ok(Self { path, identity, file, modified })
    }

    /// The rows behind the first `skipped` of the file.
    pub fn batches(&self, order: &Order, skipped: u64) -> Batches {
        let (sender, receiver) = mpsc::channel(BATCHES_WAITING);
        let (file, path, order) = (Arc::clone(&self.file), self.path.clone(), order.clone());
        tokio::task::spawn_blocking(move || {
            let end = read(&file, &order, skipped, &sender).map(|()| None).map_err(|error| error.of(&path));
            // Whoever does not listen any more wants no end either.
            let _ = sender.blocking_send(end);
        });
        Batches(receiver)
    }

    /// Whether the file is still what it was when it was opened.
    ///
    /// # Errors
    /// Transient, `file_changing`: another attempt sees what became of it.
    pub fn check_unchanged(&self) -> Result<(), ProcessError> {
        let metadata = self.file.metadata().map_err(|error| trouble(&self.path, &error))?;
        if metadata.len() == self.identity.size_bytes && metadata.modified().ok() == self.modified {
            return Ok(());
        }
        let why = format!("{}: somebody writes to the file while it is imported", self.path);
        Err(ProcessError::transient("file_changing", why))
    }
}

/// Why reading ended before the end.
enum Broken {
    /// The file is not what it should be.
    File(Error),
    /// Its header does not fit the table.
    Header(String),
    /// It cannot be read.
    Io(io::Error),
}

impl Broken {
    fn of(self, path: &str) -> ProcessError {
        match self {
            Self::File(error) => {
                let (class, code) = classify::table(&error);
                ProcessError::new(class, code, format!("{path}: {error}"))
            }
            Self::Header(problem) => ProcessError::permanent("header_invalid", format!("{path}: {problem}")),
            Self::Io(error) => trouble(path, &error),
        }
    }
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self::File(error)
    }
}

fn identity(mut file: &File) -> io::Result<Identity> {
    let mut digest = Sha256::new();
    let mut size_bytes = 0;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            count => {
                digest.update(&buffer[..count]);
                size_bytes += count as u64;
            }
        }
    }
    let sha256 = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Identity { size_bytes, sha256 })
}

fn read(
    mut file: &File,
    order: &Order,
    skipped: u64,
    sender: &mpsc::Sender<Result<Option<Batch>, ProcessError>>,
) -> Result<(), Broken> {
    file.rewind().map_err(Broken::Io)?;
    let options = ReadOptions { compression: order.compression, ..ReadOptions::default() };
    let mut reader = order.format.reader(file, &options)?;
    let shape = Shape::new(order);
    if let Some(header) = reader.columns() {
        shape.check_header(order, header).map_err(Broken::Header)?;
    }
    for _ in 0..skipped {
        if let Err(ReadError::File(error)) = reader.next_row() {
            return Err(error.into());
        }
    }
    let mut row = skipped;
    while let Some(batch) = next_batch(reader.as_mut(), &shape, &mut row)? {
        if sender.blocking_send(Ok(Some(batch))).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// The next rows; `None` at the end.
fn next_batch(reader: &mut dyn RowReader, shape: &Shape, row: &mut u64) -> Result<Option<Batch>, Broken> {
    let mut batch = Batch::default();
    for _ in 0..BATCH_ROWS {
        match reader.next_row() {
            Ok(None) => break,
            Ok(Some(found)) => match shape.read(&found) {
                Ok(record) => batch.records.push(record),
                Err(rejects) => batch.reject(rejects),
            },
            Err(ReadError::Row(bad)) => batch.reject(vec![bad.into()]),
            Err(ReadError::File(error)) => return Err(error.into()),
        }
        *row += 1;
        batch.last_row = *row;
    }
    Ok((batch.last_row > 0).then_some(batch))
}

impl Batch {
    /// Counts a row that is wrong.
    pub fn reject(&mut self, rejects: Vec<Reject>) {
        self.rejects.extend(rejects);
        self.rejected_rows += 1;
    }
}
