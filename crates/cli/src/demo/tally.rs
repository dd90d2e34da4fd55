//! What the tail delivered, counted from its output alone.

use std::collections::{BTreeMap, HashMap, HashSet};

use line::json::Message;
use line::{Body, Boot, GapReason, Hop};

use super::app;

/// The sum that `logway demo` prints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    /// Lines that the apps say they wrote.
    pub(crate) produced: u64,
    /// Lines that were delivered, by their ids.
    pub(crate) delivered: u64,
    /// Lines that gap records say are lost, and that did not come after all.
    pub(crate) gaps: u64,
    /// Of these, lines that only the reader noticed are missing: nobody on the way said so.
    pub(crate) unexplained: u64,
    /// Lines that were delivered a second time.
    pub(crate) twice: u64,
}

impl Sum {
    /// Whether every line is accounted for, once.
    pub(crate) fn is_even(self) -> bool {
        self.produced == self.delivered + self.gaps && self.twice == 0 && self.unexplained == 0
    }
}

/// What is covered of one boot: by seq, how many numbers, and whether a gap covers them.
#[derive(Debug, Default)]
struct Covered {
    records: BTreeMap<u64, (u64, Cover)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cover {
    Record,
    Gap,
    Unexplained,
}

/// Counts as the messages come.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    ids: HashMap<String, HashSet<u64>>,
    twice: u64,
    boots: HashMap<(String, Boot), Covered>,
    ended: HashSet<String>,
}

impl Tally {
    /// Counts one message of the tail.
    pub(crate) fn add(&mut self, message: &Message) {
        if let Body::Line(_) = &message.entry.body
            && let Some((app, number)) = app::id_of(&message.message)
            && !self.ids.entry(app.to_owned()).or_default().insert(number)
        {
            self.twice += 1;
        }
        if let Body::Event(event) = &message.entry.body
            && event.kind == "exited"
        {
            self.ended.insert(message.app.clone());
        }
        let Some(boot) = message.boot else { return };
        let cover = match &message.entry.body {
            Body::Gap(gap) if (gap.reason, gap.hop) == (GapReason::SequenceHole, Hop::Bus) => {
                Cover::Unexplained
            }
            Body::Gap(_) => Cover::Gap,
            Body::Line(_) | Body::Event(_) => Cover::Record,
        };
        let covered = self.boots.entry((message.instance.clone(), boot)).or_default();
        let slot = covered.records.entry(message.entry.seq).or_insert((message.entry.span, cover));
        // A line wins over a gap for the same number.
        if cover == Cover::Record {
            *slot = (message.entry.span, cover);
        }
    }

    /// How many apps have said their last word.
    pub(crate) fn ended(&self) -> usize {
        self.ended.len()
    }

    /// Lines delivered so far.
    pub(crate) fn delivered(&self) -> u64 {
        self.ids.values().map(|ids| ids.len() as u64).sum()
    }

    /// The sum, with what the apps produced.
    pub(crate) fn sum(&self, produced: u64) -> Sum {
        let mut sum = Sum { produced, delivered: self.delivered(), twice: self.twice, ..Sum::default() };
        for covered in self.boots.values() {
            let (gaps, unexplained) = covered.lost();
            sum.gaps += gaps + unexplained;
            sum.unexplained += unexplained;
        }
        sum
    }
}

impl Covered {
    /// How many numbers only a gap covers, and how many only the reader's own note.
    fn lost(&self) -> (u64, u64) {
        let (mut gaps, mut unexplained) = (0, 0);
        for (&seq, &(span, cover)) in self.records.iter().filter(|(_, (_, cover))| *cover != Cover::Record) {
            let within =
                self.records.range(seq..seq + span).filter(|(_, (_, cover))| *cover == Cover::Record);
            let found: u64 = within.map(|(&at, &(long, _))| (at + long).min(seq + span) - at).sum();
            match cover {
                Cover::Unexplained => unexplained += span - found,
                _ => gaps += span - found,
            }
        }
        (gaps, unexplained)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(seq: u64, span: u64, text: &str, more: &str) -> Message {
        let json = format!(
            r#"{{"fly":{{"app":{{"instance":"i","name":"plain"}},"region":"lhr"}},"message":"{text}","timestamp":"2026-11-22T10:00:00Z"{more},
            "logway":{{"boot":"019a0c3f2b7c0001","seq":{seq},"span":{span}{}}}}}"#,
            if text == "end" { ",\"event\":{\"kind\":\"exited\"}" } else { "" }
        );
        line::json::decode(json.as_bytes()).unwrap()
    }

    fn gap(seq: u64, span: u64, hop: &str) -> Message {
        message(
            seq,
            span,
            "lost",
            &format!(",\"gap\":{{\"reason\":\"sequence_hole\",\"hop\":\"{hop}\",\"bytes\":0}}"),
        )
    }

    #[test]
    fn lines_gaps_and_doubles_are_summed() {
        let mut tally = Tally::default();
        for number in 1..=3 {
            tally.add(&message(number + 1, 1, &format!("x id=plain-{number}"), ""));
        }
        tally.add(&gap(5, 4, "init"));
        // Two of the four come after all.
        tally.add(&message(6, 2, "x id=plain-5", ""));
        tally.add(&message(9, 1, "end", ""));
        let sum = tally.sum(6);
        assert_eq!(sum, Sum { produced: 6, delivered: 4, gaps: 2, unexplained: 0, twice: 0 });
        assert!(sum.is_even() && tally.ended() == 1 && !tally.sum(7).is_even());
        tally.add(&message(6, 2, "x id=plain-5", ""));
        assert!(tally.sum(6).twice == 1 && !tally.sum(6).is_even());
    }

    #[test]
    fn what_only_the_reader_noticed_does_not_balance() {
        let mut tally = Tally::default();
        tally.add(&message(1, 1, "x id=plain-1", ""));
        tally.add(&gap(2, 1, "bus"));
        let sum = tally.sum(2);
        assert!((sum.gaps, sum.unexplained) == (1, 1) && !sum.is_even());
    }
}
