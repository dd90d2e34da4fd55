//! What stands around stored lines: asked of the store by id, a few windows of numbers at a time.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::Result;

use super::asked::Times;
use super::item::Item;
use super::printer::Printer;
use super::surrounding::{Key, Surrounding, key};
use super::tail::Scope;
use crate::http::{Form, Server, Trouble};
use crate::rows::Row;
use crate::search::QUERY;

/// Windows in one question.
const WINDOWS: usize = 50;
/// How many of the newest lines are fetched for matches to come.
const NEWEST: usize = 2000;

/// Numbers of one start, both ends included.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Window {
    key: Key,
    from: u64,
    to: u64,
}

/// Shows `matches`, which come oldest first, with what stands around them.
pub(super) async fn show(
    server: &Server,
    scope: &Scope,
    n: usize,
    matches: Vec<Item>,
    surrounding: &mut Surrounding,
    printer: &mut Printer,
) -> Result<()> {
    let ids: HashSet<_> =
        matches.iter().filter_map(|item| Some((key(item)?, item.message.entry.seq))).collect();
    for item in matches.iter().filter(|item| key(item).is_none()) {
        surrounding.take_known(item, true, printer)?;
    }
    let mut own: HashMap<Key, BTreeMap<u64, Item>> = HashMap::new();
    let windows = windows(&matches, n as u64);
    for item in matches {
        if let Some(key) = key(&item) {
            own.entry(key).or_default().insert(item.message.entry.seq, item);
        }
    }
    for some in windows.chunks(WINDOWS) {
        let rows = fetch(server, scope, Times::default(), &text(some), None).await;
        for item in rows.map_err(|trouble| trouble.fail(server.address()))? {
            if let Some(key) = key(&item) {
                own.entry(key).or_default().entry(item.message.entry.seq).or_insert(item);
            }
        }
        for window in some {
            let Some(items) = own.get(&window.key) else { continue };
            for (seq, item) in items.range(window.from..=window.to) {
                surrounding.take_known(item, ids.contains(&(window.key.clone(), *seq)), printer)?;
            }
        }
    }
    Ok(())
}

/// Keeps the newest lines, for what is to stand before matches to come. Without them these have fewer.
pub(super) async fn keep_newest(
    server: &Server,
    scope: &Scope,
    surrounding: &mut Surrounding,
) -> Result<(), Trouble> {
    let mut items = fetch(server, scope, Times::default(), "*", Some(NEWEST)).await?;
    items.sort_by_key(|item| item.message.entry.seq);
    for item in &items {
        if let Some(key) = key(item) {
            surrounding.keep(&key, item);
        }
    }
    Ok(())
}

/// The windows around `matches`, those of one start that touch made one, in the order of the first match of each.
fn windows(matches: &[Item], n: u64) -> Vec<Window> {
    let mut windows: Vec<Window> = Vec::new();
    let mut open: HashMap<Key, usize> = HashMap::new();
    for item in matches {
        let (Some(key), entry) = (key(item), &item.message.entry) else { continue };
        let (from, to) = (entry.seq.saturating_sub(n), entry.next_seq().saturating_add(n) - 1);
        match open.get(&key).and_then(|at| windows.get_mut(*at)) {
            Some(window) if (window.from..=window.to.saturating_add(1)).contains(&from) => {
                window.to = window.to.max(to)
            }
            _ => {
                open.insert(key.clone(), windows.len());
                windows.push(Window { key, from, to });
            }
        }
    }
    windows
}

fn text(windows: &[Window]) -> String {
    let one = |window: &Window| {
        let (instance, boot) = &window.key;
        // Names of instances have no quotes in them, as no name has.
        let instance: String = instance.chars().filter(|c| !"\"\\".contains(*c)).collect();
        format!("(instance:=\"{instance}\" boot:=\"{boot}\" seq:range[{}, {}])", window.from, window.to)
    };
    windows.iter().map(one).collect::<Vec<_>>().join(" or ")
}

/// The lines of `scope` that `query` finds, in whatever order; with `limit`, the newest.
pub(super) async fn fetch(
    server: &Server,
    scope: &Scope,
    times: Times,
    query: &str,
    limit: Option<usize>,
) -> Result<Vec<Item>, Trouble> {
    let time = |time: Option<i64>| time.map(line::time::rfc3339);
    let form = Form::new()
        .with("query", query)
        .with_some("start", time(times.since).as_deref())
        .with_some("end", time(times.until).as_deref())
        .with_some("limit", limit.map(|limit| limit.to_string()).as_deref())
        .with_some("extra_stream_filters", scope.filter().as_deref());
    let mut answer = server.ask_again(QUERY, &form).await?;
    let mut items = Vec::new();
    while let Some(line) = answer.line().await? {
        items.extend(Row::read(&line).and_then(|row| row.item()));
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(instance: &str, seq: u64) -> Item {
        let json = format!(
            r#"{{"fly":{{"app":{{"instance":"{instance}","name":"web"}},"region":"lhr"}},"message":"x",
            "timestamp":"2026-11-22T10:00:00Z","logway":{{"boot":"019a0c3f2b7c0001","seq":{seq}}}}}"#
        );
        Item::read(json.into()).unwrap()
    }

    #[test]
    fn windows_that_touch_are_one() {
        let matches: Vec<Item> =
            [("a", 10), ("b", 10), ("a", 15), ("a", 100), ("b", 1)].map(|(i, s)| item(i, s)).into();
        let found: Vec<_> =
            windows(&matches, 2).into_iter().map(|w| format!("{} {}-{}", w.key.0, w.from, w.to)).collect();
        assert_eq!(found, ["a 8-17", "b 8-12", "a 98-102", "b 0-3"]);
    }

    #[test]
    fn they_are_asked_for_in_logsql() {
        let text = text(&windows(&[item("a", 1), item("b", 7)], 3));
        let wanted = "(instance:=\"a\" boot:=\"019a0c3f2b7c0001\" seq:range[0, 4]) or (instance:=\"b\" boot:=\"019a0c3f2b7c0001\" seq:range[4, 10])";
        assert_eq!(text, wanted);
        assert!(query::parse(&text, 0).is_ok());
    }
}
