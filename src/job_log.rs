//! What the attempts of a job have said, from where a reader stands.

use crate::error::Result;
use crate::inspector::Located;
use crate::job::JobState;
use crate::store::Store;

/// Bytes that one look reads.
const STEP: u64 = 256 * 1024;

/// A part of a job's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobLog {
    /// Whole lines; empty where nothing more was said.
    pub text: String,
    /// Where the next look begins.
    pub next: u64,
    /// Where the job stood before the look; `None` when it was gone.
    pub state: Option<JobState>,
}

/// The log from byte `from` on. Attempts add whole lines, a second after they said them at the latest.
pub(crate) async fn read(store: &Store, job: &Located, from: u64) -> Result<JobLog> {
    let stands = store.find_one(&job.queue, &job.id, job.seen_in).await?;
    // Of a job that is gone the log is where the job was.
    let places = match &stands {
        Some(stands) => vec![stands.keys.clone()],
        None => store.places(&job.queue).await?,
    };
    let mut bytes = Vec::new();
    for keys in places {
        bytes = store.log_part(&keys, &job.id, from, STEP).await?;
        if !bytes.is_empty() {
            break;
        }
    }
    // A part that is cut off is read again from its last line on; a single line longer than that comes in pieces.
    if bytes.len() as u64 == STEP
        && let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n')
    {
        bytes.truncate(end + 1);
    }
    let next = from + bytes.len() as u64;
    Ok(JobLog {
        text: String::from_utf8_lossy(&bytes).into_owned(),
        next,
        state: stands.map(|stands| stands.place.state),
    })
}
