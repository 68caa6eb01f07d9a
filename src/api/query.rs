//! The query of a request: read strictly, and what is wrong is named by its parameter. What is documented is what holds.

use std::borrow::Cow;

use axum::extract::FromRequestParts;
use axum::http::Uri;
use axum::http::request::Parts;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _};
use utoipa::Number;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{RefOr, Required, Schema};

use super::problem::Problem;
use crate::{Error, FieldProblem};

/// The parameters of a request that `T` knows, once its route has held them against its document.
pub(super) struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let text = gathered(parts.uri.query().unwrap_or_default());
        let reader = serde_urlencoded::Deserializer::new(form_urlencoded::parse(text.as_bytes()));
        serde_path_to_error::deserialize(reader).map(Self).map_err(|error| match error.path().to_string().as_str() {
            "." => Error::invalid(format!("the query is not valid: {}", error.into_inner())).into(),
            field => Problem::of_field(field, format!("is not valid: {}", error.inner())),
        })
    }
}

/// Refuses what is not documented: other names, a name twice, a missing one, numbers out of their bounds.
pub(super) fn check(known: &[Parameter], uri: &Uri) -> Result<(), Problem> {
    let known: Vec<_> = known.iter().filter(|parameter| parameter.parameter_in == ParameterIn::Query).collect();
    let (mut problems, mut seen) = (Vec::new(), Vec::new());
    for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        match known.iter().find(|parameter| parameter.name == name) {
            Some(parameter) => problems.extend(out_of_bounds(parameter, &value)),
            None => {
                let names: Vec<_> = known.iter().map(|parameter| parameter.name.as_str()).collect();
                let names = if names.is_empty() { "there are none".to_owned() } else { names.join(", ") };
                problems.push(FieldProblem::new(name.as_ref(), format!("is no parameter here: {names}")));
            }
        }
        let may_repeat = known.iter().any(|parameter| parameter.name == name && parameter.explode == Some(true));
        if seen.contains(&name) && !may_repeat {
            problems.push(FieldProblem::new(name.as_ref(), "is given twice"));
        }
        seen.push(name);
    }
    let needed = known.iter().filter(|parameter| parameter.required == Required::True);
    let missing = needed.filter(|parameter| !seen.iter().any(|name| *name == parameter.name));
    problems.extend(missing.map(|parameter| FieldProblem::new(&parameter.name, "is missing")));
    if problems.is_empty() { Ok(()) } else { Err(Error::invalid_fields(problems).into()) }
}

fn out_of_bounds(parameter: &Parameter, value: &str) -> Option<FieldProblem> {
    let (least, most) = bounds(parameter)?;
    if value.parse::<i64>().is_ok_and(|number| (least..=most).contains(&number)) {
        return None;
    }
    let message = match most {
        i64::MAX => format!("must be a whole number, {least} or more"),
        most => format!("must be a whole number from {least} to {most}"),
    };
    Some(FieldProblem::new(&parameter.name, message))
}

/// The bounds of a number; `None` for other parameters.
fn bounds(parameter: &Parameter) -> Option<(i64, i64)> {
    let Some(RefOr::T(Schema::Object(object))) = &parameter.schema else { return None };
    let whole = |number: &Number| match number {
        Number::Int(number) => i64::try_from(*number).ok(),
        Number::UInt(number) => i64::try_from(*number).ok(),
        Number::Float(number) => Some(*number as i64),
    };
    let least = object.minimum.as_ref().and_then(whole)?;
    Some((least, object.maximum.as_ref().and_then(whole).unwrap_or(i64::MAX)))
}

/// Parts the values of a parameter that was given several times.
const PARTED: char = '\u{1e}';

/// The query with each parameter once, what was given several times gathered.
fn gathered(query: &str) -> Cow<'_, str> {
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    let repeats = |index: usize| pairs[..index].iter().any(|(name, _)| *name == pairs[index].0);
    if !(0..pairs.len()).any(repeats) {
        return Cow::Borrowed(query);
    }
    let mut text = form_urlencoded::Serializer::new(String::new());
    for (index, (name, _)) in pairs.iter().enumerate().filter(|(index, _)| !repeats(*index)) {
        let values: Vec<_> =
            pairs[index..].iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_ref()).collect();
        text.append_pair(name, &values.join(&PARTED.to_string()));
    }
    Cow::Owned(text.finish())
}

/// A list that is written by naming the parameter several times.
pub(super) fn repeated<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: std::str::FromStr<Err = Error>,
{
    let text = Cow::<'de, str>::deserialize(deserializer)?;
    text.split(PARTED).map(str::parse).collect::<Result<_, _>>().map_err(D::Error::custom)
}

/// A list that is written with commas.
pub(super) fn listed<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: std::str::FromStr<Err = Error>,
{
    let text = Cow::<'de, str>::deserialize(deserializer)?;
    let parts = text.split(',').filter(|part| !part.is_empty());
    parts.map(str::parse).collect::<Result<_, _>>().map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use serde::Deserialize;
    use utoipa::IntoParams;

    use super::*;
    use crate::{JobOptions, JobState};

    #[derive(Debug, Default, PartialEq, Deserialize, IntoParams)]
    #[serde(default, rename_all = "camelCase")]
    #[into_params(parameter_in = Query)]
    struct Paging {
        #[param(minimum = 1, maximum = 1000)]
        limit: Option<u64>,
        #[serde(deserialize_with = "listed")]
        #[param(value_type = Vec<String>)]
        state: Vec<JobState>,
        #[serde(deserialize_with = "repeated")]
        #[param(value_type = Vec<String>, explode = true)]
        word: Vec<JobState>,
        dry_run: bool,
    }

    fn read<T: DeserializeOwned + IntoParams>(text: &str) -> Result<T, String> {
        let request = axum::http::Request::get(format!("/x?{text}")).body(()).unwrap();
        let (mut parts, ()) = request.into_parts();
        let checked = check(&T::into_params(|| None), &parts.uri);
        let read = checked.and_then(|()| Query::from_request_parts(&mut parts, &()).now_or_never().unwrap());
        read.map(|Query(value)| value).map_err(|problem| serde_json::to_string(&problem).unwrap())
    }

    #[test]
    fn parameters_are_read_by_their_names() {
        let states = || vec![JobState::Pending, JobState::Dead];
        let wanted = Paging { limit: Some(5), state: states(), dry_run: true, word: states() };
        assert_eq!(read("limit=5&word=pending&state=pending,dead&dryRun=true&word=dead"), Ok(wanted));
        assert_eq!(read(""), Ok(Paging::default()));
        let options = read::<JobOptions>("delay=5m&uniqueFor=1h&attempts=3").unwrap();
        let wanted = (Some("5m"), Some("1h"), Some(3));
        assert_eq!((options.delay.as_deref(), options.unique_for.as_deref(), options.attempts), wanted);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let table = [
            ("limit=-1", "limit", "from 1 to 1000"),
            ("limit=0", "limit", "from 1 to 1000"),
            ("limit=1e3", "limit", "from 1 to 1000"),
            ("limit=99999999999999999999", "limit", "from 1 to 1000"),
            ("limit=", "limit", "from 1 to 1000"),
            ("limt=1", "limt", "is no parameter here: limit, state, word, dryRun"),
            ("limit=1&limit=2", "limit", "given twice"),
            ("state=pending,gone", "state", "gone"),
            ("dryRun=perhaps", "dryRun", "`true` or `false`"),
        ];
        for (text, field, part) in table {
            let problem = read::<Paging>(text).unwrap_err();
            let named = problem.contains(&format!("\"field\":\"{field}\""));
            assert!(named && problem.contains(part), "{text}: {problem}");
        }
        assert!(read::<JobOptions>("attempts=0").unwrap_err().contains("1 or more"));
    }
}
