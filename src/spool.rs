//! Jobs on disk for as long as Redis does not take them: a file each, delivered once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::client::Client;
use crate::clock::local_now;
use crate::error::{Error, ErrorKind, Result};
use crate::job::{JobId, NewJob, PAYLOAD_MAX_BYTES, QueueName, Start};
use crate::stats::Enqueued;

/// What the names of files end with: those of jobs, and of those that no queue can ever take.
const JOB: &str = "json";
const REFUSED: &str = "refused";
/// Files that are read at a time: a full call.
const STEP: usize = 300;
const STEP_BYTES: usize = 4 << 20;
/// A payload at its limit with its options around it.
const FILE_MAX_BYTES: u64 = PAYLOAD_MAX_BYTES as u64 + 64 * 1024;

/// A directory of jobs that are yet to be handed to Redis.
///
/// The id of a job is fixed when it is put here, and remembered by its queue like one of the producer's choice: delivered
/// again, after a lost answer or by two at once, it is a duplicate. A queue remembers an id for a day after its job is gone,
/// so what was broken off is to be taken up again within that time.
#[derive(Debug, Clone)]
pub struct Spool {
    directory: PathBuf,
}

/// A job that stands on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Spooled {
    /// The job.
    pub id: JobId,
    /// Its queue.
    pub queue: QueueName,
    /// When it was put there, by this host's clock.
    pub spooled_at: DateTime<Utc>,
    /// Its file.
    pub file: PathBuf,
}

/// A file of a spool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SpoolEntry {
    /// Its name.
    pub file: String,
    /// The job; this and what follows is `None` where nobody can read it.
    pub id: Option<JobId>,
    /// Its queue.
    pub queue: Option<QueueName>,
    /// When it was put there.
    pub spooled_at: Option<DateTime<Utc>>,
    /// Why no queue can ever take it.
    pub problem: Option<String>,
}

/// A file that was set aside, since no queue can ever take it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SetAside {
    /// Its name now.
    pub file: String,
    /// Why.
    pub problem: String,
}

/// What became of the jobs of a spool.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Flushed {
    /// Jobs that were added to their queues.
    pub delivered: u64,
    /// Jobs that were there already, or whose unique key or queue another job holds.
    pub duplicates: u64,
    /// Files that were set aside.
    pub set_aside: Vec<SetAside>,
    /// Files that stay for the next time.
    pub left: u64,
    /// Why they stay.
    #[serde(skip)]
    pub errors: Vec<Error>,
}

impl Flushed {
    /// Why nothing could be handed over at all: a full queue leaves the others be.
    pub fn down(&self) -> Option<&Error> {
        self.errors.iter().find(|error| error.kind() != ErrorKind::Full)
    }
}

/// A job as its file holds it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    queue: QueueName,
    spooled_at: DateTime<Utc>,
    job: Box<RawValue>,
}

/// A file that was read.
struct Read {
    name: String,
    written: Written,
    job: NewJob,
}

impl Spool {
    /// The spool in `directory`, which the first job makes.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Writes a job down; it is on the disk when this returns. From now on its spans count by this host's clock: a delay
    /// becomes the instant at which it ends.
    ///
    /// # Errors
    /// `Invalid` when the job breaks a rule; `AccessDenied`, `NotNow` where the disk does not take it.
    pub fn put(&self, queue: &QueueName, job: NewJob) -> Result<Spooled> {
        job.check()?;
        let spooled_at = local_now();
        let job = match job.start {
            Start::After(delay) => job.at(spooled_at + delay),
            _ => job,
        };
        let line = RawValue::from_string(job.to_line()?).map_err(|error| Error::internal(format!("line: {error}")))?;
        let written = Written { queue: queue.clone(), spooled_at, job: line };
        let text = serde_json::to_string(&written).map_err(|error| Error::internal(format!("spool: {error}")))?;
        // Names sort by time, and no two are the same.
        let name = format!("{:016}-{}.{JOB}", spooled_at.timestamp_micros(), JobId::generate());
        self.write(&name, &text).map_err(|error| self.failed("cannot write to", &error))?;
        Ok(Spooled { id: job.id, queue: written.queue, spooled_at, file: self.directory.join(name) })
    }

    /// A file has its name once all of it is on the disk.
    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        self.make()?;
        let unfinished = self.directory.join(format!(".{name}"));
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&unfinished)?;
        let written =
            file.write_all(text.as_bytes()).and_then(|()| file.write_all(b"\n")).and_then(|()| file.sync_all());
        let named = written.and_then(|()| fs::rename(&unfinished, self.directory.join(name)));
        if named.is_err() {
            // Nobody reads it; where it cannot be removed either, it is only in the way.
            let _ = fs::remove_file(&unfinished);
        }
        named.and_then(|()| File::open(&self.directory)?.sync_all())
    }

    /// Makes the directory, which is on the disk too when this returns.
    fn make(&self) -> io::Result<()> {
        let missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
        let made: Vec<_> = self.directory.ancestors().take_while(missing).collect();
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        for directory in made {
            let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty());
            File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
        }
        Ok(())
    }

    /// What stands in it, oldest first, and what was set aside.
    ///
    /// # Errors
    /// `NotFound` where there is no such directory.
    pub fn list(&self) -> Result<Vec<SpoolEntry>> {
        let entry = |name: String| {
            let read = self.read(&name);
            let set_aside = name.ends_with(REFUSED);
            let (written, problem) = match read {
                Ok(read) => (Some(read.written), set_aside.then(|| "it was refused".to_owned())),
                Err(error) if error.kind() == ErrorKind::NotFound => return None,
                Err(error) => (None, Some(error.to_string())),
            };
            let id = written.as_ref().and_then(|written| NewJob::from_line(written.job.get(), |job| job).ok());
            Some(SpoolEntry {
                file: name,
                id: id.map(|job| job.id),
                queue: written.as_ref().map(|written| written.queue.clone()),
                spooled_at: written.map(|written| written.spooled_at),
                problem,
            })
        };
        let names = self.names(|name| name.ends_with(&format!(".{JOB}")) || name.ends_with(&format!(".{REFUSED}")))?;
        Ok(names.into_iter().filter_map(entry).collect())
    }

    /// Hands over what stands in it, oldest first. A file goes once Redis has answered; what no queue can ever take is set
    /// aside under another name. `progress` gets the number of files done. Safe to break off, to repeat, and to run twice at
    /// a time. Files are read and removed on the thread of the caller, a few hundred at a time.
    ///
    /// # Errors
    /// `NotFound` where there is no such directory. Why files stay is among what it answers.
    pub async fn flush(&self, client: &Client, progress: &mut (dyn FnMut(u64) + Send)) -> Result<Flushed> {
        let mut names = self.names(|name| name.ends_with(&format!(".{JOB}")))?.into_iter().peekable();
        let (mut flushed, mut done) = (Flushed::default(), 0);
        let mut full = BTreeSet::new();
        while names.peek().is_some() && flushed.down().is_none() {
            let mut queues = BTreeMap::<QueueName, Vec<Read>>::new();
            let (mut count, mut bytes) = (0, 0);
            while count < STEP && bytes < STEP_BYTES {
                let Some(name) = names.next() else { break };
                (count, done) = (count + 1, done + 1);
                match self.read(&name) {
                    Ok(read) if full.contains(&read.written.queue) => flushed.left += 1,
                    Ok(read) => {
                        bytes += read.job.payload.get().len();
                        queues.entry(read.written.queue.clone()).or_default().push(read);
                    }
                    // Another one that flushes at the same time was quicker.
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => self.keep_or_set_aside(&name, error, &mut flushed),
                }
            }
            for (queue, reads) in queues {
                if flushed.down().is_some() {
                    flushed.left += reads.len() as u64;
                } else if self.hand_over(client, &queue, reads, &mut flushed).await {
                    full.insert(queue);
                }
            }
            progress(done);
        }
        flushed.left += names.count() as u64;
        Ok(flushed)
    }

    /// Hands over jobs of one queue. Whether the queue is full.
    async fn hand_over(&self, client: &Client, queue: &QueueName, reads: Vec<Read>, flushed: &mut Flushed) -> bool {
        let now = local_now();
        let (names, jobs): (Vec<_>, Vec<_>) =
            reads.into_iter().map(|read| (read.name, late(read.job, now - read.written.spooled_at))).unzip();
        let answers = match client.queue(queue.clone()).enqueue_many(jobs).await {
            Ok(answers) => answers,
            Err(error) => {
                flushed.left += names.len() as u64;
                flushed.errors.push(error);
                return false;
            }
        };
        let mut stopped: Option<Error> = None;
        for (name, answer) in names.iter().zip(answers) {
            match answer {
                Ok(answer) => self.delivered(name, &answer, flushed),
                Err(error) if matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Corrupt) => {
                    self.keep_or_set_aside(name, error, flushed);
                }
                Err(error) => {
                    flushed.left += 1;
                    stopped.get_or_insert(error);
                }
            }
        }
        let full = stopped.as_ref().is_some_and(|error| error.kind() == ErrorKind::Full);
        flushed.errors.extend(stopped);
        full
    }

    fn delivered(&self, name: &str, answer: &Enqueued, flushed: &mut Flushed) {
        if answer.duplicate {
            flushed.duplicates += 1;
        } else {
            flushed.delivered += 1;
        }
        match fs::remove_file(self.directory.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                flushed.left += 1;
                flushed
                    .errors
                    .push(self.failed(&format!("job {} is delivered, but {name} stays in", answer.id), &error));
            }
            _ => {}
        }
    }

    /// What is no job never becomes one, so it must not be in the way of the others; what cannot be read now stays.
    fn keep_or_set_aside(&self, name: &str, error: Error, flushed: &mut Flushed) {
        let aside = format!("{}.{REFUSED}", name.trim_end_matches(&format!(".{JOB}")));
        let moved = match error.kind() {
            ErrorKind::Invalid | ErrorKind::Corrupt => {
                fs::rename(self.directory.join(name), self.directory.join(&aside)).map_err(|error| {
                    self.failed(&format!("{name} can never be delivered, and cannot be set aside in"), &error)
                })
            }
            _ => Err(Error::new(error.kind(), error.to_string())),
        };
        match moved {
            Ok(()) => flushed.set_aside.push(SetAside { file: aside, problem: error.to_string() }),
            Err(error) => {
                flushed.left += 1;
                flushed.errors.push(error);
            }
        }
    }

    fn read(&self, name: &str) -> Result<Read> {
        let path = self.directory.join(name);
        let cannot = |error: io::Error| match error.kind() {
            io::ErrorKind::InvalidData => Error::invalid(format!("{name} is not UTF-8")),
            _ => self.failed(&format!("cannot read {name} in"), &error),
        };
        let size_bytes = fs::metadata(&path).map_err(cannot)?.len();
        if size_bytes > FILE_MAX_BYTES {
            return Err(Error::invalid(format!("{name} has {size_bytes} bytes, more than {FILE_MAX_BYTES}")));
        }
        let text = fs::read_to_string(&path).map_err(cannot)?;
        let written: Written = serde_json::from_str(&text)
            .map_err(|error| Error::invalid(format!("{name} is not a spooled job: {error}")))?;
        let job = NewJob::from_line(written.job.get(), |job| job).map_err(|error| error.context(name))?;
        Ok(Read { name: name.to_owned(), written, job })
    }

    fn names(&self, wanted: impl Fn(&str) -> bool) -> Result<Vec<String>> {
        let list = || {
            let mut names = Vec::new();
            for entry in fs::read_dir(&self.directory)? {
                let name = entry?.file_name();
                // What begins with a dot is not finished.
                names.extend(name.to_str().filter(|name| !name.starts_with('.') && wanted(name)).map(str::to_owned));
            }
            names.sort();
            Ok(names)
        };
        list().map_err(|error| self.failed("cannot list", &error))
    }

    fn failed(&self, doing: &str, error: &io::Error) -> Error {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            io::ErrorKind::PermissionDenied => ErrorKind::AccessDenied,
            _ => ErrorKind::NotNow,
        };
        Error::new(kind, format!("{doing} the spool {}: {error}", self.directory.display()))
    }
}

/// The job after it has waited: what its spans have left. One whose time is up is delivered all the same, and found among
/// the dead letters as `expired`.
fn late(mut job: NewJob, waited: chrono::TimeDelta) -> NewJob {
    let waited = waited.to_std().unwrap_or_default();
    job.ttl = job.ttl.map(|ttl| ttl.saturating_sub(waited).max(Duration::from_millis(1)));
    if let Some(unique) = &mut job.unique {
        unique.window = unique.window.and_then(|window| window.checked_sub(waited)).filter(|window| !window.is_zero());
    }
    job
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spooled_is_listed_in_its_order_and_only_when_it_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::new(directory.path().join("deep/spool"));
        assert_eq!(spool.list().unwrap_err().kind(), ErrorKind::NotFound);
        let queue = QueueName::new("q").unwrap();
        let put = |n: u32| spool.put(&queue, NewJob::new(&n).unwrap().delay(Duration::from_secs(60))).unwrap();
        let ids: Vec<_> = (0..20).map(|n| put(n).id).collect();
        fs::write(spool.directory().join(".unfinished.json"), "{").unwrap();
        let listed = spool.list().unwrap();
        assert_eq!(listed.iter().filter_map(|entry| entry.id.clone()).collect::<Vec<_>>(), ids);
        let read = spool.read(&listed[0].file).unwrap();
        assert_eq!(read.job.start, Start::AtMs((read.written.spooled_at + Duration::from_secs(60)).timestamp_millis()));
        fs::write(spool.directory().join("0.json"), "{}").unwrap();
        assert!(spool.list().unwrap()[0].problem.as_deref().is_some_and(|why| why.contains("not a spooled job")));
    }

    #[test]
    fn spans_go_on_while_a_job_waits() {
        let job = NewJob::new(&1).unwrap().ttl(Duration::from_secs(10)).unique("k").unique_for(Duration::from_secs(5));
        let of = |secs| {
            let job = late(job.clone(), chrono::TimeDelta::seconds(secs));
            (job.ttl.unwrap().as_millis(), job.unique.unwrap().window)
        };
        assert_eq!(of(-3), (10_000, Some(Duration::from_secs(5))));
        assert_eq!(of(4), (6_000, Some(Duration::from_secs(1))));
        assert_eq!(of(60), (1, None));
    }
}
