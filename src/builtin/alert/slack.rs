//! Alerts in a chat, by its hook.

use std::fmt;

use reqwest::Client;
use serde_json::json;

use super::webhook::send;
use crate::alert::{AlertNotice, AlertSink, Telling};
use crate::builtin::post::{self, Target};
use crate::error::Result;

/// Posts each notice as `{"text": …}` to the hook of a chat, as Slack and those that do as it does take it.
pub struct SlackSink {
    client: Client,
    target: Target,
}

impl SlackSink {
    /// A sink that posts to `url`, the whole of which is a secret.
    ///
    /// # Errors
    /// `Invalid` when it is no URL of http or https; `Config` when the system's certificates cannot be used.
    pub fn new(url: &str) -> Result<Self> {
        Ok(Self { client: post::client()?, target: Target::parse(url)? })
    }
}

impl fmt::Debug for SlackSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlackSink").field("target", &self.target).finish_non_exhaustive()
    }
}

impl AlertSink for SlackSink {
    fn kind(&self) -> &'static str {
        "slack"
    }

    fn tell<'a>(&'a self, notice: &'a AlertNotice) -> Telling<'a> {
        Box::pin(async move {
            let body = json!({"text": text(notice)}).to_string().into_bytes();
            send(&self.client, &self.target, vec![("Ireva-Alert-Id", notice.id.to_string())], body, None).await
        })
    }
}

/// The headline in bold, a line for each alert where there are several, and who says it.
fn text(notice: &AlertNotice) -> String {
    let mark = match notice.state() {
        "recovered" => ":white_check_mark:",
        "test" => ":information_source:",
        _ => ":rotating_light:",
    };
    let mut lines = vec![format!("{mark} *{}*", escaped(&notice.headline()))];
    lines.extend(notice.lines().iter().map(|line| escaped(line)));
    lines.push(escaped(&format!("queues under {}, told by {}", notice.prefix, notice.by)));
    lines.join("\n")
}

/// What the chat would take for a link, or a call to everybody.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::local_now;

    #[test]
    fn nobody_is_called_by_what_stands_in_an_alert() {
        let mut notice = AlertNotice::for_test(("p:", "w"), local_now());
        notice.alerts[0].message = "<!channel> a & b".to_owned();
        assert!(text(&notice).starts_with(":information_source: *test: "), "{}", text(&notice));
        notice.test = false;
        let text = text(&notice);
        assert!(text.contains("&lt;!channel&gt; a &amp; b") && !text.contains('<'), "{text}");
        assert!(text.starts_with(":rotating_light: *firing: test: "), "{text}");
    }
}
