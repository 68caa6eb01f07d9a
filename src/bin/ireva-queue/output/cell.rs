//! One value of a row: the same for people (ages, separators) and for scripts (exact).

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use ireva_queue::{ErrorClass, JobState};

use crate::output::visible::visible;

/// How a cell is coloured where colours are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As is.
    Plain,
    /// The way it should be.
    Good,
    /// Wants a look.
    Warn,
    /// Wants action.
    Bad,
    /// Less important.
    Dim,
}

/// What a cell holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing.
    None,
    /// Text from anywhere; made visible when it is rendered.
    Text(String),
    /// A number.
    Count(u64),
    /// An instant.
    At(DateTime<Utc>),
    /// An instant at which something is to happen.
    Due(DateTime<Utc>),
    /// A span of time.
    Span(Duration),
    /// A part of a whole, 0 to 1.
    Part(f64),
}

/// A value and its tone.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// What it holds.
    pub value: Value,
    /// How it is coloured.
    pub tone: Tone,
}

impl Cell {
    /// Nothing.
    pub fn none() -> Self {
        Value::None.into()
    }

    /// Text from anywhere.
    pub fn text(text: impl Into<String>) -> Self {
        Value::Text(text.into()).into()
    }

    /// Something that has text, or nothing.
    pub fn maybe(text: Option<impl ToString>) -> Self {
        text.map_or_else(Self::none, |text| Self::text(text.to_string()))
    }

    /// A number.
    pub fn count(count: impl Into<u64>) -> Self {
        Value::Count(count.into()).into()
    }

    /// A number that wants a look, or action, when it is not zero.
    pub fn alarm(count: u64, tone: Tone) -> Self {
        Self::count(count).tone(if count == 0 { Tone::Plain } else { tone })
    }

    /// An instant.
    pub fn at(at: DateTime<Utc>) -> Self {
        Value::At(at).into()
    }

    /// An instant at which something is to happen.
    pub fn due(at: DateTime<Utc>) -> Self {
        Value::Due(at).into()
    }

    /// An instant, or nothing.
    pub fn maybe_at(at: Option<DateTime<Utc>>) -> Self {
        at.map_or_else(Self::none, Self::at)
    }

    /// A span in milliseconds, or nothing.
    pub fn millis(span_ms: Option<u64>) -> Self {
        span_ms.map_or_else(Self::none, |span_ms| Value::Span(Duration::from_millis(span_ms)).into())
    }

    /// A part of a whole, or nothing.
    pub fn part(part: Option<f64>) -> Self {
        part.map_or_else(Self::none, |part| Value::Part(part).into())
    }

    /// `yes`, or nothing.
    pub fn yes(yes: bool, tone: Tone) -> Self {
        if yes { Self::text("yes").tone(tone) } else { Self::none() }
    }

    /// A state, in its colour.
    pub fn state(state: JobState) -> Self {
        let tone = match state {
            JobState::Completed => Tone::Good,
            JobState::Retrying => Tone::Warn,
            JobState::Dead => Tone::Bad,
            JobState::Cancelled => Tone::Dim,
            _ => Tone::Plain,
        };
        Self::text(state.as_str()).tone(tone)
    }

    /// A class, in its colour.
    pub fn class(class: ErrorClass) -> Self {
        let tone = if class == ErrorClass::Permanent { Tone::Bad } else { Tone::Warn };
        Self::text(class.as_str()).tone(tone)
    }

    /// The same in another tone.
    pub fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }

    /// For people, as seen at `now`.
    pub fn human(&self, now: DateTime<Utc>) -> String {
        match &self.value {
            Value::None => "-".to_owned(),
            Value::Text(text) => visible(text).into_owned(),
            Value::Count(count) => grouped(*count),
            Value::At(at) => age(*at, now),
            Value::Due(at) => format!("due {}", age(*at, now)),
            Value::Span(span) => span_short(*span),
            Value::Part(part) => percent(*part),
        }
    }

    /// For scripts; `none` where there is nothing. Tabs and line ends inside are spaces.
    pub fn exact(&self, none: &str) -> String {
        match &self.value {
            Value::None => none.to_owned(),
            Value::Text(text) => visible(text).into_owned(),
            Value::Count(count) => count.to_string(),
            Value::At(at) | Value::Due(at) => at.to_rfc3339_opts(SecondsFormat::Millis, true),
            Value::Span(span) => format!("{:.3}", span.as_secs_f64()),
            Value::Part(part) => format!("{part:.4}"),
        }
    }
}

impl From<Value> for Cell {
    fn from(value: Value) -> Self {
        Self { value, tone: Tone::Plain }
    }
}

/// `1,234,567`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things, in the singular where it is one: `1 job`, `1,200 jobs`.
pub fn counted(count: u64, thing: &str) -> String {
    format!("{} {thing}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// A span in one or two units: `350ms`, `1.5s`, `42s`, `3m 20s`, `5h 3m`, `12d`.
pub fn span_short(span: Duration) -> String {
    let secs = span.as_secs();
    match secs {
        0 => format!("{}ms", span.as_millis()),
        1..=9 => format!("{:.1}s", span.as_secs_f64()),
        10..=59 => format!("{secs}s"),
        60..=3_599 => pair(secs, (60, "m"), (1, "s")),
        3_600..=86_399 => pair(secs, (3_600, "h"), (60, "m")),
        86_400..=863_999 => pair(secs, (86_400, "d"), (3_600, "h")),
        _ => format!("{}d", secs / 86_400),
    }
}

fn pair(secs: u64, (unit, name): (u64, &str), (part, part_name): (u64, &str)) -> String {
    match secs % unit / part {
        0 => format!("{}{name}", secs / unit),
        rest => format!("{}{name} {rest}{part_name}", secs / unit),
    }
}

fn age(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let past = now.signed_duration_since(at);
    match (past.to_std(), (-past).to_std()) {
        (Ok(span), _) if span < Duration::from_secs(1) => "now".to_owned(),
        (Ok(span), _) => format!("{} ago", coarse(span)),
        (_, Ok(span)) => format!("in {}", coarse(span)),
        _ => at.to_rfc3339_opts(SecondsFormat::Secs, true),
    }
}

/// One unit is enough to say how long ago.
fn coarse(span: Duration) -> String {
    let secs = span.as_secs();
    match secs {
        0 => format!("{}ms", span.as_millis()),
        1..=119 => format!("{secs}s"),
        120..=7_199 => format!("{}m", secs / 60),
        7_200..=172_799 => format!("{}h", secs / 3_600),
        _ => format!("{}d", secs / 86_400),
    }
}

fn percent(part: f64) -> String {
    let percent = part * 100.0;
    if percent > 0.0 && percent < 10.0 { format!("{percent:.1}%") } else { format!("{percent:.0}%") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_and_scripts_read_the_same_value() {
        let now = DateTime::from_timestamp_millis(1_800_000_000_000).unwrap();
        let past = now - chrono::TimeDelta::seconds(185);
        let table = [
            (Cell::none(), "-", ""),
            (Cell::count(1_234_567_u64), "1,234,567", "1234567"),
            (Cell::at(past), "3m ago", "2027-01-15T07:56:55.000Z"),
            (Cell::at(now + chrono::TimeDelta::seconds(90)), "in 90s", "2027-01-15T08:01:30.000Z"),
            (Cell::due(now + chrono::TimeDelta::seconds(90)), "due in 90s", "2027-01-15T08:01:30.000Z"),
            (Cell::millis(Some(1_500)), "1.5s", "1.500"),
            (Cell::part(Some(0.0317)), "3.2%", "0.0317"),
            (Cell::text("a\tb\x1b"), "a b\\x1b", "a b\\x1b"),
        ];
        for (cell, human, exact) in table {
            assert_eq!((cell.human(now).as_str(), cell.exact("").as_str()), (human, exact));
        }
    }

    #[test]
    fn spans_are_short() {
        let text = |millis| span_short(Duration::from_millis(millis));
        assert_eq!([0, 350, 42_000, 200_000].map(text), ["0ms", "350ms", "42s", "3m 20s"]);
        assert_eq!([3_600_000, 18_180_000, 90_000_000].map(text), ["1h", "5h 3m", "1d 1h"]);
    }
}
