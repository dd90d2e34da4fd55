//! Where an export goes: to stdout, or to a file that can be gone on with.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::fs::FlockOperation;

use super::state::{self, Question, State};
use crate::exit::Exit;
use crate::fail::Fail;
use crate::output::{Data, notice};
use crate::scope::Range;

/// How much may be lost at most by a crash, and so has to be fetched again: what comes first.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
const COMMIT_BYTES: u64 = 64 << 20;

/// Where the lines go.
pub(super) struct Output {
    target: Target,
    state: State,
    /// What of it is safe, in bytes, and since when.
    committed: (u64, Instant),
}

enum Target {
    Stdout(Data),
    File { file: File, path: PathBuf },
}

impl Output {
    /// To stdout.
    pub(super) fn stdout(state: State) -> (Self, State) {
        Self::new(Target::Stdout(Data::stdout()), state)
    }

    /// To a file that is not there yet.
    ///
    /// # Errors
    /// When it is there, or cannot be made.
    pub(super) fn create(path: &Path, state: State) -> Result<(Self, State)> {
        may_be_file(path)?;
        if path.exists() {
            let what = format!("{} is there already", path.display());
            let hint = match state::path(path).exists() {
                true => "--resume goes on with it; to begin anew, remove it",
                false => "remove it, or choose another name",
            };
            return Fail::new(Exit::Failure, what).hint(hint).err();
        }
        // First the state: with the file alone nobody could go on.
        if let Err(error) = state.save(path) {
            let what = format!("{} cannot be written", state::path(path).display());
            return Fail::new(Exit::Failure, what)
                .why(error)
                .hint(
                    "look whether its folder is there, and whether you may write to it; or name another file",
                )
                .err();
        }
        let file = open(path, OpenOptions::new().create_new(true))?;
        Ok(Self::new(Target::File { file, path: path.to_owned() }, state))
    }

    /// To a file that an export of the same has begun; to a new one, of the time that `range` gives, if there is none.
    ///
    /// # Errors
    /// When the file is not that of an export that was interrupted, or of another one.
    pub(super) fn resume(
        path: &Path,
        question: &Question,
        range: impl FnOnce() -> Result<Range>,
    ) -> Result<(Self, State)> {
        may_be_file(path)?;
        let Some(state) = State::read(path)? else {
            if path.exists() {
                let what = format!(
                    "there is nothing to resume: beside {} is no {}",
                    path.display(),
                    state::path(path).display()
                );
                return Fail::new(Exit::Failure, what)
                    .hint("that export was finished, or the file is not of one; remove it to begin anew")
                    .err();
            }
            return Self::create(path, State::new(question.clone(), range()?));
        };
        if state.question != *question {
            return Fail::new(Exit::Usage, format!("{} was begun with another query or app", path.display()))
                .why(format!(
                    "it was {:?}{}",
                    state.question.query,
                    state.question.filter.as_deref().map_or(String::new(), |f| format!(" of {f}"))
                ))
                .hint("give the same again, or another file")
                .err();
        }
        let mut file = open(path, OpenOptions::new().create(true))?;
        let length = file.metadata()?.len();
        if length < state.bytes {
            let what = format!("{} has {length} bytes, and {} were written", path.display(), state.bytes);
            return Fail::new(Exit::Failure, what)
                .hint("somebody has changed it: remove it and its .resume, and export anew")
                .err();
        }
        file.set_len(state.bytes)
            .and_then(|()| file.seek(SeekFrom::End(0)))
            .with_context(|| writing(path))?;
        notice(&format!("going on at {}, behind {} lines", line::time::rfc3339(state.next), state.lines));
        Ok(Self::new(Target::File { file, path: path.to_owned() }, state))
    }

    fn new(target: Target, state: State) -> (Self, State) {
        let committed = (state.bytes, Instant::now());
        (Self { target, state: state.clone(), committed }, state)
    }

    /// How far it has come.
    pub(super) const fn state(&self) -> &State {
        &self.state
    }

    /// Writes all lines of the time up to `next`.
    pub(super) fn write(&mut self, bytes: &[u8], lines: u64, next: i64) -> Result<()> {
        match &mut self.target {
            Target::Stdout(out) => {
                out.write_all(bytes)?;
                out.flush()?;
            }
            Target::File { file, path } => file.write_all(bytes).with_context(|| writing(path))?,
        }
        self.state.bytes += bytes.len() as u64;
        self.state.lines += lines;
        self.state.next = next;
        let (bytes, since) = self.committed;
        if self.state.bytes - bytes >= COMMIT_BYTES || since.elapsed() >= COMMIT_EVERY {
            self.commit()?;
        }
        Ok(())
    }

    /// Makes what is written safe.
    pub(super) fn commit(&mut self) -> Result<()> {
        if let Target::File { file, path } = &mut self.target {
            // What a failed write has left is behind what counts.
            file.sync_data().and_then(|()| self.state.save(path)).with_context(|| writing(path))?;
        }
        self.committed = (self.state.bytes, Instant::now());
        Ok(())
    }

    /// Makes all of it safe: there is nothing more to go on with.
    pub(super) fn finish(&mut self) -> Result<()> {
        match &mut self.target {
            Target::Stdout(out) => Ok(out.flush()?),
            Target::File { file, path } => {
                file.sync_all().and_then(|()| State::remove(path)).with_context(|| writing(path))
            }
        }
    }
}

/// That there is a file at `path`, or nothing: with anything else nobody could go on, and it is not to be removed.
fn may_be_file(path: &Path) -> Result<()> {
    let Ok(metadata) = path.metadata() else { return Ok(()) };
    let path = path.display();
    let (what, hint) = match () {
        () if metadata.is_file() => return Ok(()),
        () if metadata.is_dir() => (format!("{path} is a folder"), "name a file in it".to_owned()),
        () => (
            format!("{path} is no file"),
            format!("leave --out away, and write '> {path}' behind the command"),
        ),
    };
    Fail::new(Exit::Failure, what).hint(hint).err()
}

fn writing(path: &Path) -> String {
    format!("writing {}", path.display())
}

/// Opens a file for this process alone.
fn open(path: &Path, options: &mut OpenOptions) -> Result<File> {
    let file =
        options.write(true).mode(0o600).open(path).with_context(|| format!("opening {}", path.display()))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(error) if io::Error::from(error).kind() == io::ErrorKind::WouldBlock => {
            Fail::new(Exit::Failure, format!("another export writes to {}", path.display()))
                .hint("wait for it, or choose another file")
                .err()
        }
        Err(error) => Err(io::Error::from(error)).with_context(|| format!("locking {}", path.display())),
    }
}
