//! A server for tests that answers what it was told to, and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::Server;

/// Makes the bytes of a reply from a question: its head and its form.
type Replies = Arc<dyn Fn(&Asked) -> Vec<u8> + Send + Sync>;

/// One question.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) head: String,
    pub(crate) form: String,
}

impl Asked {
    /// The path it was asked on.
    pub(crate) fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    /// An argument of the form or of the path, unescaped.
    pub(crate) fn arg(&self, name: &str) -> Option<String> {
        let form = self.path().split_once('?').map_or(self.form.as_str(), |(_, form)| form);
        let pairs = form.split('&').filter_map(|pair| pair.split_once('='));
        let value = pairs.into_iter().find(|(known, _)| *known == name)?.1;
        let mut bytes = Vec::new();
        let mut rest = value.bytes();
        while let Some(byte) = rest.next() {
            if byte != b'%' {
                bytes.push(byte);
                continue;
            }
            let digits = [rest.next().unwrap(), rest.next().unwrap()];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
        }
        Some(String::from_utf8(bytes).unwrap())
    }
}

/// The server. It ends with the test's runtime.
pub(crate) struct Fake {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    /// One that answers what `replies` makes; an empty reply is a connection that is closed.
    pub(crate) async fn start(replies: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (kept, replies): (_, Replies) = (Arc::clone(&asked), Arc::new(replies));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&replies), Arc::clone(&kept)));
            }
        });
        Self { port, asked }
    }

    /// One that answers these, one after another.
    pub(crate) async fn of(replies: &[String]) -> Self {
        let replies: VecDeque<String> = replies.iter().cloned().collect();
        let replies = Mutex::new(replies);
        Self::start(move |_| replies.lock().unwrap().pop_front().unwrap_or_default().into_bytes()).await
    }

    /// A client of it.
    pub(crate) fn server(&self) -> Server {
        let address = format!("127.0.0.1:{}", self.port).parse().unwrap();
        Server::new(address, "secret", None, std::time::Duration::from_secs(5)).unwrap()
    }

    /// What it was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, replies: Replies, kept: Arc<Mutex<Vec<Asked>>>) {
    let mut bytes = Vec::new();
    let asked = loop {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, form)) = text.split_once("\r\n\r\n") else { continue };
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
        if form.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            break Asked { head: head.to_owned(), form: form.to_owned() };
        }
    };
    let reply = replies(&asked);
    kept.lock().unwrap().push(asked);
    let _ = stream.write_all(&reply).await;
    let _ = stream.shutdown().await;
}

/// A whole reply in chunks.
pub(crate) fn chunked(rows: &[&str]) -> String {
    format!("{}0\r\n\r\n", unfinished(rows))
}

/// The same without its end, as when the server dies.
pub(crate) fn unfinished(rows: &[&str]) -> String {
    let chunks: String = rows.iter().map(|row| format!("{:x}\r\n{row}\n\r\n", row.len() + 1)).collect();
    format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}")
}

/// A stream of events; with `ends` it comes to its end as it should.
pub(crate) fn events(events: &[&str], ends: bool) -> String {
    let chunks: String =
        events.iter().map(|event| format!("{:x}\r\n{event}\n\n\r\n", event.len() + 2)).collect();
    let end = if ends { "0\r\n\r\n" } else { "" };
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    format!("{head}{chunks}{end}")
}

/// A reply that says at its end that something is missing.
pub(crate) fn partial(rows: &[&str], missing: &str) -> String {
    let notice = format!(r#"{{"_msg":"this answer is not whole: {missing}","logway.partial":"{missing}"}}"#);
    chunked(&[rows, &[&notice]].concat())
}

/// A refusal.
pub(crate) fn refusal(status: u16, headers: &str, text: &str) -> String {
    format!("HTTP/1.1 {status} No\r\n{headers}Content-Length: {}\r\n\r\n{text}", text.len())
}
