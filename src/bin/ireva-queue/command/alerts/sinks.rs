//! The sinks of this environment.

use ireva_queue::builtin::alert::{EmailSink, ExecSink, SlackSink, WebhookSink};
use ireva_queue::builtin::exec::{ExecSettings, allowed_environment};
use ireva_queue::config::{Config, Secret, SinkConfig};
use ireva_queue::{AlertName, AlertSinks};

use crate::command::work::email_settings;
use crate::exit::{Code, Stop};
use crate::ui;

/// What the configuration says about sinks, and the log.
///
/// # Errors
/// 78, naming the sink that cannot be.
pub fn alert_sinks(config: &Config) -> Result<AlertSinks, Stop> {
    let (sinks, broken) = sinks_and_broken(config);
    broken.into_iter().next().map_or(Ok(sinks), |(_, why)| Err(why))
}

/// The same, with those apart that cannot be, and why.
pub fn sinks_and_broken(config: &Config) -> (AlertSinks, Vec<(AlertName, Stop)>) {
    let (mut sinks, mut broken) = (AlertSinks::new(), Vec::new());
    for (name, sink) in &config.alerts.sinks {
        match with_sink(sinks.clone(), (name, sink), config) {
            Ok(more) => sinks = more,
            Err(why) => broken.push((name.clone(), why)),
        }
    }
    (sinks, broken)
}

fn with_sink(sinks: AlertSinks, (name, sink): (&AlertName, &SinkConfig), config: &Config) -> Result<AlertSinks, Stop> {
    let signing_key =
        config.processors.http_signing_key.as_ref().map(Secret::reveal).map(|key| key.as_bytes().to_vec());
    let wrong = |error: ireva_queue::Error| Stop::new(Code::Config, format!("sink {name}: {error}"));
    let named = name.clone();
    Ok(match sink {
        SinkConfig::Log => sinks.log(named),
        SinkConfig::Email { to } => {
            // Without a mail server here the queue carries it, to workers that have one.
            let settings = config.processors.smtp_url.as_ref().map(|_| email_settings(config)).transpose()?;
            let sink = EmailSink::new(named.clone(), to.clone(), settings.as_ref()).map_err(wrong)?;
            sinks.with(named, sink)
        }
        SinkConfig::Webhook { url } => {
            sinks.with(named, WebhookSink::new(url.reveal(), signing_key.clone()).map_err(wrong)?)
        }
        SinkConfig::Slack { url } => sinks.with(named, SlackSink::new(url.reveal()).map_err(wrong)?),
        SinkConfig::Exec { command } => {
            let mut settings = ExecSettings::new(command.iter().map(Into::into).collect());
            settings.environment = allowed_environment(ui::environment(), &[] as &[&str]);
            sinks.with(named, ExecSink::new(settings).map_err(wrong)?)
        }
    })
}
