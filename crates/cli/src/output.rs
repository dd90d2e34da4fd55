//! stdout is data, stderr is notices.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use anstream::ColorChoice;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::logs::neutral;

/// Why a write to stdout failed: whoever read it has gone, as `head` does when it has enough. No error for us.
#[derive(Debug)]
struct ReaderGone;

impl fmt::Display for ReaderGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the reader of the output has gone")
    }
}

impl std::error::Error for ReaderGone {}

/// Whether `error` says that the reader of stdout has gone.
pub(crate) fn is_reader_gone(error: &anyhow::Error) -> bool {
    let is_it = |error: &io::Error| error.get_ref().is_some_and(|inner| inner.is::<ReaderGone>());
    error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(is_it)
}

/// stdout, buffered. Flush it before waiting for anything.
pub(crate) struct Data(io::BufWriter<io::Stdout>);

/// Bytes that are collected before a write.
const BUFFER_BYTES: usize = 64 * 1024;

impl Data {
    /// The process's stdout.
    pub(crate) fn stdout() -> Self {
        Self(io::BufWriter::with_capacity(BUFFER_BYTES, io::stdout()))
    }
}

fn name_reader_gone(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return io::Error::new(io::ErrorKind::BrokenPipe, ReaderGone);
    }
    error
}

impl Write for Data {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(bytes).map_err(name_reader_gone)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(name_reader_gone)
    }
}

/// Comes to its end when whoever read stdout has gone, as `head` does when it has enough. A write would tell, but who follows lines
/// may have none to write for hours.
pub(crate) async fn reader_gone() {
    let (sender, gone) = tokio::sync::oneshot::channel();
    // It waits for as long as the process lives.
    std::thread::spawn(move || {
        let stdout = io::stdout();
        let mut watched = [PollFd::new(&stdout, PollFlags::empty())];
        while poll(&mut watched, None) == Err(Errno::INTR) {}
        if watched[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) {
            // Nobody may listen any more.
            let _ = sender.send(());
        }
    });
    if gone.await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// How many letters a row of the terminal has that notices go to; 80 if it is none or does not say.
pub(crate) fn columns() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stderr());
    size.ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0).unwrap_or(80)
}

/// Whether stdout is a terminal, and whether to write colours to it (`NO_COLOR`, `CLICOLOR_FORCE` and `TERM` count).
pub(crate) fn terminal() -> (bool, bool) {
    let stdout = io::stdout();
    let has_colour = !matches!(anstream::AutoStream::choice(&stdout), ColorChoice::Never);
    (stdout.is_terminal(), has_colour)
}

/// Tells the person something, on stderr. That nobody reads it is no reason to stop. A part of it may come from others, so
/// control sequences are shown, not obeyed.
pub(crate) fn notice(text: &str) {
    let _ = writeln!(anstream::stderr(), "{}", harmless(text));
}

/// The same, faint where there are colours: for what need not be read.
pub(crate) fn aside(text: &str) {
    let _ = writeln!(anstream::stderr(), "\u{1b}[2m{}\u{1b}[0m", harmless(text));
}

/// The same with a tick before it, green where there are colours: a step that is done.
pub(crate) fn done(text: &str) {
    let _ = writeln!(anstream::stderr(), "\u{1b}[32m✓\u{1b}[0m {}", harmless(text));
}

/// Each line of `text` as a terminal may have it.
fn harmless(text: &str) -> String {
    text.split('\n').map(neutral::plain).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_keep_their_lines_and_nothing_else() {
        assert_eq!(harmless("\nbus: 'x\u{1b}[2J\r\u{9b}'\n"), "\nbus: 'x\\x1b[2J\\r\\u{9b}'\n");
    }

    #[test]
    fn a_reader_that_left_is_known_through_any_context() {
        let left = name_reader_gone(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(is_reader_gone(&anyhow::Error::new(left).context("writing a line")));
        // Another pipe that broke is an error.
        assert!(!is_reader_gone(&io::Error::from(io::ErrorKind::BrokenPipe).into()));
        let full = name_reader_gone(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    }
}
