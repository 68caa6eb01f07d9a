//! Which jobs are meant: the parameters that every act on many of them shares.

use regex::Regex;
use serde::Deserialize;
use utoipa::IntoParams;

use super::problem::Problem;
use super::query::{listed, repeated};
use crate::{
    Attempts, Error, ErrorClass, FieldProblem, JobId, JobState, PayloadMatch, Priority, Selection, span_from_text,
};

const IDS_MAX: usize = 300;

/// Parameters that narrow what is meant; each given one must hold.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
pub(super) struct SelectionQuery {
    /// Whose last error is transient, throttled or permanent
    class: Option<ErrorClass>,
    /// Whose last error has this code, such as smtp_4xx
    code: Option<String>,
    /// Whose last error matches this regular expression
    error: Option<String>,
    /// Whose payload says so: to=ada@example.com, to=~@example.com$, a.b!=x, a!~^x; given several times, all of them
    #[serde(deserialize_with = "repeated")]
    #[param(value_type = Vec<String>, style = Form, explode = true, required = false)]
    payload: Vec<PayloadMatch>,
    /// Whose payload names this tenantId
    tenant: Option<String>,
    /// Of these priorities, separated by commas
    #[serde(deserialize_with = "listed")]
    #[param(value_type = Vec<Priority>, style = Form, explode = false, required = false)]
    priority: Vec<Priority>,
    /// That had so many attempts: 3, 3.. (or more), ..2 (or fewer), 2..4
    attempts: Option<String>,
    /// That ended longer ago than this, such as 90d; waiting ones: that were enqueued
    older_than: Option<String>,
    /// That ended more recently than this, such as 1h; waiting ones: that were enqueued
    newer_than: Option<String>,
    /// Only these, separated by commas, at most 300
    #[serde(deserialize_with = "listed")]
    #[param(value_type = Vec<JobId>, style = Form, explode = false, required = false)]
    id: Vec<JobId>,
}

/// The states that are meant.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
pub(super) struct StatesQuery {
    /// Only in these states, separated by commas
    #[serde(deserialize_with = "listed")]
    #[param(value_type = Vec<JobState>, style = Form, explode = false, required = false)]
    pub state: Vec<JobState>,
}

impl SelectionQuery {
    /// The selection, at most `limit` of it.
    ///
    /// # Errors
    /// 400, naming every parameter that is wrong.
    pub(super) fn read(self, limit: Option<u64>) -> Result<Selection, Problem> {
        let mut problems = Vec::new();
        let mut note = |field: &str, error: Error| problems.push(FieldProblem::new(field, error.to_string()));
        let error: Option<Option<Regex>> =
            self.error.map(|pattern| Selection::pattern(&pattern).map_err(|error| note("error", error)).ok());
        let attempts: Option<Option<Attempts>> =
            self.attempts.map(|range| range.parse().map_err(|error| note("attempts", error)).ok());
        let mut span = |field: &str, text: Option<String>| {
            text.and_then(|text| span_from_text(&text).map_err(|error| note(field, error)).ok())
        };
        let (older_than, newer_than) = (span("olderThan", self.older_than), span("newerThan", self.newer_than));
        if self.id.len() > IDS_MAX {
            problems.push(FieldProblem::new("id", format!("names more than {IDS_MAX} jobs")));
        }
        if !problems.is_empty() {
            return Err(Error::invalid_fields(problems).into());
        }
        Ok(Selection {
            ids: self.id,
            states: Vec::new(),
            class: self.class,
            code: self.code,
            error: error.flatten(),
            payload: self.payload,
            tenant: self.tenant,
            priorities: self.priority,
            attempts: attempts.flatten(),
            older_than,
            newer_than,
            limit,
        })
    }

    /// The same for what changes jobs: it wants to be told which.
    pub(super) fn read_for_act(self, all: bool, limit: Option<u64>) -> Result<Selection, Problem> {
        let selection = self.read(limit)?;
        match (selection.is_all(), all) {
            (true, false) => {
                Err(Error::invalid("name jobs (id), select them (code, class, …), or say all=true").into())
            }
            (false, true) => Err(Problem::of_field("all", "cannot be said beside a selection")),
            _ => Ok(selection),
        }
    }
}
