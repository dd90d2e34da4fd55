//! Lines with what stands around them: so many of the same start of an instance before and after each one that matches.

use std::collections::{HashMap, VecDeque};

use anyhow::Result;
use line::Boot;

use super::item::Item;
use super::local::Local;
use super::printer::Printer;

/// Most bytes of lines that are kept for matches to come. Beyond, what is kept is forgotten, and a match has fewer lines before it.
const MAX_BYTES: usize = 64 << 20;

/// Which start of which instance.
pub(super) type Key = (String, Boot);

/// Where lines go that are to be shown.
pub(super) trait Sink {
    /// A line.
    fn line(&mut self, item: &Item) -> Result<()>;
    /// A break: what follows does not follow directly.
    fn separator(&mut self) -> Result<()>;
}

impl Sink for Printer {
    fn line(&mut self, item: &Item) -> Result<()> {
        self.item(item, item.message.entry.span)
    }

    fn separator(&mut self) -> Result<()> {
        Self::separator(self)
    }
}

/// What is known of a start.
#[derive(Debug, Default)]
struct Source {
    /// The newest lines that were not shown.
    before: VecDeque<Item>,
    /// How many lines are still to be shown behind a match.
    after: usize,
    /// The number behind the last line that was shown.
    shown_to: u64,
}

/// Chooses lines, in the order of each start.
pub(super) struct Surrounding {
    n: usize,
    local: Local,
    sources: HashMap<Key, Source>,
    kept_bytes: usize,
    /// Whose line was shown last.
    last: Option<Key>,
}

impl Surrounding {
    /// `n` lines before and after each that `local` finds.
    pub(super) fn new(n: usize, local: Local) -> Self {
        Self { n, local, sources: HashMap::new(), kept_bytes: 0, last: None }
    }

    /// Takes a line, and shows what is to be shown now.
    pub(super) fn take(&mut self, item: &Item, sink: &mut impl Sink) -> Result<()> {
        let matches = self.local.matches(item);
        self.take_known(item, matches, sink)
    }

    /// The same with a line of which it is known whether it matches.
    pub(super) fn take_known(&mut self, item: &Item, matches: bool, sink: &mut impl Sink) -> Result<()> {
        let Some(key) = key(item) else {
            // Nobody knows what stands around a line without a number.
            return if matches { sink.line(item) } else { Ok(()) };
        };
        let seq = item.message.entry.seq;
        self.forget_from(&key, seq);
        let source = self.sources.entry(key.clone()).or_default();
        if seq < source.shown_to {
            return Ok(());
        }
        if !matches && source.after == 0 {
            self.keep(&key, item);
            return Ok(());
        }
        let before = if matches { std::mem::take(&mut source.before) } else { VecDeque::new() };
        source.after = if matches { self.n } else { source.after - 1 };
        for one in before.iter().chain(std::iter::once(item)) {
            self.show(&key, one, sink)?;
        }
        self.kept_bytes = self.kept_bytes.saturating_sub(before.iter().map(bytes).sum());
        Ok(())
    }

    /// Keeps a line for a match to come, without asking whether it is one itself.
    pub(super) fn keep(&mut self, key: &Key, item: &Item) {
        if self.kept_bytes > MAX_BYTES {
            self.sources.values_mut().for_each(|source| source.before.clear());
            self.kept_bytes = 0;
        }
        let source = self.sources.entry(key.clone()).or_default();
        let seq = item.message.entry.seq;
        if seq < source.shown_to || source.before.back().is_some_and(|last| seq <= last.message.entry.seq) {
            return;
        }
        self.kept_bytes += bytes(item);
        source.before.push_back(item.clone());
        if source.before.len() > self.n {
            let dropped = source.before.pop_front();
            self.kept_bytes = self.kept_bytes.saturating_sub(dropped.as_ref().map_or(0, bytes));
        }
    }

    /// A line that was kept comes again: then it is that which counts.
    fn forget_from(&mut self, key: &Key, seq: u64) {
        let Some(source) = self.sources.get_mut(key) else { return };
        while source.before.back().is_some_and(|last| last.message.entry.seq >= seq) {
            let dropped = source.before.pop_back();
            self.kept_bytes = self.kept_bytes.saturating_sub(dropped.as_ref().map_or(0, bytes));
        }
    }

    fn show(&mut self, key: &Key, item: &Item, sink: &mut impl Sink) -> Result<()> {
        let source = self.sources.entry(key.clone()).or_default();
        let follows = self.last.as_ref() == Some(key) && source.shown_to == item.message.entry.seq;
        if self.last.is_some() && !follows {
            sink.separator()?;
        }
        source.shown_to = item.message.entry.next_seq();
        self.last = Some(key.clone());
        sink.line(item)
    }
}

/// Which start a line is of.
pub(super) fn key(item: &Item) -> Option<Key> {
    Some((item.message.instance.clone(), item.message.boot?))
}

fn bytes(item: &Item) -> usize {
    item.raw.len() * 3
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Default)]
    struct Shown(Vec<String>);

    impl Sink for Shown {
        fn line(&mut self, item: &Item) -> Result<()> {
            self.0.push(format!("{}{}", item.message.instance, item.message.entry.seq));
            Ok(())
        }

        fn separator(&mut self) -> Result<()> {
            self.0.push("--".to_owned());
            Ok(())
        }
    }

    fn item(instance: &str, seq: u64, text: &str) -> Item {
        let json = format!(
            r#"{{"fly":{{"app":{{"instance":"{instance}","name":"web"}},"region":"lhr"}},"message":"{text}",
            "timestamp":"2026-11-22T10:00:00Z","logway":{{"boot":"019a0c3f2b7c0001","seq":{seq}}}}}"#
        );
        Item::read(json.into()).unwrap()
    }

    fn surrounding(n: usize) -> Surrounding {
        Surrounding::new(n, Local::new("yes", 0).unwrap())
    }

    /// `+a1` is a match.
    fn shown(n: usize, lines: &str) -> String {
        let (mut surrounding, mut shown) = (surrounding(n), Shown::default());
        for word in lines.split(' ') {
            let (text, rest) = word.strip_prefix('+').map_or(("no", word), |rest| ("yes", rest));
            let (instance, seq) = rest.split_at(1);
            surrounding.take(&item(instance, seq.parse().unwrap(), text), &mut shown).unwrap();
        }
        shown.0.join(" ")
    }

    #[test]
    fn as_grep_does() {
        for (n, lines, wanted) in [
            (1, "a1 a2 a3 +a4 a5 a6 a7", "a3 a4 a5"),
            (2, "a1 +a2 a3 +a4 a5 a6 a7", "a1 a2 a3 a4 a5 a6"),
            (1, "+a1 a2 a3 a4 +a5", "a1 a2 -- a4 a5"),
            (1, "+a1 a2 a3 +a4", "a1 a2 a3 a4"),
            (1, "a1 b1 +a2 b2 +b3 a3", "a1 a2 -- b2 b3 -- a3"),
            (0, "a1 +a2 a3 +a4 +a5", "a2 -- a4 a5"),
            // What comes twice is shown once.
            (1, "a1 +a2 +a2 a1 a3 a4", "a1 a2 a3"),
        ] {
            assert_eq!(shown(n, lines), wanted, "{n} {lines}");
        }
    }

    #[test]
    fn what_was_kept_beforehand_stands_before_a_match() {
        let (mut surrounding, mut shown) = (surrounding(2), Shown::default());
        for seq in 1..=4 {
            let item = item("a", seq, "yes");
            surrounding.keep(&key(&item).unwrap(), &item);
        }
        for (seq, text) in [(4, "no"), (5, "yes")] {
            surrounding.take(&item("a", seq, text), &mut shown).unwrap();
        }
        assert_eq!(shown.0.join(" "), "a3 a4 a5");
    }

    proptest! {
        #[test]
        fn each_line_within_reach_is_shown_once(matches in prop::collection::vec(any::<bool>(), 1..60), n in 0..5_usize) {
            let words: Vec<String> =
                matches.iter().enumerate().map(|(at, m)| format!("{}a{at}", if *m { "+" } else { "" })).collect();
            let near = |at: usize| matches.iter().enumerate().any(|(other, m)| *m && at.abs_diff(other) <= n);
            let wanted: Vec<String> = (0..matches.len()).filter(|at| near(*at)).map(|at| format!("a{at}")).collect();
            let found: Vec<String> =
                shown(n, &words.join(" ")).split(' ').filter(|w| !w.is_empty() && *w != "--").map(str::to_owned).collect();
            prop_assert_eq!(found, wanted);
        }
    }
}
