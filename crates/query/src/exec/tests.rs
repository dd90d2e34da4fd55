//! Many workers and stores give what one gives.

use proptest::prelude::*;

use super::*;
use crate::block::column_tests::any_column;
use crate::block::tests::table;
use crate::parse;
use crate::pipe::tests::{parts, whole};

/// Pipes whose answer does not depend on the order in which rows come.
const PIPES: &[&str] = &[
    "stats by (a, b) count() n, count(c) m, sum(c) s, max(c) x, min(a) y",
    "stats count_uniq(a, b) u, count_uniq_hash(a) h, uniq_values(b) limit 2 v, values(c) limit 3 w",
    "stats by (b) median(c) q, quantile(0.9, a, c) p, count_empty(a) e, histogram(c) h, sum_len(a) l",
    "stats by (c:2) count() if (a:error) n, row_max(c, a, b) r, row_min(a) s, avg(c) t, rate() u, rate_sum(c) v",
    "sort by (a, b desc)",
    "sort by (c) desc limit 3",
    "sort by (b) partition by (a) limit 2 rank as r",
    "sort limit 4 | fields a, c",
    "top 2 by (a, b)",
    "uniq by (a, c) with hits",
    "uniq",
    "field_names",
    "field_values a | filter hits:>1",
    "first 2 by (c) partition by (b)",
    "last 3 by (a) rank as x",
    "filter a:error or b:a | format '<a>-<b>' as d | stats by (d) count() n | sort by (n desc, d) limit 2",
    "math c * 2 as d | stats by (a) sum(d) s | math s + 1 as s | sort by (s, a) | limit 3",
    "limit 1000 | stats by (a) count() n",
];

fn any_block(rows: usize) -> impl Strategy<Value = Block> {
    (any_column(rows), any_column(rows), any_column(rows))
        .prop_map(move |(a, b, c)| Block::new(rows).with("a", a).with("b", b).with("c", c))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn many_hands_give_what_one_gives(
        blocks in prop::collection::vec(any_block(5), 0..5),
        pipe in prop::sample::select(PIPES),
    ) {
        let query = parse(&format!("* | {pipe}"), 0).unwrap();
        let wanted = sorted(whole(&query, &blocks, 1));
        for workers in [2, 3] {
            prop_assert_eq!(&sorted(whole(&query, &blocks, workers)), &wanted, "{} workers", workers);
        }
        prop_assert_eq!(&sorted(parts(&query, &blocks)), &wanted);
    }

    #[test]
    fn states_come_back(blocks in prop::collection::vec(any_block(5), 1..4), pipe in prop::sample::select(PIPES)) {
        let query = parse(&format!("* | {pipe}"), 0).unwrap();
        let pipeline = Pipeline::new(&query, Limits::default(), Side::Part).unwrap();
        let (mut one, mut other) = (pipeline.worker(), pipeline.worker());
        for block in blocks {
            one.push(block, &mut |_| {}).unwrap();
        }
        let state = one.export();
        other.import(&state).unwrap();
        prop_assert_eq!(other.export(), state);
    }

    #[test]
    fn any_bytes_are_a_state_or_an_error(
        mut bytes in prop::collection::vec(any::<u8>(), 0..64),
        blocks in prop::collection::vec(any_block(5), 1..3),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        pipe in prop::sample::select(PIPES),
    ) {
        let query = parse(&format!("* | {pipe}"), 0).unwrap();
        let limits = Limits { bytes: 1 << 20 };
        let pipeline = Pipeline::new(&query, limits, Side::Whole).unwrap();
        let mut worker = pipeline.worker();
        for block in blocks {
            worker.push(block, &mut |_| {}).unwrap();
        }
        let mut state = worker.export();
        for (at, byte) in flips {
            let at = at.index(state.len());
            state[at] = byte;
        }
        if let Some(first) = bytes.first_mut() {
            *first = VERSION;
        }
        if let Some(second) = bytes.get_mut(1) {
            *second = 1;
        }
        for bytes in [state, bytes] {
            let mut worker = pipeline.worker();
            let taken = worker.import(&bytes);
            if taken.is_ok() {
                worker.export();
            }
        }
    }
}

/// The rows in an order of their own, where names come in any order.
fn sorted((names, rows): (Vec<String>, Vec<Vec<String>>)) -> Vec<Vec<(String, String)>> {
    let named = |row: Vec<String>| {
        let mut row: Vec<_> = names.iter().cloned().zip(row).filter(|(_, value)| !value.is_empty()).collect();
        row.sort_unstable();
        row
    };
    rows.into_iter().map(named).collect()
}

fn pipeline(pipes: &str, bytes: usize) -> Pipeline {
    Pipeline::new(&parse(&format!("* | {pipes}"), 0).unwrap(), Limits { bytes }, Side::Whole).unwrap()
}

#[test]
fn what_is_held_is_bounded() {
    let values: Vec<String> = (0..5000).map(|number| format!("value {number}")).collect();
    let rows: Vec<[&str; 1]> = values.iter().map(|value| [value.as_str()]).collect();
    let rows: Vec<&[&str]> = rows.iter().map(|row| &row[..]).collect();
    let block = table(&["a"], &rows);
    for (pipes, fits) in [
        ("stats by (a) count()", false),
        ("stats count_uniq(a)", false),
        ("stats uniq_values(a)", false),
        ("stats values(a)", false),
        ("stats median(a)", false),
        ("sort by (a)", false),
        ("top by (a)", false),
        ("uniq by (a)", false),
        ("stats count(a)", true),
        ("stats uniq_values(a) limit 10", true),
        ("stats count_uniq(a) limit 10", true),
        ("stats max(a)", true),
        ("sort by (a) limit 10", true),
        ("field_names", true),
    ] {
        let pipeline = pipeline(pipes, 100_000);
        let pushed = pipeline.worker().push(block.clone(), &mut |_| {});
        assert_eq!(pushed.is_ok(), fits, "{pipes}: {pushed:?}");
        if let Err(error) = pushed {
            let wanted = format!(
                "'{}' needs more than the 100000 bytes",
                parse(&format!("* | {pipes}"), 0).unwrap().pipes[0]
            );
            assert!(error.to_string().starts_with(&wanted), "{error}");
        }
    }
    // Workers share the bound, and what one has given up the next may hold.
    let pipeline = pipeline("sort by (a)", 1_500_000);
    for _ in 0..3 {
        pipeline.worker().push(block.clone(), &mut |_| {}).unwrap();
    }
    let (mut one, mut other) = (pipeline.worker(), pipeline.worker());
    one.push(block.clone(), &mut |_| {}).unwrap();
    assert!(other.push(block.clone(), &mut |_| {}).and_then(|_| other.push(block, &mut |_| {})).is_err());
}

#[test]
fn enough_is_enough() {
    let block = table(&["a"], &[&["1"], &["2"], &["3"]]);
    let pipeline = pipeline("limit 4 | fields a", usize::MAX);
    let (mut one, mut other, mut rows) = (pipeline.worker(), pipeline.worker(), 0);
    assert_eq!(one.push(block.clone(), &mut |block| rows += block.rows()).unwrap(), Flow::More);
    assert_eq!(other.push(block.clone(), &mut |block| rows += block.rows()).unwrap(), Flow::Done);
    assert_eq!(one.push(block, &mut |block| rows += block.rows()).unwrap(), Flow::Done);
    assert_eq!(rows, 4);
}

#[test]
fn the_reader_may_have_enough() {
    let pipeline = pipeline("sort by (a) | fields a", usize::MAX);
    let numbers: Vec<u64> = (0..5000).collect();
    let mut worker = pipeline.worker();
    worker.push(Block::new(5000).with("a", crate::Column::Number(numbers)), &mut |_| {}).unwrap();
    let mut blocks = 0;
    pipeline
        .finish(vec![worker], &mut |_| {
            blocks += 1;
            Flow::Done
        })
        .unwrap();
    assert_eq!(blocks, 1);
}

#[test]
fn states_of_other_queries_are_refused() {
    let state = pipeline("stats by (a) count()", usize::MAX).worker().export();
    for other in ["fields a", "stats count()", "stats by (a) count(), sum(b)"] {
        assert!(pipeline(other, usize::MAX).worker().import(&state).is_err(), "{other}");
    }
    let mut worker = pipeline("stats count()", usize::MAX).worker();
    assert!(worker.import(&[]).is_err() && worker.import(&[99, 1]).is_err());
}

#[test]
fn weighted_rows_count_for_many() {
    let pipeline = pipeline(
        "stats by (app, _time:1h) count() n, count() if (level:error) e | sort by (app)",
        usize::MAX,
    );
    let minute = |at: i64| at * 60_000_000_000;
    let mut block = table(&["app", "level"], &[&["web", "info"], &["web", "error"], &["db", "info"]])
        .with("_time", crate::Column::Time(vec![minute(1), minute(2), minute(61)]));
    block.set_weights(vec![10, 5, 7]);
    let mut worker = pipeline.worker();
    worker.push(block, &mut |_| {}).unwrap();
    let mut out = Vec::new();
    pipeline
        .finish(vec![worker], &mut |block| {
            crate::block::write_ndjson(&block, crate::block::Order::AsGiven, &mut out);
            Flow::More
        })
        .unwrap();
    let wanted = "{\"app\":\"db\",\"_time\":\"1970-01-01T01:00:00.000000000Z\",\"n\":\"7\",\"e\":\"0\"}\n\
                  {\"app\":\"web\",\"_time\":\"1970-01-01T00:00:00.000000000Z\",\"n\":\"15\",\"e\":\"5\"}\n";
    // After `sort` columns come as its rows have them.
    let lines = |text: &str| -> Vec<serde_json::Value> {
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    assert_eq!(lines(std::str::from_utf8(&out).unwrap()), lines(wanted));
}
