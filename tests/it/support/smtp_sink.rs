//! An SMTP server that answers by script and keeps every byte it was sent.

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// Where in the conversation an act is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    Greeting,
    Ehlo,
    Auth,
    Mail,
    Rcpt,
    Data,
    /// After the final dot.
    Dot,
    Noop,
}

/// What the sink does in place of agreeing.
pub enum Act {
    /// This reply.
    Say(&'static str),
    /// This reply, a byte at a time.
    SaySlowly(&'static str, Duration),
    /// Nothing, for ever.
    Hang,
    /// Closes the connection.
    Drop,
    /// Something of the test's, before the usual reply.
    First(Box<dyn FnOnce() + Send>),
}

/// A mail whose final dot has arrived.
#[derive(Debug, Clone)]
pub struct SinkMail {
    pub from: String,
    pub to: Vec<String>,
    /// As it came, dots still doubled.
    pub raw: String,
}

impl SinkMail {
    /// The names of its headers, in order.
    pub fn header_names(&self) -> Vec<&str> {
        let starts = self.head().lines().filter(|line| !line.starts_with([' ', '\t']));
        starts.map(|line| line.split(':').next().unwrap_or_default()).collect()
    }

    /// A header's value, unfolded.
    pub fn header(&self, name: &str) -> Option<String> {
        let head = self.head().replace("\r\n ", " ").replace("\r\n\t", " ");
        let start = format!("{}:", name.to_ascii_lowercase());
        let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(&start))?;
        Some(line[start.len()..].trim().to_owned())
    }

    fn head(&self) -> &str {
        self.raw.split("\r\n\r\n").next().unwrap_or_default()
    }
}

#[derive(Default)]
struct State {
    acts: HashMap<Stage, VecDeque<Act>>,
    mails: Vec<SinkMail>,
    connections: Vec<(TcpStream, Vec<u8>)>,
}

/// The sink; its threads end with their connections.
pub struct SmtpSink {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl SmtpSink {
    /// Listens on a free loopback port.
    pub fn start() -> Self {
        Self::start_at(0)
    }

    /// Listens on this loopback port.
    pub fn start_at(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let address = listener.local_addr().unwrap();
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(&stream, &shared));
            }
        });
        Self { address, state }
    }

    /// `smtp://…?tls=none`.
    pub fn url(&self) -> String {
        format!("smtp://{}?tls=none", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Does `act` the next time that `stage` comes; several wait in line.
    pub fn next(&self, stage: Stage, act: Act) {
        self.lock().acts.entry(stage).or_default().push_back(act);
    }

    /// The mails whose final dot has arrived, whatever was answered to it.
    pub fn mails(&self) -> Vec<SinkMail> {
        self.lock().mails.clone()
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.lock().connections.len()
    }

    /// Everything that came, connection by connection.
    pub fn raw(&self) -> String {
        let state = self.lock();
        let all: Vec<u8> = state.connections.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        String::from_utf8_lossy(&all).into_owned()
    }

    /// Closes every connection, as a server does that was restarted.
    pub fn hang_up(&self) {
        for (stream, _) in &self.lock().connections {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

struct Talk<'a> {
    stream: &'a TcpStream,
    reader: BufReader<&'a TcpStream>,
    state: &'a Mutex<State>,
    index: usize,
}

fn serve(stream: &TcpStream, state: &Mutex<State>) {
    let index = {
        let mut state = state.lock().unwrap();
        state.connections.push((stream.try_clone().unwrap(), Vec::new()));
        state.connections.len() - 1
    };
    let mut talk = Talk { stream, reader: BufReader::new(stream), state, index };
    let _ = talk.run();
    let _ = stream.shutdown(Shutdown::Both);
}

impl Talk<'_> {
    fn run(&mut self) -> std::io::Result<()> {
        self.act(Stage::Greeting, "220 sink ready")?;
        let (mut from, mut to) = (String::new(), Vec::new());
        while let Some(line) = self.line()? {
            let path = || line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
            match line.to_ascii_uppercase() {
                verb if verb.starts_with("EHLO") => {
                    self.act(Stage::Ehlo, "250-sink\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 AUTH PLAIN LOGIN")?;
                }
                verb if verb.starts_with("AUTH") => {
                    self.act(Stage::Auth, "235 welcome")?;
                }
                verb if verb.starts_with("MAIL") => {
                    (from, to) = (path(), Vec::new());
                    self.act(Stage::Mail, "250 sender ok")?;
                }
                verb if verb.starts_with("RCPT") => {
                    to.push(path());
                    self.act(Stage::Rcpt, "250 recipient ok")?;
                }
                verb if verb.starts_with("DATA") => {
                    if !self.act(Stage::Data, "354 go on")? {
                        continue;
                    }
                    let Some(raw) = self.body()? else { return Ok(()) };
                    let mail = SinkMail { from: from.clone(), to: to.clone(), raw };
                    self.state.lock().unwrap().mails.push(mail);
                    self.act(Stage::Dot, "250 2.0.0 queued as 42")?;
                }
                verb if verb.starts_with("NOOP") => {
                    self.act(Stage::Noop, "250 still here")?;
                }
                verb if verb.starts_with("QUIT") => {
                    writeln!(self.stream, "221 bye\r")?;
                    return Ok(());
                }
                verb if verb.starts_with("RSET") => writeln!(self.stream, "250 ok\r")?,
                _ => writeln!(self.stream, "500 what?\r")?,
            }
        }
        Ok(())
    }

    /// Does what is due at `stage`, or replies as usual; whether the usual reply was given.
    fn act(&self, stage: Stage, usual: &str) -> std::io::Result<bool> {
        let act = self.state.lock().unwrap().acts.get_mut(&stage).and_then(VecDeque::pop_front);
        let mut stream = self.stream;
        match act {
            None => write!(stream, "{usual}\r\n").map(|()| true),
            Some(Act::Say(reply)) => write!(stream, "{reply}\r\n").map(|()| false),
            Some(Act::SaySlowly(reply, pace)) => {
                for byte in format!("{reply}\r\n").bytes() {
                    std::thread::sleep(pace);
                    stream.write_all(&[byte])?;
                }
                Ok(reply.split(' ').next() == usual.split(' ').next())
            }
            Some(Act::Hang) => {
                // Until the client goes away.
                while stream.read(&mut [0; 1024])? > 0 {}
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            Some(Act::Drop) => Err(std::io::ErrorKind::BrokenPipe.into()),
            Some(Act::First(action)) => {
                action();
                write!(stream, "{usual}\r\n").map(|()| true)
            }
        }
    }

    fn line(&mut self) -> std::io::Result<Option<String>> {
        let mut line = Vec::new();
        if self.reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        self.state.lock().unwrap().connections[self.index].1.extend_from_slice(&line);
        Ok(Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned()))
    }

    /// Up to the line with the final dot, and without it.
    fn body(&mut self) -> std::io::Result<Option<String>> {
        let mut raw = Vec::new();
        while !raw.ends_with(b"\r\n.\r\n") {
            let before = raw.len();
            if self.reader.read_until(b'\n', &mut raw)? == 0 {
                return Ok(None);
            }
            self.state.lock().unwrap().connections[self.index].1.extend_from_slice(&raw[before..]);
        }
        raw.truncate(raw.len() - 3);
        Ok(Some(String::from_utf8_lossy(&raw).into_owned()))
    }
}
