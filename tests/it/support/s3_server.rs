//! An object store that is not ours (moto), on a loopback port, gone with the test.

use std::process::Stdio;
use std::time::Duration;

use super::http::Request;
use super::process::{Guarded, free_port};
use super::python::python;
use super::wait::wait_until;

pub const BUCKET: &str = "ireva";

/// A running server with an empty bucket. Killed and reaped on drop.
pub struct TestS3 {
    _process: Guarded,
    port: u16,
}

impl TestS3 {
    pub fn start() -> Self {
        for _ in 0..20 {
            let port = free_port();
            let mut command = python();
            command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
            let mut process = Guarded(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
            let mut gone = false;
            wait_until(Duration::from_secs(60), "moto answers", || {
                gone = process.ended().is_some();
                gone || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
            });
            if gone {
                continue;
            }
            let store = Self { _process: process, port };
            let made = store.request("PUT", "").send(&store.address());
            assert_eq!(made.status, 200, "{}", made.body);
            return store;
        }
        panic!("moto did not start: run tests/install.sh test");
    }

    /// The variables by which it is found.
    pub fn env(&self) -> [(&'static str, String); 3] {
        [
            ("AWS_ENDPOINT_URL", format!("http://{}", self.address())),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "hunter2".to_owned()),
        ]
    }

    /// Puts an object in its place.
    pub fn put(&self, key: &str, body: &str) {
        let put = self.request("PUT", key).body(body.as_bytes()).send(&self.address());
        assert_eq!(put.status, 200, "{}", put.body);
    }

    /// The object of a key, if it is there.
    pub fn get(&self, key: &str) -> Option<String> {
        let reply = self.request("GET", key).send(&self.address());
        (reply.status == 200).then_some(reply.body)
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn request(&self, method: &str, key: &str) -> Request {
        // Whoever signs is let in, and nobody checks the signature.
        let signed =
            "AWS4-HMAC-SHA256 Credential=test/20240101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(byte);
        let key: String = key
            .bytes()
            .map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
            .collect();
        Request::new(method, &format!("/{BUCKET}/{key}")).header("Authorization", signed)
    }
}
