//! The payload of a mail: read strictly, and with everything that is wrong with it named at once.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lettre::Address;
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use serde_json::{Map, Value};

use crate::builtin::problems::invalid;
use crate::error::{Error, Result};

const FIELDS: [&str; 10] =
    ["to", "subject", "template", "context", "from", "cc", "bcc", "reply_to", "attachments", "tenantId"];
const RECIPIENTS_MAX: usize = 100;
const ATTACHMENTS_MAX: usize = 20;
/// What a header line may have at most (RFC 5322, section 2.1.1).
const HEADER_MAX_BYTES: usize = 998;
pub(in crate::builtin) const ENCODED_WORD: &str = "=?";
const FILENAME_MAX_BYTES: usize = 255;
const TEMPLATE_NAME_MAX_BYTES: usize = 64;
const PROBLEM_VALUE_MAX_CHARS: usize = 60;

/// A mail as it was asked for, all of it checked.
#[derive(Debug)]
pub(super) struct Mail {
    pub to: Vec<Mailbox>,
    pub cc: Vec<Mailbox>,
    pub bcc: Vec<Mailbox>,
    pub from: Option<Mailbox>,
    pub reply_to: Option<Mailbox>,
    pub subject: String,
    pub template: String,
    pub context: Map<String, Value>,
    pub attachments: Vec<Attached>,
    pub tenant_id: Option<String>,
}

/// A file that goes with a mail.
#[derive(Debug)]
pub(super) struct Attached {
    pub filename: String,
    pub content: Vec<u8>,
    pub content_type: ContentType,
}

impl Mail {
    /// Reads a payload; the error (`Invalid`) names every problem in one sentence, and their fields.
    pub fn read(payload: &str) -> Result<Self> {
        let fields = match serde_json::from_str(payload) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) => return Err(Error::invalid("mail is not valid: the payload must be a JSON object")),
            Err(error) => return Err(Error::invalid(format!("mail is not valid: the payload is not JSON: {error}"))),
        };
        let mut reader = Reader { fields, problems: Vec::new() };
        let mail = reader.mail();
        match reader.problems.is_empty() {
            true => Ok(mail),
            false => Err(invalid("mail", &reader.problems)),
        }
    }
}

struct Reader {
    fields: Map<String, Value>,
    problems: Vec<String>,
}

impl Reader {
    fn mail(&mut self) -> Mail {
        let (to, cc, bcc) = (self.mailboxes("to"), self.mailboxes("cc"), self.mailboxes("bcc"));
        if to.is_empty() && !self.names("to") {
            self.problem("to is missing: at least one address");
        }
        if to.len() + cc.len() + bcc.len() > RECIPIENTS_MAX {
            self.problem(format!("to, cc and bcc have more than {RECIPIENTS_MAX} addresses"));
        }
        let mail = Mail {
            to,
            cc,
            bcc,
            from: self.one_mailbox("from"),
            reply_to: self.one_mailbox("reply_to"),
            subject: self.subject(),
            template: self.template(),
            context: self.context(),
            attachments: self.attachments(),
            tenant_id: self.text("tenantId"),
        };
        let unknown = std::mem::take(&mut self.fields);
        for name in unknown.keys().filter(|name| !FIELDS.contains(&name.as_str())) {
            self.problem(format!("unknown field {} (there are {})", shown(name), FIELDS.join(", ")));
        }
        mail
    }

    fn problem(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    /// Whether a problem with `field` was found already.
    fn names(&self, field: &str) -> bool {
        self.problems.iter().any(|problem| problem.starts_with(field))
    }

    /// A field; null is as good as none.
    fn take(&mut self, field: &str) -> Option<Value> {
        self.fields.remove(field).filter(|value| !value.is_null())
    }

    fn mailboxes(&mut self, field: &str) -> Vec<Mailbox> {
        let values = match self.take(field) {
            None => return Vec::new(),
            Some(Value::Array(values)) => values,
            Some(value) => vec![value],
        };
        let several = values.len() > 1;
        let mut mailboxes = Vec::new();
        for (index, value) in values.into_iter().enumerate() {
            let name = if several { format!("{field}[{index}]") } else { field.to_owned() };
            match value.as_str().map(mailbox) {
                Some(Ok(mailbox)) => mailboxes.push(mailbox),
                Some(Err(problem)) => self.problem(format!("{name} {problem}")),
                None => self.problem(format!("{name} must be an address or a list of addresses")),
            }
        }
        mailboxes
    }

    fn one_mailbox(&mut self, field: &str) -> Option<Mailbox> {
        let text = self.text(field)?;
        mailbox(&text).map_err(|problem| self.problem(format!("{field} {problem}"))).ok()
    }

    /// A text without control characters, plain or in the disguise of an encoded word (RFC 2047).
    fn text(&mut self, field: &str) -> Option<String> {
        match self.take(field)? {
            Value::String(text) if text.chars().any(is_unsafe) => {
                self.problem(format!("{field} holds a control character: {}", shown(&text)));
                None
            }
            Value::String(text) if text.contains(ENCODED_WORD) => {
                self.problem(format!("{field} holds {ENCODED_WORD:?}, which mail programs decode: {}", shown(&text)));
                None
            }
            Value::String(text) => Some(text),
            _ => {
                self.problem(format!("{field} must be a text"));
                None
            }
        }
    }

    fn required(&mut self, field: &str) -> String {
        match self.text(field) {
            Some(text) if !text.trim().is_empty() => text,
            _ if self.names(field) => String::new(),
            _ => {
                self.problem(format!("{field} is missing"));
                String::new()
            }
        }
    }

    fn subject(&mut self) -> String {
        let subject = self.required("subject");
        if subject.len() > HEADER_MAX_BYTES {
            self.problem(format!("subject is longer than {HEADER_MAX_BYTES} bytes"));
        }
        subject
    }

    fn template(&mut self) -> String {
        let name = self.required("template");
        if !name.is_empty() && !is_template_name(&name) {
            self.problem(format!(
                "template {} is not a name: letters, digits, _ and -, beginning with a letter or digit, at most \
                 {TEMPLATE_NAME_MAX_BYTES}",
                shown(&name)
            ));
        }
        name
    }

    fn context(&mut self) -> Map<String, Value> {
        match self.take("context") {
            None => Map::new(),
            Some(Value::Object(context)) => context,
            Some(_) => {
                self.problem("context must be an object");
                Map::new()
            }
        }
    }

    fn attachments(&mut self) -> Vec<Attached> {
        let values = match self.take("attachments") {
            None => return Vec::new(),
            Some(Value::Array(values)) => values,
            Some(_) => {
                self.problem("attachments must be a list");
                return Vec::new();
            }
        };
        if values.len() > ATTACHMENTS_MAX {
            self.problem(format!("attachments has more than {ATTACHMENTS_MAX} entries"));
        }
        let read = values.into_iter().enumerate().filter_map(|(index, value)| self.attachment(index, value));
        read.collect()
    }

    fn attachment(&mut self, index: usize, value: Value) -> Option<Attached> {
        let at = format!("attachments[{index}]");
        let Value::Object(fields) = value else {
            self.problem(format!("{at} must be an object"));
            return None;
        };
        let mut inner = Self { fields, problems: Vec::new() };
        let filename = inner.required("filename");
        if filename.len() > FILENAME_MAX_BYTES || filename.contains(['/', '\\']) {
            inner.problem(format!("filename must have no path and at most {FILENAME_MAX_BYTES} bytes"));
        }
        let content = inner.required("content");
        let content = STANDARD.decode(&content).unwrap_or_else(|error| {
            inner.problem(format!("content is not base64: {error}"));
            Vec::new()
        });
        let content_type = inner.content_type();
        for name in inner.fields.keys() {
            inner.problems.push(format!("unknown field {}", shown(name)));
        }
        self.problems.extend(inner.problems.into_iter().map(|problem| format!("{at}.{problem}")));
        Some(Attached { filename, content, content_type })
    }

    fn content_type(&mut self) -> ContentType {
        let named = if self.fields.contains_key("content_type") { "content_type" } else { "contentType" };
        let fallback = || ContentType::parse("application/octet-stream").expect("a well-known content type");
        let Some(text) = self.text(named) else { return fallback() };
        let nested = ["multipart/", "message/"].iter().any(|kind| text.to_ascii_lowercase().starts_with(kind));
        match ContentType::parse(&text) {
            Ok(content_type) if !nested && text.is_ascii() => content_type,
            _ => {
                self.problem(format!("{named} {} is not the content type of a file", shown(&text)));
                fallback()
            }
        }
    }
}

/// An address, with a name before it if wanted: `ada@example.com`, `Ada Lovelace <ada@example.com>`.
///
/// The error goes on from the name of the field.
pub(in crate::builtin) fn mailbox(text: &str) -> Result<Mailbox, String> {
    if text.chars().any(is_unsafe) {
        return Err(format!("holds a control character: {}", shown(text)));
    }
    if text.contains(ENCODED_WORD) {
        return Err(format!("holds {ENCODED_WORD:?}, which mail programs decode: {}", shown(text)));
    }
    if text.len() > HEADER_MAX_BYTES {
        return Err(format!("is longer than {HEADER_MAX_BYTES} bytes"));
    }
    let wrong = || format!("is not an address: {}", shown(text));
    let trimmed = text.trim();
    let (name, address) = match trimmed.rsplit_once('<') {
        Some((name, address)) => (name.trim(), address.strip_suffix('>').ok_or_else(wrong)?),
        None => ("", trimmed),
    };
    // Quoted local parts and addresses without a domain name are legal and never meant.
    if address.contains(|char: char| char.is_whitespace() || "<>()[],;:\\\"".contains(char)) {
        return Err(wrong());
    }
    let address: Address = address.parse().map_err(|_| wrong())?;
    let name = match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\\\"", "\"").replace("\\\\", "\\"),
        None if name.contains(['<', '>', '"', '@']) => return Err(wrong()),
        None => name.to_owned(),
    };
    Ok(Mailbox::new(Some(name).filter(|name| !name.is_empty()), address))
}

/// A template is named, never located.
pub(in crate::builtin) fn is_template_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    name.len() <= TEMPLATE_NAME_MAX_BYTES
        && name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
        && name.bytes().all(allowed)
}

/// What could end a header line, here or in some program that reads the mail later.
fn is_unsafe(char: char) -> bool {
    char.is_control() || matches!(char, '\u{2028}' | '\u{2029}')
}

/// A value in an error message: quoted, control characters made visible, short.
fn shown(text: &str) -> String {
    match text.char_indices().nth(PROBLEM_VALUE_MAX_CHARS) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn problems(payload: Value) -> String {
        Mail::read(&payload.to_string()).unwrap_err().to_string()
    }

    #[test]
    fn a_whole_payload_is_read() {
        let payload = json!({
            "to": ["Ada Lovelace <ada@example.com>", "\"O'Hara, Bob\" <bob@example.com>"], "cc": "c@example.com",
            "bcc": ["d@example.com"], "from": "iREVA <no-reply@ireva.example>", "reply_to": "help@ireva.example",
            "subject": "Grüße", "template": "welcome-email", "context": {"a.b": 1}, "tenantId": "t1",
            "attachments": [{"filename": "a.txt", "content": "aGk=", "contentType": "text/plain; charset=utf-8"}],
        });
        let mail = Mail::read(&payload.to_string()).unwrap();
        assert_eq!(mail.to[1].name.as_deref(), Some("O'Hara, Bob"));
        assert_eq!((mail.to.len(), mail.cc.len(), mail.bcc.len()), (2, 1, 1));
        assert_eq!(mail.attachments[0].content, b"hi");
        assert_eq!((mail.context.len(), mail.tenant_id.as_deref()), (1, Some("t1")));
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let payload = json!({
            "to": ["ada", 7], "cc": "a@b.example, c@d.example", "subject": "", "template": "../etc/passwd",
            "context": [], "tenant_id": "x", "reply_to": 1, "from": "x@y\r\nBcc: z@example.com",
            "attachments": [{"filename": "../x", "content": "%%", "contentType": "nonsense", "more": 1}],
        });
        let text = problems(payload);
        for part in [
            "to[0] is not an address: \"ada\"",
            "to[1] must be an address",
            "cc is not an address",
            "subject is missing",
            "template \"../etc/passwd\" is not a name",
            "context must be an object",
            "unknown field \"tenant_id\"",
            "reply_to must be a text",
            "from holds a control character: \"x@y\\r\\nBcc: z@example.com\"",
            "attachments[0].filename must have no path",
            "attachments[0].content is not base64",
            "attachments[0].contentType \"nonsense\" is not the content type of a file",
            "attachments[0].unknown field \"more\"",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(
            problems(json!({}))
                .contains("to is missing: at least one address; subject is missing; template is missing")
        );
        assert!(Mail::read("[]").unwrap_err().to_string().contains("must be a JSON object"));
    }

    #[test]
    fn every_problem_has_its_field() {
        let payload = json!({"subject": 1, "template": "t", "colour": "red", "attachments": [{"content": "", "x": 1}]});
        let error = Mail::read(&payload.to_string()).unwrap_err();
        let fields: Vec<_> = error.fields().iter().map(|problem| problem.field.as_str()).collect();
        let wanted =
            ["to", "subject", "attachments[0].filename", "attachments[0].content", "attachments[0].x", "colour"];
        assert_eq!(fields, wanted, "{error}");
    }

    #[test]
    fn header_fields_take_no_control_characters() {
        for hostile in ["\r", "\n", "\r\n", "\0", "\t", "\u{7f}", "\u{85}", "\u{2028}"] {
            for field in ["to", "cc", "bcc", "from", "reply_to", "subject", "template", "tenantId"] {
                let mut payload = json!({"to": "a@example.com", "subject": "s", "template": "t"});
                payload[field] = format!("a{hostile}b@example.com").into();
                assert!(
                    problems(payload).contains(&format!("{field} holds a control character")),
                    "{field} {hostile:?}"
                );
            }
            for field in ["filename", "contentType"] {
                let mut attachment = json!({"filename": "a", "content": ""});
                attachment["content"] = "aGk=".into();
                attachment[field] = format!("text/plain{hostile}X: y").into();
                let payload =
                    json!({"to": "a@example.com", "subject": "s", "template": "t", "attachments": [attachment]});
                assert!(problems(payload).contains("holds a control character"), "{field} {hostile:?}");
            }
        }
    }

    #[test]
    fn addresses_are_strict() {
        for bad in [
            "",
            "a",
            "a@",
            "@b",
            "a b@c.example",
            "<a@b.example",
            "a@b.example>",
            "A <a@b.example> x",
            "a@b.example,c@d.example",
            "<a@b.example> <c@d.example>",
            "\"a b\"@c.example",
            "a@[127.0.0.1]",
        ] {
            assert!(mailbox(bad).is_err(), "{bad}");
        }
        let named = mailbox(" \"A \\\"Q\\\" B\" <a@b.example> ").unwrap();
        assert_eq!(named.name.as_deref(), Some("A \"Q\" B"));
    }

    #[test]
    fn fuzz_an_address_holds_nothing_that_ends_a_line() {
        use crate::fuzz::{fuzz, text_of};
        use proptest::prelude::*;

        let pieces = &[
            "ada",
            "@",
            "example.com",
            "<",
            ">",
            "\"",
            "\\",
            ",",
            ";",
            ":",
            "\r\n",
            "\n",
            "Bcc: x@y",
            "=?utf-8?q?",
            "\u{2028}",
            " ",
            "ü",
            "[1.2.3.4]",
            "\0",
        ];
        let near = (text_of(pieces, 4), "[a-z.]{1,8}", "[a-z]{1,5}\\.[a-z]{2,3}")
            .prop_map(|(name, local, domain)| format!("{name} <{local}@{domain}>"));
        fuzz(prop_oneof![text_of(pieces, 10), near], |text| {
            match mailbox(&text) {
                Ok(mailbox) => {
                    let whole = format!("{:?} {}", mailbox.name, mailbox.email);
                    prop_assert!(
                        !mailbox.to_string().contains(is_unsafe) && !whole.contains(['\r', '\n', '\0']),
                        "{}",
                        whole
                    );
                    prop_assert_eq!(mailbox.email.to_string().matches('@').count(), 1);
                }
                Err(said) => {
                    prop_assert!(!said.contains(|char: char| char.is_control()) && said.len() < 1_500, "{}", said)
                }
            }
            Ok(())
        });
    }

    #[test]
    fn fuzz_any_payload_is_a_mail_or_names_its_problems() {
        use crate::fuzz::{any_json, fuzz, text_of};
        use proptest::prelude::*;

        let fields = prop::sample::select(vec![
            "to",
            "cc",
            "bcc",
            "from",
            "replyTo",
            "subject",
            "template",
            "context",
            "attachments",
            "x",
        ]);
        let pieces = &["a@example.com", "Ada <a@b.c>", "\r\nBcc: x@y.z", "welcome-email", "../x", "é", " "];
        let value = prop_oneof![
            any_json(),
            text_of(pieces, 3).prop_map(Value::from),
            Just(serde_json::json!([{"filename": "a/b", "content": "aGk="}]))
        ];
        fuzz(prop::collection::vec((fields, value), 0..9), |fields| {
            let payload: Map<String, Value> =
                fields.into_iter().map(|(field, value)| (field.to_owned(), value)).collect();
            match Mail::read(&Value::Object(payload).to_string()) {
                Ok(mail) => {
                    prop_assert!(
                        !mail.to.is_empty() && is_template_name(&mail.template) && !mail.subject.contains(is_unsafe)
                    );
                    prop_assert!(mail.attachments.iter().all(|attached| !attached.filename.contains(is_unsafe)));
                }
                Err(error) => prop_assert!(!error.to_string().contains(['\r', '\n', '\u{1b}']), "{}", error),
            }
            Ok(())
        });
    }
}
