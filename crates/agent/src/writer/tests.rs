use super::late::entries_from;
use super::*;
use crate::assemble::notice;
use crate::machine::{Machine, Terms};
use line::{Address, Boot, Event, Level, OrgId};

fn boot(number: u64) -> Arc<BootHandle> {
    let address = Address::new(OrgId::new("a").unwrap(), "web", "lhr", "i1").unwrap();
    let metrics = Metrics::new().app(&address);
    Arc::new(BootHandle::new(
        Arc::new(Machine::new(address, Terms::default(), metrics)),
        Boot::from_bits(number),
    ))
}

fn three() -> Encoded {
    let mut out =
        Encoded { first_seq: 5, base_time: 100, first_time: 101, text_bytes: 30, ..Encoded::default() };
    let mut writer = line::entry::Writer::new(5, 100);
    for (seq, span) in [(5, 1), (6, 3), (9, 1)] {
        let time = 96 + i64::try_from(seq).unwrap();
        let entry = gap_entry(seq, span, time, Clock::Guest, GapReason::Unknown, 0);
        writer.push(&entry, &mut out.bytes).unwrap();
    }
    (out.next_seq, out.count) = (writer.next_seq(), writer.count());
    out
}

#[test]
fn what_the_spool_has_already_is_left_out() {
    let seqs = |next_seq| {
        let rest = entries_from(&three(), next_seq)?;
        let entries: Vec<_> =
            rest.entries().map(|entry| entry.unwrap()).map(|e| (e.seq, e.span, e.time)).collect();
        assert_eq!((rest.first_seq, rest.next_seq, rest.count as usize), (entries[0].0, 10, entries.len()));
        Some(entries)
    };
    assert_eq!(seqs(5).unwrap(), [(5, 1, 101), (6, 3, 102), (9, 1, 105)]);
    assert_eq!(seqs(6).unwrap(), [(6, 3, 102), (9, 1, 105)]);
    // Of a gap record the rest is kept.
    assert_eq!(seqs(7).unwrap(), [(7, 2, 102), (9, 1, 105)]);
    assert_eq!(seqs(10), None);
}

#[test]
fn what_was_refused_is_one_range_for_each_boot_and_due_after_a_second() {
    let (one, two) = (boot(1), boot(2));
    let mut refusals = Refusals::default();
    assert!(refusals.take(&one).is_none());
    let first = three();
    let next = Encoded { first_seq: 10, next_seq: 20, text_bytes: 70, ..three() };
    refusals.add(&one, &first);
    refusals.add(&two, &first);
    refusals.add(&one, &next);
    refusals.add(&one, &first);
    let due = refusals.due().unwrap();
    assert!(refusals.ready(false, due - Duration::from_millis(1)).is_empty());
    assert_eq!((refusals.ready(false, due).len(), refusals.ready(true, Instant::now()).len()), (1, 2));
    let range = refusals.take(&one).unwrap();
    assert_eq!((range.from_seq, range.next_seq, range.bytes, range.time), (5, 20, 100, 101));
    refusals.put_back(&one, range);
    assert!(refusals.take(&one).is_some() && refusals.take(&one).is_none());
}

#[test]
fn a_notice_is_a_boot_of_one_record() {
    let (boot, entries) = notice(Event::new("clock_off", Level::Warn, "x"), 1_700_000_000_000_000_000, 7);
    assert_eq!((boot, entries.first_seq, entries.next_seq), (Boot::new(1_700_000_000_000, 7), 1, 2));
    assert_eq!(entries.entries().count(), 1);
}
