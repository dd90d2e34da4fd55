//! Who read what: one JSON object a line, in a file of mode 0600.
//!
//! Clients are never held up by it. A record that finds the queue full is counted in place of written, and the count is the next
//! record. No secret stands in it: a token is named by the first digits of its revocation id.

use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tokio::sync::mpsc;

/// Records that may wait to be written.
const QUEUE: usize = 4096;
/// When the file has so many bytes, it is kept as `NAME.1` and a new one is begun; an older `NAME.1` is replaced.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event {
    /// Somebody was let in.
    Login { connection: u64, from: String, org: String, slug: String, token: String, client: String },
    /// Somebody was not.
    Refused { from: String, user: String, why: String },
    /// A subscription began.
    Subscribe { connection: u64, org: String, pattern: String, queue: Option<String> },
    /// One was refused.
    Denied { connection: u64, org: String, what: &'static str, subject: String },
    /// Recent lines were asked for.
    Recent { connection: u64, org: String, pattern: String },
    /// A connection ended.
    End {
        connection: u64,
        org: String,
        why: &'static str,
        seconds: u64,
        messages: u64,
        bytes: u64,
        skipped_lines: u64,
    },
    /// Records were not written, because there were too many.
    Missing { count: u64 },
}

#[derive(Debug, Serialize)]
struct Record<'a> {
    time: String,
    #[serde(flatten)]
    event: &'a Event,
}

/// Where events are told.
#[derive(Debug, Clone)]
pub(crate) struct Audit {
    queue: Option<mpsc::Sender<(SystemTime, Event)>>,
    missed: Arc<AtomicU64>,
}

impl Audit {
    /// One that keeps nothing.
    pub(crate) fn none() -> Self {
        Self { queue: None, missed: Arc::default() }
    }

    /// One that writes to `path`, in a thread of its own, until all its clones are gone.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub(crate) fn to(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let (queue, mut events) = mpsc::channel::<(SystemTime, Event)>(QUEUE);
        let missed = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&missed);
        std::thread::Builder::new().name("audit".to_owned()).spawn(move || {
            while let Some((time, event)) = events.blocking_recv() {
                let missing = counted.swap(0, Ordering::Relaxed);
                let missing = (missing > 0).then_some(Event::Missing { count: missing });
                for event in missing.iter().chain([&event]) {
                    if let Err(error) = file.write(time, event) {
                        counted.fetch_add(1, Ordering::Relaxed);
                        tracing::error!(path = %file.path.display(), %error, "cannot write the audit log");
                    }
                }
            }
        })?;
        Ok(Self { queue: Some(queue), missed })
    }

    /// Tells it.
    pub(crate) fn tell(&self, event: impl FnOnce() -> Event) {
        if let Some(queue) = &self.queue
            && queue.try_send((SystemTime::now(), event())).is_err()
        {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The file that is written to.
struct File {
    path: PathBuf,
    file: std::fs::File,
    bytes: u64,
}

impl File {
    fn open(path: &Path) -> io::Result<Self> {
        let file = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, bytes })
    }

    fn write(&mut self, time: SystemTime, event: &Event) -> io::Result<()> {
        if self.bytes >= MAX_FILE_BYTES {
            let mut old = self.path.clone().into_os_string();
            old.push(".1");
            std::fs::rename(&self.path, old)?;
            *self = Self::open(&self.path)?;
        }
        let mut line = serde_json::to_vec(&Record { time: rfc3339(time), event })?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.bytes += line.len() as u64;
        Ok(())
    }
}

fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut text = Vec::new();
    line::time::write_rfc3339(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX), &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_lines_of_json_and_a_full_file_is_put_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.ndjson");
        let mut file = File::open(&path).unwrap();
        let time = UNIX_EPOCH + std::time::Duration::from_secs(1_764_000_000);
        let event = Event::Refused { from: "10.0.0.1:5".into(), user: "a\nb".into(), why: "x".into() };
        file.write(time, &event).unwrap();
        let written = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            written,
            "{\"time\":\"2025-11-24T16:00:00.000000000Z\",\"event\":\"refused\",\"from\":\"10.0.0.1:5\",\"user\":\"a\\nb\",\"why\":\"x\"}\n"
        );
        file.bytes = MAX_FILE_BYTES;
        file.write(time, &event).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), written);
        assert_eq!(std::fs::read_to_string(dir.path().join("audit.ndjson.1")).unwrap(), written);
    }
}
