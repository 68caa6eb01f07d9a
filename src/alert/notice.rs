//! What a sink is told: everything that changed for it in one look.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use crate::alert::name::AlertName;
use crate::alert::rule::AlertSeverity;
use crate::job::{JobId, QueueName};

/// The longest sentence of a notice.
const MESSAGE_MAX_CHARS: usize = 300;
/// So many alerts are told one by one; the rest is counted.
const LINES_MAX: usize = 20;

/// What happened to an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertEvent {
    /// It fires.
    Firing,
    /// It fires still.
    Repeated,
    /// It is over.
    Recovered,
}

impl AlertEvent {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Repeated => "repeated",
            Self::Recovered => "recovered",
        }
    }
}

/// One alert of a notice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertTold {
    /// The rule.
    pub alert: AlertName,
    /// What happened.
    pub event: AlertEvent,
    /// How bad it is.
    pub severity: AlertSeverity,
    /// The queue that it is about, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueName>,
    /// What it is about: a queue, a service, or empty for the server.
    pub subject: String,
    /// The number, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// When it fires, in words.
    pub condition: String,
    /// What is the matter, in words.
    pub message: String,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// A notice: what a sink is told at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertNotice {
    /// Its id; the same where it is told again. A job of this id carries it where a queue does.
    pub id: JobId,
    /// When it was made.
    pub at: DateTime<Utc>,
    /// Whether it is only a test.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
    /// What the keys of these queues begin with.
    pub prefix: String,
    /// Who evaluates.
    pub by: String,
    /// What happened, the worst first.
    pub alerts: Vec<AlertTold>,
}

impl AlertNotice {
    /// A notice of these, with an id of its own.
    pub(crate) fn new((prefix, by): (&str, &str), at: DateTime<Utc>, mut alerts: Vec<AlertTold>) -> Self {
        let weight = |told: &AlertTold| (told.event == AlertEvent::Recovered, std::cmp::Reverse(told.severity));
        alerts.sort_by(|a, b| (weight(a), &a.alert, &a.subject).cmp(&(weight(b), &b.alert, &b.subject)));
        let id = JobId::trusted(&format!("alert-{}", JobId::generate()));
        Self { id, at, test: false, prefix: prefix.to_owned(), by: by.to_owned(), alerts }
    }

    /// A notice that says that it is none.
    pub(crate) fn for_test(who: (&str, &str), at: DateTime<Utc>) -> Self {
        let told = AlertTold {
            alert: AlertName::new("test").expect("the name keeps to the rule of names"),
            event: AlertEvent::Firing,
            severity: AlertSeverity::Warning,
            queue: None,
            subject: String::new(),
            value: None,
            condition: "somebody asks for it".to_owned(),
            message: "nothing is wrong, somebody tries the sinks of alerts".to_owned(),
            since: at,
        };
        Self { test: true, ..Self::new(who, at, vec![told]) }
    }

    /// How many of its alerts this happened to.
    fn count(&self, events: &[AlertEvent]) -> usize {
        self.alerts.iter().filter(|told| events.contains(&told.event)).count()
    }

    /// Whether something in it fires.
    pub fn is_firing(&self) -> bool {
        self.count(&[AlertEvent::Firing, AlertEvent::Repeated]) > 0
    }

    /// Its state in one word: `test`, `firing` or `recovered`.
    pub fn state(&self) -> &'static str {
        match (self.test, self.is_firing()) {
            (true, _) => "test",
            (false, true) => "firing",
            (false, false) => "recovered",
        }
    }

    /// How bad the worst of it is that still fires; `None` where all is over.
    pub fn severity(&self) -> Option<AlertSeverity> {
        let firing = self.alerts.iter().filter(|told| told.event != AlertEvent::Recovered);
        firing.map(|told| told.severity).max()
    }

    /// One line that says it all where it is about one alert, and how many there are where not.
    pub fn headline(&self) -> String {
        let (first, repeated) = (self.count(&[AlertEvent::Firing]), self.count(&[AlertEvent::Repeated]));
        let recovered = self.count(&[AlertEvent::Recovered]);
        if let [told] = &self.alerts[..] {
            if self.test {
                return format!("test: {}", told.message);
            }
            let word = match told.event {
                AlertEvent::Repeated => "still firing",
                event => event.as_str(),
            };
            return format!("{word}: {}: {}", told.alert, told.message);
        }
        let parts = [(first, "firing"), (repeated, "still firing"), (recovered, "recovered")];
        let told: Vec<_> = parts.iter().filter(|(count, _)| *count > 0).collect();
        let counted = told.iter().enumerate().map(|(index, (count, word))| match (index, count) {
            (0, 1) => format!("1 alert {word}"),
            (0, count) => format!("{count} alerts {word}"),
            (_, count) => format!("{count} {word}"),
        });
        let mut names: Vec<_> = self.alerts.iter().map(|told| told.alert.as_str()).collect();
        names.dedup();
        let more = if names.len() > 5 { ", …" } else { "" };
        names.truncate(5);
        format!("{}: {}{more}", counted.collect::<Vec<_>>().join(", "), names.join(", "))
    }

    /// One line for each alert, at most twenty; none for a test, whose headline says it all.
    pub fn lines(&self) -> Vec<String> {
        if self.test {
            return Vec::new();
        }
        let line = |told: &AlertTold| {
            let since = told.since.to_rfc3339_opts(SecondsFormat::Secs, true);
            let (word, when) = match told.event {
                AlertEvent::Recovered => ("recovered".to_owned(), format!("it fired since {since}")),
                event => {
                    (format!("{} ({})", event.as_str(), told.severity), format!("{}, since {since}", told.condition))
                }
            };
            match self.alerts.len() {
                // The headline has said the rest.
                1 => format!("{}: {when}", told.severity),
                _ => format!("{word}: {}: {} ({when})", told.alert, told.message),
            }
        };
        let mut lines: Vec<_> = self.alerts.iter().take(LINES_MAX).map(line).collect();
        if self.alerts.len() > LINES_MAX {
            lines.push(format!("and {} more: ireva-queue alerts list", self.alerts.len() - LINES_MAX));
        }
        lines
    }
}

/// A sentence from anywhere, fit for one line of a mail, a chat or a log.
pub(crate) fn one_line(text: &str) -> String {
    let clean = |letter: char| match letter {
        letter if letter.is_control() => ' ',
        // What would turn the rest of the line around.
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        letter => letter,
    };
    let mut line: String = text.chars().map(clean).take(MESSAGE_MAX_CHARS).collect();
    if text.chars().nth(MESSAGE_MAX_CHARS).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str, event: AlertEvent, severity: AlertSeverity) -> AlertTold {
        AlertTold {
            alert: AlertName::new(name).unwrap(),
            event,
            severity,
            queue: None,
            subject: "q".to_owned(),
            value: Some(12.0),
            condition: "backlog from 10 on".to_owned(),
            message: "12 jobs in line in q".to_owned(),
            since: DateTime::UNIX_EPOCH,
        }
    }

    fn notice(alerts: Vec<AlertTold>) -> AlertNotice {
        AlertNotice::new(("p:", "w"), DateTime::UNIX_EPOCH, alerts)
    }

    #[test]
    fn a_notice_of_one_alert_says_it_and_one_of_several_counts_them() {
        use AlertEvent::{Firing, Recovered, Repeated};
        use AlertSeverity::{Critical, Warning};
        let one = notice(vec![told("a", Firing, Warning)]);
        assert_eq!(one.headline(), "firing: a: 12 jobs in line in q");
        assert_eq!(one.lines(), ["warning: backlog from 10 on, since 1970-01-01T00:00:00Z"]);
        assert_eq!(notice(vec![told("a", Repeated, Warning)]).headline(), "still firing: a: 12 jobs in line in q");
        let many =
            notice(vec![told("c", Recovered, Critical), told("b", Firing, Warning), told("a", Firing, Critical)]);
        assert_eq!(many.headline(), "2 alerts firing, 1 recovered: a, b, c");
        assert_eq!((many.severity(), many.state()), (Some(Critical), "firing"));
        let over = notice(vec![told("a", Recovered, Critical), told("b", Recovered, Critical)]);
        assert_eq!(
            (over.headline().as_str(), over.severity(), over.state()),
            ("2 alerts recovered: a, b", None, "recovered")
        );
        assert_eq!(many.lines().len(), 3);
        assert!(many.lines()[0].starts_with("firing (critical): a: 12 jobs"), "{:?}", many.lines());
        let crowd = notice((0..30).map(|n| told(&format!("a{n:02}"), Firing, Warning)).collect());
        assert_eq!(
            (crowd.lines().len(), crowd.headline().as_str()),
            (21, "30 alerts firing: a00, a01, a02, a03, a04, …")
        );
        assert!(
            AlertNotice::for_test(("p:", "w"), DateTime::UNIX_EPOCH).headline().starts_with("test: nothing is wrong")
        );
    }

    #[test]
    fn a_notice_is_read_as_it_is_stored() {
        let notice = notice(vec![told("a", AlertEvent::Firing, AlertSeverity::Critical)]);
        let text = serde_json::to_string(&notice).unwrap();
        assert_eq!(serde_json::from_str::<AlertNotice>(&text).unwrap(), notice);
    }

    #[test]
    fn what_comes_from_anywhere_stays_on_its_line() {
        assert_eq!(one_line("a\r\nb\u{202e}c"), "a  b\u{fffd}c");
        assert_eq!(one_line(&"x".repeat(400)).chars().count(), 301);
    }
}
