//! Lines and what is said between them, as bytes on the way to a client.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use line::json::write_string;
use line::time::rfc3339;
use tokio::sync::mpsc;

use super::batch::Record;
use super::cursor::{BootKey, Given, Last, Since};
use super::request::Format;

/// Bytes that are sent together, about.
const CHUNK_BYTES: usize = 32 << 10;
/// A cursor of more letters stands behind the last line of a batch only, not behind each.
const MAX_ID_BYTES: usize = 400;

/// Nobody reads any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

/// What is said between lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice<'a> {
    /// How it stands: a word for programs, and why in words.
    State(&'static str, Option<&'a str>),
    /// It lives. The time, Unix nanoseconds.
    Heartbeat(i64),
    /// There comes no more: why, and the code to look up.
    End(&'a str, Option<&'a str>),
}

/// Writes to a client.
pub(crate) struct Writer {
    format: Format,
    out: mpsc::Sender<Bytes>,
    buffer: Vec<u8>,
    base: Arc<str>,
    since: Since,
    /// Lines were written behind which no cursor stands yet.
    is_behind: bool,
    /// Lines that were written, since it was asked last.
    lines: u64,
}

impl Writer {
    pub(crate) fn new(format: Format, out: mpsc::Sender<Bytes>) -> Self {
        let (buffer, base, since) = (Vec::new(), Arc::from(""), Since::default());
        Self { format, out, buffer, base, since, is_behind: false, lines: 0 }
    }

    /// From here on positions are told from this cursor, and what was given of `beside` that it does not know.
    pub(crate) fn stand(&mut self, base: Arc<str>, beside: &BTreeMap<BootKey, Given>) {
        self.base = base;
        self.since = Since::of(beside.clone());
    }

    /// Where the client stands, as text.
    pub(crate) fn cursor(&self) -> String {
        let mut text = self.base.as_bytes().to_vec();
        if !self.since.is_empty() {
            self.since.write(&mut text);
        }
        String::from_utf8(text).unwrap_or_default()
    }

    /// A line. In history, `last` says which it is.
    pub(crate) async fn line(&mut self, record: &Record, last: Option<Last>) -> Result<(), Gone> {
        match (last, record.id) {
            (Some(last), _) => self.since.note_history(last),
            (None, Some((boot, seq, end))) => self.since.note(boot, seq, end, record.is_gap),
            (None, None) => {}
        }
        self.lines += 1;
        self.is_behind = true;
        if self.format == Format::Sse {
            if self.base.len() <= MAX_ID_BYTES {
                self.write_id();
            }
            self.buffer.extend_from_slice(b"data: ");
        }
        self.buffer.extend_from_slice(&record.json);
        self.buffer.extend_from_slice(if self.format == Format::Sse { b"\n\n" } else { b"\n" });
        if self.buffer.len() >= CHUNK_BYTES { self.send().await } else { Ok(()) }
    }

    fn write_id(&mut self) {
        self.buffer.extend_from_slice(b"id: ");
        let cursor = self.cursor();
        self.buffer.extend_from_slice(cursor.as_bytes());
        self.buffer.push(b'\n');
        self.is_behind = false;
    }

    /// Sends what was written, with a cursor behind it.
    pub(crate) async fn flush(&mut self) -> Result<(), Gone> {
        if self.is_behind {
            match self.format {
                Format::Sse => {
                    self.write_id();
                    self.buffer.push(b'\n');
                }
                Format::Ndjson => {
                    let cursor = self.cursor();
                    self.buffer
                        .extend_from_slice(format!("{{\"tail\":{{\"cursor\":\"{cursor}\"}}}}\n").as_bytes());
                    self.is_behind = false;
                }
            }
        }
        if self.buffer.is_empty() { Ok(()) } else { self.send().await }
    }

    /// The same; says whether there was anything.
    pub(crate) async fn flush_lines(&mut self) -> Result<bool, Gone> {
        let has_lines = self.is_behind || !self.buffer.is_empty();
        self.flush().await?;
        Ok(has_lines)
    }

    /// Says something, and sends it with what was written before.
    pub(crate) async fn say(&mut self, notice: Notice<'_>) -> Result<(), Gone> {
        // The cursor that it carries is behind all lines.
        self.is_behind = false;
        let cursor = self.cursor();
        let (name, pairs) = match notice {
            Notice::State(state, why) => {
                ("state", vec![("state", Some(state.to_owned())), ("why", why.map(str::to_owned))])
            }
            Notice::Heartbeat(now) => ("heartbeat", vec![("time", Some(rfc3339(now)))]),
            Notice::End(why, code) => {
                ("end", vec![("why", Some(why.to_owned())), ("code", code.map(str::to_owned))])
            }
        };
        let mut json = b"{".to_vec();
        for (key, value) in pairs {
            let Some(value) = value else { continue };
            // In NDJSON the first one goes by the notice's name.
            let key = match (self.format, key) {
                (Format::Ndjson, "time") => "heartbeat",
                (Format::Ndjson, "why") if name == "end" => "end",
                (_, key) => key,
            };
            write_string(key, &mut json);
            json.push(b':');
            write_string(&value, &mut json);
            json.push(b',');
        }
        json.extend_from_slice(format!("\"cursor\":\"{cursor}\"}}").as_bytes());
        let (before, behind) = match self.format {
            Format::Sse => (format!("event: {name}\nid: {cursor}\ndata: "), "\n\n"),
            Format::Ndjson => ("{\"tail\":".to_owned(), "}\n"),
        };
        for bytes in [before.as_bytes(), &json, behind.as_bytes()] {
            self.buffer.extend_from_slice(bytes);
        }
        self.send().await
    }

    async fn send(&mut self) -> Result<(), Gone> {
        let bytes = Bytes::from(std::mem::take(&mut self.buffer));
        self.out.send(bytes).await.map_err(|_| Gone)
    }

    /// How many lines were written since it was asked last.
    pub(crate) fn take_lines(&mut self) -> u64 {
        std::mem::take(&mut self.lines)
    }

    /// Resolves when nobody reads any more.
    pub(crate) async fn gone(&self) {
        self.out.closed().await;
    }
}
