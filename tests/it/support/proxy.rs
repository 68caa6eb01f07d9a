//! A TCP proxy that understands Redis frames: it can delay a request, lose its reply after the server executed it, be cut
//! in both directions for a while, or forget flows that were idle, as the boxes between machines do.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::redis_server::TestRedis;

/// A request as the proxy sees it.
#[derive(Debug, Clone)]
pub struct Request {
    /// Counted over all connections, from 1.
    pub number: u64,
    /// The words of the command.
    pub words: Vec<Vec<u8>>,
}

impl Request {
    /// The command in capitals.
    pub fn verb(&self) -> String {
        String::from_utf8_lossy(&self.words[0]).to_uppercase()
    }
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It passes.
    None,
    /// It passes after a while.
    Delay(Duration),
    /// The server executes it, and the connection breaks in place of the reply.
    DropReply,
    /// The server executes it, and the reply never comes; the connection stays.
    SwallowReply,
    /// The connection breaks before the server sees it.
    Break,
}

type Rule = dyn Fn(&Request) -> Fault + Send + Sync;

/// A listening proxy; it stops with its value.
pub struct Proxy {
    port: u16,
    stop: Arc<AtomicBool>,
    faults: Arc<AtomicU64>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    cable: Arc<Cable>,
}

/// What lies between the two sides.
#[derive(Default)]
struct Cable {
    cut: Mutex<bool>,
    mended: Condvar,
    /// Flows that carried nothing for so long are forgotten.
    idle_limit: Mutex<Option<Duration>>,
}

impl Cable {
    /// Waits while it is cut: what was sent meanwhile arrives afterwards, as TCP sends it again.
    fn pass(&self) {
        let cut = self.cut.lock().unwrap();
        drop(self.mended.wait_while(cut, |cut| *cut).unwrap());
    }

    fn set_cut(&self, cut: bool) {
        *self.cut.lock().unwrap() = cut;
        self.mended.notify_all();
    }
}

/// One connection, as a box that keeps a table of flows sees it.
struct Flow {
    cable: Arc<Cable>,
    last: Mutex<Instant>,
    forgotten: AtomicBool,
}

impl Flow {
    fn new(cable: Arc<Cable>) -> Self {
        Self { cable, last: Mutex::new(Instant::now()), forgotten: AtomicBool::new(false) }
    }

    /// Whether a frame passes. From the first that comes too late on, nothing does, and nobody is told.
    fn carries(&self) -> bool {
        self.cable.pass();
        let idle = std::mem::replace(&mut *self.last.lock().unwrap(), Instant::now()).elapsed();
        if self.cable.idle_limit.lock().unwrap().is_some_and(|limit| idle > limit) {
            self.forgotten.store(true, Ordering::SeqCst);
        }
        !self.forgotten.load(Ordering::SeqCst)
    }
}

impl Proxy {
    /// A proxy in front of `redis`; `rule` says what becomes of each request.
    pub fn start(redis: &TestRedis, rule: impl Fn(&Request) -> Fault + Send + Sync + 'static) -> Self {
        Self::to(Arc::new(AtomicU16::new(redis.port())), rule)
    }

    /// A proxy that leads each new connection to the port that `target` holds then.
    pub fn to(target: Arc<AtomicU16>, rule: impl Fn(&Request) -> Fault + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let proxy =
            Self { port, stop: Arc::default(), faults: Arc::default(), open: Arc::default(), cable: Arc::default() };
        let (faults, cable) = (proxy.faults.clone(), proxy.cable.clone());
        let shared = Shared { target, rule: Arc::new(rule), requests: Arc::default(), faults, cable };
        let (stop, open) = (proxy.stop.clone(), proxy.open.clone());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(client) = client else { continue };
                open.lock().unwrap().push(client.try_clone().unwrap());
                let shared = shared.clone();
                std::thread::spawn(move || shared.serve(client));
            }
        });
        proxy
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many requests did not simply pass.
    pub fn faults(&self) -> u64 {
        self.faults.load(Ordering::SeqCst)
    }

    /// From now on nothing passes in either direction and no new connection gets through, and no side is told.
    pub fn cut(&self) {
        self.cable.set_cut(true);
    }

    /// What was held up passes, and all that follows.
    pub fn mend(&self) {
        self.cable.set_cut(false);
    }

    /// Flows that carry nothing for longer than `limit` are forgotten: what comes later on them is swallowed for good.
    pub fn forget_idle(&self, limit: Duration) {
        *self.cable.idle_limit.lock().unwrap() = Some(limit);
    }

    /// Breaks every connection.
    pub fn break_all(&self) {
        self.open.lock().unwrap().drain(..).for_each(|client| drop(client.shutdown(Shutdown::Both)));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        self.mend();
        self.break_all();
    }
}

#[derive(Clone)]
struct Shared {
    target: Arc<AtomicU16>,
    rule: Arc<Rule>,
    requests: Arc<AtomicU64>,
    faults: Arc<AtomicU64>,
    cable: Arc<Cable>,
}

impl Shared {
    fn serve(&self, client: TcpStream) {
        self.cable.pass();
        let Ok(server) = TcpStream::connect(("127.0.0.1", self.target.load(Ordering::SeqCst))) else {
            let _ = client.shutdown(Shutdown::Both);
            return;
        };
        let (send, due) = channel();
        let replies = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let flow = Arc::new(Flow::new(self.cable.clone()));
        let back = flow.clone();
        std::thread::spawn(move || pass_replies(replies.0, replies.1, &due, &back));
        self.pass_requests(client, server, &send, &flow);
    }

    fn pass_requests(&self, client: TcpStream, mut server: TcpStream, due: &Sender<Fault>, flow: &Flow) {
        let mut reader = BufReader::new(client.try_clone().unwrap());
        while let Some((frame, words)) = read_request(&mut reader) {
            if !flow.carries() {
                continue;
            }
            let number = self.requests.fetch_add(1, Ordering::SeqCst) + 1;
            let fault = (self.rule)(&Request { number, words });
            if fault != Fault::None {
                self.faults.fetch_add(1, Ordering::SeqCst);
            }
            match fault {
                Fault::Delay(wait) => std::thread::sleep(wait),
                Fault::Break => break,
                Fault::None | Fault::DropReply | Fault::SwallowReply => {}
            }
            if due.send(fault).is_err() || server.write_all(&frame).is_err() {
                break;
            }
        }
        let _ = server.shutdown(Shutdown::Both);
        let _ = client.shutdown(Shutdown::Both);
    }
}

fn pass_replies(server: TcpStream, mut client: TcpStream, due: &Receiver<Fault>, flow: &Flow) {
    let mut reader = BufReader::new(server.try_clone().unwrap());
    while let Some(frame) = read_reply(&mut reader) {
        if !flow.carries() {
            continue;
        }
        match due.recv() {
            Ok(Fault::SwallowReply) => {}
            Ok(Fault::DropReply) | Err(_) => break,
            Ok(_) => {
                if client.write_all(&frame).is_err() {
                    break;
                }
            }
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}

fn read_line(reader: &mut impl BufRead, frame: &mut Vec<u8>) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line).ok().filter(|_| line.ends_with(b"\n"))?;
    frame.extend_from_slice(&line);
    line.truncate(line.len() - 2);
    Some(line)
}

fn number(line: &[u8]) -> Option<i64> {
    std::str::from_utf8(&line[1..]).ok()?.parse().ok()
}

/// A command: an array of bulk strings. Its bytes and its words.
fn read_request(reader: &mut impl BufRead) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    let mut frame = Vec::new();
    let count = number(&read_line(reader, &mut frame)?)?;
    let mut words = Vec::new();
    for _ in 0..count {
        let length = usize::try_from(number(&read_line(reader, &mut frame)?)?).ok()?;
        let mut word = vec![0; length + 2];
        reader.read_exact(&mut word).ok()?;
        frame.extend_from_slice(&word);
        word.truncate(length);
        words.push(word);
    }
    Some((frame, words))
}

/// One whole reply, of RESP2 or RESP3.
fn read_reply(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut frame = Vec::new();
    let mut wanted = 1_i64;
    while wanted > 0 {
        wanted -= 1;
        let line = read_line(reader, &mut frame)?;
        match line[0] {
            b'$' | b'=' | b'!' => {
                if let Ok(length) = usize::try_from(number(&line)?) {
                    let mut bytes = vec![0; length + 2];
                    reader.read_exact(&mut bytes).ok()?;
                    frame.extend_from_slice(&bytes);
                }
            }
            b'*' | b'~' | b'>' => wanted += number(&line)?.max(0),
            b'%' => wanted += 2 * number(&line)?,
            _ => {}
        }
    }
    Some(frame)
}
