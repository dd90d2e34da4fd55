//! Random work against a map: what is sent, flushed, merged, deleted and restarted gives what the map has.

use crate::support::{DAY, HOUR, Id, Machine, NOON, World, config, gap, line, once, request};
use line::OrgId;
use proptest::prelude::*;
use std::collections::BTreeMap;
use store::Config;

#[derive(Clone, Debug)]
enum Step {
    /// Entries of a machine: `true` a gap of that span.
    Send {
        machine: usize,
        first: u64,
        entries: Vec<(bool, u64)>,
        hours: i64,
    },
    Flush,
    Maintain,
    Restart,
    Pass(i64),
    Delete(usize),
}

fn any_step() -> impl Strategy<Value = Step> {
    let entries = proptest::collection::vec((proptest::bool::weighted(0.1), 1u64..4), 1..8);
    prop_oneof![
        10 => (0usize..4, 1u64..60, entries, 0i64..40)
            .prop_map(|(machine, first, entries, hours)| Step::Send { machine, first, entries, hours }),
        2 => Just(Step::Flush),
        1 => Just(Step::Maintain),
        2 => Just(Step::Restart),
        1 => (1i64..30).prop_map(Step::Pass),
        1 => (0usize..2).prop_map(Step::Delete),
    ]
}

const ORGS: [&str; 2] = ["o1", "o2"];

fn machines() -> Vec<Machine> {
    vec![
        Machine::new("o1", "web", "m1"),
        Machine::new("o1", "api", "m2"),
        Machine::new("o2", "web", "m3"),
        Machine { boot: 9, ..Machine::new("o1", "web", "m1") },
    ]
}

/// What is known of each number: covered by a gap, or a line.
type Model = BTreeMap<(usize, u64), bool>;

/// What a batch should bring: the ids of lines that are new.
fn expect(model: &mut Model, machine: usize, first: u64, entries: &[(bool, u64)]) -> (Vec<u64>, u64) {
    let (mut seq, mut new_lines, mut taken) = (first, Vec::new(), 0);
    for (is_gap, span) in entries {
        let span = if *is_gap { *span } else { 1 };
        let news = (seq..seq + span).any(|number| match model.get(&(machine, number)) {
            None => true,
            Some(is_line) => !is_gap && !is_line,
        });
        taken += u64::from(news);
        for number in seq..seq + span {
            let known = model.entry((machine, number)).or_insert(false);
            if !is_gap && !*known {
                *known = true;
                new_lines.push(number);
            }
        }
        seq += span;
    }
    (new_lines, taken)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if std::env::var_os("LOGWAY_SOAK").is_some() { 20_000 } else { 150 }, ..ProptestConfig::default() })]

    #[test]
    fn the_store_has_what_a_map_has(steps in proptest::collection::vec(any_step(), 1..40)) {
        let config = Config { flush_bytes: 6000, ..config() };
        let mut world = World::new().restart_with(config.clone());
        let machines = machines();
        let (mut seen, mut lines): (Model, BTreeMap<Id, usize>) = Default::default();
        for step in steps {
            match step {
                Step::Send { machine, first, entries, hours } => {
                    let (mut seq, mut built) = (first, Vec::new());
                    for ((is_gap, span), at) in entries.iter().zip(0..) {
                        let time = NOON + hours * HOUR + at;
                        built.push(if *is_gap { gap(seq, *span, time) } else { line(seq, time) });
                        seq += if *is_gap { *span } else { 1 };
                    }
                    let (new_lines, taken) = expect(&mut seen, machine, first, &entries);
                    let receipt = world.append(request(&[(&machines[machine], built)])).unwrap();
                    prop_assert_eq!((receipt.taken, receipt.duplicates), (taken, entries.len() as u64 - taken));
                    lines.extend(new_lines.into_iter().map(|seq| (machines[machine].id(seq), machine)));
                }
                Step::Flush => world.engine().flush_now().unwrap(),
                Step::Maintain => world.engine().maintain().unwrap(),
                Step::Restart => world = world.restart_with(config.clone()),
                Step::Pass(hours) => world.clock.pass(hours * HOUR),
                Step::Delete(org) => {
                    world.engine().delete_org(&OrgId::new(ORGS[org]).unwrap()).unwrap();
                    lines.retain(|id, _| id.0 != ORGS[org]);
                }
            }
            if world.clock_now() > NOON + 20 * DAY {
                world.clock.set(NOON);
            }
        }
        for _ in 0..2 {
            let rows: Vec<_> = world.rows().into_iter().filter(|row| row.message.starts_with(b"GET")).collect();
            let found: Vec<Id> = once(&rows).into_keys().collect();
            prop_assert_eq!(&found, &lines.keys().cloned().collect::<Vec<_>>());
            prop_assert!(world.report.problems.is_empty(), "{:?}", world.report);
            world = world.restart_with(config.clone());
        }
    }
}
