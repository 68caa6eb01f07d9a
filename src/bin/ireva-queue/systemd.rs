//! What systemd wants to hear from a service of `Type=notify`, where it asks for it.

use std::cell::RefCell;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::ui::service_manager;

/// What is going on is said this often, where it changes.
const WORD_EVERY: Duration = Duration::from_secs(1);

/// The line to the service manager; silent where there is none.
pub struct Notifier {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
    /// The last status.
    told: RefCell<String>,
}

impl Notifier {
    /// As the environment asks for.
    ///
    /// # Errors
    /// When the socket that it names does not take a connection.
    pub fn from_env() -> io::Result<Self> {
        let (name, watchdog) = service_manager();
        let socket = name.map(|name| connect(name.as_bytes())).transpose()?;
        Ok(Self { socket, watchdog, told: RefCell::default() })
    }

    /// Whether nobody is there to be told.
    pub fn is_silent(&self) -> bool {
        self.socket.is_none()
    }

    /// How often to call [`Notifier::alive`]: at least twice in the time after which the service would be taken for hung.
    pub fn interval(&self) -> Duration {
        let half = self.watchdog.map(|watchdog| watchdog / 2).filter(|half| !half.is_zero());
        half.map_or(WORD_EVERY, |half| half.min(WORD_EVERY))
    }

    /// Jobs are taken.
    pub fn ready(&self) {
        self.send("READY=1");
    }

    /// All is well.
    pub fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    /// What is going on, for `systemctl status`; said again only when it has changed.
    pub fn status(&self, words: &str) {
        if self.socket.is_some() && self.told.replace(words.to_owned()) != words {
            self.send(&format!("STATUS={words}"));
        }
    }

    /// No more jobs are taken.
    pub fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// A service manager that is gone is no reason to stop working.
    fn send(&self, state: &str) {
        if let Some(socket) = &self.socket {
            let _ = socket.send(state.as_bytes());
        }
    }
}

/// A path, or with `@` in front a name in the abstract namespace.
fn connect(name: &[u8]) -> io::Result<UnixDatagram> {
    let address = match name.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name))?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    Ok(socket)
}
