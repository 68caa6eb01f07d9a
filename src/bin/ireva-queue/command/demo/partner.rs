//! A partner's web service: down at first, then up; and there are accounts that it does not know.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

const BODY_MAX_BYTES: u64 = 64 * 1024;
const SLOWEST_REQUEST: Duration = Duration::from_secs(2);

/// A listener on a free port of this machine; closed on drop.
pub struct Partner {
    port: u16,
    closing: Arc<AtomicBool>,
    serving: Option<JoinHandle<()>>,
}

impl Partner {
    /// Starts serving; for `outage` it answers 503.
    pub fn start(outage: Duration) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("cannot listen on this machine")?;
        let port = listener.local_addr()?.port();
        let up_at = Instant::now() + outage;
        let closing = Arc::new(AtomicBool::new(false));
        let closed = Arc::clone(&closing);
        let serving = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if closed.load(Ordering::Relaxed) {
                    break;
                }
                // A caller that hangs up is its own affair.
                let _ = serve(stream, Instant::now() >= up_at);
            }
        });
        Ok(Self { port, closing, serving: Some(serving) })
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/credit", self.port)
    }
}

impl Drop for Partner {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        // The listener wakes up for a call and sees that it is closed.
        let woken = TcpStream::connect(("127.0.0.1", self.port));
        if let (Ok(_), Some(serving)) = (woken, self.serving.take()) {
            let _ = serving.join();
        }
    }
}

fn serve(stream: TcpStream, is_up: bool) -> io::Result<()> {
    stream.set_read_timeout(Some(SLOWEST_REQUEST))?;
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = String::new();
    reader.by_ref().take(length.min(BODY_MAX_BYTES)).read_to_string(&mut body)?;
    let (status, text) = match (is_up, body.contains("\"account\":\"closed")) {
        (false, _) => ("503 Service Unavailable", "down for maintenance"),
        (true, true) => ("422 Unprocessable Content", "no such account"),
        (true, false) => ("200 OK", "{\"credited\":true}"),
    };
    let length = text.len();
    write!(reader.get_mut(), "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}")
}
