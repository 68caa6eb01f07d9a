//! What each service is posted: a delivery in the form that it takes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::json;

use super::payload::{Context, Delivery};
use crate::job::Priority;

/// What services of text messages take in one.
const SMS_MAX_CHARS: usize = 1_600;
/// A message to a device has 4,096 bytes in all, its title and data among them.
const PUSH_MAX_BYTES: usize = 2_048;
const CUT: &str = "…";
const JSON: &str = "application/json";

/// A request body, and what is said with it.
#[derive(Debug)]
pub(super) struct Message {
    pub content_type: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// Whether the text had to be shortened.
    pub is_cut: bool,
}

/// The form of Twilio's Messages resource.
pub(super) fn sms(delivery: &Delivery, from: &str, login: Option<&(String, String)>) -> Message {
    let whole = format!("{}\n{}", delivery.title, delivery.text);
    let text = match whole.char_indices().nth(SMS_MAX_CHARS) {
        Some(_) => whole.chars().take(SMS_MAX_CHARS - 1).collect::<String>() + CUT,
        None => whole.clone(),
    };
    let mut form = form_urlencoded::Serializer::new(String::new());
    let to = delivery.to.as_deref().unwrap_or_default();
    let body = form.append_pair("To", to).append_pair("From", from).append_pair("Body", &text).finish();
    let headers = login
        .map(|(user, password)| ("Authorization", format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))));
    Message {
        content_type: "application/x-www-form-urlencoded",
        headers: headers.into_iter().collect(),
        body: body.into_bytes(),
        is_cut: text != whole,
    }
}

/// The message of Firebase Cloud Messaging, HTTP v1.
pub(super) fn push(delivery: &Delivery, token: Option<&str>) -> Message {
    let text = match delivery.text.len() > PUSH_MAX_BYTES {
        true => format!("{}{CUT}", &delivery.text[..delivery.text.floor_char_boundary(PUSH_MAX_BYTES - CUT.len())]),
        false => delivery.text.clone(),
    };
    let mut data = serde_json::Map::new();
    data.insert("tenantId".to_owned(), delivery.tenant.clone().into());
    data.insert("priority".to_owned(), delivery.priority.as_str().into());
    if let Some(notice) = &delivery.notice {
        data.insert("notificationId".to_owned(), notice.clone().into());
    }
    let message = json!({"message": {
        "token": delivery.to,
        "notification": {"title": delivery.title, "body": text},
        "data": data,
    }});
    Message {
        content_type: JSON,
        headers: token.map(|token| ("Authorization", format!("Bearer {token}"))).into_iter().collect(),
        body: message.to_string().into_bytes(),
        is_cut: text != delivery.text,
    }
}

/// The text of an incoming webhook of Slack's: `&`, `<` and `>` are its only characters with a meaning (mentions, links).
pub(super) fn slack(delivery: &Delivery) -> Message {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let text = format!("*{}*\n{}", escaped(&delivery.title), escaped(&delivery.text));
    Message {
        content_type: JSON,
        headers: Vec::new(),
        body: json!({"text": text}).to_string().into_bytes(),
        is_cut: false,
    }
}

/// Everything, for a program to read.
pub(super) fn webhook(delivery: &Delivery) -> Message {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Hook<'a> {
        notification_id: &'a Option<String>,
        tenant_id: &'a str,
        investor_id: &'a Option<String>,
        title: &'a str,
        body: &'a str,
        priority: Priority,
        context: &'a Context,
    }
    let Delivery { notice, tenant, investor, title, text, priority, context, .. } = delivery;
    let hook = Hook {
        notification_id: notice,
        tenant_id: tenant,
        investor_id: investor,
        title,
        body: text,
        priority: *priority,
        context,
    };
    let body = serde_json::to_vec(&hook).expect("texts and JSON can be written as JSON");
    Message { content_type: JSON, headers: Vec::new(), body, is_cut: false }
}

#[cfg(test)]
mod tests {
    use super::super::payload::{Asked, read};
    use super::*;

    fn delivery(channel: &str, to: &str, text: &str) -> Delivery {
        let payload = json!({
            "deliver": channel, "to": to, "title": "Paid & done", "text": text, "notificationId": "n-1", "priority": "high",
            "context": {"amount": "1250.10"}, "investorId": 456,
        });
        match read(&payload.to_string()).unwrap() {
            Asked::Delivery(delivery) => *delivery,
            Asked::Notice(notice) => panic!("{notice:?}"),
        }
    }

    fn text_of(message: &Message) -> String {
        String::from_utf8(message.body.clone()).unwrap()
    }

    #[test]
    fn a_text_message_is_a_form() {
        let login = ("AC1".to_owned(), "pw:1".to_owned());
        let message = sms(&delivery("sms", "+2348012345678", "a=b é"), "+15005550006", Some(&login));
        let wanted = "To=%2B2348012345678&From=%2B15005550006&Body=Paid+%26+done%0Aa%3Db+%C3%A9";
        assert_eq!(text_of(&message), wanted);
        // printf 'AC1:pw:1' | base64
        assert_eq!(message.headers, [("Authorization", "Basic QUMxOnB3OjE=".to_owned())]);
        assert!(!message.is_cut && sms(&delivery("sms", "+2348012345678", "x"), "iREVA", None).headers.is_empty());
        let long = sms(&delivery("sms", "+2348012345678", &"é".repeat(2_000)), "iREVA", None);
        let body = form_urlencoded::parse(&long.body).find(|(name, _)| name == "Body").unwrap().1.into_owned();
        assert!(long.is_cut && body.chars().count() == SMS_MAX_CHARS && body.ends_with(CUT), "{body}");
    }

    #[test]
    fn a_push_message_is_what_firebase_takes() {
        let message = push(&delivery("push", "t0k:en", "x"), Some("bearer"));
        let wanted = json!({"message": {
            "token": "t0k:en", "notification": {"title": "Paid & done", "body": "x"},
            "data": {"notificationId": "n-1", "priority": "high", "tenantId": "default"},
        }});
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&message.body).unwrap(), wanted);
        assert_eq!(message.headers, [("Authorization", "Bearer bearer".to_owned())]);
        let long = push(&delivery("push", "t0k:en", &"é".repeat(2_000)), None);
        assert!(long.is_cut && long.body.len() < 4_096 && long.headers.is_empty());
    }

    #[test]
    fn a_line_in_a_chat_mentions_nobody() {
        let message = slack(&delivery("slack", "https://hooks.example/", "<!channel> <http://x|y> a&amp;b"));
        let wanted = json!({"text": "*Paid &amp; done*\n&lt;!channel&gt; &lt;http://x|y&gt; a&amp;amp;b"});
        assert_eq!(text_of(&message), wanted.to_string());
    }

    #[test]
    fn a_webhook_gets_everything() {
        let message = webhook(&delivery("webhook", "https://hooks.example/", "x"));
        let wanted = r#"{"notificationId":"n-1","tenantId":"default","investorId":"456","title":"Paid & done","body":"x","priority":"high","context":{"amount":"1250.10"}}"#;
        assert_eq!(text_of(&message), wanted);
    }
}
