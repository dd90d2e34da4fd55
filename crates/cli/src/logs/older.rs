//! More recent lines than a tail begins with: the older ones come from the store, before those of the tail.

use std::collections::HashSet;

use line::Boot;

use super::asked::Times;
use super::item::Item;

use super::tail::Scope;
use super::windows::fetch;
use crate::http::{Server, Trouble};

/// What a line is known by, beside its time.
type Id = (i64, String, Option<Boot>, u64);

/// Of the newest `n` lines that pass `query`, those that are not among `newer`, oldest first.
pub(super) async fn than(
    newer: &[Item],
    server: &Server,
    scope: &Scope,
    times: Times,
    query: &str,
    n: usize,
) -> Result<Vec<Item>, Trouble> {
    let known: HashSet<Id> = newer.iter().map(id).collect();
    let mut older = fetch(server, scope, times, query, Some(n)).await?;
    older.retain(|item| !known.contains(&id(item)));
    older.sort_by_cached_key(id);
    let spare = (older.len() + newer.len()).saturating_sub(n);
    older.drain(..spare.min(older.len()));
    Ok(older)
}

fn id(item: &Item) -> Id {
    let (message, entry) = (&item.message, &item.message.entry);
    (entry.time, message.instance.clone(), message.boot, entry.seq)
}
