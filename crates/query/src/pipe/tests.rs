//! What the tests of all pipes share.

use super::*;
use crate::block::tests::table;
use crate::budget::Limits;
use crate::exec::{Pipeline, Side, Worker};
use crate::{Query, parse};

fn query(pipe: &str) -> Query {
    parse(&format!("* | {pipe}"), 0).unwrap_or_else(|error| panic!("{pipe}: {error}"))
}

/// The rows of `block` as texts, with their fields.
type Table = (Vec<String>, Vec<Vec<String>>);

fn texts(blocks: &[Block]) -> Table {
    let mut names: Vec<String> = Vec::new();
    for (name, _) in blocks.iter().flat_map(Block::columns) {
        if !names.iter().any(|known| **known == **name) {
            names.push(name.to_string());
        }
    }
    let mut rows = Vec::new();
    for block in blocks {
        for row in 0..block.rows() {
            let text = |name: &String| {
                let column = block.columns().iter().find(|(other, _)| **other == **name);
                let value =
                    column.map_or(Vec::new(), |(_, column)| column.value(row, &mut Vec::new()).to_vec());
                String::from_utf8(value).unwrap()
            };
            rows.push(names.iter().map(text).collect());
        }
    }
    (names, rows)
}

/// Pushes `blocks` into workers in turn, as many as there are.
fn push(workers: &mut [Worker], blocks: &[Block], out: &mut Vec<Block>) {
    let workers_len = workers.len();
    for (at, block) in blocks.iter().enumerate() {
        let worker = &mut workers[at * workers_len / blocks.len()];
        worker.push(block.clone(), &mut |block| out.push(block)).unwrap();
    }
}

fn finish(pipeline: Pipeline, workers: Vec<Worker>, out: &mut Vec<Block>) {
    pipeline
        .finish(workers, &mut |block| {
            out.push(block);
            Flow::More
        })
        .unwrap();
}

/// The answer with so many workers on one store.
pub(crate) fn whole(query: &Query, blocks: &[Block], workers: usize) -> Table {
    let pipeline = Pipeline::new(query, Limits::default(), Side::Whole).unwrap();
    let mut workers: Vec<Worker> = (0..workers).map(|_| pipeline.worker()).collect();
    let mut out = Vec::new();
    push(&mut workers, blocks, &mut out);
    finish(pipeline, workers, &mut out);
    texts(&out)
}

/// The answer of as many stores as there are blocks.
pub(crate) fn parts(query: &Query, blocks: &[Block]) -> Table {
    let rest = Pipeline::new(query, Limits::default(), Side::Rest).unwrap();
    let (mut worker, mut out) = (rest.worker(), Vec::new());
    for block in blocks {
        let part = Pipeline::new(query, Limits::default(), Side::Part).unwrap();
        let (mut workers, mut rows) = (vec![part.worker()], Vec::new());
        push(&mut workers, std::slice::from_ref(block), &mut rows);
        let states: Vec<Vec<u8>> = workers.iter().map(Worker::export).collect();
        finish(part, workers, &mut rows);
        for block in rows {
            worker.push(block, &mut |block| out.push(block)).unwrap();
        }
        states.iter().for_each(|state| worker.import(state).unwrap());
    }
    finish(rest, vec![worker], &mut out);
    texts(&out)
}

/// Checks that `pipe` makes the rows `wanted` of `rows`: in one go, cut into blocks at each row, on two threads, on two
/// stores. The names are in the order in which they are meant where the pipe has one.
#[track_caller]
pub(crate) fn turns(pipe: &str, names: &[&str], rows: &[&[&str]], wanted_names: &[&str], wanted: &[&[&str]]) {
    let query = query(pipe);
    let orders = query.pipes.last().is_some_and(Pipe::orders_fields);
    let compare = |(names, rows): Table, how: &str| {
        let place = |name: &str| names.iter().position(|other| other == name);
        let value = |row: &[String], name: &str| place(name).map_or(String::new(), |at| row[at].clone());
        let found: Vec<Vec<String>> =
            rows.iter().map(|row| wanted_names.iter().map(|name| value(row, name)).collect()).collect();
        assert_eq!(found, wanted, "{pipe} {how}");
        // What else there is must be empty.
        let beyond = |at: usize| !wanted_names.contains(&names[at].as_str());
        let full =
            rows.iter().any(|row| row.iter().enumerate().any(|(at, value)| beyond(at) && !value.is_empty()));
        assert!(!full, "{pipe} {how}: {names:?} {rows:?}");
        if orders && !rows.is_empty() {
            let known: Vec<_> = names.iter().filter(|name| wanted_names.contains(&name.as_str())).collect();
            assert_eq!(known, wanted_names, "{pipe} {how}");
        }
    };
    compare(whole(&query, &[table(names, rows)], 1), "in one go");
    for cut in 0..=rows.len() {
        let blocks = [table(names, &rows[..cut]), table(names, &rows[cut..])];
        compare(whole(&query, &blocks, 1), "cut");
        compare(whole(&query, &blocks, 2), "on two threads");
        compare(parts(&query, &blocks), "on two stores");
    }
}

/// Checks how a pipe is printed, and that what is printed reads as the same.
#[track_caller]
pub(crate) fn prints(pipe: &str, wanted: &str) {
    let pipe = query(pipe).pipes.remove(0);
    assert_eq!(pipe.to_string(), wanted);
    assert_eq!(query(wanted).pipes, [pipe]);
}

/// Names with `*` at the end for prefixes; `*` for all.
fn needs(text: &str) -> Fields {
    if text == "*" {
        return Fields::all();
    }
    let mut needs = Fields::none();
    for name in text.split_whitespace() {
        let names = name.strip_suffix('*').map_or_else(
            || crate::names::Names::one(name),
            |prefix| crate::names::Names(vec![crate::names::Name::Prefix(prefix.to_owned())]),
        );
        needs.add_names(&names);
    }
    needs
}

/// Checks what is needed before a pipe if `behind` is needed behind it.
#[track_caller]
pub(crate) fn before(pipe: &str, behind: &str, wanted: &str) {
    let mut found = needs(behind);
    query(pipe).pipes[0].needs(&mut found);
    assert_eq!(found, needs(wanted), "{pipe} {behind}");
}

/// Checks that a pipe is refused, and with which words.
#[track_caller]
pub(crate) fn refused(pipe: &str, wanted: &str) {
    let message = parse(&format!("* | {pipe}"), 0).unwrap_err().to_string();
    assert!(message.contains(wanted), "{pipe}: {message}");
}

#[test]
fn all_names_are_known() {
    for entry in entries() {
        for name in [entry.name].iter().chain(entry.aliases) {
            let error = parse(&format!("* | {name} %"), 0).unwrap_err().to_string();
            assert!(!error.contains("is no pipe") && !error.contains("not supported"), "{name}: {error}");
        }
    }
    for name in MISSING {
        refused(name, &format!("the pipe '{name}' is not supported yet"));
    }
    refused("", "a pipe is missing");
    refused("fields a b", "where 'fields a' should end");
}

#[test]
fn odd_names_and_fields() {
    prints("len:x", "filter \"len\":x");
    prints("len(a) b", "len(a) as b");
    prints("min(a) b", "stats min(a) as b");
    prints("fields len, \"sort\"", "fields \"len\", \"sort\"");
}
