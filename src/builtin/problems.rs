//! What is wrong with a payload: one sentence for people, and field by field for programs.

use crate::error::{Error, FieldProblem};

/// The error that tells all problems of a payload at once. Each begins with the name of its field.
pub(super) fn invalid(what: &str, problems: &[String]) -> Error {
    let fields = problems.iter().map(|problem| of_field(problem)).collect();
    Error::invalid(format!("{what} is not valid: {}", problems.join("; "))).with_fields(fields)
}

/// The field that a problem begins with, and what is wrong with it.
fn of_field(problem: &str) -> FieldProblem {
    let (field, message) = problem.split_once(' ').unwrap_or((problem, ""));
    let (Some(at), Some(rest)) = (field.strip_suffix("unknown"), message.strip_prefix("field ")) else {
        return FieldProblem::new(field.trim_end_matches(','), message);
    };
    // What may have been meant stands behind the name.
    let (name, hint) = rest.split_once(" (there are ").unwrap_or((rest, ""));
    let hint = if hint.is_empty() { String::new() } else { format!(" (there are {hint}") };
    FieldProblem::new(format!("{at}{}", name.trim_matches('"')), format!("is not known{hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_begins_with_its_field() {
        let table = [
            ("to is missing", "to", "is missing"),
            ("to, cc and bcc have more than 100 addresses", "to", "cc and bcc have more than 100 addresses"),
            ("attachments[0].filename is missing", "attachments[0].filename", "is missing"),
            ("unknown field \"a b\"", "a b", "is not known"),
            ("unknown field more", "more", "is not known"),
            ("unknown field \"x\" (there are to, cc)", "x", "is not known (there are to, cc)"),
            ("attachments[0].unknown field \"x\"", "attachments[0].x", "is not known"),
            ("subject holds \"unknown field x\"", "subject", "holds \"unknown field x\""),
        ];
        for (problem, field, message) in table {
            assert_eq!(of_field(problem), FieldProblem::new(field, message));
        }
    }
}
