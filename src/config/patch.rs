//! Changes of a queue's settings as a JSON object.

use serde_json::{Map, Value};

use super::file::setting;
use super::queue::{Durable, QueueSettings, Setting};
use crate::error::{Error, FieldProblem, Result};
use crate::job::QueueName;

impl Setting {
    /// The changes that a JSON merge patch (RFC 7396) to the settings in force makes: `null` lifts a limit, or brings the
    /// default back; what is not named stays.
    ///
    /// ```
    /// use ireva_queue::config::{QueueSettings, Setting};
    /// # use ireva_queue::QueueName;
    /// let patch = serde_json::json!({"rate": "100/s", "concurrency": null});
    /// let email = QueueName::new("email")?;
    /// let changes = Setting::from_patch(&email, &QueueSettings::default(), patch.as_object().unwrap())?;
    /// assert_eq!(changes, [Setting::Concurrency(None), Setting::Rate(Some("100/s".parse()?))]);
    /// # Ok::<(), ireva_queue::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid`, naming every field that is wrong.
    pub fn from_patch(queue: &QueueName, now: &QueueSettings, patch: &Map<String, Value>) -> Result<Vec<Self>> {
        let now = serde_json::to_value(now).map_err(|error| Error::internal(format!("settings: {error}")))?;
        let (mut changes, mut problems) = (Vec::new(), Vec::new());
        for (key, value) in patch {
            let value = merged(now.get(key), value);
            match setting(key, value) {
                // Its default is the queue's own.
                Ok(Self::Durable(_)) if patch[key].is_null() => changes.push(Self::Durable(Durable::of(queue))),
                Ok(change) => changes.push(change),
                Err(problem) => problems.push(FieldProblem::new(key, format!("is not valid: {problem}"))),
            }
        }
        if problems.is_empty() { Ok(changes) } else { Err(Error::invalid_fields(problems)) }
    }
}

/// `patch` applied to `now`; `None`: it is gone.
fn merged(now: Option<&Value>, patch: &Value) -> Option<Value> {
    match (now, patch) {
        (_, Value::Null) => None,
        (Some(Value::Object(now)), Value::Object(patch)) => {
            let mut fields = now.clone();
            for (name, value) in patch {
                match merged(now.get(name), value) {
                    Some(value) => fields.insert(name.clone(), value),
                    None => fields.remove(name),
                };
            }
            Some(Value::Object(fields))
        }
        (_, patch) => Some(patch.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Retention;
    use crate::retry::RetryPolicy;
    use serde_json::json;

    fn changes(patch: &Value) -> Result<Vec<Setting>> {
        let retry = RetryPolicy { attempts: 9, permanent_attempts: 2, ..RetryPolicy::default() };
        let now = QueueSettings { retry, remove_on_complete: Retention::Never, ..QueueSettings::default() };
        Setting::from_patch(&QueueName::new("roi-distribution").unwrap(), &now, patch.as_object().unwrap())
    }

    #[test]
    fn only_what_is_named_changes() {
        let retry = RetryPolicy { attempts: 3, permanent_attempts: 1, ..RetryPolicy::default() };
        let made = changes(&json!({"retry": {"attempts": 3, "permanentAttempts": null}, "removeOnComplete": null}));
        assert_eq!(made.unwrap(), [Setting::RemoveOnComplete(Retention::Count(100)), Setting::Retry(retry)]);
        assert_eq!(changes(&json!({})).unwrap(), []);
        assert_eq!(changes(&json!({"durable": null})).unwrap(), [Setting::Durable(Durable::Auto)]);
        assert_eq!(changes(&json!({"durable": "off"})).unwrap(), [Setting::Durable(Durable::Off)]);
    }

    #[test]
    fn every_wrong_setting_is_named() {
        let patch = json!({"rate": "often", "concurrency": 0, "crashLimit": -1, "colour": 1, "maxLength": 5});
        let error = changes(&patch).unwrap_err();
        let fields: Vec<_> = error.fields().iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields, ["colour", "concurrency", "crashLimit", "rate"], "{error}");
    }
}
