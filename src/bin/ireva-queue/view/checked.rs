//! A check as monitoring reads it, and the thresholds of a queue.

use std::io::{self, Write};

use ireva_queue::check::{Check, CheckState, CheckThresholds, Checked, Thresholds};

use crate::output::{Body, Cell, Format, Look, Tone, rows, visible, write_json};
use crate::view::{Column, View};

/// How a check is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum CheckFormat {
    /// One line of a monitoring plugin, with performance data
    Nagios,
    /// Metrics
    Prometheus,
    /// One JSON value
    Json,
    /// The sentence alone
    Text,
}

/// A check, in the format that was asked for; without one, plugins' line takes the place of table and plain.
pub struct CheckAnswer {
    /// What it came to.
    pub checked: Checked,
    /// `--format`.
    pub format: Option<CheckFormat>,
}

impl Body for CheckAnswer {
    fn render(&self, format: Format, look: Look, out: &mut dyn Write) -> io::Result<()> {
        let checked = &self.checked;
        let wanted = match (self.format, format) {
            (Some(wanted), _) => wanted,
            (None, Format::Table | Format::Plain) => CheckFormat::Nagios,
            (None, Format::Json) => CheckFormat::Json,
            (None, format) => return rows(std::slice::from_ref(checked), format, look, out),
        };
        match wanted {
            CheckFormat::Nagios => writeln!(out, "{}", nagios(checked)),
            CheckFormat::Prometheus => out.write_all(prometheus(checked).as_bytes()),
            CheckFormat::Json => write_json(checked, true, out),
            CheckFormat::Text => writeln!(out, "{}: {}", checked.state.as_str().to_lowercase(), said(checked)),
        }
    }
}

/// The sentence on one line.
fn said(checked: &Checked) -> String {
    visible(&checked.message.replace('\n', "; ")).into_owned()
}

/// `BACKLOG OK - 12 jobs in line in email | backlog=12;1000;5000;0`
fn nagios(checked: &Checked) -> String {
    // What stands behind a bar is performance data.
    let said = said(checked).replace('|', "/");
    let line = format!("{} {} - {said}", checked.check.as_str().to_uppercase(), checked.state.as_str());
    let (Some(value), Some(Thresholds { warn, crit })) = (checked.value, checked.thresholds) else { return line };
    // `N:` is the plugins' way to write: fewer than N.
    let (unit, most, from) = match checked.check {
        Check::Latency => ("s", "", ""),
        Check::Failures => ("%", ";100", ""),
        Check::Workers => ("", "", ":"),
        _ => ("", "", ""),
    };
    format!("{line} | {}={}{unit};{warn}{from};{crit}{from};0{most}", checked.check, rounded(value))
}

/// At most three decimals.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

fn prometheus(checked: &Checked) -> String {
    let (name, help, scale) = match checked.check {
        Check::Backlog => ("backlog_jobs", "Jobs in line.", 1.0),
        Check::Latency => ("latency_seconds", "Wait of the first job in line, or lateness of the most overdue.", 1.0),
        Check::Failures => ("failure_ratio", "Failed attempts of those that ended in the last hour.", 100.0),
        Check::Dead => ("dead_letters", "Dead letters.", 1.0),
        Check::Workers => ("workers", "Workers that take jobs of the queue.", 1.0),
        Check::Schedules => ("late_schedules", "Schedules whose tick came more than a minute ago.", 1.0),
    };
    let (queue, check) = (&checked.queue, checked.check);
    let state = match checked.state {
        CheckState::Ok => 0,
        CheckState::Warning => 1,
        CheckState::Critical => 2,
        CheckState::Unknown => 3,
    };
    let mut text = String::new();
    if let Some(value) = checked.value {
        text += &format!(
            "# HELP ireva_queue_{name} {help}\n# TYPE ireva_queue_{name} gauge\n\
             ireva_queue_{name}{{queue=\"{queue}\"}} {}\n",
            value / scale
        );
    }
    text + &format!(
        "# HELP ireva_queue_check_state How the check ended: 0 ok, 1 warning, 2 critical, 3 unknown.\n\
         # TYPE ireva_queue_check_state gauge\n\
         ireva_queue_check_state{{check=\"{check}\",queue=\"{queue}\"}} {state}\n"
    )
}

fn tone(state: CheckState) -> Tone {
    match state {
        CheckState::Ok => Tone::Good,
        CheckState::Warning => Tone::Warn,
        CheckState::Critical => Tone::Bad,
        CheckState::Unknown => Tone::Dim,
    }
}

impl View for Checked {
    const COLUMNS: &'static [Column] = &[
        Column::new("CHECK"),
        Column::new("QUEUE"),
        Column::new("STATE"),
        Column::number("VALUE"),
        Column::number("WARN"),
        Column::number("CRIT"),
        Column::new("MESSAGE").wraps(),
    ];

    fn cells(&self) -> Vec<Cell> {
        let number = |number: Option<f64>| Cell::maybe(number.map(|number| self.check.text(number)));
        vec![
            Cell::text(self.check.as_str()),
            Cell::text(self.queue.as_str()),
            Cell::text(self.state.as_str()).tone(tone(self.state)),
            number(self.value),
            number(self.thresholds.map(|thresholds| thresholds.warn)),
            number(self.thresholds.map(|thresholds| thresholds.crit)),
            Cell::text(&self.message),
        ]
    }

    fn name(&self) -> String {
        self.queue.to_string()
    }
}

impl View for CheckThresholds {
    const COLUMNS: &'static [Column] =
        &[Column::new("CHECK"), Column::number("WARN"), Column::number("CRIT"), Column::new("STORED")];

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(self.check.as_str()),
            Cell::text(self.check.text(self.thresholds.warn)),
            Cell::text(self.check.text(self.thresholds.crit)),
            Cell::yes(self.stored, Tone::Plain),
        ]
    }

    fn name(&self) -> String {
        self.check.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ireva_queue::QueueName;

    fn checked(check: Check, value: f64) -> Checked {
        let queue = QueueName::new("email").unwrap();
        let (thresholds, message) = (Some(check.usual()), "a | b\nc".to_owned());
        Checked { check, queue, state: CheckState::Warning, value: Some(value), thresholds, message }
    }

    #[test]
    fn plugins_read_one_line_with_performance_data() {
        assert_eq!(nagios(&checked(Check::Backlog, 12.0)), "BACKLOG WARNING - a / b; c | backlog=12;1000;10000;0");
        assert!(nagios(&checked(Check::Latency, 1.23456)).ends_with("| latency=1.235s;300;1800;0"));
        assert!(nagios(&checked(Check::Failures, 2.5)).ends_with("| failures=2.5%;5;25;0;100"));
        assert!(nagios(&checked(Check::Workers, 2.0)).ends_with("| workers=2;1:;1:;0"));
        let none = Checked { value: None, thresholds: None, ..checked(Check::Dead, 0.0) };
        assert_eq!(nagios(&none), "DEAD WARNING - a / b; c");
    }

    #[test]
    fn metrics_have_base_units_and_the_state() {
        let text = prometheus(&checked(Check::Failures, 25.0));
        assert!(text.contains("\nireva_queue_failure_ratio{queue=\"email\"} 0.25\n"), "{text}");
        assert!(text.ends_with("\nireva_queue_check_state{check=\"failures\",queue=\"email\"} 1\n"), "{text}");
    }
}
