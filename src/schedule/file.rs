//! Schedules in a TOML file: a table for each, by its name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value as Json};
use toml::Value;

use super::form::Form;
use super::{Schedule, ScheduleName};
use crate::error::{Error, FieldProblem, Result};
use crate::job::QueueName;

#[derive(Serialize)]
struct Written {
    schedules: BTreeMap<String, Form<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    #[serde(default)]
    schedules: BTreeMap<String, Value>,
}

/// The file that says these schedules; a payload is its JSON text, byte for byte.
pub(crate) fn write_file(schedules: &[(Schedule, bool)]) -> Result<String> {
    let table = |(schedule, paused): &(Schedule, bool)| {
        let form = Form {
            queue: Some(schedule.queue.to_string()),
            paused: paused.then_some(true),
            ..Form::of(schedule, schedule.job.payload.get().to_owned())
        };
        (schedule.name.to_string(), form)
    };
    let written = Written { schedules: schedules.iter().map(table).collect() };
    if written.schedules.is_empty() {
        return Ok(String::new());
    }
    toml::to_string(&written).map_err(|error| Error::internal(format!("schedules: {error}")))
}

/// The schedules of a file. A payload is JSON text, or a value of TOML that stands for it.
///
/// # Errors
/// `Invalid`, naming every field that is wrong as `schedules.NAME.FIELD`.
pub(crate) fn read_file(text: &str) -> Result<Vec<Schedule>> {
    let read: Read = toml::from_str(text).map_err(|error| {
        let line = error.span().and_then(|span| text.get(..span.start)).map(|before| before.matches('\n').count() + 1);
        let line = line.map_or_else(String::new, |line| format!("line {line}: "));
        Error::invalid(format!("{line}{}", error.message().replace('\n', " ")))
    })?;
    let (mut schedules, mut problems) = (Vec::new(), Vec::new());
    for (name, table) in read.schedules {
        match one(&name, table) {
            Ok(schedule) => schedules.push(schedule),
            Err(error) if error.fields().is_empty() => {
                problems.push(FieldProblem::new(format!("schedules.{name}"), error.to_string()));
            }
            Err(error) => {
                let at = |field: &FieldProblem| {
                    FieldProblem::new(format!("schedules.{name}.{}", field.field), &field.message)
                };
                problems.extend(error.fields().iter().map(at));
            }
        }
    }
    if problems.is_empty() { Ok(schedules) } else { Err(Error::invalid_fields(problems)) }
}

fn one(name: &str, table: Value) -> Result<Schedule> {
    let name = ScheduleName::new(name)?;
    let form: Form<Value> =
        table.try_into().map_err(|error: toml::de::Error| Error::invalid(error.message().replace('\n', " ")))?;
    let missing = || Error::invalid_fields(vec![FieldProblem::new("queue", "is missing")]);
    let queue = form.queue.as_deref().ok_or_else(missing)?;
    let queue = QueueName::new(queue).map_err(|error| error.about("queue"))?;
    form.read(name, queue, |payload| match payload {
        Value::String(text) => Ok(text),
        value => Ok(json(value)?.to_string()),
    })
}

/// The JSON that a value of TOML stands for.
fn json(value: Value) -> Result<Json> {
    Ok(match value {
        Value::String(text) => Json::String(text),
        Value::Integer(number) => Json::Number(number.into()),
        Value::Boolean(yes) => Json::Bool(yes),
        Value::Float(number) => Number::from_f64(number)
            .map(Json::Number)
            .ok_or_else(|| Error::invalid("holds a number that JSON does not have: nan or inf"))?,
        Value::Datetime(_) => return Err(Error::invalid("holds a date that is no text: put it in quotes")),
        Value::Array(values) => Json::Array(values.into_iter().map(json).collect::<Result<_>>()?),
        Value::Table(fields) => {
            let fields = fields.into_iter().map(|(name, value)| Ok((name, json(value)?)));
            Json::Object(fields.collect::<Result<Map<_, _>>>()?)
        }
    })
}
