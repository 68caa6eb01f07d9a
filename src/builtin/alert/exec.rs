//! Alerts handed to a command.

use std::time::Duration;

use super::not_taken;
use crate::alert::{AlertName, AlertNotice, AlertSink, Telling};
use crate::builtin::exec::{ExecProcessor, ExecSettings, run_once};
use crate::error::{Error, Result};

const LIMIT: Duration = Duration::from_secs(30);

/// Runs a command for each notice, which it gets as JSON on stdin.
///
/// The environment says `IREVA_ALERT_ID` (the same where it comes again), `IREVA_ALERT_STATE` (firing, recovered, test),
/// `IREVA_ALERT_SEVERITY` (empty where all is over), `IREVA_ALERT_TITLE`, `IREVA_ALERT_NAMES` and `IREVA_ALERT_COUNT`. Exit
/// code 0 is taken. The command leads a process group of its own, which is ended after 30 s.
#[derive(Debug)]
pub struct ExecSink {
    settings: ExecSettings,
    limit: Duration,
}

impl ExecSink {
    /// A sink that runs `settings.command` in `settings.environment`; see
    /// [`allowed_environment`](crate::builtin::exec::allowed_environment).
    ///
    /// # Errors
    /// `Invalid` when the command is empty, holds a NUL byte, or is not there.
    pub fn new(settings: ExecSettings) -> Result<Self> {
        ExecProcessor::new(settings.clone())?;
        settings.find_program()?;
        Ok(Self { settings, limit: LIMIT })
    }

    /// The same, ended after so long.
    pub fn limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }
}

impl AlertSink for ExecSink {
    fn kind(&self) -> &'static str {
        "exec"
    }

    fn tell<'a>(&'a self, notice: &'a AlertNotice) -> Telling<'a> {
        Box::pin(async move {
            let input = serde_json::to_vec(notice).map_err(|error| Error::internal(format!("alert: {error}")))?;
            let mut names: Vec<_> = notice.alerts.iter().map(|told| &told.alert).map(AlertName::as_str).collect();
            names.dedup();
            let variables = vec![
                ("IREVA_ALERT_ID", notice.id.to_string()),
                ("IREVA_ALERT_STATE", notice.state().to_owned()),
                ("IREVA_ALERT_SEVERITY", notice.severity().map_or("", |severity| severity.as_str()).to_owned()),
                ("IREVA_ALERT_TITLE", notice.headline()),
                ("IREVA_ALERT_NAMES", names.join(" ")),
                ("IREVA_ALERT_COUNT", notice.alerts.len().to_string()),
            ];
            let ended = run_once(&self.settings, variables, &input, self.limit).await;
            ended.map(|()| "the command exited with 0".to_owned()).map_err(|error| not_taken(&error))
        })
    }
}
