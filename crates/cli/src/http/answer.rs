//! An answer as it comes: lines of NDJSON, or one document.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderMap;
use tokio::time::{Instant, timeout_at};

use super::{Line, Trouble, explain};
use crate::logs::neutral;

/// Most bytes of a line: a row has at most 2 MiB, and escapes can make it longer.
const MAX_LINE_BYTES: usize = 16 << 20;
/// Most bytes of a document.
const MAX_DOCUMENT_BYTES: usize = 16 << 20;
/// The header of an answer in which something is missing.
pub(crate) const PARTIAL: &str = "logway-partial";
/// The field of a row that says the same, when it was found out too late for a header. No app can have a field of this name.
const PARTIAL_FIELD: &str = "logway.partial";

/// An answer that has begun well.
#[derive(Debug)]
pub(crate) struct Answer {
    body: Incoming,
    buffer: BytesMut,
    /// Bytes of the buffer that are known to have no line break.
    searched: usize,
    missing: Option<Vec<String>>,
    patience: Duration,
    /// When something came last.
    heard: Instant,
    is_over: bool,
    _line: Line,
}

impl Answer {
    pub(super) fn new(response: Response<Incoming>, line: Line, patience: Duration) -> Self {
        let missing = missing(response.headers());
        let body = response.into_body();
        let (buffer, heard) = (BytesMut::new(), Instant::now());
        Self { body, buffer, searched: 0, missing, patience, heard, is_over: false, _line: line }
    }

    /// The next line that is not empty, without its end; `None` behind the last one of an answer that is whole. Nothing is
    /// lost when the future is dropped.
    ///
    /// # Errors
    /// When the answer broke off, or came to its end and is not complete.
    pub(crate) async fn line(&mut self) -> Result<Option<Bytes>, Trouble> {
        loop {
            if let Some(line) = self.next_in_buffer() {
                if !line.is_empty() && !self.is_notice(&line) {
                    return Ok(Some(line));
                }
                continue;
            }
            if self.is_over {
                let rest = std::mem::take(&mut self.buffer).freeze();
                return if rest.is_empty() || self.is_notice(&rest) { self.end() } else { Ok(Some(rest)) };
            }
            if self.buffer.len() > MAX_LINE_BYTES {
                return Err(Trouble::Broken(format!("a line has over {MAX_LINE_BYTES} bytes")));
            }
            self.read().await?;
        }
    }

    /// The next line, empty ones too, for a stream of events; `None` behind the last one. Nothing is lost when the future is
    /// dropped.
    ///
    /// # Errors
    /// When the answer broke off.
    pub(crate) async fn event_line(&mut self) -> Result<Option<Bytes>, Trouble> {
        loop {
            if let Some(line) = self.next_in_buffer() {
                return Ok(Some(line));
            }
            if self.is_over {
                let rest = std::mem::take(&mut self.buffer).freeze();
                return Ok((!rest.is_empty()).then_some(rest));
            }
            if self.buffer.len() > MAX_LINE_BYTES {
                return Err(Trouble::Broken(format!("a line has over {MAX_LINE_BYTES} bytes")));
            }
            self.read().await?;
        }
    }

    /// All of it, as one document.
    ///
    /// # Errors
    /// The same, and when it has over 16 MiB.
    pub(crate) async fn document(mut self) -> Result<Bytes, Trouble> {
        while !self.is_over {
            self.read().await?;
            if self.buffer.len() > MAX_DOCUMENT_BYTES {
                return Err(Trouble::Broken(format!("the answer has over {MAX_DOCUMENT_BYTES} bytes")));
            }
        }
        let document = std::mem::take(&mut self.buffer).freeze();
        self.end()?;
        Ok(document)
    }

    /// Whether a line can be had without waiting.
    pub(crate) fn has_line(&self) -> bool {
        self.buffer[self.searched..].contains(&b'\n')
    }

    fn next_in_buffer(&mut self) -> Option<Bytes> {
        let Some(at) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') else {
            self.searched = self.buffer.len();
            return None;
        };
        let line = self.buffer.split_to(self.searched + at).freeze();
        self.buffer.advance(1);
        self.searched = 0;
        Some(line)
    }

    /// Whether a line is no row but says what is missing, which is noted.
    fn is_notice(&mut self, line: &[u8]) -> bool {
        if memchr::memmem::find(line, PARTIAL_FIELD.as_bytes()).is_none() {
            return false;
        }
        let row = crate::rows::Row::read(line).unwrap_or_default();
        let why = row.get(PARTIAL_FIELD);
        if !why.is_empty() {
            self.missing.get_or_insert_default().push(neutral::plain(why));
        }
        !why.is_empty()
    }

    async fn read(&mut self) -> Result<(), Trouble> {
        let frame = match timeout_at(self.heard + self.patience, self.body.frame()).await {
            Ok(frame) => frame,
            Err(_) => {
                let why = format!("nothing came for {} s", self.patience.as_secs());
                return Err(Trouble::Broken(why));
            }
        };
        self.heard = Instant::now();
        match frame {
            None => self.is_over = true,
            // Who says why before it breaks off is believed.
            Some(Err(error)) => {
                let broken = Trouble::Broken(explain(&error));
                return Err(self.missing.take().map_or(broken, Trouble::Partial));
            }
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    self.buffer.extend_from_slice(&data);
                }
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<Option<Bytes>, Trouble> {
        match self.missing.take() {
            Some(missing) => Err(Trouble::Partial(missing)),
            None => Ok(None),
        }
    }
}

/// What a head says is missing; `None`: nothing.
fn missing(headers: &HeaderMap) -> Option<Vec<String>> {
    let value = headers.get(PARTIAL)?;
    let text = String::from_utf8_lossy(value.as_bytes());
    let text = neutral::plain(&text);
    Some(text.split(';').map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect())
}
