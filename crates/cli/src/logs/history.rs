//! The recent lines that the agents give before the live ones: the newest of all that pass the filter, in order.

use std::collections::BTreeMap;

use line::Boot;

use super::filter::Filter;
use super::item::Item;
use super::stitch::{Source, Stitch};

/// What lines are sorted by. An instance's lines have different times, so two lines that agree in all four are one.
type Place = (i64, String, Option<Boot>, u64);

/// Collects the newest `n` of what comes, in any order and from any number of agents. Memory is bounded by `n`.
#[derive(Debug)]
pub(crate) struct History {
    n: usize,
    newest: BTreeMap<Place, Item>,
    /// How far each boot has come, whatever the filter says of its lines.
    seen: BTreeMap<Source, Vec<Seen>>,
}

/// One stretch of records that were told.
#[derive(Debug, Clone, Copy)]
struct Seen {
    seq: u64,
    span: u64,
    is_gap: bool,
    time: i64,
}

impl History {
    /// Nothing yet; at most `n` lines will be kept.
    pub(crate) fn new(n: usize) -> Self {
        Self { n, newest: BTreeMap::new(), seen: BTreeMap::new() }
    }

    /// Takes one line.
    pub(crate) fn add(&mut self, item: Item, filter: &Filter) {
        let entry = &item.message.entry;
        if let Some(source) = item.source() {
            let seen = Seen { seq: entry.seq, span: entry.span, is_gap: item.is_gap(), time: entry.time };
            self.see(source, seen);
        }
        if !filter.passes(&item.message) {
            return;
        }
        let place = (entry.time, item.message.instance.clone(), item.message.boot, entry.seq);
        self.newest.insert(place, item);
        if self.newest.len() > self.n {
            self.newest.pop_first();
        }
    }

    /// Notes a record. Lines that follow each other become one stretch; gaps stay apart, a line may still fill them.
    fn see(&mut self, source: Source, seen: Seen) {
        let stretches = self.seen.entry(source).or_default();
        match stretches.last_mut() {
            Some(last) if !last.is_gap && !seen.is_gap && last.seq + last.span == seen.seq => {
                (last.span, last.time) = (last.span + seen.span, seen.time);
            }
            _ => stretches.push(seen),
        }
    }

    /// How far each boot has come. What was interrupted goes on from there: agents give the oldest lines first.
    pub(crate) fn marks(&self) -> Vec<(Source, u64)> {
        let end = |stretches: &Vec<Seen>| stretches.iter().map(|seen| seen.seq + seen.span).max();
        self.seen.iter().filter_map(|(source, stretches)| Some((source.clone(), end(stretches)?))).collect()
    }

    /// Tells the stitch what is known, and gives the lines, oldest first.
    pub(crate) fn finish(self, stitch: &mut Stitch<Item>) -> Vec<Item> {
        for (source, mut stretches) in self.seen {
            stretches.sort_by_key(|seen| seen.seq);
            for seen in stretches {
                stitch.history(&source, seen.seq, seen.span, seen.is_gap, seen.time);
            }
        }
        self.newest.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::logs::stitch::{Limits, Record};
    use bytes::Bytes;

    fn item(instance: &str, seq: u64, time: u64, text: &str) -> Item {
        let json = format!(
            r#"{{"fly":{{"app":{{"instance":"{instance}","name":"web"}},"region":"lhr"}},"message":"{text}",
            "timestamp":"2026-11-22T10:00:{time:02}Z","logway":{{"boot":"019a0c3f2b7c0001","seq":{seq}}}}}"#
        );
        Item::read(Bytes::from(json)).unwrap()
    }

    fn record(instance: &str, seq: u64, time: u64, text: &str) -> Record<Item> {
        let item = item(instance, seq, time, text);
        let source = item.source().unwrap();
        item.into_record(source)
    }

    fn texts(items: &[Item]) -> Vec<&str> {
        items.iter().map(|item| item.message.message.as_str()).collect()
    }

    #[test]
    fn the_newest_of_all_agents_in_order_and_once() {
        let mut history = History::new(3);
        for (instance, seq, time, text) in
            [("a", 1, 1, "a1"), ("a", 2, 4, "a2"), ("b", 8, 2, "b8"), ("b", 9, 4, "b9"), ("b", 9, 4, "b9")]
        {
            history.add(item(instance, seq, time, text), &Filter::default());
        }
        let marks: Vec<_> =
            history.marks().iter().map(|(source, next)| (source.instance.to_string(), *next)).collect();
        assert_eq!(marks, [("a".to_owned(), 3), ("b".to_owned(), 10)]);
        let mut stitch = Stitch::new(0, Limits::TAIL);
        assert_eq!(texts(&history.finish(&mut stitch)), ["b8", "a2", "b9"]);
        // What was not kept counts as seen too.
        let mut show = Vec::new();
        stitch.begin(Duration::ZERO, &mut show);
        stitch.record(Duration::ZERO, record("a", 1, 1, "a1"), &mut show);
        stitch.record(Duration::ZERO, record("b", 10, 9, "b10"), &mut show);
        assert_eq!(show.len(), 1);
    }

    #[test]
    fn a_filter_chooses_what_is_kept_not_what_is_known() {
        let mut history = History::new(2);
        let filter = Filter::new(None, Some("yes"), false, false);
        for (seq, text) in [(1, "yes 1"), (2, "no"), (3, "yes 3"), (4, "no")] {
            history.add(item("a", seq, seq, text), &filter);
        }
        let mut stitch = Stitch::new(0, Limits::TAIL);
        assert_eq!(texts(&history.finish(&mut stitch)), ["yes 1", "yes 3"]);
        let mut show = Vec::new();
        stitch.begin(Duration::ZERO, &mut show);
        stitch.record(Duration::ZERO, record("a", 4, 4, "no"), &mut show);
        assert!(show.is_empty());
    }
}
