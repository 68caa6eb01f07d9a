//! Who is told, and where.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::channel::Channel;
use crate::builtin::address::holds_login;
use crate::builtin::email::mailbox;
use crate::builtin::fields::{Fields, shown};
use crate::builtin::post::Target;

const EXPECTED: &str =
    "an investor's id, or an object with investorId, name, email, phone, pushToken, webhookUrl or slackUrl";
const PHONE_DIGITS_MIN: usize = 7;
const PHONE_DIGITS_MAX: usize = 15;
const URL_MAX_BYTES: usize = 2_048;

/// Where somebody can be reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Recipient {
    /// Whose name and address the database knows.
    pub investor: Option<String>,
    pub name: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub push_token: Option<String>,
    pub webhook_url: Option<String>,
    pub slack_url: Option<String>,
}

impl Recipient {
    /// Reads the field `recipient` for these channels; what is wrong goes to `fields`.
    pub fn read(fields: &mut Fields, channels: &[Channel]) -> Self {
        let Some(value) = fields.take("recipient") else {
            fields.problem(format!("recipient is missing: {EXPECTED}"));
            return Self::default();
        };
        let (recipient, given) = match value.get().bytes().next() {
            Some(b'{') => Self::read_object(fields, &value),
            Some(b'"' | b'0'..=b'9') => {
                let investor = fields.as_id("recipient", &value);
                (Self { investor, ..Self::default() }, BTreeSet::from(["investorId".to_owned()]))
            }
            _ => {
                fields.problem(format!("recipient must be {EXPECTED}"));
                return Self::default();
            }
        };
        for channel in channels {
            let Some(field) = needs(*channel).filter(|field| !given.contains(*field)) else { continue };
            match (field, given.contains("investorId")) {
                // The database knows it.
                ("email", true) => {}
                ("email", false) => {
                    fields.problem("recipient.email is missing: channel email needs it, or recipient.investorId");
                }
                _ => fields.problem(format!("recipient.{field} is missing: channel {channel} needs it")),
            }
        }
        recipient
    }

    /// The recipient, and the fields that were given, right or wrong.
    fn read_object(fields: &mut Fields, value: &RawValue) -> (Self, BTreeSet<String>) {
        let given: BTreeMap<String, Option<IgnoredAny>> = serde_json::from_str(value.get()).unwrap_or_default();
        let given = given.into_iter().filter(|(_, value)| value.is_some()).map(|(name, _)| name).collect();
        let Ok(mut inner) = Fields::read("recipient", value.get()) else {
            fields.problem(format!("recipient must be {EXPECTED}"));
            return (Self::default(), given);
        };
        let recipient = Self {
            investor: inner.id("investorId"),
            name: inner.text("name").filter(|name| is_one_line(&mut inner, "name", name)),
            email: inner.text("email").filter(|email| is_address(&mut inner, email)),
            phone: inner.text("phone").filter(|phone| is_phone(&mut inner, phone)),
            push_token: inner.text("pushToken").filter(|token| is_token(&mut inner, token)),
            webhook_url: inner.text("webhookUrl").filter(|url| is_url(&mut inner, "webhookUrl", url)),
            slack_url: inner.text("slackUrl").filter(|url| is_url(&mut inner, "slackUrl", url)),
        };
        if let Err(error) = inner.finish(Some(())) {
            error.fields().iter().for_each(|problem| fields.problem(format!("recipient.{problem}")));
        }
        (recipient, given)
    }
}

/// The field without which a channel reaches nobody; a chat may be one of the worker's own.
fn needs(channel: Channel) -> Option<&'static str> {
    match channel {
        Channel::Email => Some("email"),
        Channel::Sms => Some("phone"),
        Channel::Push => Some("pushToken"),
        Channel::Webhook => Some("webhookUrl"),
        Channel::Slack => None,
        Channel::InApp => Some("investorId"),
    }
}

/// A text without line breaks.
pub(super) fn is_one_line(fields: &mut Fields, name: &str, text: &str) -> bool {
    let sound = !text.contains(['\n', '\t']);
    if !sound {
        fields.problem(format!("{name} has more than one line"));
    }
    sound
}

fn is_address(fields: &mut Fields, text: &str) -> bool {
    let sound = match mailbox(text) {
        Ok(mailbox) if mailbox.name.is_none() && !text.contains(['<', '>']) => Ok(()),
        Ok(_) => Err(format!("is not an address alone: {}", shown(text))),
        Err(problem) => Err(problem),
    };
    sound.map_err(|problem| fields.problem(format!("email {problem}"))).is_ok()
}

/// International, as E.164 has it.
fn is_phone(fields: &mut Fields, text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    let sound = (PHONE_DIGITS_MIN..=PHONE_DIGITS_MAX).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0');
    if !sound {
        fields.problem(format!("phone must be an international number such as +2348012345678, not {}", shown(text)));
    }
    sound
}

fn is_token(fields: &mut Fields, text: &str) -> bool {
    let sound = text.bytes().all(|byte| byte.is_ascii_graphic());
    if !sound {
        fields.problem("pushToken has a character that no token has");
    }
    sound
}

/// Where it leads is judged when it is asked: that is known to the worker alone.
fn is_url(fields: &mut Fields, name: &str, text: &str) -> bool {
    // What a URL holds may be secret, so that none is shown.
    let problem = match Target::parse(text) {
        _ if text.len() > URL_MAX_BYTES => Some(format!("has more than {URL_MAX_BYTES} bytes")),
        Ok(target) if holds_login(&target) => Some("must not hold a user or a password".to_owned()),
        Ok(_) => None,
        Err(_) => Some("must be a whole http:// or https:// URL".to_owned()),
    };
    problem.is_none_or(|problem| {
        fields.problem(format!("{name} {problem}"));
        false
    })
}
