//! HTTP/1.1 by hand, so that a test can send what no decent client would.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

/// A request, sent on a connection of its own.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    host: Option<String>,
    body: Option<Vec<u8>>,
}

impl Request {
    pub fn new(method: &str, path: &str) -> Self {
        let (method, path) = (method.to_owned(), path.to_owned());
        Self { method, path, headers: Vec::new(), host: Some("localhost".to_owned()), body: None }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a token.
    pub fn token(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// To another name than localhost.
    pub fn host(mut self, host: Option<&str>) -> Self {
        self.host = host.map(str::to_owned);
        self
    }

    /// With a body that is declared as JSON.
    pub fn json(self, body: &str) -> Self {
        self.header("Content-Type", "application/json").body(body.as_bytes())
    }

    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = Some(body.to_vec());
        self
    }

    fn head(&self, close: bool) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        let mut put = |name: &str, value: &str| head.push_str(&format!("{name}: {value}\r\n"));
        self.host.iter().for_each(|host| put("Host", host));
        self.headers.iter().for_each(|(name, value)| put(name, value));
        if let Some(body) = &self.body {
            put("Content-Length", &body.len().to_string());
        }
        if close {
            put("Connection", "close");
        }
        head + "\r\n"
    }

    /// Sends it and reads the whole answer.
    #[track_caller]
    pub fn send(&self, address: &str) -> Reply {
        // A server may answer, and close, before it has taken all of the body.
        self.send_raw(address, self.body.as_deref().unwrap_or_default())
    }

    /// Sends its head and, as they are, these bytes; reads the whole answer.
    #[track_caller]
    pub fn send_raw(&self, address: &str, bytes: &[u8]) -> Reply {
        let stream = connect(address);
        let mut writer = &stream;
        writer.write_all(self.head(true).as_bytes()).expect("the head is taken");
        let _ = writer.write_all(bytes);
        Reply::read(BufReader::new(&stream), &self.path)
    }

    /// Sends it and leaves the answer to be read as it comes.
    #[track_caller]
    pub fn open(&self, address: &str) -> Stream {
        let stream = connect(address);
        (&stream).write_all(self.head(false).as_bytes()).expect("the head is taken");
        let mut reader = BufReader::new(stream);
        let (status, headers) = read_head(&mut reader, &self.path);
        Stream { status, headers, reader }
    }
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}"));
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn read_head(reader: &mut impl BufRead, what: &str) -> (u16, Vec<(String, String)>) {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap_or_else(|error| panic!("{what}: no answer: {error}"));
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.unwrap_or_else(|| panic!("{what}: {line:?} is no status line"));
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
            None => return (status, headers),
        }
    }
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
    path: String,
}

impl Reply {
    fn read(mut reader: impl BufRead, path: &str) -> Self {
        let (status, headers) = read_head(&mut reader, path);
        let length = headers.iter().find(|(name, _)| name == "content-length").map(|(_, value)| value.parse().unwrap());
        let mut body = Vec::new();
        match length {
            Some(length) => {
                body.resize(length, 0);
                reader.read_exact(&mut body).unwrap();
            }
            None => _ = reader.read_to_end(&mut body),
        }
        Self { status, headers, body: String::from_utf8(body).unwrap(), path: path.to_owned() }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Itself, when it has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {}", self.path, self.body);
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{}: {error}: {}", self.path, self.body))
    }

    /// The word of the problem's type; the shape of the problem is checked too.
    #[track_caller]
    pub fn problem(&self) -> String {
        let problem = self.json();
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.path);
        assert_eq!(problem["status"], self.status, "{}", self.body);
        for field in ["title", "detail"] {
            assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "{field} of {}", self.body);
        }
        let word = problem["type"].as_str().and_then(|word| word.strip_prefix("urn:ireva-queue:problem:"));
        word.unwrap_or_else(|| panic!("{}", self.body)).to_owned()
    }

    /// The fields that the problem names.
    #[track_caller]
    pub fn fields(&self) -> Vec<String> {
        let errors = self.json()["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| error["field"].as_str().unwrap().to_owned()).collect()
    }
}

/// An answer that goes on.
pub struct Stream {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    reader: BufReader<TcpStream>,
}

/// One event of a stream of server-sent events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerSent {
    pub id: String,
    pub event: String,
    pub data: String,
}

impl ServerSent {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {}", self.data))
    }
}

impl Stream {
    /// The next event that has data; `None` when the stream ended.
    pub fn next_event(&mut self) -> Option<ServerSent> {
        let mut event = ServerSent::default();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                if !event.data.is_empty() {
                    return Some(event);
                }
                event = ServerSent::default();
                continue;
            }
            match line.split_once(": ") {
                Some(("id", value)) => event.id = value.to_owned(),
                Some(("event", value)) => event.event = value.to_owned(),
                Some(("data", value)) => event.data = value.to_owned(),
                _ => {}
            }
        }
    }

    /// A line of the body; the sizes of chunks, which stand on lines of their own, are passed over.
    fn line(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            let read = self.reader.read_line(&mut line).expect("the stream goes on");
            let line = line.trim_end_matches(['\r', '\n']);
            let is_size = !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_hexdigit());
            if read == 0 || line == "0" {
                return None;
            }
            if !is_size {
                return Some(line.to_owned());
            }
        }
    }
}
