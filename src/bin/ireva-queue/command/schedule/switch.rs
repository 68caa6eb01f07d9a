//! What is done to schedules by their names.

use anyhow::Result;
use ireva_queue::{ErrorKind, ScheduleName};

use crate::output::Answer;
use crate::view::View;

/// Does `act` to each. What fails for one alone is listed; what would fail for all of them (no connection) ends it.
pub async fn each<T: View + 'static>(
    names: Vec<ScheduleName>,
    act: impl AsyncFn(&ScheduleName) -> ireva_queue::Result<T>,
) -> Result<Answer> {
    let (asked_for, mut values, mut errors) = (names.len(), Vec::new(), Vec::<anyhow::Error>::new());
    for name in &names {
        match act(name).await {
            Ok(value) => values.push(value),
            Err(error) if is_about_one(error.kind()) => errors.push(error.into()),
            Err(error) if values.is_empty() => return Err(error.into()),
            Err(error) => {
                // What was done is still told, and so is why the rest was not.
                errors.push(error.into());
                break;
            }
        }
    }
    let done = values.len();
    let answer = if done == 0 { Answer::none() } else { Answer::one_or_list(asked_for, values) };
    Ok(answer.errors(done, errors))
}

fn is_about_one(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::Refused | ErrorKind::Invalid | ErrorKind::Corrupt | ErrorKind::Full)
}
