use super::*;
use proptest::prelude::*;

const PATIENCE: Duration = Duration::from_secs(10);

fn origin(boot: u64) -> Origin {
    Origin { instance: Arc::from("i1"), boot: Boot::from_bits(boot) }
}

fn key(boot: u64) -> BootKey {
    BootKey::of("web", "lhr", "i1", Boot::from_bits(boot))
}

fn id(boot: u64, seq: u64) -> Id {
    Id { origin: origin(boot), key: key(boot), seq, end: seq + 1, is_gap: false }
}

fn piece(id: Id) -> Piece<()> {
    let name = |text| line::Name::new("x", text).unwrap();
    let place = Arc::new(Place { app: name("web"), region: name("lhr"), instance: name("i1") });
    Piece { id, place, bytes: 100, time: 0, payload: () }
}

/// What a reader was given, in its order.
struct Reader {
    weave: Weave<()>,
    given: Vec<Id>,
    now: Duration,
}

impl Reader {
    fn new() -> Self {
        Self { weave: Weave::new(Limits::USUAL), given: Vec::new(), now: Duration::ZERO }
    }

    fn live(&mut self, id: Id) -> Vec<u64> {
        let mut out = Vec::new();
        self.weave.live(self.now, piece(id), &mut out);
        self.take(None, out)
    }

    fn stored(&mut self, id: Id) -> Vec<u64> {
        let mut out = Vec::new();
        let wanted = self.weave.is_wanted(&id);
        assert_eq!(self.weave.stored(self.now, &id, &mut out) != Due::Given, wanted);
        self.take(wanted.then_some(id), out)
    }

    fn learn(&mut self, boot: u64, next: u64) -> Vec<u64> {
        let mut out = Vec::new();
        self.weave.learn(&origin(boot), next, &mut out);
        self.take(None, out)
    }

    fn give_up(&mut self) -> Vec<u64> {
        let mut out = Vec::new();
        self.weave.give_up(self.now, PATIENCE, 0, &mut out);
        self.take(None, out)
    }

    fn take(&mut self, first: Option<Id>, out: Vec<Piece<()>>) -> Vec<u64> {
        let new: Vec<Id> = first.into_iter().chain(out.into_iter().map(|piece| piece.id)).collect();
        let seqs = new.iter().map(|id| id.seq).collect();
        self.given.extend(new);
        seqs
    }
}

#[test]
fn live_lines_of_a_new_boot_are_given_at_once_and_once() {
    let mut reader = Reader::new();
    assert_eq!(reader.live(id(1, 1)), [0; 0]);
    assert_eq!(reader.learn(1, 1), [1]);
    assert_eq!(reader.live(id(1, 2)), [2]);
    assert_eq!(reader.live(id(1, 2)), [0; 0]);
    assert!(!reader.weave.ahead().is_empty());
    assert_eq!((reader.stored(id(1, 1)), reader.stored(id(1, 2))), (vec![], vec![]));
    assert!(reader.weave.ahead().is_empty());
    assert_eq!(reader.live(id(1, 2)), [0; 0]);
    assert_eq!(reader.stored(id(1, 3)), [3]);
    assert_eq!(reader.live(id(1, 3)), [0; 0]);
}

#[test]
fn a_hole_waits_for_the_store() {
    let mut reader = Reader::new();
    reader.learn(1, 1);
    reader.live(id(1, 1));
    assert_eq!(reader.live(id(1, 3)), [0; 0]);
    assert_eq!(reader.live(id(1, 4)), [0; 0]);
    assert!(reader.weave.is_waiting());
    assert_eq!(reader.stored(id(1, 1)), [0; 0]);
    assert_eq!(reader.stored(id(1, 2)), [2, 3, 4]);
    assert!(!reader.weave.is_waiting());
}

#[test]
fn a_boot_that_began_before_waits_until_it_is_known_how_far_it_was_given() {
    let mut reader = Reader::new();
    assert_eq!(reader.live(id(1, 41)), [0; 0]);
    assert_eq!(reader.weave.unknown(), [origin(1)]);
    assert_eq!(reader.learn(1, 41), [41]);
    // What is known is known.
    assert_eq!(reader.learn(1, 99), [0; 0]);
    assert_eq!(reader.live(id(1, 42)), [42]);
    // Its live copy came after the row that was given with the history.
    assert_eq!(reader.live(id(2, 7)), [0; 0]);
    assert_eq!(reader.learn(2, 8), [0; 0]);
    assert!(!reader.weave.is_waiting());
}

#[test]
fn where_no_store_comes_it_is_given_after_a_while_and_the_rest_when_it_comes() {
    let mut reader = Reader::new();
    reader.learn(1, 1);
    reader.live(id(1, 1));
    reader.live(id(1, 5));
    reader.now = PATIENCE - Duration::from_millis(1);
    assert_eq!(reader.give_up(), [0; 0]);
    reader.now = PATIENCE;
    assert_eq!(reader.give_up(), [5]);
    assert_eq!(reader.live(id(1, 6)), [6]);
    // Late, live or stored.
    assert_eq!(reader.live(id(1, 3)), [3]);
    assert_eq!(reader.live(id(1, 3)), [0; 0]);
    for (seq, wanted) in [(1, vec![]), (2, vec![2]), (3, vec![]), (4, vec![4]), (5, vec![]), (6, vec![])] {
        assert_eq!(reader.stored(id(1, seq)), wanted, "{seq}");
    }
    assert!(reader.weave.ahead().is_empty());
}

#[test]
fn what_was_given_without_a_store_is_not_remembered_when_it_comes_with_its_rows() {
    let mut reader = Reader::new();
    let old = Piece { time: -1, ..piece(id(1, 3)) };
    let mut out = Vec::new();
    // It may have been given before this began.
    reader.weave.live(reader.now, old, &mut out);
    for seq in [5, 6, 9] {
        reader.live(id(1, seq));
    }
    reader.now = PATIENCE;
    assert_eq!(reader.give_up(), [5, 6, 9]);
    assert!(!reader.weave.is_waiting());
    // Its rows up to 6 are such that nobody waits for.
    reader.weave.settle(&origin(1), 7, &mut out);
    assert!(out.is_empty());
    let ahead = reader.weave.ahead().values().next().unwrap();
    assert!(!ahead.has(5, 6, false) && !ahead.has(6, 7, false) && ahead.has(9, 10, false));
    assert_eq!(reader.live(id(1, 4)), [0; 0]);
    for (seq, wanted) in [(7, vec![7]), (8, vec![8]), (9, vec![]), (10, vec![10])] {
        assert_eq!(reader.stored(id(1, seq)), wanted, "{seq}");
    }
    reader.weave.settle(&origin(2), 7, &mut out);
    assert_eq!(reader.weave.origins(), [origin(1)]);
}

#[test]
fn a_line_wins_over_a_gap() {
    let gap = |seq, end| Id { end, is_gap: true, ..id(1, seq) };
    let mut reader = Reader::new();
    reader.learn(1, 1);
    reader.live(id(1, 1));
    assert_eq!(reader.live(gap(2, 5)), [2]);
    assert_eq!(reader.live(gap(2, 5)), [0; 0]);
    // The store has the gap as well, and then one of its lines.
    assert_eq!(reader.stored(id(1, 1)), [0; 0]);
    assert_eq!(reader.stored(gap(2, 5)), [0; 0]);
    assert_eq!(reader.stored(id(1, 3)), [3]);
    // A gap whose lines were all given says nothing.
    reader.live(id(1, 5));
    assert_eq!(reader.stored(gap(5, 6)), [0; 0]);
    // A gap that waits gives way to the lines.
    assert_eq!(reader.live(gap(8, 10)), [0; 0]);
    assert_eq!(reader.stored(id(1, 6)), [6]);
    assert_eq!(reader.stored(id(1, 7)), [7, 8]);
}

#[test]
fn what_is_too_much_comes_from_the_store() {
    let mut reader = Reader::new();
    reader.weave.limits = Limits { held: 2, ..Limits::USUAL };
    for seq in 5..9 {
        reader.live(id(1, seq));
    }
    assert_eq!(reader.learn(1, 4), [0; 0]);
    assert_eq!(reader.stored(id(1, 4)), [4, 5, 6]);
    assert_eq!((reader.stored(id(1, 5)), reader.stored(id(1, 6))), (vec![], vec![]));
    assert_eq!((reader.stored(id(1, 7)), reader.stored(id(1, 8))), (vec![7], vec![8]));
}

#[test]
fn what_two_stores_have_is_given_once() {
    let gap = |seq, end| Id { end, is_gap: true, ..id(1, seq) };
    let mut reader = Reader::new();
    for seq in 1..4 {
        assert_eq!(reader.stored(id(1, seq)), [seq]);
        assert_eq!(reader.stored(id(1, seq)), [0; 0]);
    }
    assert_eq!((reader.stored(gap(4, 6)), reader.stored(gap(4, 6))), (vec![4], vec![]));
    // A line wins over a gap.
    assert_eq!((reader.stored(id(1, 4)), reader.stored(id(1, 4))), (vec![4], vec![]));
    reader.live(id(1, 6));
    assert_eq!((reader.stored(id(1, 6)), reader.stored(id(1, 6))), (vec![], vec![]));
}

#[test]
fn what_is_lost_is_ahead_no_more_and_should_it_come_it_is_known_who_has_it() {
    let mut reader = Reader::new();
    let minute = Duration::from_secs(60);
    let mut out = Vec::new();
    for (boot, count) in [(1, 3), (2, 2)] {
        reader.learn(boot, 1);
        for seq in 1..=count {
            reader.live(id(boot, seq));
        }
    }
    reader.stored(id(1, 1));
    assert!(!reader.weave.lose(10 * minute, true));
    assert_eq!(reader.live(id(1, 4)), [4]);
    assert_eq!(reader.stored(id(1, 4)), [0; 0]);
    assert!(reader.weave.lose(minute, true));
    assert!(reader.weave.ahead().is_empty());
    assert_eq!(reader.weave.losses(), 1);
    // Said again, it is not new.
    assert_eq!(reader.live(id(1, 2)), [0; 0]);
    assert_eq!(reader.weave.stored(reader.now, &id(1, 2), &mut out), Due::Late(1));
    assert_eq!(reader.weave.stored(reader.now, &id(1, 5), &mut out), Due::New);
    assert_eq!(reader.live(id(2, 3)), [3]);
    assert_eq!(reader.weave.stored(reader.now, &id(2, 1), &mut out), Due::Late(1));
    assert_eq!(reader.weave.stored(reader.now, &id(2, 3), &mut out), Due::Given);
    assert!(out.is_empty());
}

#[test]
fn of_too_many_boots_an_idle_one_is_forgotten() {
    let mut reader = Reader::new();
    reader.weave.limits = Limits { boots: 2, ..Limits::USUAL };
    for boot in 1..=2 {
        reader.now += Duration::from_secs(1);
        reader.learn(boot, 1);
        reader.live(id(boot, 1));
    }
    reader.stored(id(2, 1));
    reader.live(id(3, 1));
    assert!(reader.weave.boots.contains_key(&origin(1)) && !reader.weave.boots.contains_key(&origin(2)));
    // It is asked for again.
    reader.live(id(2, 2));
    assert_eq!(reader.weave.unknown(), [origin(2), origin(3)]);
}

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    /// The next live record of a boot comes, or is lost, or comes twice, or one before comes again.
    Live { boot: usize, lost: bool, again: bool },
    /// The store takes the next record of a boot, and it is followed.
    Stored { boot: usize },
    /// An answer says how far the rows go that are below the cursor.
    Learn,
    /// Time passes.
    Wait(u8),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0_usize..3, prop::bool::weighted(0.2), prop::bool::weighted(0.2))
            .prop_map(|(boot, lost, again)| Step::Live { boot, lost, again }),
        4 => (0_usize..3).prop_map(|boot| Step::Stored { boot }),
        1 => Just(Step::Learn),
        1 => (0_u8..4).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    /// Records of three boots, each covering one or more numbers. The reader begins when some are stored.
    #[test]
    fn each_record_is_given_once_and_in_order(
        spans in prop::collection::vec(prop::collection::vec((1_u64..4, prop::bool::weighted(0.1)), 0..12), 3),
        before in prop::collection::vec(0_usize..6, 3),
        steps in prop::collection::vec(any_step(), 0..80),
        gives_up: bool,
        most in prop_oneof![Just(MAX_AHEAD), (1_usize..3, 1_usize..4)],
    ) {
        let records: Vec<Vec<Id>> = (1..).zip(&spans).map(|(boot, spans)| {
            let place = |seq: &mut u64, &(span, is_gap): &(u64, bool)| {
                *seq += span;
                Some(Id { origin: origin(boot), key: key(boot), seq: *seq - span, end: *seq, is_gap })
            };
            spans.iter().scan(1, place).collect()
        }).collect();
        let begun: Vec<usize> = before.iter().zip(&records).map(|(&at, records)| at.min(records.len())).collect();
        let (mut stored, mut live) = (begun.clone(), begun.clone());
        let limits = Limits { ahead: most, ..Limits::USUAL };
        let mut reader = Reader { weave: Weave::new(limits), ..Reader::new() };
        for step in steps {
            let ahead = reader.weave.ahead();
            prop_assert!(ahead.len() <= most.0);
            // A number out of the middle of a range makes two of it.
            prop_assert!(ahead.values().map(|given| given.ranges()).sum::<usize>() <= most.1 + 1);
            match step {
                Step::Live { boot, lost, again } => {
                    let Some(id) = records[boot].get(live[boot]) else { continue };
                    live[boot] += 1;
                    if !lost {
                        reader.live(id.clone());
                    }
                    if again && live[boot] > 1 {
                        reader.live(records[boot][live[boot] - 2].clone());
                    }
                }
                Step::Stored { boot } => {
                    let Some(id) = records[boot].get(stored[boot]) else { continue };
                    stored[boot] += 1;
                    // The store may be sooner than the bus.
                    reader.stored(id.clone());
                }
                Step::Learn => {
                    for origin in reader.weave.unknown() {
                        let boot = (1..).position(|boot| boot == origin.boot.bits()).unwrap();
                        let next = stored[boot].checked_sub(1).map_or(1, |at| records[boot][at].end);
                        reader.learn(origin.boot.bits(), next);
                    }
                }
                Step::Wait(seconds) => {
                    reader.now += Duration::from_secs(seconds.into());
                    if gives_up {
                        reader.give_up();
                    }
                }
            }
        }
        for boot in 0..3 {
            for id in &records[boot][stored[boot]..] {
                reader.stored(id.clone());
            }
        }
        for (boot, records) in (1..).zip(&records) {
            reader.learn(boot, records.last().map_or(1, |id| id.end));
        }
        prop_assert!(!reader.weave.is_waiting());
        prop_assert!(gives_up || reader.weave.ahead().is_empty());
        for boot in 0..3 {
            let mut given: Vec<_> =
                reader.given.iter().filter(|id| id.origin == origin(boot as u64 + 1)).cloned().collect();
            if gives_up {
                given.sort_by_key(|id| id.seq);
                // Without an answer, what was stored before may be taken for new when it is heard again.
                given.retain(|id| records[boot][begun[boot]..].contains(id));
            }
            prop_assert_eq!(&given, &records[boot][begun[boot]..]);
        }
    }
}
