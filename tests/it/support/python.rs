//! Python with the modules that `make test` puts in place.

use std::path::Path;
use std::process::Command;

use super::process::guarded;

/// `python3`, able to import `aiosmtpd`, `schemathesis` and `moto`.
pub fn python() -> Command {
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python");
    let mut command = guarded("python3");
    command.env("PYTHONPATH", modules);
    command
}
