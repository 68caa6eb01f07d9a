//! Every step of a job's life, on stderr: in words or as one JSON object a line.

use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use console::Style;
use ireva_queue::{Event, EventKind, local_now};
use serde::Serialize;

use crate::output::{span_short, visible};
use crate::ui::Ui;

/// A slow terminal may fall this far behind before steps are left out (and counted).
const WAITING_MAX: usize = 100_000;
/// What a message may take of a line in words; JSON has it whole.
const MESSAGE_MAX_CHARS: usize = 300;
/// So many lines are written at once under load.
const TOGETHER_MAX: usize = 1_000;

/// How steps are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people
    Pretty,
    /// For log collectors
    Json,
}

/// At the end, what a blocked stderr does not take within this time is left out.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A step and when it was told; `None` is the end.
type Step = Option<(DateTime<Utc>, Event)>;

/// The thread that writes, so that no worker thread ever waits for a terminal.
pub struct Journal {
    sender: SyncSender<Step>,
    written: Receiver<()>,
    dropped: Arc<AtomicU64>,
    quiet: bool,
}

impl Journal {
    /// Starts writing.
    pub fn start(format: LogFormat, ui: &Ui) -> Self {
        let (sender, steps) = sync_channel(WAITING_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let (counter, color) = (Arc::clone(&dropped), ui.colors_stderr());
        let (done, written) = channel();
        std::thread::spawn(move || {
            write(&steps, format, color, &counter);
            // Nobody may be waiting any more.
            let _ = done.send(());
        });
        Self { sender, written, dropped, quiet: ui.is_quiet() }
    }

    /// Starts writing in words.
    pub fn start_pretty(ui: &Ui) -> Self {
        Self::start(LogFormat::Pretty, ui)
    }

    /// What to hand to the worker. With `-q` only trouble is written.
    pub fn listener(&self) -> impl Fn(&Event) + Send + Sync + 'static + use<> {
        let (sender, dropped, quiet) = (self.sender.clone(), Arc::clone(&self.dropped), self.quiet);
        move |event| {
            if quiet && !is_trouble(event.event) {
                return;
            }
            if let Err(TrySendError::Full(_)) = sender.try_send(Some((local_now(), event.clone()))) {
                dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Writes what is left. Steps that are told later are not written: a listener may outlive a hurried end.
    pub fn finish(self) {
        // A full channel means a stderr that takes nothing; then there is no point in waiting for it either.
        if self.sender.try_send(None).is_ok() {
            let _ = self.written.recv_timeout(LAST_WORDS);
        }
    }
}

fn is_trouble(kind: EventKind) -> bool {
    use EventKind::{
        Alert, AlertFiring, AlertRecovered, Dead, Failed, LeaseLost, Recovered, RedisBack, RedisLost, Retrying,
    };
    matches!(
        kind,
        Alert | AlertFiring | AlertRecovered | RedisBack | RedisLost | Dead | Failed | LeaseLost | Recovered | Retrying
    )
}

fn write(steps: &Receiver<Step>, format: LogFormat, color: bool, dropped: &AtomicU64) {
    let mut lines = String::new();
    let mut ended = false;
    while !ended && let Ok(step) = steps.recv() {
        let more = steps.try_iter().take(TOGETHER_MAX);
        for step in std::iter::once(step).chain(more) {
            let Some((at, event)) = step else {
                ended = true;
                break;
            };
            match format {
                LogFormat::Pretty => lines.push_str(&pretty(at, &event, color)),
                LogFormat::Json => lines.push_str(&json(at, &event)),
            }
            lines.push('\n');
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let alert =
                Event::new(EventKind::Alert).message(format!("{lost} steps were not logged: stderr is too slow"));
            lines.push_str(&if format == LogFormat::Json {
                json(local_now(), &alert)
            } else {
                pretty(local_now(), &alert, color)
            });
            lines.push('\n');
        }
        // Jobs go on when nobody reads the log any more.
        let _ = std::io::stderr().lock().write_all(lines.as_bytes());
        lines.clear();
    }
}

fn json(at: DateTime<Utc>, event: &Event) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Line<'a> {
        at: String,
        #[serde(flatten)]
        event: &'a Event,
    }
    let line = Line { at: at.to_rfc3339_opts(SecondsFormat::Millis, true), event };
    let text = serde_json::to_string(&line).unwrap_or_default();
    crate::output::visible_json(text, true)
}

fn pretty(at: DateTime<Utc>, event: &Event, color: bool) -> String {
    let style = match event.event {
        EventKind::Completed | EventKind::AlertRecovered => Style::new().green(),
        EventKind::Failed | EventKind::Retrying | EventKind::Snoozed | EventKind::Recovered => Style::new().yellow(),
        EventKind::Dead
        | EventKind::Alert
        | EventKind::LeaseLost
        | EventKind::RedisLost
        | EventKind::BreakerOpened
        | EventKind::AlertFiring => Style::new().red(),
        _ => Style::new(),
    };
    let time = Style::new().dim().force_styling(color).apply_to(at.format("%H:%M:%S%.3f"));
    let word = style.force_styling(color).apply_to(format!("{:<9}", event.event.as_str()));
    let mut line = format!("{time} {word}");
    let mut say = |text: &str| {
        line.push(' ');
        line.push_str(&visible(text));
    };
    if let Some(queue) = &event.queue {
        say(queue.as_str());
    }
    if let Some(job) = &event.job {
        say(job.as_str());
    }
    if let Some(attempt) = event.attempt {
        say(&format!("attempt {attempt}"));
    }
    if let Some(duration) = event.duration {
        say(&format!("after {}", span_short(duration)));
    }
    if let Some(delay) = event.delay {
        // What is told when it starts has waited; what is told when it is put off will.
        let word = if event.event == EventKind::Enqueued { "waited" } else { "in" };
        say(&format!("{word} {}", span_short(delay)));
    }
    let cause = [event.class.map(|class| class.to_string()), event.code.clone()];
    let cause: Vec<_> = cause.into_iter().flatten().collect();
    if !cause.is_empty() {
        say(&cause.join(" "));
    }
    // The line before, which told how the attempt failed, has said it.
    let said_before = matches!(event.event, EventKind::Dead | EventKind::Retrying) && event.class.is_some();
    if let Some(message) = event.message.as_ref().filter(|_| !said_before) {
        let short: String = message.chars().take(MESSAGE_MAX_CHARS).collect();
        let cut = if short.len() < message.len() { "… (jobs show has the rest)" } else { "" };
        say(&format!("{}{short}{cut}", if event.job.is_some() || event.queue.is_some() { "- " } else { "" }));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use ireva_queue::{ErrorClass, JobId, QueueName};
    use std::time::Duration;

    fn failed() -> Event {
        let (queue, job) = (QueueName::new("email").unwrap(), JobId::new("j-1").unwrap());
        let mut event = Event::of_job(EventKind::Failed, &queue, &job).message("said \x1b[31mno\u{202e}");
        event.attempt = Some(2);
        event.duration = Some(Duration::from_millis(120));
        (event.class, event.code) = (Some(ErrorClass::Transient), Some("smtp_4xx".to_owned()));
        event
    }

    #[test]
    fn an_error_is_told_once_and_never_at_length() {
        let at = DateTime::from_timestamp_millis(1_800_000_000_123).unwrap();
        let long = Event { message: Some("x".repeat(2_000)), ..failed() };
        assert!(pretty(at, &long, false).len() < 450 && pretty(at, &long, false).contains("jobs show"));
        assert!(json(at, &long).len() > 2_000);
        let dead = Event { event: EventKind::Dead, ..failed() };
        assert!(pretty(at, &dead, false).ends_with("transient smtp_4xx"), "{}", pretty(at, &dead, false));
        let (queue, job) = (QueueName::new("email").unwrap(), JobId::new("j-1").unwrap());
        let crash = Event::of_job(EventKind::Dead, &queue, &job).message("its worker died");
        assert!(pretty(at, &crash, false).ends_with("its worker died"));
        let delay = Some(Duration::from_secs(5));
        let waited = Event { delay, ..Event::of_job(EventKind::Enqueued, &queue, &job) };
        assert!(pretty(at, &waited, false).ends_with("j-1 waited 5.0s"), "{}", pretty(at, &waited, false));
    }

    #[test]
    fn a_step_is_one_clean_line() {
        let at = DateTime::from_timestamp_millis(1_800_000_000_123).unwrap();
        let line = pretty(at, &failed(), false);
        let wanted =
            "08:00:00.123 failed    email j-1 attempt 2 after 120ms transient smtp_4xx - said \\x1b[31mno\\u{202e}";
        assert_eq!(line, wanted);
        let line: serde_json::Value = serde_json::from_str(&json(at, &failed())).unwrap();
        assert_eq!((&line["at"], &line["job"]), (&"2027-01-15T08:00:00.123Z".into(), &"j-1".into()));
        assert_eq!((&line["event"], &line["durationMs"]), (&"failed".into(), &120.0.into()));
    }
}
