//! Lines and what is said between them, as bytes on the way to a client.

use std::sync::Arc;

use line::json::write_string;
use line::time::rfc3339;
use tokio::sync::mpsc;

use super::batch::Record;
use super::cursor::{Ahead, Cursor, Last, Since, Stand};
use super::delivery::{Chunk, Delivery, Tally};
use super::request::Format;
use crate::serve::unix_ns;

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

/// Lines as bytes, with where they end.
#[derive(Debug)]
pub(crate) struct Text {
    format: Format,
    bytes: Vec<u8>,
    base: Arc<Stand>,
    since: Since,
    /// Lines were written behind which no cursor stands yet.
    is_behind: bool,
    /// Lines that were written.
    lines: u64,
    /// Those that wait to be sent, by app.
    by_app: Tally,
}

impl Text {
    /// None, behind this cursor.
    pub(crate) fn new(format: Format, base: Arc<Stand>) -> Self {
        Self {
            format,
            bytes: Vec::new(),
            base,
            since: Since::default(),
            is_behind: false,
            lines: 0,
            by_app: Tally::new(),
        }
    }

    /// What it takes in memory, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.capacity()
    }

    fn cursor(&self) -> String {
        let mut text = self.base.text.as_bytes().to_vec();
        if !self.since.is_empty() {
            self.since.write(&mut text);
        }
        String::from_utf8(text).unwrap_or_default()
    }

    /// The client has a record.
    fn note(&mut self, record: &Record) {
        if let Some((boot, seq, end)) = record.id {
            self.since.note(boot, seq, end, record.is_gap);
        }
    }

    /// A line. In history, `last` says which it is.
    pub(crate) fn line(&mut self, record: &Record, last: Option<Last>) {
        match last {
            Some(last) => self.since.note_history(last),
            None => self.note(record),
        }
        self.lines += 1;
        match self.by_app.get_mut(&record.app) {
            Some(lines) => *lines += 1,
            None => _ = self.by_app.insert(record.app.clone(), 1),
        }
        self.is_behind = true;
        if self.format == Format::Sse {
            if self.base.text.len() <= MAX_ID_BYTES {
                self.write_id();
            }
            self.bytes.extend_from_slice(b"data: ");
        }
        self.bytes.extend_from_slice(&record.json);
        self.bytes.extend_from_slice(if self.format == Format::Sse { b"\n\n" } else { b"\n" });
    }

    fn write_id(&mut self) {
        self.bytes.extend_from_slice(b"id: ");
        self.bytes.extend_from_slice(self.base.text.as_bytes());
        if !self.since.is_empty() {
            self.since.write(&mut self.bytes);
        }
        self.bytes.push(b'\n');
        self.is_behind = false;
    }

    /// Has a cursor stand behind all lines.
    fn close(&mut self) {
        if !self.is_behind {
            return;
        }
        match self.format {
            Format::Sse => {
                self.write_id();
                self.bytes.push(b'\n');
            }
            Format::Ndjson => {
                let cursor = self.cursor();
                self.bytes
                    .extend_from_slice(format!("{{\"tail\":{{\"cursor\":\"{cursor}\"}}}}\n").as_bytes());
                self.is_behind = false;
            }
        }
    }
}

/// Writes to a client.
pub(crate) struct Writer {
    out: mpsc::Sender<Chunk>,
    text: Text,
    delivery: Arc<Delivery>,
    /// From when the first line is that waits to be sent, Unix nanoseconds.
    first: Option<i64>,
    /// What waits to be sent is known to wait: somebody ended the wait for a place.
    is_offered: bool,
}

impl Writer {
    pub(crate) fn new(format: Format, out: mpsc::Sender<Chunk>, delivery: Arc<Delivery>) -> Self {
        Self {
            out,
            text: Text::new(format, Arc::new(Stand::default())),
            delivery,
            first: None,
            is_offered: false,
        }
    }

    /// What follows was ready at this time or, where a tail catches up, written. Unix nanoseconds.
    pub(crate) fn reach(&mut self, time: i64) {
        self.first.get_or_insert(time);
    }

    /// Whether lines come as they are written.
    pub(crate) fn set_live(&self, is_live: bool) {
        self.delivery.set_live(is_live);
    }

    /// From here on positions are told from this cursor, and what was given of `beside` that it does not know.
    pub(crate) fn stand(&mut self, base: Arc<Stand>, beside: &Ahead) {
        self.text.base = base;
        self.text.since = Since::of(beside.clone());
    }

    /// The same, with nothing beside.
    pub(crate) fn stand_at(&mut self, cursor: &Cursor) {
        self.stand(Stand::new(cursor.clone(), None), &Ahead::new());
    }

    /// Where the client stands.
    pub(crate) fn position(&self) -> Cursor {
        let mut cursor = self.text.base.cursor.clone();
        self.text.since.add_to(&mut cursor);
        cursor
    }

    /// The client has a record, from elsewhere.
    pub(crate) fn note(&mut self, record: &Record) {
        self.text.note(record);
    }

    /// How many boots it was given something of that the last position it stood at does not tell.
    pub(crate) fn boots_beside(&self) -> usize {
        self.text.since.boots()
    }

    /// A line. In history, `last` says which it is.
    pub(crate) async fn line(&mut self, record: &Record, last: Option<Last>) -> Result<(), Gone> {
        self.text.line(record, last);
        self.send_if_enough().await
    }

    /// Lines that others get as well, behind where the client stands and up to the cursor `end`.
    pub(crate) async fn shared(&mut self, lines: &Text, end: Arc<Stand>) -> Result<(), Gone> {
        let text = &mut self.text;
        text.bytes.extend_from_slice(&lines.bytes);
        text.lines += lines.lines;
        for (app, lines) in &lines.by_app {
            *text.by_app.entry(app.clone()).or_default() += lines;
        }
        text.is_behind = if lines.lines > 0 { lines.is_behind } else { text.is_behind };
        (text.base, text.since) = (end, Since::default());
        self.send_if_enough().await
    }

    async fn send_if_enough(&mut self) -> Result<(), Gone> {
        if self.text.bytes.len() >= CHUNK_BYTES { self.send().await } else { Ok(()) }
    }

    /// Sends what was written, with a cursor behind it.
    pub(crate) async fn flush(&mut self) -> Result<(), Gone> {
        self.text.close();
        if self.text.bytes.is_empty() {
            // None of what was ready was for this client.
            self.first = None;
            return Ok(());
        }
        self.send().await
    }

    /// The same; says whether there was anything.
    pub(crate) async fn flush_lines(&mut self) -> Result<bool, Gone> {
        let has_lines = self.text.is_behind || !self.text.bytes.is_empty();
        self.flush().await?;
        Ok(has_lines)
    }

    /// Says something, and sends it with what was written before.
    pub(crate) async fn say(&mut self, notice: Notice<'_>) -> Result<(), Gone> {
        // The cursor that it carries is behind all lines.
        self.text.is_behind = false;
        let cursor = self.text.cursor();
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
            let key = match (self.text.format, key) {
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
        let (before, behind) = match self.text.format {
            Format::Sse => (format!("event: {name}\nid: {cursor}\ndata: "), "\n\n"),
            Format::Ndjson => ("{\"tail\":".to_owned(), "}\n"),
        };
        for bytes in [before.as_bytes(), &json, behind.as_bytes()] {
            self.text.bytes.extend_from_slice(bytes);
        }
        self.send().await
    }

    async fn send(&mut self) -> Result<(), Gone> {
        // Whoever ends this while it waits says where the client stands: what was written is not lost then.
        if !self.is_offered {
            self.delivery.offer(self.first.take().unwrap_or_else(unix_ns));
            self.is_offered = true;
        }
        let place = self.out.reserve().await.map_err(|_| Gone)?;
        self.is_offered = false;
        let (bytes, lines) = (std::mem::take(&mut self.text.bytes), std::mem::take(&mut self.text.by_app));
        place.send(Chunk { bytes: bytes.into(), lines });
        Ok(())
    }

    /// How many lines were written since it was asked last.
    pub(crate) fn take_lines(&mut self) -> u64 {
        std::mem::take(&mut self.text.lines)
    }

    /// Resolves when nobody reads any more.
    pub(crate) async fn gone(&self) {
        self.out.closed().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use access::{Deliveries, Grant, Scope};

    #[tokio::test]
    async fn what_was_ready_for_others_alone_is_not_waited_for() {
        let org = line::OrgId::mint(1);
        let grant = Grant { org, scope: Scope::ALL, revocation_ids: Vec::new(), key_id: 1 };
        let delivery = Delivery::begin(&Arc::new(Deliveries::default()), &grant, None, true);
        let (out, mut chunks) = mpsc::channel(1);
        let mut writer = Writer::new(Format::Ndjson, out, delivery);
        writer.reach(5);
        assert_eq!((writer.first, writer.flush().await, writer.first), (Some(5), Ok(()), None));
        writer.reach(7);
        writer.reach(9);
        assert_eq!(writer.first, Some(7));
        writer.say(Notice::State("live", None)).await.unwrap();
        assert!(writer.first.is_none() && chunks.recv().await.is_some());
    }
}
