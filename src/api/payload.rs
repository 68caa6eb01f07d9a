//! The payloads of the builtin queues in the document: the schemas that `ireva-queue schema` prints, without what one field
//! says of another, which makers of clients and of requests do not follow.

use serde_json::Value;
use utoipa::PartialSchema;
use utoipa::openapi::{Ref, RefOr, Schema};

use crate::QueueName;
use crate::service::QueueService;

/// What the body of a request for a queue is: its payload's schema where it has one.
pub(super) fn schema(queue: &str) -> RefOr<Schema> {
    match of(queue) {
        Some(_) => Ref::from_schema_name(name(queue)).into(),
        None => Value::schema(),
    }
}

/// Adds the schemas of all payloads to the document.
pub(super) fn add_to(document: &mut Value) {
    for queue in QueueName::KNOWN {
        let Some(mut schema) = of(queue) else { continue };
        let name = name(queue);
        if let Some(fields) = schema.as_object_mut() {
            // The document says it for all of them.
            fields.remove("$schema");
        }
        lighten(&mut schema);
        point(&mut schema, &format!("#/components/schemas/{name}/$defs/"));
        document["components"]["schemas"][name] = schema;
    }
}

fn of(queue: &str) -> Option<Value> {
    let text = QueueService::schema(&QueueName::new(queue).ok()?)?;
    serde_json::from_str(text).ok()
}

/// `data-import` is `DataImportPayload`.
fn name(queue: &str) -> String {
    let capital = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    queue.split('-').map(capital).chain(["Payload".to_owned()]).collect()
}

/// Leaves the rules out that come on top of a type.
fn lighten(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.contains_key("if") {
                fields.retain(|field, _| field != "if" && field != "then" && field != "else");
            }
            if fields.get("type").is_some_and(Value::is_string) {
                fields.retain(|field, _| field != "allOf" && field != "anyOf");
            }
            fields.values_mut().for_each(lighten);
        }
        Value::Array(values) => values.iter_mut().for_each(lighten),
        _ => {}
    }
}

/// Lets references to definitions go from the root of the document.
fn point(schema: &mut Value, to: &str) {
    match schema {
        Value::Object(fields) => {
            for (field, value) in fields {
                match value {
                    Value::String(text) if field == "$ref" => *text = text.replacen("#/$defs/", to, 1),
                    value => point(value, to),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| point(value, to)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_point_into_the_document() {
        assert_eq!(name("roi-distribution"), "RoiDistributionPayload");
        let mut document = serde_json::json!({"components": {"schemas": {}}});
        add_to(&mut document);
        let text = document.to_string();
        assert!(!text.contains("\"if\""));
        assert!(text.contains("#/components/schemas/EmailPayload/$defs/address") && !text.contains("\"#/$defs/"));
    }
}
