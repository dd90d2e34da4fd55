//! How far an export has come, in a small file beside the large one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::exit::Exit;
use crate::fail::Fail;
use crate::scope::Range;

/// What is exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Question {
    pub(super) query: String,
    /// The apps, regions and instances, as the server takes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) filter: Option<String>,
}

/// How far it has come. Times are Unix nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    version: u32,
    #[serde(flatten)]
    pub(super) question: Question,
    since: i64,
    until: i64,
    /// Everything before this is written.
    pub(super) next: i64,
    /// So many bytes of the file are that.
    pub(super) bytes: u64,
    pub(super) lines: u64,
}

/// The form of the file.
const VERSION: u32 = 1;

impl State {
    /// Nothing is written yet.
    pub(super) const fn new(question: Question, range: Range) -> Self {
        let (since, until) = (range.from, range.to);
        Self { version: VERSION, question, since, until, next: since, bytes: 0, lines: 0 }
    }

    /// Of which time.
    pub(super) const fn range(&self) -> Range {
        Range { from: self.since, to: self.until }
    }

    /// The state beside the file `out`, if there is one.
    ///
    /// # Errors
    /// When it cannot be read, or is no state.
    pub(super) fn read(out: &Path) -> Result<Option<Self>> {
        let path = path(out);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        };
        match serde_json::from_str::<Self>(&text) {
            Ok(state)
                if state.version == VERSION && state.since <= state.next && state.next <= state.until =>
            {
                Ok(Some(state))
            }
            _ => Fail::new(Exit::Failure, format!("{} does not say how far the export came", path.display()))
                .hint("remove both files, and export anew")
                .err(),
        }
    }

    /// Writes it so that after a power cut it is this one or the one before.
    pub(super) fn save(&self, out: &Path) -> io::Result<()> {
        let path = path(out);
        let mut new = path.clone().into_os_string();
        new.push(".new");
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(format!("{}\n", serde_json::to_string(self)?).as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        sync_dir(out)
    }

    /// Removes it: the export is done.
    pub(super) fn remove(out: &Path) -> io::Result<()> {
        fs::remove_file(path(out))?;
        sync_dir(out)
    }
}

/// Where the state of the export to `out` is.
pub(super) fn path(out: &Path) -> PathBuf {
    let mut path = out.as_os_str().to_owned();
    path.push(".resume");
    path.into()
}

fn sync_dir(path: &Path) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir)?.sync_all()
}
