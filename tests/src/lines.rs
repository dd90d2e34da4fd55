//! Lines as readers get them, and the sums that promise that none is missing.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;

use line::json::Message;
use line::{Body, Boot};

use crate::DEADLINE;

/// The lines of NDJSON text. Panics at the first that is not one, and shows it.
pub fn parse(text: &str) -> Vec<Message> {
    let decode = |row: &str| line::json::decode(row.as_bytes()).unwrap_or_else(|why| panic!("{why}: {row}"));
    text.lines().filter(|row| !row.is_empty()).map(decode).collect()
}

/// What covers each sequence number of each boot, from what a spool or a reader gave.
#[derive(Debug, Default)]
pub struct Coverage {
    boots: BTreeMap<(String, Boot), BTreeMap<u64, (u64, bool)>>,
    doubles: Vec<String>,
}

impl Coverage {
    /// Counts `messages` in. A seq that stands twice as a line is kept for [`Coverage::assert_whole`].
    pub fn of(messages: &[Message]) -> Self {
        let mut coverage = Self::default();
        for message in messages {
            let boot = message.boot.expect("lines of Logway have a boot");
            let is_gap = matches!(message.entry.body, Body::Gap(_));
            let seqs = coverage.boots.entry((message.instance.clone(), boot)).or_default();
            match seqs.get(&message.entry.seq) {
                Some((_, false)) if !is_gap => {
                    coverage.doubles.push(format!("{} {boot} {}", message.instance, message.entry.seq));
                }
                // A line always wins over a gap for the same seq.
                Some((_, false)) => {}
                _ => drop(seqs.insert(message.entry.seq, (message.entry.span, is_gap))),
            }
        }
        coverage
    }

    /// Panics unless each boot is covered from 1 on without a hole, and no seq is there twice. Gives how many sequence
    /// numbers are lines (and events), and how many are lost in gaps.
    pub fn assert_whole(&self) -> (u64, u64) {
        assert!(self.doubles.is_empty(), "twice: {:?}", self.doubles);
        let (mut lines, mut lost) = (0, 0);
        for ((instance, boot), seqs) in &self.boots {
            let mut next = 1;
            for (&seq, &(span, is_gap)) in seqs {
                // A gap may have been overtaken in part by lines that came after all.
                assert!(seq <= next, "{instance} {boot}: {next} to {} are missing", seq - 1);
                let new = (seq + span).saturating_sub(next);
                next += new;
                if is_gap { lost += new } else { lines += new }
            }
        }
        (lines, lost)
    }
}

/// Asks the agents on the bus for all that they have of `org`, and gives it as it is in the spool: nothing is joined.
/// `address` is `HOST:PORT` of the bus, `credential` the file of a role that may ask.
pub fn spooled(address: &str, credential: &Path, org: &str) -> Vec<Message> {
    let login = std::fs::read_to_string(credential).expect("reading a credential");
    let (user, password) = login.trim().split_once(':').expect("a credential is user:password");
    let mut stream = TcpStream::connect(address).expect("connecting to the bus");
    stream.set_read_timeout(Some(DEADLINE)).expect("setting a timeout");
    let opening = format!(
        "CONNECT {{\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true,\"user\":\"{user}\",\"pass\":\"{password}\"}}\r\n\
         SUB _INBOX.{user}.t 1\r\n"
    );
    stream.write_all(opening.as_bytes()).expect("logging in on the bus");
    let mut reader = BufReader::new(stream);
    let mut messages = Vec::new();
    let mut request = serde_json::json!({ "org": org });
    loop {
        let text = request.to_string();
        let publish = format!("PUB sys.recent _INBOX.{user}.t {}\r\n{text}\r\n", text.len());
        reader.get_mut().write_all(publish.as_bytes()).expect("asking for recent lines");
        let end = loop {
            let payload = next_payload(&mut reader);
            if payload.starts_with("{\"end\"") {
                break serde_json::from_str::<serde_json::Value>(&payload).expect("the end is JSON");
            }
            messages.extend(parse(&payload));
        };
        // The lines come in pages.
        match end["end"]["more"].as_str() {
            Some(from) => request["page"] = serde_json::json!({ "host": end["end"]["host"], "from": from }),
            None => return messages,
        }
    }
}

/// The payload of the next MSG; PINGs are answered on the way.
fn next_payload(reader: &mut BufReader<TcpStream>) -> String {
    loop {
        let mut head = String::new();
        reader.read_line(&mut head).expect("reading from the bus");
        match head.split_whitespace().collect::<Vec<_>>()[..] {
            ["PING"] => reader.get_mut().write_all(b"PONG\r\n").expect("answering the bus"),
            ["MSG", .., size] => {
                let mut payload = vec![0; size.parse::<usize>().expect("a size") + 2];
                std::io::Read::read_exact(reader, &mut payload).expect("reading from the bus");
                return String::from_utf8(payload).expect("JSON is UTF-8").trim_end().to_owned();
            }
            ["INFO" | "PONG", ..] => {}
            _ => panic!("the bus said {head:?}"),
        }
    }
}
