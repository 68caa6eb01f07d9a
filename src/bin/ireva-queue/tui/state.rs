//! What the dashboard knows, and how it changes by what is seen. Keys change it in `input`.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ireva_queue::{Located, QueueName, span_text};
use ratatui::layout::Size;

use crate::output::{span_short, visible};
use crate::tui::act::Act;
use crate::tui::facts::Facts;
use crate::tui::layout::Layout;
use crate::tui::look::{Look, Target, broken};
use crate::tui::rows::{self, Key, Pane, Row};
use crate::tui::trend::Trend;

/// Lines that a question or an answer may take, and what is said of an outage.
const FOOTER_LINES: usize = 3;
const OUTAGE_LINES: usize = 2;
/// A look that takes longer is told of while it lasts.
const SLOW: Duration = Duration::from_secs(2);

/// What stays the same while it runs.
#[derive(Debug, Clone)]
pub struct About {
    /// The server, and what every key begins with.
    pub server: String,
    /// How often it looks.
    pub interval: Duration,
    /// Why keys change nothing, where they do not.
    pub changes_nothing: Option<&'static str>,
    /// Whether colours are shown.
    pub color: bool,
    /// Whether the terminal shows more than ASCII.
    pub unicode: bool,
}

/// Everything that is drawn.
#[derive(Debug)]
pub struct State {
    pub about: About,
    pub facts: Facts,
    /// The pace of each queue.
    pub trends: BTreeMap<QueueName, Trend>,
    /// Why nothing newer is known, while that is so.
    pub outage: Option<Outage>,
    /// The pane that keys act on.
    pub focus: Pane,
    /// What rows must contain, in capitals or not.
    pub filter: String,
    pub mode: Mode,
    /// What was last said, until the next key.
    pub notice: Option<Notice>,
    /// What is being done, and how much of it is.
    pub doing: Option<(Act, u64)>,
    /// How long the look that is under way has lasted.
    pub looking_for: Option<Duration>,
    pub size: Size,
    pub now: DateTime<Utc>,
    seen_at: DateTime<Utc>,
    cursors: [Cursor; 4],
}

/// When Redis answered last, and why it does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    pub since: DateTime<Utc>,
    pub why: String,
}

/// A sentence to the one who watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub text: String,
    pub bad: bool,
}

/// What keys mean.
#[derive(Debug, Clone)]
pub enum Mode {
    /// They move and act.
    Watch,
    /// They are the filter's letters; what it was before.
    Filter(String),
    /// They answer.
    Ask(Act),
    /// They scroll.
    Look(Look),
    /// Any of them leads back.
    Help,
}

/// Where the cursor of a pane stands.
#[derive(Debug, Clone, Default)]
struct Cursor {
    key: Option<Key>,
    index: usize,
    top: usize,
}

/// What a pane shows of its rows.
#[derive(Debug)]
pub struct Shown {
    pub rows: Vec<Row>,
    /// The rank of the first of these.
    pub top: usize,
    /// How many there are in all.
    pub count: usize,
    /// Which of these the cursor stands on.
    pub cursor: Option<usize>,
}

impl State {
    /// Before the first look.
    pub fn new(about: About, size: Size, now: DateTime<Utc>) -> Self {
        Self {
            about,
            facts: Facts::default(),
            trends: BTreeMap::new(),
            outage: None,
            focus: Pane::Queues,
            filter: String::new(),
            mode: Mode::Watch,
            notice: None,
            doing: None,
            looking_for: None,
            size,
            now,
            seen_at: now,
            cursors: Default::default(),
        }
    }

    /// What was seen, `at` so long after the start.
    pub fn seen(&mut self, facts: Facts, at: Duration) {
        self.trends.retain(|queue, _| facts.queues.iter().any(|stats| stats.queue == *queue));
        for stats in &facts.queues {
            self.trends.entry(stats.queue.clone()).or_default().add(at, stats.totals);
        }
        (self.facts, self.seen_at) = (facts, self.now);
        if self.outage.take().is_some() {
            self.say("Redis answers again");
        }
        if let Mode::Look(look) = &mut self.mode {
            look.update(&self.facts);
        }
        self.settle();
    }

    /// Nothing could be seen.
    pub fn blind(&mut self, why: String) {
        self.outage = Some(Outage { since: self.seen_at, why });
        self.settle();
    }

    /// Something was done, or not.
    pub fn done(&mut self, outcome: Result<String, String>) {
        self.doing = None;
        match outcome {
            Ok(text) => self.say(&text),
            Err(text) => self.warn(&text),
        }
    }

    /// The screen has this size.
    pub fn resize(&mut self, size: Size) {
        if self.size != size {
            self.size = size;
            self.settle();
        }
    }

    /// Says something until the next key.
    pub fn say(&mut self, text: &str) {
        self.notice = Some(Notice { text: text.to_owned(), bad: false });
        self.settle();
    }

    /// Says what could not be done, until the next key.
    pub fn warn(&mut self, text: &str) {
        self.notice = Some(Notice { text: text.to_owned(), bad: true });
        self.settle();
    }

    /// Where everything stands; `None` on too small a screen.
    pub fn layout(&self) -> Option<Layout> {
        let edges = (self.header().len() as u16, self.footer().len() as u16);
        Layout::of(self.size, rows::queues(self).count(), edges)
    }

    /// The lines at the top: where it looks, or why nothing newer is known.
    pub fn header(&self) -> Vec<String> {
        let clock = |at: DateTime<Utc>| at.format("%H:%M:%S UTC").to_string();
        if let Some(Outage { since, why }) = &self.outage {
            let lasts = span_short((self.now - since).to_std().unwrap_or_default());
            return self.broken(&format!("! nothing new since {} ({lasts}): {why}", clock(*since)), OUTAGE_LINES);
        }
        let About { server, interval, .. } = &self.about;
        let slow = self.looking_for.filter(|span| *span >= SLOW);
        let slow = slow.map_or_else(String::new, |span| format!("  ! no answer for {}", span_short(span)));
        let about = format!("ireva-queue  {server}  {}  every {}{slow}", clock(self.now), span_text(*interval));
        let mut lines = self.broken(&about, 1);
        for left_out in &self.facts.left_out {
            lines.extend(self.broken(&format!("! {left_out}"), OUTAGE_LINES));
        }
        lines.truncate(1 + OUTAGE_LINES);
        lines
    }

    /// Text from anywhere, in at most so many lines.
    fn broken(&self, text: &str, most: usize) -> Vec<String> {
        let mut lines = broken(&visible(text), usize::from(self.size.width.max(1)));
        lines.truncate(most);
        lines
    }

    /// The lines at the bottom.
    pub fn footer(&self) -> Vec<String> {
        let text = match (&self.mode, &self.notice, &self.doing) {
            (Mode::Ask(act), ..) => format!("{}  y/n", act.question()),
            (Mode::Filter(_), ..) => format!("/{}_  Enter keeps it, Esc drops it", self.filter),
            (_, Some(notice), _) => notice.text.clone(),
            (_, None, Some((act, done))) => act.doing(*done),
            (Mode::Watch, None, None) => return vec![self.keys()],
            (Mode::Look(look), None, None) => {
                let job = self.about.changes_nothing.is_none() && matches!(look.target, Target::Job(_));
                format!("arrows scroll  {}Esc back", if job { "c cancel  " } else { "" })
            }
            (Mode::Help, None, None) => "any key leads back".to_owned(),
        };
        self.broken(&text, FOOTER_LINES)
    }

    fn keys(&self) -> String {
        let (tab, pause) = if self.size.width < 80 { ("Tab", "p pause") } else { ("Tab pane", "p pause/resume") };
        let acts = match self.focus {
            _ if self.about.changes_nothing.is_some() => String::new(),
            Pane::Queues => format!("{pause}  "),
            Pane::Running => format!("c cancel  {pause}  "),
            Pane::Dead => format!("r retry  {pause}  "),
            Pane::Workers => String::new(),
        };
        format!("{tab}  {acts}Enter look  / filter  ? help  q quit")
    }

    /// What a pane shows.
    pub fn shown(&self, pane: Pane) -> Shown {
        let mut rows = rows::of(pane, self);
        let Cursor { index, top, .. } = self.cursors[pane as usize];
        let (count, fits) = (rows.len(), self.fits(pane));
        let rows: Vec<_> = rows.drain(top.min(count)..).take(fits).collect();
        let cursor = (self.focus == pane && index >= top && index - top < rows.len()).then(|| index - top);
        Shown { rows, top, count, cursor }
    }

    /// How many rows of a pane can be seen.
    pub fn fits(&self, pane: Pane) -> usize {
        self.layout().map_or(0, |layout| layout.rows(pane))
    }

    /// How many running jobs are worth asking for: as many as fit behind those that are scrolled away, and one page more.
    pub fn wants_running(&self) -> usize {
        self.cursors[Pane::Running as usize].top + 2 * self.fits(Pane::Running)
    }

    /// The job that is shown whole.
    pub fn job_looked_at(&self) -> Option<Located> {
        match &self.mode {
            Mode::Look(Look { target: Target::Job(job), .. }) => Some(job.clone()),
            _ => None,
        }
    }

    /// What the cursor of the pane in use stands on.
    pub fn at_cursor(&self) -> Option<Key> {
        self.cursors[self.focus as usize].key.clone()
    }

    /// Moves the cursor of the pane in use to a rank; beyond the end is the last one.
    pub fn move_to(&mut self, index: usize) {
        let rows = rows::of(self.focus, self);
        let index = index.min(rows.len().saturating_sub(1));
        let cursor = &mut self.cursors[self.focus as usize];
        (cursor.index, cursor.key) = (index, rows.get(index).map(|row| row.key.clone()));
        self.settle();
    }

    /// Moves it so many rows down, or up.
    pub fn move_by(&mut self, rows: isize) {
        let index = self.cursors[self.focus as usize].index;
        self.move_to(index.saturating_add_signed(rows));
    }

    /// Puts every cursor where its row is now, and every list so that its cursor can be seen.
    pub fn settle(&mut self) {
        for pane in Pane::ALL {
            let (rows, fits) = (rows::of(pane, self), self.fits(pane).max(1));
            let cursor = &mut self.cursors[pane as usize];
            let found = cursor.key.as_ref().and_then(|key| rows.iter().position(|row| row.key == *key));
            // What is gone leaves the cursor where it stood.
            cursor.index = found.unwrap_or(cursor.index).min(rows.len().saturating_sub(1));
            cursor.key = rows.get(cursor.index).map(|row| row.key.clone());
            cursor.top = cursor.top.clamp((cursor.index + 1).saturating_sub(fits), cursor.index);
            cursor.top = cursor.top.min(rows.len().saturating_sub(fits));
        }
        let (size, now) = (self.size, self.now);
        if let Mode::Look(look) = &mut self.mode {
            look.wrap(size.width, now);
        }
    }
}
