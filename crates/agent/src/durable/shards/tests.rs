use std::collections::BTreeSet;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

const MIB: usize = 1 << 20;

/// A batch of the spool, as far as it matters here: its place and its shard.
fn batch(pos: u64, app: u8) -> LiveBatch {
    static ZEROS: [u8; MIB] = [0; MIB];
    LiveBatch {
        pos: Pos(pos),
        next: Pos(pos + 1),
        key: format!("k3f9.app-{app}.lhr.i1").as_bytes().into(),
        boot: 1,
        first_seq: pos,
        next_seq: pos + 1,
        count: 1,
        is_fill: false,
        base_time: i64::try_from(pos).unwrap(),
        bytes: Bytes::from_static(&ZEROS),
    }
}

fn request(batch: LiveBatch) -> Request {
    Request {
        shard: line::shard::of_key(&batch.key),
        batches: vec![batch],
        message: Bytes::new(),
        is_about_refused: false,
        is_too_long: false,
    }
}

/// A spool, shards, and stores that now and then do not answer.
struct Model {
    spool: Vec<LiveBatch>,
    shards: Shards,
    /// The next batch that is read for all.
    read: usize,
    pass: Option<Pass>,
    on_their_way: Vec<u8>,
    stored: BTreeSet<Pos>,
    now: Instant,
}

impl Model {
    fn new(apps: &[u8]) -> Self {
        Self {
            spool: apps.iter().zip(0..).map(|(app, pos)| batch(pos, *app)).collect(),
            shards: Shards::new(Duration::from_secs(5)),
            read: 0,
            pass: None,
            on_their_way: Vec::new(),
            stored: BTreeSet::new(),
            now: Instant::now(),
        }
    }

    fn read_from(&self) -> Pos {
        Pos(self.read as u64)
    }

    /// Reads some for all, if there is room.
    fn read_some(&mut self, count: usize) {
        self.shards.make_room(self.read_from(), self.now);
        if self.shards.has_room() {
            let end = self.spool.len().min(self.read + count);
            let mut batches = self.spool[self.read..end].to_vec();
            self.read = end;
            self.shards.retain(&mut batches);
            batches.into_iter().for_each(|batch| self.shards.push(request(batch)));
        }
    }

    /// Reads some of what was set aside, if there is room.
    fn pass_some(&mut self, count: usize) {
        self.shards.forget_past_retries(self.now);
        if !self.shards.has_room_for_pass() {
            return;
        }
        if self.pass.is_none() && self.shards.may_begin_pass() {
            self.pass = self.shards.begin_pass(self.now);
            assert!(self.pass.is_some());
        }
        let Some(pass) = self.pass.take().filter(|_| self.shards.is_passing()) else { return };
        let at = usize::try_from(pass.at.0).unwrap();
        let end = self.read.min(at + count);
        if at >= end {
            self.shards.end_pass(true, self.now);
            return;
        }
        let mut batches = self.spool[at..end].to_vec();
        self.shards.pass_over(&mut batches, Pos(end as u64));
        batches.into_iter().for_each(|batch| self.shards.push(request(batch)));
        self.pass = Some(Pass { at: Pos(end as u64) });
    }

    /// Asks what can be asked; an answer comes, or does not.
    fn ask(&mut self, which: usize, answers: bool) {
        self.on_their_way.extend(self.shards.take_ready(self.now).iter().map(|ask| ask.shard));
        if self.on_their_way.is_empty() {
            return;
        }
        let shard = self.on_their_way.swap_remove(which % self.on_their_way.len());
        if !answers {
            self.shards.failed(shard, None, self.now);
            return;
        }
        let done = self.shards.done(shard).unwrap();
        let of_shard = self.spool.iter().filter(|batch| line::shard::of_key(&batch.key) == shard);
        let before: Vec<_> = of_shard.map(|batch| batch.pos).filter(|pos| *pos < done.first_pos()).collect();
        assert!(before.iter().all(|pos| self.stored.contains(pos)), "in order");
        self.stored.insert(done.first_pos());
    }

    fn check(&self) {
        let stored = self.shards.stored(self.read_from());
        assert!((0..stored.0).all(|pos| self.stored.contains(&Pos(pos))), "all before {stored:?} is stored");
        let held: usize = self.shards.shards.iter().flat_map(|s| &s.queue).map(Request::held_bytes).sum();
        assert_eq!(self.shards.held_bytes, held);
        assert!(held < MAX_HELD_BYTES + 5 * MIB);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Read(usize),
    Pass(usize),
    Ask(usize, bool),
    Wait(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1_usize..5).prop_map(Step::Read),
        (1_usize..5).prop_map(Step::Pass),
        (any::<usize>(), any::<bool>()).prop_map(|(which, answers)| Step::Ask(which, answers)),
        (0_u64..4000).prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn every_shard_is_stored_in_order_and_to_the_end(
        apps in proptest::collection::vec(0_u8..4, 1..60), steps in proptest::collection::vec(any_step(), 0..150),
    ) {
        let mut model = Model::new(&apps);
        for step in steps {
            match step {
                Step::Read(count) => model.read_some(count),
                Step::Pass(count) => model.pass_some(count),
                Step::Ask(which, answers) => model.ask(which, answers),
                Step::Wait(ms) => model.now += Duration::from_millis(ms),
            }
            model.check();
        }
        // From now on all stores answer.
        let end = Pos(apps.len() as u64);
        for _ in 0..apps.len() * 20 {
            if model.shards.stored(model.read_from()) == end && model.shards.is_settled() {
                break;
            }
            model.now += Duration::from_secs(1);
            model.read_some(4);
            model.pass_some(4);
            model.ask(0, true);
            model.check();
        }
        prop_assert_eq!(model.shards.stored(model.read_from()), end);
        prop_assert!(model.shards.is_settled() && model.shards.held_bytes == 0);
    }
}

#[test]
fn a_store_that_is_away_does_not_hold_up_another() {
    let apps: Vec<u8> = (0..60).map(|i| i % 2).collect();
    let mut model = Model::new(&apps);
    let away = line::shard::of_key(&model.spool[0].key);
    for _ in 0..300 {
        model.read_some(4);
        for ask in model.shards.take_ready(model.now) {
            if ask.shard == away {
                model.shards.failed(away, None, model.now);
            } else {
                let done = model.shards.done(ask.shard).unwrap();
                model.stored.insert(done.first_pos());
            }
        }
        model.check();
    }
    let others = (0..60).filter(|pos| pos % 2 == 1).map(Pos);
    assert!(others.eq(model.stored.iter().copied()));
    assert_eq!((model.shards.stored(model.read_from()), model.shards.failing()), (Pos(0), 1));
}

#[test]
fn a_shard_whose_store_fails_again_leaves_the_pass_and_one_that_has_caught_up_is_as_the_others() {
    let mut model = Model::new(&[1; 20]);
    let shard = line::shard::of_key(&model.spool[0].key);
    for _ in 0..3 {
        model.read_some(4);
        model.shards.take_ready(model.now);
        model.shards.failed(shard, None, model.now);
    }
    model.read_some(4);
    assert_eq!((model.shards.held_bytes, model.read), (0, 16), "set aside");
    for wanted in [false, true] {
        model.now += Duration::from_secs(5);
        model.pass_some(2);
        assert!(model.shards.is_passing() && model.shards.held_bytes == 2 * MIB);
        assert_eq!(model.shards.take_ready(model.now).len(), 1);
        if !wanted {
            model.shards.failed(shard, None, model.now);
            assert!(!model.shards.is_passing() && model.shards.held_bytes == 0);
            assert_eq!(model.shards.stored(model.read_from()), Pos(0));
            model.pass = None;
        }
    }
    while model.shards.is_passing() {
        while model.shards.done(shard).is_some() {}
        model.pass_some(4);
    }
    model.read_some(4);
    assert_eq!(model.shards.held_bytes, 4 * MIB, "what comes now is read for all");
}

#[test]
fn the_wait_doubles_up_to_the_longest_and_is_over_with_an_answer() {
    let mut shards = Shards::new(Duration::from_millis(300));
    let start = Instant::now();
    shards.push(request(batch(1, 1)));
    let shard = shards.take_ready(start)[0].shard;
    for wanted in [100, 200, 300, 300] {
        shards.failed(shard, None, start);
        assert_eq!(shards.retry_at(), Some(start + Duration::from_millis(wanted)));
    }
    // A store that says when is believed.
    shards.failed(shard, Some(Duration::from_millis(7)), start);
    assert_eq!(shards.retry_at(), Some(start + Duration::from_millis(7)));
    assert!(shards.take_ready(start).is_empty() && shards.taken(Pos(1)) == Some(1));
    shards.retry_all();
    assert_eq!(shards.take_ready(start).len(), 1);
    assert!(shards.done(shard).is_some() && shards.failing() == 0 && shards.held_bytes == 0);
}

/// Parts of a refused request go by app, so a later one may hold what stands earlier in the spool.
#[test]
fn what_no_store_has_yet_is_never_passed_over_whatever_the_order() {
    let now = Instant::now();
    let several = |positions: &[u64]| {
        let batches: Vec<_> = positions.iter().map(|pos| batch(*pos, 0)).collect();
        Request { batches: batches.clone(), ..request(batches[0].clone()) }
    };
    let shard = several(&[0]).shard;
    let start = || {
        let mut shards = Shards::new(Duration::from_secs(5));
        shards.push(several(&[0, 1, 2, 3, 4]));
        shards.replace(shard, vec![several(&[0, 3]), several(&[4]), several(&[1, 2])]);
        shards
    };
    let mut shards = start();
    assert_eq!((shards.stored(Pos(5)), shards.taken(Pos(0))), (Pos(0), Some(0)));
    shards.done(shard);
    assert_eq!((shards.stored(Pos(5)), shards.taken(Pos(1))), (Pos(1), Some(1)));
    shards.done(shard);
    shards.done(shard);
    assert_eq!(shards.stored(Pos(5)), Pos(5));

    // And when the shard is set aside while the second part is on its way.
    let mut shards = start();
    shards.done(shard);
    shards.take_ready(now);
    (0..9).for_each(|pos| shards.push(request(batch(pos + 5, 1))));
    shards.make_room(Pos(14), now + SLOW);
    assert_eq!(shards.stored(Pos(14)), Pos(1));
    shards.failed(shard, None, now);
    assert_eq!(shards.stored(Pos(14)), Pos(1));
}
