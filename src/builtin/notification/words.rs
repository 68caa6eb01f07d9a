//! What a notification says: the mail, and the text of every other channel.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use super::payload::{Context, Notice, TEXT_MAX_BYTES, Words};
use crate::builtin::email::Templates;
use crate::processor::ProcessError;

/// The template of a mail whose words were said outright.
const PLAIN: &str = "notification";

/// A payload of the queue of mails.
#[derive(Serialize)]
struct Mail<'a> {
    to: &'a str,
    subject: &'a str,
    template: &'a str,
    context: &'a Context,
    #[serde(rename = "tenantId")]
    tenant: &'a str,
}

/// The context with what is known of the recipient, where the one who asked said nothing else.
pub(super) fn context(notice: &Notice, name: Option<&str>) -> Context {
    let mut context = notice.context.clone();
    if let Some(name) = name {
        let first = name.split_whitespace().next().unwrap_or(name);
        context.entry("name".to_owned()).or_insert_with(|| text_value(name));
        context.entry("firstName".to_owned()).or_insert_with(|| text_value(first));
    }
    context
}

/// The mail to `email`.
pub(super) fn mail(notice: &Notice, context: &Context, email: &str) -> String {
    let plain;
    let (template, context) = match &notice.words {
        Words::Template(template) => (template.as_str(), context),
        Words::Body(body) => {
            let mut own = Context::new();
            own.extend(context.get_key_value("firstName").map(|(key, value)| (key.clone(), value.clone())));
            own.insert("title".to_owned(), text_value(&notice.title));
            own.insert("message".to_owned(), text_value(body));
            plain = own;
            (PLAIN, &plain)
        }
    };
    let mail = Mail { to: email, subject: &notice.title, template, context, tenant: &notice.tenant };
    serde_json::to_string(&mail).expect("texts and JSON can be written as JSON")
}

/// The text for every channel but mail.
///
/// # Errors
/// Permanent, where the template cannot be filled in, or says nothing or too much.
pub(super) fn text(notice: &Notice, context: &Context, templates: &Templates) -> Result<String, ProcessError> {
    let template = match &notice.words {
        Words::Body(body) => return Ok(body.clone()),
        Words::Template(template) => template,
    };
    let read = |value: &RawValue| serde_json::from_str::<Value>(value.get()).unwrap_or_default();
    let mut values: Map<String, Value> = context.iter().map(|(name, value)| (name.clone(), read(value))).collect();
    // As in a mail.
    values.entry("subject").or_insert_with(|| notice.title.clone().into());
    values.entry("tenantId").or_insert_with(|| notice.tenant.clone().into());
    let text = templates.content(template, &values)?.replace("\r\n", "\n");
    let text: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
    if text.trim().is_empty() {
        let why = format!("template {:?} says nothing in its plain text", template);
        return Err(ProcessError::permanent("template_empty", why));
    }
    if text.len() > TEXT_MAX_BYTES {
        let length = text.len();
        let why = format!(
            "template {template:?} says {length} bytes, and a channel other than email takes {TEXT_MAX_BYTES}: \
             shorten its block content, or leave these channels out"
        );
        return Err(ProcessError::permanent("text_too_long", why));
    }
    Ok(text)
}

fn text_value(text: &str) -> Box<RawValue> {
    to_raw_value(text).expect("a text can be written as JSON")
}

#[cfg(test)]
mod tests {
    use super::super::payload::{Asked, read};
    use super::*;

    fn notice(more: &str) -> Notice {
        let payload = format!(r#"{{"channels":["slack"],"recipient":1,"title":"T <1>",{more}}}"#);
        match read(&payload).unwrap() {
            Asked::Notice(notice) => *notice,
            Asked::Delivery(delivery) => panic!("{delivery:?}"),
        }
    }

    #[test]
    fn a_mail_keeps_the_digits_of_its_context() {
        let notice = notice(r#""template":"distribution-paid","context":{"amount":1250.10,"firstName":"A"}"#);
        let mail = mail(&notice, &context(&notice, Some("John Akinwale")), "j@example.com");
        let wanted = r#"{"to":"j@example.com","subject":"T <1>","template":"distribution-paid","context":{"amount":1250.10,"firstName":"A","name":"John Akinwale"},"tenantId":"default"}"#;
        assert_eq!(mail, wanted);
    }

    #[test]
    fn words_said_outright_are_sent_as_they_are() {
        let notice = notice(r#""body":"{{7*7}}\n<b>","context":{"x":1}"#);
        let context = context(&notice, Some("John Akinwale"));
        let templates = Templates::new(None).unwrap();
        assert_eq!(text(&notice, &context, &templates).unwrap(), "{{7*7}}\n<b>");
        let mail = mail(&notice, &context, "j@example.com");
        let context = r#""context":{"firstName":"John","message":"{{7*7}}\n<b>","title":"T <1>"}"#;
        assert!(mail.contains(r#""template":"notification""#) && mail.contains(context), "{mail}");
    }

    #[test]
    fn a_template_says_its_content_or_why_not() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, source: &str| std::fs::write(directory.path().join(name), source).unwrap();
        write("short.txt", "{{ subject }}: {{ a }}\u{7}\r\n of {{ tenantId }}");
        write("empty.txt", "{{ '' }}");
        write("long.txt", "{{ 'x' * 5000 }}");
        let templates = Templates::new(Some(directory.path())).unwrap();
        let said = |name: &str, context_text: &str| {
            let notice = notice(&format!(r#""template":"{name}","context":{context_text}"#));
            text(&notice, &context(&notice, None), &templates)
        };
        assert_eq!(said("short", r#"{"a":"1\u0007"}"#).unwrap(), "T <1>: 1\n of default");
        for (name, code) in [
            ("short", "template_variable_missing"),
            ("empty", "template_empty"),
            ("long", "text_too_long"),
            ("none", "template_unknown"),
        ] {
            let error = said(name, "{}").unwrap_err();
            assert_eq!((error.code(), error.class()), (code, crate::ErrorClass::Permanent), "{name}: {error}");
        }
    }
}
