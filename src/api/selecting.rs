//! Which dead letters are meant: the parameters that every act on them shares.

use regex::Regex;
use serde::Deserialize;
use utoipa::IntoParams;

use super::problem::Problem;
use super::query::listed;
use crate::{Error, ErrorClass, FieldProblem, JobId, Selection, span_from_text};

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
    /// That died longer ago than this, such as 90d
    older_than: Option<String>,
    /// That died more recently than this, such as 1h
    newer_than: Option<String>,
    /// Only these, separated by commas, at most 300
    #[serde(deserialize_with = "listed")]
    #[param(value_type = Vec<JobId>, style = Form, explode = false, required = false)]
    id: Vec<JobId>,
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
        let (class, code) = (self.class, self.code);
        let error = error.flatten();
        Ok(Selection { ids: self.id, class, code, error, older_than, newer_than, limit, ..Selection::default() })
    }

    /// The same for what changes letters: it wants to be told which.
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
