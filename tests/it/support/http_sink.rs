//! An HTTP server that answers by script and keeps every request.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct SinkRequest {
    /// `POST /hook HTTP/1.1`.
    pub line: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl SinkRequest {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What to answer.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// The pause before each byte of the body.
    pub pace: Duration,
    /// Done just before the answer goes out.
    pub before: Option<Box<dyn FnOnce() + Send>>,
}

impl Answer {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), pace: Duration::ZERO, before: None }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// The sink; one request a connection.
pub struct HttpSink {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    answers: VecDeque<Answer>,
    requests: Vec<SinkRequest>,
    answered: usize,
}

impl HttpSink {
    /// Listens on a free loopback port; answers 200 without a body where nothing else is scripted.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
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

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Answers the next request with this; several wait in line.
    pub fn next(&self, answer: Answer) {
        self.state.lock().unwrap().answers.push_back(answer);
    }

    /// How many answers are out, down to the last byte.
    pub fn answered(&self) -> usize {
        self.state.lock().unwrap().answered
    }

    pub fn requests(&self) -> Vec<SinkRequest> {
        self.state.lock().unwrap().requests.clone()
    }
}

fn serve(stream: &TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let pair = |line: &String| line.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
    let headers: Vec<(String, String)> = lines[1..].iter().filter_map(pair).collect();
    let request = SinkRequest { line: lines[0].clone(), headers, body: Vec::new() };
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut answer = {
        let mut state = state.lock().unwrap();
        state.requests.push(SinkRequest { body, ..request });
        state.answers.pop_front().unwrap_or_else(|| Answer::new(200, ""))
    };
    if let Some(before) = answer.before.take() {
        before();
    }
    send(stream, &answer).ok()?;
    state.lock().unwrap().answered += 1;
    Some(())
}

fn send(mut stream: &TcpStream, answer: &Answer) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {} Sink\r\nconnection: close\r\ncontent-length: {}\r\n",
        answer.status,
        answer.body.len()
    )?;
    for (name, value) in &answer.headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    write!(stream, "\r\n")?;
    if answer.pace.is_zero() {
        return stream.write_all(&answer.body);
    }
    for byte in &answer.body {
        std::thread::sleep(answer.pace);
        stream.write_all(&[*byte])?;
    }
    Ok(())
}
