//! A mail as the bytes and the envelope that go to the server.

use lettre::Message;
use lettre::address::Envelope;
use lettre::message::header::{ContentTransferEncoding, ContentType};
use lettre::message::{Attachment, Body, Mailbox, MultiPart, SinglePart};

use crate::builtin::email::payload::{Attached, Mail};
use crate::builtin::email::templates::Texts;
use crate::clock::local_now;
use crate::job::JobId;
use crate::processor::ProcessError;

/// The domain of a Message-ID where the sender's is not plain ASCII.
const FALLBACK_DOMAIN: &str = "ireva-queue.invalid";

/// A mail ready to send.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub id: String,
    pub envelope: Envelope,
    /// Headers and body; `Bcc` is only in the envelope.
    pub bytes: Vec<u8>,
}

/// Puts the mail together. Bodies are always encoded, so no line of theirs can be taken for anything else.
pub(super) fn build(mail: &Mail, from: &Mailbox, texts: Texts, job: &JobId) -> Result<Outgoing, ProcessError> {
    let id = message_id(job, from.email.domain());
    let mut message = Message::builder()
        .date(local_now().into())
        .message_id(Some(id.clone()))
        .from(from.clone())
        .subject(mail.subject.clone());
    message = mail.to.iter().cloned().fold(message, |message, to| message.to(to));
    message = mail.cc.iter().cloned().fold(message, |message, cc| message.cc(cc));
    message = mail.bcc.iter().cloned().fold(message, |message, bcc| message.bcc(bcc));
    message = mail.reply_to.iter().cloned().fold(message, |message, reply_to| message.reply_to(reply_to));
    let built = match (bodies(texts), mail.attachments.is_empty()) {
        (Bodies::One(part), true) => message.singlepart(part),
        (Bodies::Both(parts), true) => message.multipart(parts),
        (Bodies::One(part), false) => message.multipart(attach(MultiPart::mixed().singlepart(part), mail)),
        (Bodies::Both(parts), false) => message.multipart(attach(MultiPart::mixed().multipart(parts), mail)),
    };
    let message =
        built.map_err(|error| ProcessError::permanent("payload_invalid", format!("mail is not valid: {error}")))?;
    Ok(Outgoing { id, envelope: message.envelope().clone(), bytes: message.formatted() })
}

enum Bodies {
    One(SinglePart),
    Both(MultiPart),
}

fn bodies(texts: Texts) -> Bodies {
    match (texts.plain, texts.html) {
        (Some(plain), Some(html)) => Bodies::Both(
            MultiPart::alternative()
                .singlepart(text(plain, ContentType::TEXT_PLAIN))
                .singlepart(text(html, ContentType::TEXT_HTML)),
        ),
        (plain, Some(html)) if plain.is_none() => Bodies::One(text(html, ContentType::TEXT_HTML)),
        (plain, _) => Bodies::One(text(plain.unwrap_or_default(), ContentType::TEXT_PLAIN)),
    }
}

fn text(text: String, content_type: ContentType) -> SinglePart {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    SinglePart::builder().content_type(content_type).body(encoded(text, ContentTransferEncoding::QuotedPrintable))
}

fn attach(parts: MultiPart, mail: &Mail) -> MultiPart {
    mail.attachments.iter().fold(parts, |parts, Attached { filename, content, content_type }| {
        let content = encoded(content.clone(), ContentTransferEncoding::Base64);
        parts.singlepart(Attachment::new(filename.clone()).body(content, content_type.clone()))
    })
}

fn encoded(content: impl Into<lettre::message::MaybeString>, encoding: ContentTransferEncoding) -> Body {
    Body::new_with_encoding(content, encoding).expect("quoted-printable and base64 take any bytes")
}

/// `<job id@domain>`, the same at every attempt. What an id may have and a Message-ID may not becomes `=` and its code.
fn message_id(job: &JobId, domain: &str) -> String {
    let domain = if domain.is_ascii() { domain } else { FALLBACK_DOMAIN };
    let mut id = String::with_capacity(job.as_str().len() + domain.len() + 3);
    for char in job.as_str().chars() {
        match char {
            'A'..='Z' | 'a'..='z' | '0'..='9' | '_' | '-' => id.push(char),
            _ => id.push_str(&format!("={:02X}", u32::from(char))),
        }
    }
    format!("<{id}@{domain}>")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(payload: serde_json::Value, plain: Option<&str>, html: Option<&str>) -> (Outgoing, String) {
        let mail = Mail::read(&payload.to_string()).unwrap();
        let from = "iREVA <no-reply@ireva.example>".parse().unwrap();
        let texts = Texts { plain: plain.map(str::to_owned), html: html.map(str::to_owned) };
        let outgoing = build(&mail, &from, texts, &JobId::new("order:42").unwrap()).unwrap();
        let text = String::from_utf8(outgoing.bytes.clone()).unwrap();
        (outgoing, text)
    }

    #[test]
    fn message_ids_are_stable_and_distinct() {
        let id = |job: &str| message_id(&JobId::new(job).unwrap(), "ireva.example");
        assert_eq!(id("01ARZ3NDEKTSV4RRFFQ69G5FAV"), "<01ARZ3NDEKTSV4RRFFQ69G5FAV@ireva.example>");
        assert_eq!(id("order:42@x.1"), "<order=3A42=40x=2E1@ireva.example>");
        assert_eq!(message_id(&JobId::new("a").unwrap(), "bücher.example"), "<a@ireva-queue.invalid>");
    }

    #[test]
    fn blind_copies_are_only_in_the_envelope() {
        let payload = serde_json::json!({
            "to": "a@example.com", "cc": "b@example.com", "bcc": "c@example.com", "subject": "s", "template": "t"
        });
        let (outgoing, text) = built(payload, Some("hello"), None);
        assert_eq!(outgoing.envelope.to().len(), 3);
        assert!(!text.contains("c@example.com"), "{text}");
        assert!(text.contains("Message-ID: <order=3A42@ireva.example>"), "{text}");
    }

    #[test]
    fn bodies_and_files_are_always_encoded() {
        let payload = serde_json::json!({
            "to": "a@example.com", "subject": "s", "template": "t",
            "attachments": [{"filename": "Übersicht 2026.bin", "content": "DQoKDS4NCg==", "contentType": "text/plain"}]
        });
        let (_, text) = built(payload, Some("plain\r.\r\nQUIT\n"), Some("<p>ü</p>"));
        assert_eq!(text.matches("Content-Transfer-Encoding: quoted-printable").count(), 2, "{text}");
        assert_eq!(text.matches("Content-Transfer-Encoding: base64").count(), 1, "{text}");
        assert!(text.contains("DQoKDS4NCg=="), "{text}");
        assert!(text.contains("<p>=C3=BC</p>"), "{text}");
        assert!(text.contains("plain\r\n.\r\nQUIT\r\n"), "{text}");
        assert!(text.is_ascii());
    }

    /// The header names of a message, each line of its head being a header, a folded part of one or nothing.
    fn header_names(text: &str) -> Vec<String> {
        let head = text.split("\r\n\r\n").next().unwrap_or_default();
        assert!(!head.replace("\r\n", "").contains(['\r', '\n', '\0']), "{head:?}");
        let starts = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
        starts.map(|line| line.split(':').next().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn fuzz_no_text_adds_a_header_or_a_recipient() {
        use crate::fuzz::fuzz;

        let fields = (
            "\\PC{1,300}|[ -~]{1,300}|.{1,60}",
            "\\PC{0,120}|[ -~]{0,120}|.{0,40}",
            "[a-z@<>,;:\"\\\\\\. ]{0,20}|[a-z]{1,5}@[a-zü]{1,5}\\.example",
            "\\PC{1,200}|[ -~]{1,100}",
        );
        fuzz(fields, |(subject, name, address, filename)| {
            let payload = serde_json::json!({
                "to": format!("{name} <{address}>"), "subject": subject, "template": "t",
                "attachments": [{"filename": filename, "content": "aGk="}],
            });
            if let Ok(mail) = Mail::read(&payload.to_string()) {
                let from = "no-reply@ireva.example".parse().unwrap();
                let texts = Texts { plain: Some("hello".to_owned()), html: None };
                let outgoing = build(&mail, &from, texts, &JobId::generate()).unwrap();
                let mut names = header_names(&String::from_utf8_lossy(&outgoing.bytes));
                names.sort_unstable();
                let intended = ["Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Subject", "To"];
                proptest::prop_assert_eq!(names, intended);
                proptest::prop_assert_eq!(outgoing.envelope.to(), &[mail.to[0].email.clone()]);
            }
            Ok(())
        });
    }
}
