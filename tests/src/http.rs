//! A stand-in for the HTTP API, which answers what it is told to.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A question: the path, and the form as it came.
#[derive(Debug, Clone)]
pub struct Question {
    /// The path, without the host.
    pub path: String,
    /// The whole head.
    pub head: String,
    /// Arguments, escaped as in a URL.
    pub form: String,
}

/// Serves until the test's process ends.
pub struct HttpStandIn {
    port: u16,
    questions: Arc<Mutex<Vec<Question>>>,
}

impl HttpStandIn {
    /// Begins to serve: `answer` writes the whole reply, and what it leaves open is closed behind it.
    pub fn start(answer: impl Fn(&Question, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listening on loopback");
        let port = listener.local_addr().expect("a listener has an address").port();
        let questions = Arc::new(Mutex::new(Vec::new()));
        let (asked, answer) = (Arc::clone(&questions), Arc::new(answer));
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let (asked, answer) = (Arc::clone(&asked), Arc::clone(&answer));
                thread::spawn(move || {
                    let Some(question) = read(&mut stream) else { return };
                    asked.lock().expect("no test panics here").push(question.clone());
                    answer(&question, &mut stream);
                });
            }
        });
        Self { port, questions }
    }

    /// One that gives each question to `/select/logsql/query` these rows, and counts them when they are to be counted.
    pub fn with_rows(rows: &[&str]) -> Self {
        let rows: Vec<String> = rows.iter().map(|row| (*row).to_owned()).collect();
        Self::start(move |question, stream| match question.path.as_str() {
            "/select/logsql/query" if question.form.contains("matched") => {
                write_rows(stream, &[format!(r#"{{"matched":"{}"}}"#, rows.len())]);
            }
            "/select/logsql/query" => write_rows(stream, &rows),
            _ => write_refusal(stream, 404, "no"),
        })
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it was asked so far.
    pub fn questions(&self) -> Vec<Question> {
        self.questions.lock().expect("no test panics here").clone()
    }
}

/// Writes a whole answer of `rows`.
pub fn write_rows(stream: &mut TcpStream, rows: &[String]) {
    let chunks: String = rows.iter().map(|row| format!("{:x}\r\n{row}\n\r\n", row.len() + 1)).collect();
    let reply = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n");
    // Who has hung up does not want it.
    let _ = stream.write_all(reply.as_bytes());
}

/// Writes a refusal.
pub fn write_refusal(stream: &mut TcpStream, status: u16, text: &str) {
    let length = text.len();
    let reply =
        format!("HTTP/1.1 {status} No\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}");
    let _ = stream.write_all(reply.as_bytes());
}

fn read(stream: &mut TcpStream) -> Option<Question> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, form)) = text.split_once("\r\n\r\n") else { continue };
        let lower = head.to_ascii_lowercase();
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if form.len() >= length.unwrap_or(0) {
            let path = head.split(' ').nth(1)?.to_owned();
            return Some(Question { path, head: head.to_owned(), form: form.to_owned() });
        }
    }
}
