use super::*;
use proptest::prelude::*;

const BOOTS: [(&str, u64); 3] = [("i1", 1), ("i1", 2), ("i2", 3)];

fn source(which: usize) -> Source {
    let (instance, bits) = BOOTS[which];
    let (app, region) = (Arc::from("web"), Arc::from("lhr"));
    Source { instance: Arc::from(instance), boot: Boot::from_bits(bits), app, region }
}

fn record(which: usize, seq: u64, span: u64, is_gap: bool) -> Record<()> {
    // Three boots that wrote in turn: each number has a time of its own.
    let time = i64::try_from(seq * 10 + which as u64).unwrap();
    Record { source: source(which), seq, span, time, is_gap, bytes: 100, payload: () }
}

fn line(which: usize, seq: u64) -> Record<()> {
    record(which, seq, 1, false)
}

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// What was shown, short: `5` a line, `5+3` a gap of three new numbers, `5?3` three that are missing.
fn brief(show: &[Show<()>]) -> Vec<String> {
    let brief = |one: &Show<()>| match one {
        Show::Line(record) => record.seq.to_string(),
        Show::Gap(record, new) => format!("{}+{new}", record.seq),
        Show::Missing { seq, span, .. } => format!("{seq}?{span}"),
    };
    show.iter().map(brief).collect()
}

fn live() -> Stitch<()> {
    let mut stitch = Stitch::new(0, Limits::TAIL);
    stitch.begin(ms(0), &mut Vec::new());
    stitch
}

#[test]
fn history_and_live_overlap_and_each_line_is_shown_once() {
    let (mut stitch, mut show) = (Stitch::new(0, Limits::TAIL), Vec::new());
    for seq in [4, 5, 6] {
        stitch.record(ms(0), line(0, seq), &mut show);
    }
    for seq in 2..=5 {
        stitch.history(&source(0), seq, 1, false, 0);
    }
    assert!(show.is_empty(), "live lines wait for the history");
    stitch.begin(ms(1), &mut show);
    stitch.record(ms(2), line(0, 6), &mut show);
    stitch.record(ms(2), line(0, 7), &mut show);
    assert_eq!(brief(&show), ["6", "7"]);
    assert!(!stitch.is_waiting() && stitch.ask(ms(3)).is_none());
}

#[test]
fn a_line_of_the_history_wins_over_its_gap() {
    let (mut stitch, mut show) = (Stitch::new(0, Limits::TAIL), Vec::new());
    // What a Machine that vanished had came after all, in part.
    for (seq, span, is_gap) in [(1, 3, false), (4, 5, true), (4, 2, false), (8, 1, false)] {
        stitch.history(&source(0), seq, span, is_gap, 0);
    }
    stitch.begin(ms(0), &mut show);
    for seq in [4, 5, 6, 8, 9] {
        stitch.record(ms(1), line(0, seq), &mut show);
    }
    assert_eq!(brief(&show), ["6", "9"], "published anew, they are shown once");
}

#[test]
fn a_hole_is_asked_for_and_filled() {
    let (mut stitch, mut show) = (live(), Vec::new());
    for seq in [1, 2, 5, 6] {
        stitch.record(ms(10), line(0, seq), &mut show);
    }
    assert_eq!(brief(&show), ["1", "2"]);
    let ask = stitch.ask(ms(10)).unwrap();
    assert_eq!(ask, Ask { after: vec![(source(0), 3)], since: i64::MAX });
    assert_eq!(stitch.ask(ms(11)), None, "one question at a time");
    for seq in [3, 4, 5] {
        stitch.record(ms(12), line(0, seq), &mut show);
    }
    stitch.answered(ms(13), &mut show);
    assert_eq!(brief(&show), ["1", "2", "3", "4", "5", "6"]);
    assert!(!stitch.is_waiting());
}

#[test]
fn what_nobody_has_is_missing_after_half_a_second_and_may_still_come() {
    let (mut stitch, mut show) = (live(), Vec::new());
    for seq in [1, 4] {
        stitch.record(ms(0), line(0, seq), &mut show);
    }
    assert!(stitch.ask(ms(0)).is_some());
    stitch.answered(ms(5), &mut show);
    stitch.tick(ms(499), &mut show);
    assert_eq!(brief(&show), ["1"]);
    stitch.tick(ms(500), &mut show);
    assert_eq!(brief(&show), ["1", "2?2", "4"]);
    stitch.record(ms(900), line(0, 3), &mut show);
    stitch.record(ms(900), line(0, 3), &mut show);
    stitch.record(ms(900), record(0, 2, 1, true), &mut show);
    assert_eq!(brief(&show), ["1", "2?2", "4", "3"]);
}

#[test]
fn an_agent_that_does_not_answer_is_waited_for_longer() {
    let (mut stitch, mut show) = (live(), Vec::new());
    stitch.record(ms(0), line(0, 1), &mut show);
    stitch.interrupted(ms(100));
    stitch.record(ms(110), line(0, 3), &mut show);
    assert_eq!(stitch.ask(ms(110)).unwrap(), Ask { after: vec![(source(0), 2)], since: 0 });
    stitch.unanswered(ms(120), &mut show);
    stitch.tick(ms(5000), &mut show);
    assert_eq!(brief(&show), ["1"], "it may be starting");
    assert!(stitch.ask(ms(5000)).is_some());
    stitch.record(ms(5001), line(0, 2), &mut show);
    stitch.answered(ms(5002), &mut show);
    assert_eq!(brief(&show), ["1", "2", "3"]);
    stitch.interrupted(ms(6000));
    stitch.record(ms(6000), line(0, 5), &mut show);
    assert!(stitch.ask(ms(6000)).is_some());
    stitch.unanswered(ms(16_000), &mut show);
    stitch.tick(ms(16_500), &mut show);
    assert_eq!(brief(&show), ["1", "2", "3", "4?1", "5"]);
}

#[test]
fn a_question_without_an_answer_says_nothing_of_a_hole() {
    let (mut stitch, mut show) = (live(), Vec::new());
    stitch.record(ms(0), line(0, 1), &mut show);
    stitch.record(ms(10), line(0, 3), &mut show);
    for (asked, unanswered) in [(10, 5010), (5200, 10_000)] {
        assert_eq!(stitch.ask(ms(asked)).unwrap().after, [(source(0), 2)]);
        stitch.unanswered(ms(unanswered), &mut show);
        stitch.tick(ms(unanswered), &mut show);
        assert_eq!(brief(&show), ["1"]);
    }
    stitch.tick(ms(10_010), &mut show);
    assert_eq!(brief(&show), ["1", "2?1", "3"]);
}

#[test]
fn a_line_wins_over_a_gap() {
    let (mut stitch, mut show) = (live(), Vec::new());
    stitch.record(ms(0), line(0, 1), &mut show);
    stitch.record(ms(0), record(0, 2, 4, true), &mut show);
    stitch.record(ms(0), line(0, 3), &mut show);
    stitch.record(ms(0), line(0, 6), &mut show);
    stitch.record(ms(0), record(0, 5, 4, true), &mut show);
    // Held, the line takes the gap's place.
    stitch.record(ms(0), record(0, 10, 1, true), &mut show);
    stitch.record(ms(0), line(0, 10), &mut show);
    stitch.record(ms(0), line(0, 9), &mut show);
    assert_eq!(brief(&show), ["1", "2+4", "3", "6", "5+2", "9", "10"]);
}

#[test]
fn a_heartbeat_reveals_the_last_line() {
    let (mut stitch, mut show) = (live(), Vec::new());
    stitch.record(ms(0), line(0, 1), &mut show);
    stitch.mark(ms(10), &source(0), 2, &mut show);
    assert!(!stitch.is_waiting());
    stitch.mark(ms(10), &source(0), 3, &mut show);
    assert_eq!(stitch.ask(ms(11)), None, "it may be on its way");
    assert_eq!(stitch.ask(ms(400)).unwrap().after, [(source(0), 2)]);
    stitch.record(ms(401), line(0, 2), &mut show);
    stitch.answered(ms(401), &mut show);
    assert_eq!(brief(&show), ["1", "2"]);
    // A boot that is only known from a heartbeat: all of it is older than the tail.
    stitch.mark(ms(500), &source(2), 9, &mut show);
    assert_eq!(stitch.ask(ms(900)).unwrap(), Ask { after: vec![(source(0), 3)], since: 0 });
    stitch.answered(ms(901), &mut show);
    stitch.record(ms(902), line(2, 9), &mut show);
    assert_eq!(brief(&show), ["1", "2", "9"]);
    assert!(!stitch.is_waiting());
}

#[test]
fn an_unknown_boot_begins_where_the_agents_say() {
    let (mut stitch, mut show) = (live(), Vec::new());
    stitch.record(ms(0), line(1, 7), &mut show);
    assert_eq!(stitch.ask(ms(0)).unwrap(), Ask { after: vec![], since: 0 });
    stitch.record(ms(1), line(1, 6), &mut show);
    stitch.record(ms(1), line(1, 7), &mut show);
    stitch.answered(ms(2), &mut show);
    assert_eq!(brief(&show), ["6", "7"]);
}

#[test]
fn of_a_boot_that_began_after_the_tail_everything_is_missed() {
    let since = Boot::new(1000, 0);
    let mut stitch = Stitch::new(i64::try_from(since.start_ms()).unwrap() * 1_000_000, Limits::TAIL);
    let mut show = Vec::new();
    stitch.begin(ms(0), &mut show);
    // The tail was away for longer than the agents keep lines.
    // One begins in the future: the Machine's clock is ahead, and nobody knows when it began.
    let time = 1_001_000_000;
    let of = |boot, seq| Record { source: Source { boot, ..source(0) }, time, ..line(0, seq) };
    for boot in [Boot::new(999, 0), Boot::new(1001, 0), Boot::new(1002, 0)] {
        stitch.record(ms(0), of(boot, 7), &mut show);
    }
    for _ in 0..2 {
        assert!(stitch.ask(ms(200)).is_some());
        stitch.answered(ms(200), &mut show);
    }
    assert_eq!(brief(&show), ["7", "7"]);
    stitch.tick(ms(700), &mut show);
    assert_eq!(brief(&show), ["7", "7", "1?6", "7"]);
}

#[test]
fn memory_is_bounded_and_what_is_let_go_is_fetched_again() {
    let limits = Limits { held_records: 4, held_bytes: 1000, boots: 2 };
    let (mut stitch, mut show) = (Stitch::new(0, limits), Vec::new());
    stitch.begin(ms(0), &mut show);
    stitch.record(ms(0), line(0, 1), &mut show);
    for seq in 3..50 {
        stitch.record(ms(1), line(0, seq), &mut show);
    }
    assert_eq!((stitch.held_records, stitch.held_bytes), (4, 400));
    assert!(stitch.ask(ms(1)).is_some());
    for seq in 2..50 {
        stitch.record(ms(2), line(0, seq), &mut show);
    }
    stitch.answered(ms(2), &mut show);
    assert_eq!((show.len(), stitch.held_records, stitch.held_bytes), (49, 0, 0));
    // A third boot: the quietest is forgotten, and what was shown of it is not shown again.
    stitch.record(ms(3), line(1, 1), &mut show);
    stitch.record(ms(4), line(2, 100), &mut show);
    stitch.answered(ms(5), &mut show);
    let shown = show.len();
    stitch.record(ms(6), line(0, 30), &mut show);
    assert_eq!((show.len(), stitch.boots.len()), (shown, 2));
}

#[test]
fn at_the_end_everything_held_is_shown() {
    let (mut stitch, mut show) = (live(), Vec::new());
    for seq in [1, 3, 5] {
        stitch.record(ms(0), line(0, seq), &mut show);
    }
    stitch.record(ms(0), line(1, 4), &mut show);
    stitch.finish(ms(1), &mut show);
    assert_eq!(brief(&show), ["1", "2?1", "3", "4?1", "5", "4"]);
}

/// What happens to the next live record.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Comes,
    ComesTwice,
    ComesLater,
    IsLost,
    IsLostWithTheConnection,
    /// Lost, and no agent has it either.
    IsGone,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        8 => Just(Fate::Comes),
        2 => Just(Fate::ComesTwice),
        2 => Just(Fate::ComesLater),
        2 => Just(Fate::IsLost),
        1 => Just(Fate::IsLostWithTheConnection),
        1 => Just(Fate::IsGone),
    ]
}

/// The world around a stitch: what the boots wrote, what the agents have of it, and what was shown.
struct World {
    stitch: Stitch<()>,
    written: Vec<Record<()>>,
    on_disk: Vec<Record<()>>,
    now: Duration,
    show: Vec<Show<()>>,
}

impl World {
    /// 20 ms go by: an agent answers what is asked, and holes may be given up.
    fn step(&mut self) {
        self.now += ms(20);
        if let Some(ask) = self.stitch.ask(self.now) {
            let wanted = |record: &&Record<()>| {
                let mark = ask.after.iter().find(|(source, _)| *source == record.source);
                mark.map_or(record.time >= ask.since, |(_, next)| record.end() > *next)
            };
            let answer: Vec<_> = self.on_disk.iter().filter(wanted).cloned().collect();
            for record in answer {
                self.stitch.record(self.now, record, &mut self.show);
            }
            self.stitch.answered(self.now, &mut self.show);
        }
        self.stitch.tick(self.now, &mut self.show);
    }

    /// Heartbeats, and time until nothing is open.
    fn settle(&mut self) {
        for record in self.written.clone() {
            self.stitch.mark(self.now, &record.source, record.end(), &mut self.show);
        }
        for _ in 0..10_000 {
            if !self.stitch.is_waiting() {
                return;
            }
            self.step();
        }
        panic!("it waits for ever");
    }

    /// The first number that was shown of a boot.
    fn first_of(&self, which: usize) -> u64 {
        let mut seqs = self.show.iter().filter_map(|one| match one {
            Show::Line(record) | Show::Gap(record, _) => {
                (record.source == source(which)).then_some(record.seq)
            }
            Show::Missing { source: of, seq, .. } => (*of == source(which)).then_some(*seq),
        });
        seqs.next().unwrap_or(u64::MAX)
    }

    /// Each number once and in the order of its boot, as a line, in a gap or as missing; lines that no agent has
    /// and that did not come are missing, no others.
    fn check(&self, gone: &[(Source, u64)]) {
        for which in 0..BOOTS.len() {
            // Of a boot that is not known yet, nobody can miss what no agent has.
            let is_gone = |seq| gone.contains(&(source(which), seq));
            let (mut next, mut last_line) = ((1..).find(|&seq| !is_gone(seq)).unwrap_or(1), 0);
            next = next.min(self.first_of(which));
            for one in &self.show {
                let (from, seq, span) = match one {
                    Show::Line(record) | Show::Gap(record, _) => (&record.source, record.seq, record.span),
                    Show::Missing { source, seq, span, .. } => (source, *seq, *span),
                };
                if *from != source(which) {
                    continue;
                }
                assert_eq!(seq, next, "boot {which}: {:?}", self.show);
                next = seq + span;
                if matches!(one, Show::Missing { .. }) {
                    assert!((seq..next).all(is_gone), "boot {which}: {seq}+{span} was there");
                } else {
                    assert!(seq > last_line);
                    last_line = seq;
                }
            }
            let written = self.written.iter().filter(|record| record.source == source(which));
            assert_eq!(next, written.map(Record::end).max().unwrap_or(1), "boot {which} is shown to its end");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn any_interleaving_shows_each_number_once_and_in_order(
        steps in prop::collection::vec((0..BOOTS.len(), 1..4u64, prop::bool::weighted(0.1), fate(), 0..30u64), 1..120),
        history in 0..40usize,
        tight in any::<bool>(),
    ) {
        let limits = if tight { Limits { held_records: 3, ..Limits::TAIL } } else { Limits::TAIL };
        let mut world = World {
            stitch: Stitch::new(0, limits), written: Vec::new(), on_disk: Vec::new(), now: ms(0), show: Vec::new(),
        };
        let (mut later, mut gone, mut is_live) = (Vec::new(), Vec::new(), false);
        let mut next = [1; BOOTS.len()];
        for (at, (which, span, is_gap, fate, pause)) in steps.into_iter().enumerate() {
            let record = record(which, next[which], span, is_gap);
            next[which] += span;
            world.written.push(record.clone());
            if at >= history && !is_live {
                // The history is what was on disk by now; the caller shows it.
                for record in world.on_disk.clone() {
                    world.stitch.history(&record.source, record.seq, record.span, record.is_gap, record.time);
                    world.show.push(Show::Line(record));
                }
                world.stitch.begin(world.now, &mut world.show);
                is_live = true;
            }
            if matches!(fate, Fate::IsGone) && is_live {
                gone.extend((record.seq..record.end()).map(|seq| (record.source.clone(), seq)));
                continue;
            }
            world.on_disk.push(record.clone());
            let times = match fate {
                Fate::Comes => 1,
                Fate::ComesTwice => 2,
                _ => 0,
            };
            for _ in 0..times {
                world.stitch.record(world.now, record.clone(), &mut world.show);
            }
            match fate {
                Fate::ComesLater => later.push(record),
                Fate::IsLostWithTheConnection => world.stitch.interrupted(world.now),
                _ => {}
            }
            if pause < 5 {
                for record in later.drain(..) {
                    world.stitch.record(world.now, record, &mut world.show);
                }
            }
            for _ in 0..pause {
                world.step();
            }
        }
        if !is_live {
            world.stitch.begin(world.now, &mut world.show);
        }
        world.settle();
        // Nothing comes twice, however late.
        let shown = world.show.len();
        for record in world.on_disk.clone() {
            world.stitch.record(world.now, record, &mut world.show);
        }
        prop_assert_eq!(world.show.len(), shown);
        world.check(&gone);
    }
}
