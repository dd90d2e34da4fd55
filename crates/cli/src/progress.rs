//! What a person sees of work that takes long: one line on stderr that is written over, on a terminal alone, and not before a
//! second has passed. And the way out of such work: Ctrl-C.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::logs::neutral;
use crate::output::columns;
use crate::signals::Signals;

/// How long nothing is shown.
const QUIET: Duration = Duration::from_secs(1);
/// How often the line is written.
const TICK: Duration = Duration::from_millis(200);
/// Most characters of the line: it must not wrap, or it could not be written over.
const MAX_WIDTH: usize = 79;

/// The line.
pub(crate) struct Progress {
    is_terminal: bool,
    begun: Instant,
    is_shown: Cell<bool>,
    text: RefCell<String>,
}

impl Progress {
    /// Nothing is shown yet; nothing at all if stderr is no terminal.
    pub(crate) fn new() -> Self {
        let (is_terminal, begun) = (io::stderr().is_terminal(), Instant::now());
        Self { is_terminal, begun, is_shown: Cell::new(false), text: RefCell::default() }
    }

    /// What is to be shown from now on, with the time behind it. Nothing, if it is empty.
    pub(crate) fn say(&self, text: String) {
        *self.text.borrow_mut() = text;
    }

    /// How long it has been going on.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Takes the line away: whoever writes to the terminal calls this first.
    pub(crate) fn clear(&self) {
        if self.is_shown.replace(false) {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
    }

    fn tick(&self) {
        let elapsed = self.elapsed();
        let text = self.text.borrow();
        if !self.is_terminal || elapsed < QUIET || text.is_empty() {
            return;
        }
        let line = format!("◌ {text}, {} s", elapsed.as_secs());
        // A row that is full goes on in the next one, which is not taken away again.
        let width = MAX_WIDTH.min(columns() - 1);
        let line: String = neutral::plain(&line).chars().take(width).collect();
        let _ = write!(io::stderr(), "\r{line}\u{1b}[K");
        self.is_shown.set(true);
    }

    /// Does `work`, and shows the line meanwhile. `None`: a signal came, and the work was dropped.
    pub(crate) async fn watch<T>(&self, signals: &mut Signals, work: impl Future<Output = T>) -> Option<T> {
        let mut work = std::pin::pin!(work);
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let done = loop {
            tokio::select! {
                biased;
                _ = signals.next() => break None,
                done = &mut work => break Some(done),
                _ = ticks.tick() => self.tick(),
            }
        };
        self.clear();
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_done_whatever_is_shown() {
        let progress = Progress::new();
        let mut signals = Signals::listen().unwrap();
        progress.say("searching".into());
        assert_eq!(progress.watch(&mut signals, async { 7 }).await, Some(7));
        assert!(!progress.is_shown.get());
    }
}
