//! Who read what: one JSON object a line, in a file of mode 0600.
//!
//! Clients are never held up by it. A record that finds the queue full is counted in place of written, and the count is the next
//! record. No secret stands in it: a token is named by the first digits of its revocation id.

use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tokio::sync::mpsc;

/// Records that may wait to be written.
const QUEUE: usize = 4096;
/// How often it is said that the file cannot be written.
const SAY_EVERY: Duration = Duration::from_secs(60);
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
        /// Records of this connection that were not written because it made too many.
        unwritten: u64,
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

/// How much one connection may have written down: a second's worth, and at once.
const PER_SECOND: u32 = 20;
const AT_ONCE: u32 = 200;

/// What one connection may still have written down, so that none pushes out what is known of others.
#[derive(Debug)]
pub(crate) struct Allowance {
    paid_until: Instant,
    pub(crate) unwritten: u64,
}

impl Allowance {
    pub(crate) fn new(now: Instant) -> Self {
        Self { paid_until: now, unwritten: 0 }
    }

    /// Whether one more record is written.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let cost = Duration::from_secs(1) / PER_SECOND;
        let paid_until = self.paid_until.max(now) + cost;
        let may = paid_until <= now + cost * AT_ONCE;
        if may {
            self.paid_until = paid_until;
        } else {
            self.unwritten += 1;
        }
        may
    }
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
        let mut last_said: Option<Instant> = None;
        std::thread::Builder::new().name("audit".to_owned()).spawn(move || {
            while let Some((time, event)) = events.blocking_recv() {
                let missing = counted.swap(0, Ordering::Relaxed);
                let missing = (missing > 0).then_some(Event::Missing { count: missing });
                for event in missing.iter().chain([&event]) {
                    if let Err(error) = file.write(time, event) {
                        counted.fetch_add(1, Ordering::Relaxed);
                        if last_said.is_none_or(|at| at.elapsed() >= SAY_EVERY) {
                            last_said = Some(Instant::now());
                            tracing::error!(path = %file.path.display(), %error, "cannot write the audit log");
                        }
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
    /// The last record may not be whole.
    is_torn: bool,
}

impl File {
    fn open(path: &Path) -> io::Result<Self> {
        let file = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, bytes, is_torn: false })
    }

    fn write(&mut self, time: SystemTime, event: &Event) -> io::Result<()> {
        if self.bytes >= MAX_FILE_BYTES {
            let mut old = self.path.clone().into_os_string();
            old.push(".1");
            std::fs::rename(&self.path, old)?;
            *self = Self::open(&self.path)?;
        }
        let mut line = Vec::new();
        if self.is_torn {
            line.push(b'\n');
        }
        serde_json::to_writer(&mut line, &Record { time: rfc3339(time), event })?;
        line.push(b'\n');
        self.is_torn = true;
        self.file.write_all(&line)?;
        self.is_torn = false;
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
    fn one_connection_has_so_many_records_and_the_rest_is_counted() {
        let start = Instant::now();
        let mut allowance = Allowance::new(start);
        let take = |allowance: &mut Allowance, ms| allowance.take(start + Duration::from_millis(ms));
        assert_eq!((0..300).filter(|_| take(&mut allowance, 0)).count(), 200);
        assert_eq!(allowance.unwritten, 100);
        assert_eq!((0..100).filter(|_| take(&mut allowance, 1000)).count(), 20);
    }

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
