//! A command under way: its pipes, its process group, its end.

use std::ffi::OsString;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt, FdMapping};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::runtime::Handle;

use crate::builtin::answer::{Bounded, parse_wait};

/// How long the pipes are read on after the command has exited: somebody it left behind may hold them open for ever.
const DRAIN: Duration = Duration::from_secs(1);
const CHECK_INTERVAL: Duration = Duration::from_millis(10);
const LINE_MAX_BYTES: usize = 8 * 1024;
/// So much of the end of stderr is kept for the error message.
const TAIL_MAX_BYTES: usize = 4 * 1024;
const TOLD_MAX_BYTES: usize = 4 * 1024;
/// The descriptor on which a command says when to run it again.
const TOLD_FD: i32 = 3;
const TOLD_WORD: &str = "IREVA-RETRY-AFTER:";

/// What to run, and with what.
pub(super) struct Task<'a> {
    pub command: &'a [OsString],
    pub environment: &'a [(OsString, OsString)],
    /// Variables that say which job it is.
    pub job: Vec<(&'static str, String)>,
    pub input: &'a [u8],
    pub output_max_bytes: usize,
    pub kill_grace: Duration,
}

/// What is known of a command that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub status: ExitStatus,
    pub output: Bounded,
    /// The end of what it wrote to stderr.
    pub said: String,
    pub retry_after: Option<Duration>,
}

/// A command and everything it started that stayed in its process group. Dropped while it runs, the group is ended.
pub(super) struct Running {
    group: Group,
    pipes: Pipes,
}

struct Pipes {
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    stderr: ChildStderr,
    told: pipe::Receiver,
}

impl Running {
    /// Starts it, in a process group of its own, with no descriptors but 0 to 3.
    pub fn start(task: &Task<'_>) -> io::Result<Self> {
        let (told, tell) = io::pipe()?;
        let (program, arguments) = task.command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(program);
        command.args(arguments).env_clear();
        command.envs(task.environment.iter().map(|(name, value)| (name, value)));
        command.envs(task.job.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        command
            .fd_mappings(vec![FdMapping { parent_fd: tell.into(), child_fd: TOLD_FD }])
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let mut child = command.spawn()?;
        let taken = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let group = Group { leader: Some(Leader(child)), kill_grace: task.kill_grace };
        // The command holds the writing end of the pipe, and would keep it from ever ending.
        drop(command);
        let (stdin @ Some(_), Some(stdout), Some(stderr)) = taken else {
            return Err(io::Error::other("the command started without its pipes"));
        };
        let told = pipe::Receiver::from_owned_fd(told.into())?;
        Ok(Self { group, pipes: Pipes { stdin, stdout, stderr, told } })
    }

    /// Feeds it, listens to it and waits for its end; each line of stderr goes to `log` as it comes.
    ///
    /// A command that does not read its input is as good as one that does.
    pub async fn finish(&mut self, task: &Task<'_>, log: impl Fn(&str)) -> io::Result<Ended> {
        let Self { group, pipes } = self;
        let mut output = Bounded::new(task.output_max_bytes);
        let mut told = Bounded::new(TOLD_MAX_BYTES);
        let mut stderr = Stderr { pending: Vec::new(), tail: Vec::new(), log };
        let status = {
            let mut talk = std::pin::pin!(async {
                tokio::join!(
                    feed(&mut pipes.stdin, task.input),
                    listen(&mut pipes.stdout, |bytes| output.push(bytes)),
                    listen(&mut pipes.stderr, |bytes| stderr.push(bytes)),
                    listen(&mut pipes.told, |bytes| told.push(bytes)),
                )
            });
            let mut talking = true;
            let status = loop {
                tokio::select! {
                    status = group.wait() => break status?,
                    _ = &mut talk, if talking => talking = false,
                }
            };
            if talking {
                let _ = tokio::time::timeout(DRAIN, talk).await;
            }
            status
        };
        let said = stderr.end();
        Ok(Ended { status, output, said, retry_after: retry_after(&told.bytes) })
    }

    /// Ends the whole group and waits until it is gone.
    pub async fn stop(mut self) {
        if let Some(leader) = self.group.leader.take() {
            end(leader, self.group.kill_grace).await;
        }
    }
}

/// Hands over the input and closes it; a reader that is gone has read enough.
async fn feed(stdin: &mut Option<ChildStdin>, input: &[u8]) {
    if let Some(mut stdin) = stdin.take() {
        let _ = stdin.write_all(input).await;
    }
}

async fn listen(pipe: &mut (impl AsyncRead + Unpin), mut take: impl FnMut(&[u8])) {
    let mut chunk = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = pipe.read(&mut chunk).await {
        take(&chunk[..length]);
    }
}

/// Splits stderr into lines for the log and keeps its end for the error message.
struct Stderr<L: Fn(&str)> {
    pending: Vec<u8>,
    tail: Vec<u8>,
    log: L,
}

impl<L: Fn(&str)> Stderr<L> {
    fn push(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        let surplus = self.tail.len().saturating_sub(TAIL_MAX_BYTES);
        self.tail.drain(..surplus);
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.pending.extend_from_slice(part);
            if part.ends_with(b"\n") || self.pending.len() >= LINE_MAX_BYTES {
                self.flush();
            }
        }
    }

    fn flush(&mut self) {
        let line = String::from_utf8_lossy(&self.pending);
        (self.log)(line.trim_end_matches(['\n', '\r']));
        self.pending.clear();
    }

    fn end(mut self) -> String {
        if !self.pending.is_empty() {
            self.flush();
        }
        String::from_utf8_lossy(&self.tail).into_owned()
    }
}

/// The last wait that was asked for.
fn retry_after(told: &[u8]) -> Option<Duration> {
    let told = String::from_utf8_lossy(told);
    told.lines().rev().find_map(|line| parse_wait(line.trim().strip_prefix(TOLD_WORD)?))
}

struct Group {
    /// Until it is reaped; as long as it is not, no other process can get its number, and so no other group.
    leader: Option<Leader>,
    kill_grace: Duration,
}

impl Group {
    async fn wait(&mut self) -> io::Result<ExitStatus> {
        let leader = self.leader.as_mut().ok_or_else(|| io::Error::other("the command has ended already"))?;
        let status = leader.0.wait().await?;
        self.leader = None;
        Ok(status)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.leader.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(end(leader, self.kill_grace));
        }
    }
}

/// The first process of a group. Dropped before it is reaped, its group is killed without delay.
struct Leader(Child);

impl Leader {
    fn pid(&self) -> Option<Pid> {
        self.0.id().and_then(|id| Pid::from_raw(id as i32))
    }

    fn signal_group(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            let _ = kill_process_group(pid, signal);
        }
    }

    /// Whether it has exited, without reaping it.
    fn has_exited(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        self.pid().is_none_or(|pid| !matches!(waitid(WaitId::Pid(pid), options), Ok(None)))
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        self.signal_group(Signal::KILL);
    }
}

/// Asks the group to end, kills what is left of it when its leader is gone or the grace is over, and reaps the leader.
async fn end(mut leader: Leader, grace: Duration) {
    leader.signal_group(Signal::TERM);
    let until = Instant::now() + grace;
    while !leader.has_exited() && Instant::now() < until {
        tokio::time::sleep(CHECK_INTERVAL).await;
    }
    leader.signal_group(Signal::KILL);
    let _ = leader.0.wait().await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn stderr_is_logged_by_line_and_its_end_is_kept() {
        let lines = RefCell::new(Vec::new());
        let mut stderr = Stderr {
            pending: Vec::new(),
            tail: Vec::new(),
            log: |line: &str| lines.borrow_mut().push(line.to_owned()),
        };
        for part in ["on", "e\r\ntwo\n", "\nthr", "ee"] {
            stderr.push(part.as_bytes());
        }
        stderr.push("x".repeat(TAIL_MAX_BYTES - 3).as_bytes());
        let said = stderr.end();
        assert_eq!(lines.borrow()[..3], ["one", "two", ""]);
        assert!(lines.borrow()[3].starts_with("threexx"));
        assert_eq!(said.len(), TAIL_MAX_BYTES);
    }

    #[test]
    fn the_last_wait_that_was_asked_for_counts() {
        assert_eq!(retry_after(b"IREVA-RETRY-AFTER: 30s\nIREVA-RETRY-AFTER: 1m\n"), Some(Duration::from_secs(60)));
        assert_eq!(retry_after(b"noise\nIREVA-RETRY-AFTER:5"), Some(Duration::from_secs(5)));
        assert_eq!(retry_after(b"IREVA-RETRY-AFTER: later"), None);
    }
}
