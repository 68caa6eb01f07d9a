//! Which jobs an act on many is about.

mod attempts;
mod payload;

use std::fmt;
use std::time::Duration;

use regex::Regex;

pub use attempts::Attempts;
pub use payload::PayloadMatch;
pub(crate) use payload::find;

use crate::clock::span_text;
use crate::error::{Error, Result};
use crate::job::{JobId, JobState, Priority};
use crate::retry::ErrorClass;

const PATTERN_MAX_BYTES: usize = 4096;
const PROGRAM_MAX_BYTES: usize = 1 << 20;
/// The field of a payload that names the tenant.
const TENANT: &str = "tenantId";
/// Ids that a selection names when it is written out.
const IDS_WRITTEN: usize = 5;

/// A selection among the jobs of a queue: every given condition must hold. Without any it holds for all.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Only these.
    pub ids: Vec<JobId>,
    /// In one of these states; none named: in those that the act is usually about.
    pub states: Vec<JobState>,
    /// Whose last error is of this class.
    pub class: Option<ErrorClass>,
    /// Whose last error has this code.
    pub code: Option<String>,
    /// Whose last error matches.
    pub error: Option<Regex>,
    /// Whose payload meets all of these.
    pub payload: Vec<PayloadMatch>,
    /// Whose payload names this tenant (`tenantId`).
    pub tenant: Option<String>,
    /// Of one of these priorities.
    pub priorities: Vec<Priority>,
    /// That had so many attempts.
    pub attempts: Option<Attempts>,
    /// Older than this: ended ones by the time of their end, others by that of their arrival.
    pub older_than: Option<Duration>,
    /// Younger than this.
    pub newer_than: Option<Duration>,
    /// At most so many, oldest first.
    pub limit: Option<u64>,
}

/// A job as a selection looks at it.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The job.
    pub id: &'a JobId,
    /// How long ago it ended, or arrived where it has not ended; `None` when its record does not say.
    pub age: Option<Duration>,
    /// Its priority.
    pub priority: Priority,
    /// The attempts that it had.
    pub attempts: u32,
    /// Class, code and message of its last error.
    pub error: Option<(ErrorClass, &'a str, &'a str)>,
    /// Its payload, where the selection [wants it](Selection::wants_payload) and it can be read.
    pub payload: Option<&'a str>,
}

impl Selection {
    /// Compiles the pattern for `error`.
    ///
    /// # Errors
    /// `Invalid` when it is no regular expression, or one that is too large. Matching takes time linear in the text.
    pub fn pattern(pattern: &str) -> Result<Regex> {
        if pattern.len() > PATTERN_MAX_BYTES {
            return Err(Error::invalid(format!("pattern has {} bytes, more than {PATTERN_MAX_BYTES}", pattern.len())));
        }
        regex::RegexBuilder::new(pattern)
            .size_limit(PROGRAM_MAX_BYTES)
            .build()
            .map_err(|error| Error::invalid(format!("pattern is not a regular expression: {error}")))
    }

    /// Whether nothing narrows it but states and the limit.
    pub fn is_all(&self) -> bool {
        let Self { ids, states: _, class, code, error, payload, tenant, priorities, attempts, .. } = self;
        ids.is_empty()
            && class.is_none()
            && code.is_none()
            && error.is_none()
            && payload.is_empty()
            && tenant.is_none()
            && priorities.is_empty()
            && attempts.is_none()
            && self.older_than.is_none()
            && self.newer_than.is_none()
    }

    /// Whether it looks into payloads.
    pub fn wants_payload(&self) -> bool {
        !self.payload.is_empty() || self.tenant.is_some()
    }

    /// Whether a job in one of its states is meant (states and limit are the caller's).
    pub fn matches(&self, job: &Candidate<'_>) -> bool {
        let error = |holds: &dyn Fn((ErrorClass, &str, &str)) -> bool| job.error.is_some_and(holds);
        let payload = |condition: &PayloadMatch| job.payload.is_some_and(|payload| condition.is_met(payload));
        (self.ids.is_empty() || self.ids.contains(job.id))
            && self.class.is_none_or(|class| error(&|error| error.0 == class))
            && self.code.as_ref().is_none_or(|code| error(&|error| error.1 == code))
            && self.error.as_ref().is_none_or(|pattern| error(&|error| pattern.is_match(error.2)))
            && self.attempts.is_none_or(|attempts| attempts.holds(job.attempts))
            && (self.priorities.is_empty() || self.priorities.contains(&job.priority))
            && self.older_than.is_none_or(|age| job.age.is_some_and(|old| old >= age))
            && self.newer_than.is_none_or(|age| job.age.is_some_and(|old| old <= age))
            && self.payload.iter().all(payload)
            && self.tenant.as_ref().is_none_or(|tenant| payload(&PayloadMatch::equals(TENANT, tenant)))
    }
}

/// One line that says what is meant, as the audit keeps it.
impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = |words: Vec<&str>| words.join(",");
        let mut parts = Vec::new();
        if !self.states.is_empty() {
            parts.push(format!("state {}", listed(self.states.iter().map(|state| state.as_str()).collect())));
        }
        parts.extend(self.class.map(|class| format!("class {class}")));
        parts.extend(self.code.as_ref().map(|code| format!("code {code}")));
        parts.extend(self.error.as_ref().map(|error| format!("error {error}")));
        parts.extend(self.payload.iter().map(|payload| format!("payload {payload}")));
        parts.extend(self.tenant.as_ref().map(|tenant| format!("tenant {tenant}")));
        if !self.priorities.is_empty() {
            let words = self.priorities.iter().map(|priority| priority.as_str()).collect();
            parts.push(format!("priority {}", listed(words)));
        }
        parts.extend(self.attempts.map(|attempts| format!("attempts {attempts}")));
        parts.extend(self.older_than.map(|age| format!("older than {}", span_text(age))));
        parts.extend(self.newer_than.map(|age| format!("newer than {}", span_text(age))));
        if !self.ids.is_empty() {
            let named: Vec<_> = self.ids.iter().take(IDS_WRITTEN).map(JobId::as_str).collect();
            let more = self.ids.len().saturating_sub(IDS_WRITTEN);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            parts.push(format!("id {}{more}", named.join(",")));
        }
        parts.extend(self.limit.map(|limit| format!("at most {limit}")));
        if parts.is_empty() { f.write_str("all") } else { f.write_str(&parts.join("; ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn job(id: &JobId) -> Candidate<'_> {
        Candidate {
            id,
            age: Some(HOUR * 2),
            priority: Priority::High,
            attempts: 3,
            error: Some((ErrorClass::Permanent, "smtp_5xx", "550 no such user here")),
            payload: Some(r#"{"to":"ada@example.com","tenantId":"t1"}"#),
        }
    }

    fn everything() -> Selection {
        Selection {
            ids: vec![JobId::trusted("job-0001")],
            states: vec![JobState::Dead],
            class: Some(ErrorClass::Permanent),
            code: Some("smtp_5xx".to_owned()),
            error: Some(Selection::pattern("no such (user|host)").unwrap()),
            payload: vec!["to=~@example.com$".parse().unwrap()],
            tenant: Some("t1".to_owned()),
            priorities: vec![Priority::High],
            attempts: Some("3..".parse().unwrap()),
            older_than: Some(HOUR),
            newer_than: Some(HOUR * 3),
            limit: Some(1),
        }
    }

    #[test]
    fn every_given_condition_must_hold() {
        let (id, all) = (JobId::trusted("job-0001"), everything());
        assert!(all.matches(&job(&id)) && Selection::default().matches(&job(&id)));
        let others = [
            Selection { ids: vec![JobId::trusted("other")], ..all.clone() },
            Selection { class: Some(ErrorClass::Transient), ..all.clone() },
            Selection { code: Some("smtp".to_owned()), ..all.clone() },
            Selection { error: Some(Selection::pattern("^no such").unwrap()), ..all.clone() },
            Selection { payload: vec!["to!=ada@example.com".parse().unwrap()], ..all.clone() },
            Selection { tenant: Some("t2".to_owned()), ..all.clone() },
            Selection { priorities: vec![Priority::Low], ..all.clone() },
            Selection { attempts: Some("..2".parse().unwrap()), ..all.clone() },
            Selection { older_than: Some(HOUR * 3), ..all.clone() },
            Selection { newer_than: Some(HOUR), ..all.clone() },
        ];
        assert!(others.iter().all(|selection| !selection.matches(&job(&id))));
        // What a job does not have meets nothing, not even its contrary.
        let bare = Candidate { error: None, payload: None, age: None, ..job(&id) };
        let alone = |selection: Selection| selection.matches(&bare);
        assert!(!alone(Selection { class: all.class, ..Selection::default() }));
        assert!(!alone(Selection { payload: vec!["to!=x".parse().unwrap()], ..Selection::default() }));
        assert!(!alone(Selection { newer_than: Some(HOUR), ..Selection::default() }));
    }

    #[test]
    fn states_and_a_limit_alone_narrow_nothing() {
        let wide = Selection { limit: Some(1), states: vec![JobState::Dead], ..Selection::default() };
        assert!(wide.is_all() && !wide.wants_payload());
        assert!(!everything().is_all() && everything().wants_payload());
    }

    #[test]
    fn it_says_what_it_is_about() {
        assert_eq!(Selection::default().to_string(), "all");
        let said = "state dead; class permanent; code smtp_5xx; error no such (user|host); payload to=~@example.com$; \
                    tenant t1; priority high; attempts 3..; older than 1h; newer than 3h; id job-0001; at most 1";
        assert_eq!(everything().to_string(), said);
        let many =
            Selection { ids: (0..7).map(|n| JobId::trusted(&format!("j{n}"))).collect(), ..Selection::default() };
        assert_eq!(many.to_string(), "id j0,j1,j2,j3,j4 and 2 more");
    }

    #[test]
    fn a_hostile_pattern_is_refused_or_runs_in_linear_time() {
        for pattern in ["(", &"a".repeat(PATTERN_MAX_BYTES + 1), "(((a{100}){100}){100})"] {
            assert!(Selection::pattern(pattern).is_err());
        }
        let pattern = Selection::pattern("(a+)+$").unwrap();
        let began = std::time::Instant::now();
        assert!(!pattern.is_match(&format!("{}!", "a".repeat(2_000))));
        assert!(began.elapsed() < Duration::from_secs(1));
    }

    #[test]
    fn fuzz_no_pattern_takes_long() {
        use crate::fuzz::{fuzz, text_of};

        let pieces = &[
            "(", ")", "a", "a+", "*", "{9}", "{99}", "{999}", "|", "\\w", "\\pL", "(?:", "[^a]", ".*", "$", "^", "\\b",
            "(?i)", "?",
        ];
        fuzz((text_of(pieces, 20), 1..200_usize), |(pattern, length)| {
            let Ok(pattern) = Selection::pattern(&pattern) else { return Ok(()) };
            let said = format!("{}!", "aé ".repeat(length));
            let _ = pattern.is_match(&said);
            Ok(())
        });
    }
}
