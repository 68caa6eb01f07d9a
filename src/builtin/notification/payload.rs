//! What a notification is asked for with, and what each of its channels is handed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::channel::Channel;
use super::recipient::{Recipient, is_one_line};
use crate::builtin::email::{ENCODED_WORD, is_template_name};
use crate::builtin::fields::{Fields, shown};
use crate::builtin::portfolio::DEFAULT_TENANT;
use crate::error::Result;
use crate::job::Priority;

const TITLE_MAX_CHARS: usize = 200;
/// A text that is handed to a channel.
pub(super) const TEXT_MAX_BYTES: usize = 4_096;
const PRIORITIES: [(&str, Priority); 4] =
    [("low", Priority::Low), ("normal", Priority::Normal), ("high", Priority::High), ("critical", Priority::Critical)];

/// What a template is filled in with: values byte for byte.
pub(super) type Context = BTreeMap<String, Box<RawValue>>;

/// A payload of the queue.
#[derive(Debug)]
pub(super) enum Asked {
    /// Tell somebody: hands a job to each channel.
    Notice(Box<Notice>),
    /// Tell somebody through one channel: what a notice hands over.
    Delivery(Box<Delivery>),
}

/// Words to send: said outright, or a template's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Words {
    Body(String),
    Template(String),
}

/// A notification as it was asked for, all of it checked that can be without the database and the templates.
#[derive(Debug)]
pub(super) struct Notice {
    /// At least one, each once.
    pub channels: Vec<Channel>,
    pub recipient: Recipient,
    pub title: String,
    pub words: Words,
    pub context: Context,
    pub priority: Priority,
    pub tenant: String,
}

/// What one channel is to tell whom.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Delivery {
    #[serde(rename = "deliver", serialize_with = "as_word")]
    pub channel: Channel,
    /// A phone number, a token, a URL or an investor's id; a chat may be the worker's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    pub title: String,
    pub text: String,
    #[serde(skip_serializing_if = "Context::is_empty")]
    pub context: Context,
    pub priority: Priority,
    #[serde(rename = "tenantId")]
    pub tenant: String,
    /// The job that handed it over.
    #[serde(rename = "notificationId", skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
    #[serde(rename = "investorId", skip_serializing_if = "Option::is_none")]
    pub investor: Option<String>,
}

fn as_word<S: serde::Serializer>(channel: &Channel, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(channel.as_str())
}

/// Reads a payload; the error (`Invalid`) names every problem in one sentence, and their fields.
pub(super) fn read(payload: &str) -> Result<Asked> {
    #[derive(Deserialize)]
    struct Form {
        #[serde(default)]
        deliver: Option<serde::de::IgnoredAny>,
    }
    match serde_json::from_str::<Form>(payload) {
        Ok(Form { deliver: Some(_) }) => delivery(payload).map(|delivery| Asked::Delivery(Box::new(delivery))),
        _ => notice(payload).map(|notice| Asked::Notice(Box::new(notice))),
    }
}

fn notice(payload: &str) -> Result<Notice> {
    let mut fields = Fields::read("notification", payload)?;
    let channels = channels(&mut fields);
    let recipient = Recipient::read(&mut fields, &channels);
    let title = title(&mut fields);
    if channels.contains(&Channel::Email) && title.as_ref().is_some_and(|title| title.contains(ENCODED_WORD)) {
        fields.problem(format!("title holds {ENCODED_WORD:?}, which mail programs decode"));
    }
    let words = words(&mut fields);
    let context = context(&mut fields);
    let (priority, tenant) = (priority(&mut fields), tenant(&mut fields));
    let notice = (|| Some(Notice { channels, recipient, title: title?, words: words?, context, priority, tenant }))();
    fields.finish(notice)
}

fn delivery(payload: &str) -> Result<Delivery> {
    let mut fields = Fields::read("notification", payload)?;
    // Mails go through the queue of mails.
    let channel = fields.word("deliver", &Channel::WORDS[1..]);
    let to = match channel {
        Some(Channel::InApp) => fields.id_that_must_be("to"),
        Some(Channel::Slack) | None => fields.text("to"),
        Some(_) => fields.text_that_must_be("to"),
    };
    let (title, text) = (title(&mut fields), fields.text_that_must_be("text"));
    let context = context(&mut fields);
    let (priority, tenant) = (priority(&mut fields), tenant(&mut fields));
    let (notice, investor) = (fields.text("notificationId"), fields.id("investorId"));
    let delivery = (|| {
        Some(Delivery {
            channel: channel?,
            to,
            title: title?,
            text: text?,
            context,
            priority,
            tenant,
            notice,
            investor,
        })
    })();
    fields.finish(delivery)
}

fn channels(fields: &mut Fields) -> Vec<Channel> {
    let expected = format!("a list of one or more of {}", Channel::words());
    if !fields.holds("channels") {
        fields.problem(format!("channels is missing: {expected}"));
    }
    let Some(words) = fields.value::<Vec<String>>("channels", &expected) else { return Vec::new() };
    if words.is_empty() {
        fields.problem(format!("channels is empty: {expected}"));
    }
    let mut channels = Vec::new();
    for word in &words {
        match Channel::named(word) {
            None => fields.problem(format!("channels must be {expected}, not {}", shown(word))),
            Some(channel) if channels.contains(&channel) => fields.problem(format!("channels names {word} twice")),
            Some(channel) => channels.push(channel),
        }
    }
    channels
}

fn title(fields: &mut Fields) -> Option<String> {
    let title = fields.text_that_must_be("title")?;
    if title.chars().count() > TITLE_MAX_CHARS {
        fields.problem(format!("title has more than {TITLE_MAX_CHARS} characters"));
    }
    is_one_line(fields, "title", &title).then_some(title)
}

fn words(fields: &mut Fields) -> Option<Words> {
    match (fields.holds("body"), fields.holds("template")) {
        (true, true) => fields.problem("body and template are both there: give one of them"),
        (false, false) => fields.problem("body is missing: give it or template"),
        _ => {}
    }
    let (body, template) = (fields.text("body"), fields.text("template"));
    if let Some(name) = template.as_ref().filter(|name| !is_template_name(name)) {
        let rule = "letters, digits, _ and -, beginning with a letter or digit, at most 64";
        fields.problem(format!("template {} is not a name: {rule}", shown(name)));
    }
    body.map(Words::Body).or(template.map(Words::Template))
}

fn context(fields: &mut Fields) -> Context {
    fields.value("context", "an object").unwrap_or_default()
}

fn priority(fields: &mut Fields) -> Priority {
    fields.word("priority", &PRIORITIES).unwrap_or_default()
}

fn tenant(fields: &mut Fields) -> String {
    fields.id("tenantId").unwrap_or_else(|| DEFAULT_TENANT.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"{"channels":["email","sms","push","webhook","slack","in-app"],
        "recipient":{"investorId":456,"phone":"+2348012345678","pushToken":"t0k:en","webhookUrl":"https://hooks.example/x"},
        "title":"Paid","template":"distribution-paid","context":{"amount":1250.10},"priority":"high","tenantId":"t1"}"#;

    fn notice_of(payload: &str) -> Notice {
        match read(payload).unwrap() {
            Asked::Notice(notice) => *notice,
            Asked::Delivery(delivery) => panic!("{delivery:?}"),
        }
    }

    #[test]
    fn a_whole_payload_is_read() {
        let notice = notice_of(WHOLE);
        assert_eq!(notice.channels, Channel::WORDS.map(|(_, channel)| channel));
        assert_eq!((notice.recipient.investor.as_deref(), notice.priority), (Some("456"), Priority::High));
        assert_eq!(notice.words, Words::Template("distribution-paid".to_owned()));
        assert_eq!((notice.context["amount"].get(), notice.tenant.as_str()), ("1250.10", "t1"));
        let short = notice_of(r#"{"channels":["email"],"recipient":"inv-7","title":"t","body":"b\nc"}"#);
        assert_eq!((short.recipient.investor.as_deref(), short.priority), (Some("inv-7"), Priority::Normal));
        assert_eq!((short.words, short.tenant.as_str()), (Words::Body("b\nc".to_owned()), "default"));
    }

    #[test]
    fn what_is_handed_over_is_read_back_byte_for_byte() {
        let payload = r#"{"deliver":"webhook","to":"https://h.example/","title":"t","text":"x","context":{"a":1.10},"priority":"low","tenantId":"t1","notificationId":"n-1","investorId":"456"}"#;
        let Asked::Delivery(delivery) = read(payload).unwrap() else { panic!("a delivery") };
        assert_eq!(serde_json::to_string(&delivery).unwrap(), payload);
        let Asked::Delivery(least) = read(r#"{"deliver":"slack","title":"t","text":"x"}"#).unwrap() else { panic!() };
        assert_eq!((least.channel, least.to, least.priority), (Channel::Slack, None, Priority::Normal));
        for (payload, part) in [
            (r#"{"deliver":"email","to":"a@b.example","title":"t","text":"x"}"#, "deliver must be one of sms, push"),
            (r#"{"deliver":"sms","title":"t","text":"x"}"#, "to is missing"),
            (r#"{"deliver":"in-app","to":"a b","title":"t","text":"x"}"#, "to must be an id"),
            (r#"{"deliver":"slack","title":"t","text":"x","body":"y"}"#, "unknown field body"),
        ] {
            let said = read(payload).unwrap_err().to_string();
            assert!(said.contains(part), "{payload}: {said}");
        }
    }

    #[test]
    fn what_every_channel_lacks_is_named_at_once() {
        let payload = r#"{"channels":["email","sms","push","webhook","slack","in-app"],"recipient":{"phone":"0801"},"title":"t","body":"b"}"#;
        let error = read(payload).unwrap_err();
        let fields: Vec<_> = error.fields().iter().map(|problem| problem.field.as_str()).collect();
        let wanted = [
            "recipient.phone",
            "recipient.email",
            "recipient.pushToken",
            "recipient.webhookUrl",
            "recipient.investorId",
        ];
        assert_eq!(fields, wanted, "{error}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let good = r#""channels":["in-app"],"recipient":{"investorId":1},"title":"t","body":"b""#;
        assert!(read(&format!("{{{good}}}")).is_ok());
        let table = [
            (
                r#""channels":["fax"]"#,
                "channels must be a list of one or more of email, sms, push, webhook, slack, in-app, not fax",
            ),
            (r#""channels":[]"#, "channels is empty"),
            (r#""channels":["sms","sms"]"#, "channels names sms twice"),
            (r#""channels":"sms""#, "channels must be a list"),
            (r#""channels":null"#, "channels is missing"),
            (r#""recipient":null"#, "recipient is missing: an investor's id, or an object"),
            (r#""recipient":[1]"#, "recipient must be an investor's id, or an object"),
            (r#""recipient":{"investorId":1,"mail":"x"}"#, "recipient.mail is not known"),
            (
                r#""recipient":{"investorId":1,"email":"Ada <ada@example.com>"}"#,
                "recipient.email is not an address alone",
            ),
            (
                r#""recipient":{"investorId":1,"email":"a@b.example\r\nBcc: c@d.example"}"#,
                "recipient.email has a control character",
            ),
            (
                r#""recipient":{"investorId":1,"phone":"08012345678"}"#,
                "recipient.phone must be an international number",
            ),
            (r#""recipient":{"investorId":1,"pushToken":"a b"}"#, "recipient.pushToken has a character"),
            (
                r#""recipient":{"investorId":1,"webhookUrl":"file:///etc/passwd"}"#,
                "recipient.webhookUrl must be a whole http",
            ),
            (
                r#""recipient":{"investorId":1,"slackUrl":"https://u:p4ss@h/"}"#,
                "recipient.slackUrl must not hold a user",
            ),
            (r#""recipient":{"investorId":1,"name":"a\nb"}"#, "recipient.name has more than one line"),
            (r#""title":"""#, "title is empty"),
            (r#""title":"a\nb""#, "title has more than one line"),
            (r#""channels":["email"],"recipient":1,"title":"=?utf-8?q?x?=""#, "title holds \"=?\""),
            (r#""body":null"#, "body is missing: give it or template"),
            (r#""template":"x""#, "body and template are both there"),
            (r#""body":null,"template":"../x""#, "template ../x is not a name"),
            (r#""context":[]"#, "context must be an object"),
            (r#""priority":"urgent""#, "priority must be one of low, normal, high, critical"),
            (r#""tenant":"x""#, "unknown field tenant"),
        ];
        for (changed, part) in table {
            let mut payload: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(&format!("{{{good}}}")).unwrap();
            payload.extend(serde_json::from_str::<serde_json::Map<_, _>>(&format!("{{{changed}}}")).unwrap());
            let said = read(&serde_json::to_string(&payload).unwrap()).unwrap_err().to_string();
            assert!(said.contains(part) && !said.contains("p4ss"), "{changed}: {said}");
        }
        let long = "x".repeat(TITLE_MAX_CHARS + 1);
        let payload = format!(r#"{{"channels":["slack"],"recipient":1,"title":"{long}","body":"b"}}"#);
        assert!(read(&payload).unwrap_err().to_string().contains("title has more than 200 characters"));
        assert!(read("[]").unwrap_err().to_string().contains("not a JSON object"));
    }
}
