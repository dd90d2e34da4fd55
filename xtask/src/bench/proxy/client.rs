//! A client of NATS that is no more than a socket.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(30);

/// Where to log in, and as whom.
#[derive(Debug, Clone)]
pub(super) struct Login {
    address: SocketAddr,
    user: String,
    password: String,
}

impl Login {
    pub(super) fn new(address: SocketAddr, user: &str, password: &str) -> Self {
        Self { address, user: user.to_owned(), password: password.to_owned() }
    }

    /// The same with a secret that is not good: a letter in the middle is another, and each `number` makes another one.
    pub(super) fn spoiled(&self, number: usize) -> Self {
        let (half, alphabet) = (self.password.len() / 2, b"abcdefghijklmnopqrstuvwxyz");
        let mut password = self.password.clone().into_bytes();
        for (place, byte) in password.iter_mut().skip(half).take(4).enumerate() {
            *byte = alphabet[(number / 26_usize.pow(u32::try_from(place).unwrap_or(0))) % 26];
        }
        Self { password: String::from_utf8_lossy(&password).into_owned(), ..self.clone() }
    }

    /// Connects and logs in, and says `verbs`; returns when they are in force.
    pub(super) fn connect(&self, verbs: &str) -> Result<TcpStream> {
        let mut stream = self.dial(verbs)?;
        wait_for(&mut stream, b"PONG\r\n").with_context(|| format!("logging in at {}", self.address))?;
        Ok(stream)
    }

    /// Logs in with what is not good; an error when it is let in.
    pub(super) fn be_refused(&self) -> Result<()> {
        let mut stream = self.dial("")?;
        wait_for(&mut stream, b"-ERR 'Authorization Violation'\r\n").context("a wrong login was not refused")
    }

    fn dial(&self, verbs: &str) -> Result<TcpStream> {
        let mut stream =
            TcpStream::connect(self.address).with_context(|| format!("connecting to {}", self.address))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER))?;
        wait_for(&mut stream, b"\r\n").context("waiting for INFO")?;
        let connect = json!({
            "verbose": false, "pedantic": false, "user": self.user, "pass": self.password, "name": "bench",
            "lang": "bench", "version": "1", "protocol": 1, "headers": true, "no_responders": true,
        });
        stream.write_all(format!("CONNECT {connect}\r\n{verbs}PING\r\n").as_bytes())?;
        Ok(stream)
    }
}

/// Has the server handle all that was sent. A socket that is closed while something lies in it unread takes back what it sent last.
pub(super) fn flush(stream: &mut TcpStream) -> Result<()> {
    stream.write_all(b"PING\r\n")?;
    wait_for(stream, b"PONG\r\n").context("waiting for the server")
}

/// Reads until what came ends with `end`, or holds it. Nothing else is expected at that time.
fn wait_for(stream: &mut TcpStream, end: &[u8]) -> Result<()> {
    let (mut seen, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut chunk)?;
        seen.extend_from_slice(&chunk[..read]);
        if memchr::memmem::find(&seen, end).is_some() {
            return Ok(());
        }
        if read == 0 {
            bail!("the server closed: {}", String::from_utf8_lossy(&seen).trim());
        }
    }
}
