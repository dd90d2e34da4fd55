//! Store to store: any bytes as the partial result of a query, for each kind of pipe that has one. They are refused, or taken
//! within the bound that the query has; what was taken can be sent on, and makes an answer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use query::{Flow, Limits, Pipeline, Side};

const PIPES: [&str; 9] = [
    "stats by (a, _time:1m) count() n, count_uniq(a, b) u, count_uniq_hash(a) h, sum(b) s, max(b) x, rate() r",
    "stats uniq_values(a) limit 3 v, values(b) w, median(b) q, histogram(b) h, avg(b) m, sum_len(a) l",
    "stats by (a) row_any(b) r, row_max(a) s, row_min(a, b) t, count_empty(a) e",
    "sort by (a, b desc) limit 5 rank as r",
    "sort by (_time) partition by (a) offset 1 limit 2",
    "top 3 by (a, b)",
    "uniq with hits limit 2",
    "field_names",
    "field_values a limit 2",
];

/// What one partial result may make a store hold.
const LIMITS: Limits = Limits { bytes: 4 << 20 };

fuzz_target!(|input: (usize, &[u8])| {
    let (pipe, bytes) = input;
    let text = format!("* | {}", PIPES[pipe % PIPES.len()]);
    let query = query::parse(&text, 0).expect("a query of ours");
    let pipeline = Pipeline::new(&query, LIMITS, Side::Rest).expect("it can be run");
    let (mut one, mut other) = (pipeline.worker(), pipeline.worker());
    // The first two bytes say the version and that there is a state: nothing is to be found before them.
    let state = [&[1, 1], bytes].concat();
    if one.import(&state).is_err() {
        return;
    }
    let again = one.export();
    if other.import(&again).is_ok() {
        assert_eq!(other.export(), again, "what was taken says the same when it is sent on");
    }
    let mut rows = 0;
    pipeline
        .finish(vec![one], &mut |block| {
            rows += block.rows();
            Flow::More
        })
        .expect("nothing behind it can fail");
    assert!(rows <= bytes.len() + 1, "a row takes at least a byte");
});
