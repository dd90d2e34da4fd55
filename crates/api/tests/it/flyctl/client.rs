//! fly-go's client: what it sends, and flyctl's loop around it.

use line::time::parse_rfc3339;

use super::decode::{LogEntry, page};
use crate::support::{Answered, Api, Client};

/// The ways in which a token stands in a request.
pub(super) const SCHEMES: [&str; 3] = ["FlyV1 ", "Bearer ", ""];

/// Somebody who reads an app's lines.
pub(super) struct Fly {
    client: Client,
    token: String,
    /// Without the arguments: `/api/v1/apps/web/logs`.
    path: String,
    /// As `url.Values` encodes them, sorted: what stands before and behind `next_token`.
    pub(super) around: (&'static str, &'static str),
    /// How many requests were sent.
    pub(super) asked: usize,
    /// What is sent next as `next_token`.
    pub(super) next: String,
}

impl Fly {
    pub(super) async fn new(api: &Api, token: &str, app: &str) -> Self {
        let client = Client::connect(api.address).await;
        let (path, around) = (format!("/api/v1/apps/{app}/logs"), ("", ""));
        Self { client, token: token.to_owned(), path, around, asked: 0, next: String::new() }
    }

    /// The same from another place.
    pub(super) fn at(mut self, next: impl ToString) -> Self {
        self.next = next.to_string();
        self
    }

    /// One request, byte for byte as Go sends it.
    pub(super) async fn ask(&mut self) -> Answered {
        let (before, behind) = self.around;
        let request = format!(
            "GET {}?{before}next_token={}{behind} HTTP/1.1\r\nHost: 127.0.0.1:4280\r\nUser-Agent: flyctl/0.3.210\r\n\
             Authorization: {}{}\r\nAccept-Encoding: gzip\r\n\r\n",
            self.path,
            self.next,
            SCHEMES[self.asked % SCHEMES.len()],
            self.token
        );
        self.asked += 1;
        self.client.send(request.as_bytes()).await;
        self.client.answer().await
    }

    /// What `GetAppLogs` gives: the lines, with what flyctl would stumble over looked at, and the next token.
    pub(super) async fn get(&mut self) -> (Vec<LogEntry>, String) {
        let answered = self.ask().await;
        assert_eq!(answered.status, 200, "{answered:?}");
        let (entries, next) = page(&answered.body).unwrap_or_else(|why| panic!("{why}: {answered:?}"));
        assert!(entries.len() <= 100 && next.bytes().all(|byte| byte.is_ascii_digit()), "{answered:?}");
        for (id, entry) in &entries {
            assert!(parse_rfc3339(&entry.timestamp).is_ok() && !id.is_empty(), "{entry:?}");
            assert!(["debug", "info", "warn", "error"].contains(&entry.level.as_str()), "{entry:?}");
        }
        (entries.into_iter().map(|(_, entry)| entry).collect(), next)
    }

    /// One turn of flyctl's loop: it takes no token from a page without lines.
    pub(super) async fn poll(&mut self) -> Vec<LogEntry> {
        let (entries, next) = self.get().await;
        if !entries.is_empty() && !next.is_empty() {
            self.next = next;
        }
        entries
    }

    /// The messages of all pages until one has nothing.
    pub(super) async fn drain(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            let entries = self.poll().await;
            if entries.is_empty() {
                return all;
            }
            all.extend(entries.into_iter().map(|entry| entry.message));
        }
    }
}
