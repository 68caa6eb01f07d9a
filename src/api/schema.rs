//! How values that are written as text show in the document.

use std::borrow::Cow;

use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{RefOr, schema};
use utoipa::{PartialSchema, ToSchema};

use crate::config::{PriorityMode, QueueSettings, Rate, Retention};
use crate::job::{JobId, KeyField, QueueName};
use crate::retry::Backoff;
use crate::stats::{PartitionShare, SettingsInForce};
use crate::{BatchName, EventId, ScheduleName, TokenName};

macro_rules! text {
    ($($name:ident $pattern:expr, $example:literal, $description:literal;)*) => {
        $(
            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    text(Some($pattern).filter(|pattern: &&str| !pattern.is_empty()), $example, $description)
                }
            }

            impl ToSchema for $name {
                fn name() -> Cow<'static, str> {
                    Cow::Borrowed(stringify!($name))
                }
            }
        )*
    };
}

text! {
    JobId "^[A-Za-z0-9][A-Za-z0-9_.:@-]{0,127}$", "01KAQ8Z3V7X9Y2N4M6P8R0S1T3", "The id of a job";
    QueueName "^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$", "email", "The name of a queue";
    KeyField "^[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*$", "tenantId", "Where payloads hold the key of their job";
    TokenName "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", "web", "The name of a token";
    ScheduleName "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", "morning", "The name of a schedule";
    BatchName "^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$", "november", "The name of a batch";
    EventId "^[0-9]+-[0-9]+$", "1764000000000-0", "The place of an event in the stream of its queue";
    Rate "", "100/s", "So many starts in a span of time, with a burst 100/s:20";
    Retention "", "24h", "What is kept: a number of jobs, a span of time, 0 or never";
    PriorityMode "", "strict", "How the next job is chosen: strict, or aging:10m";
    Backoff "", "exponential:5s", "The wait between attempts: fixed:10s, linear:5s, exponential:5s:1h";
}

/// One object, as it is written: the settings, and what is told beside them.
impl PartialSchema for SettingsInForce {
    fn schema() -> RefOr<Schema> {
        let mut schema = QueueSettings::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            object.properties.insert("partitionsWas".to_owned(), u16::schema());
            object.properties.insert("partitionsNext".to_owned(), u16::schema());
            object.properties.insert("ofEach".to_owned(), Vec::<PartitionShare>::schema());
        }
        schema
    }
}

impl ToSchema for SettingsInForce {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        QueueSettings::schemas(schemas);
        PartitionShare::schemas(schemas);
        schemas.push((PartitionShare::name().into_owned(), PartitionShare::schema()));
    }
}

fn text(pattern: Option<&str>, example: &str, description: &str) -> RefOr<Schema> {
    let object = ObjectBuilder::new().schema_type(schema::SchemaType::Type(Type::String)).pattern(pattern);
    let object = object.examples([serde_json::Value::from(example)]).description(Some(description));
    RefOr::T(Schema::Object(object.build()))
}
