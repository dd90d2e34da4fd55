//! Keeps the lines of one trace together where several instances write at once. A line of another source waits while a trace
//! goes on, for 200 ms at most; without a trace nothing waits.

use std::collections::VecDeque;
use std::time::Duration;

use line::LevelSource;

use super::trace::Trace;

/// The longest that a line waits.
const HOLD: Duration = Duration::from_millis(200);
/// Most lines and bytes that wait.
const MAX_WAITING: usize = 500;
const MAX_WAITING_BYTES: usize = 1 << 20;

/// A line as far as it matters here.
#[derive(Debug, Clone)]
pub(super) struct Joinable<T> {
    /// Who wrote it: instance, boot and stream.
    pub(super) key: String,
    /// `None`: nothing goes on with it, and it goes on with nothing.
    pub(super) text: Option<(String, LevelSource)>,
    pub(super) payload: T,
}

/// What is to be written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<T> {
    /// A line of its own.
    First(T),
    /// A line that goes on with the one before.
    Rest(T),
}

/// The last line that was written, with what may go on with it.
#[derive(Debug)]
struct Current {
    key: String,
    trace: Option<Trace>,
    last: Duration,
}

/// Joins. Pure: times come as arguments, since some moment.
#[derive(Debug)]
pub(super) struct Joiner<T> {
    current: Option<Current>,
    /// Lines of others, with the time at which they came.
    waiting: VecDeque<(Duration, Joinable<T>)>,
    waiting_bytes: usize,
}

impl<T> Default for Joiner<T> {
    fn default() -> Self {
        Self { current: None, waiting: VecDeque::new(), waiting_bytes: 0 }
    }
}

impl<T> Joiner<T> {
    /// Takes a line that came at `now`.
    pub(super) fn take(&mut self, now: Duration, line: Joinable<T>, out: &mut Vec<Piece<T>>) {
        self.tick(now, out);
        let is_first = self.waiting.is_empty();
        match &mut self.current {
            Some(current) if current.key == line.key => {
                let has_waiting = self.waiting.iter().any(|(_, other)| other.key == line.key);
                if !has_waiting && current.take(now, &line) {
                    out.push(Piece::Rest(line.payload));
                } else if is_first {
                    self.first(now, line, out);
                } else {
                    // The trace is over: what waited for it comes first.
                    self.hold(now, line);
                    self.go_on(now, out);
                }
            }
            Some(current) if !is_first || current.holds(now) => {
                self.hold(now, line);
                if self.waiting.len() > MAX_WAITING || self.waiting_bytes > MAX_WAITING_BYTES {
                    self.go_on(now, out);
                }
            }
            _ => self.first(now, line, out),
        }
    }

    /// Lets go of what has waited long enough.
    pub(super) fn tick(&mut self, now: Duration, out: &mut Vec<Piece<T>>) {
        while self.due().is_some_and(|due| due <= now) {
            self.go_on(now, out);
        }
    }

    /// Lets go of everything.
    pub(super) fn finish(&mut self, now: Duration, out: &mut Vec<Piece<T>>) {
        while !self.waiting.is_empty() {
            self.go_on(now, out);
        }
    }

    /// When something that waits has waited long enough.
    pub(super) fn due(&self) -> Option<Duration> {
        let (came, _) = self.waiting.front()?;
        let current = self.current.as_ref().map_or(Duration::ZERO, |current| current.last);
        Some((current + HOLD).min(*came + HOLD))
    }

    fn first(&mut self, now: Duration, line: Joinable<T>, out: &mut Vec<Piece<T>>) {
        let trace = line.text.as_ref().map(|(text, _)| Trace::begin(text));
        self.current = Some(Current { key: line.key, trace, last: now });
        out.push(Piece::First(line.payload));
    }

    fn hold(&mut self, now: Duration, line: Joinable<T>) {
        self.waiting_bytes += line.bytes();
        self.waiting.push_back((now, line));
    }

    /// Ends the trace that goes on: writes the first line that waits, with all that goes on with it, and further ones until one
    /// is a trace that may go on.
    fn go_on(&mut self, now: Duration, out: &mut Vec<Piece<T>>) {
        while let Some((came, line)) = self.waiting.pop_front() {
            self.waiting_bytes -= line.bytes();
            let key = line.key.clone();
            self.first(came, line, out);
            let is_over = self.rest(&key, out);
            if !is_over && self.current.as_ref().is_some_and(|current| current.holds(now)) {
                return;
            }
        }
    }

    /// Writes what goes on with the current line of those that wait. Says whether another line of the same source waits.
    fn rest(&mut self, key: &str, out: &mut Vec<Piece<T>>) -> bool {
        let mut at = 0;
        while let Some((came, line)) = self.waiting.get(at) {
            if line.key != key {
                at += 1;
                continue;
            }
            if !self.current.as_mut().is_some_and(|current| current.take(*came, line)) {
                return true;
            }
            if let Some((_, line)) = self.waiting.remove(at) {
                self.waiting_bytes -= line.bytes();
                out.push(Piece::Rest(line.payload));
            }
        }
        false
    }
}

impl<T> Joinable<T> {
    fn bytes(&self) -> usize {
        self.key.len() + self.text.as_ref().map_or(0, |(text, _)| text.len())
    }
}

impl Current {
    /// Whether lines of others wait.
    fn holds(&self, now: Duration) -> bool {
        now < self.last + HOLD && self.trace.as_ref().is_some_and(Trace::is_likely)
    }

    fn take<T>(&mut self, now: Duration, line: &Joinable<T>) -> bool {
        let (Some(trace), Some((text, source))) = (&mut self.trace, &line.text) else { return false };
        let is_taken = trace.take(text, *source);
        if is_taken {
            self.last = now;
        }
        is_taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(text: &str) -> Joinable<String> {
        let (key, rest) = text.split_once(':').unwrap();
        let source = line::level::infer(rest.as_bytes()).1;
        Joinable { key: key.to_owned(), text: Some((rest.to_owned(), source)), payload: text.to_owned() }
    }

    fn shown(pieces: Vec<Piece<String>>) -> Vec<String> {
        let shown = |piece| match piece {
            Piece::First(text) => text,
            Piece::Rest(text) => format!("+{text}"),
        };
        pieces.into_iter().map(shown).collect()
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn traces_stay_together() {
        for (lines, wanted) in [
            (&["a:x", "b:y", "a:z"][..], &["a:x", "b:y", "a:z"][..]),
            (&["a:Error", "a:  at x", "a:y"], &["a:Error", "+a:  at x", "a:y"]),
            // Another instance in between waits until the trace is over.
            (&["a:Error", "b:y", "a: 1", "b: 2", "a:z"], &["a:Error", "+a: 1", "b:y", "+b: 2", "a:z"]),
            (
                &["a:Error", "b:Error", "a: 1", "b: 1", "a: 2", "b: 2"],
                &["a:Error", "+a: 1", "+a: 2", "b:Error", "+b: 1", "+b: 2"],
            ),
            // What comes back later is a line of its own, with all that tells whose it is.
            (&["a:x", "b:y", "a: 1", "a: 2"], &["a:x", "b:y", "a: 1", "+a: 2"]),
        ] {
            let (mut joiner, mut out) = (Joiner::default(), Vec::new());
            for text in lines {
                joiner.take(ms(0), line(text), &mut out);
            }
            joiner.finish(ms(1), &mut out);
            assert_eq!(shown(out), wanted, "{lines:?}");
        }
    }

    #[test]
    fn nothing_waits_longer_than_it_may() {
        let (mut joiner, mut out) = (Joiner::default(), Vec::new());
        joiner.take(ms(0), line("a:Error"), &mut out);
        joiner.take(ms(50), line("b:x"), &mut out);
        assert_eq!((out.len(), joiner.due()), (1, Some(ms(200))));
        joiner.take(ms(150), line("a: 1"), &mut out);
        assert_eq!(joiner.due(), Some(ms(250)));
        joiner.take(ms(240), line("a: 2"), &mut out);
        joiner.tick(ms(250), &mut out);
        assert_eq!(shown(std::mem::take(&mut out)), ["a:Error", "+a: 1", "+a: 2", "b:x"]);
        assert_eq!(joiner.due(), None);
        // A trace that is old holds nobody up.
        joiner.take(ms(300), line("a:Error"), &mut out);
        joiner.take(ms(501), line("b:x"), &mut out);
        assert_eq!(out.len(), 2);
    }

    #[test]
    fn what_waits_is_bounded() {
        let (mut joiner, mut out) = (Joiner::default(), Vec::new());
        joiner.take(ms(0), line("a:Error"), &mut out);
        for _ in 0..2 * MAX_WAITING {
            joiner.take(ms(1), line("b:x"), &mut out);
            assert!(joiner.waiting.len() <= MAX_WAITING);
        }
    }

    proptest! {
        #[test]
        fn each_line_comes_once_and_in_the_order_of_its_source(
            all in prop::collection::vec((0..3_usize, 0..3_usize, 0..150_u64), 0..60)
        ) {
            let (mut joiner, mut out, mut now) = (Joiner::default(), Vec::new(), 0);
            let mut put = Vec::new();
            for (at, (key, text, pause)) in all.into_iter().enumerate() {
                now += pause;
                let text = format!("{}:{}{at}", ["a", "b", "c"][key], ["x ", " at ", "Error "][text]);
                put.push(text.clone());
                joiner.take(ms(now), line(&text), &mut out);
            }
            joiner.finish(ms(now), &mut out);
            let came: Vec<String> = out.into_iter().map(|p| match p { Piece::First(t) | Piece::Rest(t) => t }).collect();
            for key in ["a", "b", "c"] {
                let of = |all: &[String]| all.iter().filter(|t| t.starts_with(key)).cloned().collect::<Vec<_>>();
                prop_assert_eq!(of(&put), of(&came));
            }
            prop_assert_eq!(put.len(), came.len());
        }
    }
}
