//! `logway store list`, `assign` and `forget`: which store keeps the lines of which shards.

use std::collections::BTreeMap;
use std::io::Write;
use std::str::FromStr;

use anyhow::Result;
use bus::roles::Role;
use line::Name;
use registry::admin::{Request, Response, StoreInfo};

use crate::bus_link;
use crate::data::{Data, Running};
use crate::exit::Exit;
use crate::fail::Fail;
use crate::output::notice;
use crate::registry_link::{ask, strange};
use crate::store_link;

/// The arguments of `logway store assign`.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("which").required(true).args(["half_of", "all_of", "shards", "all"])))]
pub(crate) struct Assign {
    /// The store that gets them: the NAME of its 'logway up --store NAME'
    #[arg(value_parser = name)]
    store: Name,
    /// Half of the shards of this store
    #[arg(long, value_name = "STORE", value_parser = name)]
    half_of: Option<Name>,
    /// All shards of this store
    #[arg(long, value_name = "STORE", value_parser = name)]
    all_of: Option<Name>,
    /// These shards, of 0 to 255: 7, or 0-63,200
    #[arg(long, value_name = "LIST")]
    shards: Option<List>,
    /// All shards there are
    #[arg(long)]
    all: bool,
    /// Also if no store of this name answers now: lines for it wait with their agents
    #[arg(long)]
    absent: bool,
}

/// The arguments of `logway store forget`.
#[derive(Debug, clap::Args)]
pub(crate) struct Forget {
    /// A store that has no shards any more
    #[arg(value_parser = name)]
    store: Name,
}

fn name(text: &str) -> Result<Name, String> {
    Name::new("store", text).map_err(|error| error.to_string())
}

/// Shards by number.
#[derive(Debug, Clone, PartialEq, Eq)]
struct List(Vec<u8>);

impl FromStr for List {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut shards = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            match (first.trim().parse::<u8>(), last.trim().parse::<u8>()) {
                (Ok(first), Ok(last)) if first <= last => shards.extend(first..=last),
                _ => return Err("give numbers of 0 to 255 as 7, or 0-63,200".to_owned()),
            }
        }
        Ok(Self(shards))
    }
}

/// Shards as [`List`] reads them.
fn shown(shards: &[u8]) -> String {
    let mut ranges: Vec<(u8, u8)> = Vec::new();
    for &shard in shards {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(shard) => *last = shard,
            _ => ranges.push((shard, shard)),
        }
    }
    let range = |(first, last): &(u8, u8)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    ranges.iter().map(range).collect::<Vec<_>>().join(",")
}

fn count(shards: usize) -> String {
    if shards == 1 { "1 shard".to_owned() } else { format!("{shards} shards") }
}

fn stores(data: &Data, request: Request, what: &str) -> Result<Vec<StoreInfo>> {
    match ask(data, request, what)? {
        Response::Stores(stores) => Ok(stores),
        other => Err(strange(&other)),
    }
}

/// Prints the stores.
pub(super) fn list(data: &Data, json: bool, out: &mut dyn Write) -> Result<Exit> {
    let stores = stores(data, Request::Stores {}, "the stores cannot be listed")?;
    let names: Vec<&str> = stores.iter().map(|store| store.name.as_str()).collect();
    // Nobody is asked where nothing runs, or where the bus does not let us.
    let answering = data.running()?.and_then(|up| answering(data, &up, &names).ok()).unwrap_or_default();
    for store in &stores {
        let answers = answering.get(&store.name);
        if json {
            let StoreInfo { name, shards } = store;
            writeln!(out, "{}", serde_json::json!({ "name": name, "shards": shards, "answers": answers }))?;
            continue;
        }
        let what = match store.shards.as_slice() {
            [] => "no shards now; asked for the lines that it kept".to_owned(),
            shards => format!("{:<10}  {}", count(shards.len()), shown(shards)),
        };
        let state = match answers {
            Some(true) => "answers",
            Some(false) => "silent",
            None => "-",
        };
        writeln!(out, "{:<20} {state:<8} {what}", store.name)?;
    }
    Ok(Exit::Ok)
}

/// Gives shards to a store.
pub(super) fn assign(data: &Data, args: &Assign, json: bool, out: &mut dyn Write) -> Result<Exit> {
    const WHAT: &str = "no shard is moved";
    let before = stores(data, Request::Stores {}, WHAT)?;
    let shards = wanted(args, &before)?;
    if !args.absent {
        must_answer(data, &args.store)?;
    }
    let had = before.iter().find(|store| store.name == args.store.as_str());
    let moved = shards.iter().filter(|shard| had.is_none_or(|had| !had.shards.contains(shard))).count();
    let request = Request::AssignShards { store: args.store.to_string(), shards };
    let after = stores(data, request, WHAT)?;
    if moved == 0 {
        notice(&format!("nothing is moved: these are shards of {} already", args.store));
        return Ok(Exit::Ok);
    }
    notice(&format!(
        "{} given to {}: it keeps their lines from now on, and what was kept before stays where it is",
        count(moved),
        args.store
    ));
    for store in &after {
        if json {
            writeln!(out, "{}", serde_json::to_string(store)?)?;
        } else {
            writeln!(out, "{:<20} {}", store.name, count(store.shards.len()))?;
        }
        if store.shards.is_empty() {
            notice(&format!(
                "note: {0} has none now, and is still asked for the lines that it kept; when they are gone: logway store forget {0}",
                store.name
            ));
        }
    }
    Ok(Exit::Ok)
}

/// The shards that are meant.
fn wanted(args: &Assign, stores: &[StoreInfo]) -> Result<Vec<u8>> {
    if args.all {
        return Ok((0..=u8::MAX).collect());
    }
    if let Some(List(shards)) = &args.shards {
        return Ok(shards.clone());
    }
    let Some(from) = args.half_of.as_ref().or(args.all_of.as_ref()) else { return Ok(Vec::new()) };
    let owned =
        stores.iter().find(|store| store.name == from.as_str()).map_or(&[][..], |store| &store.shards);
    // The greater half stays: one that has a single shard keeps it.
    let given = if args.half_of.is_some() { &owned[owned.len().div_ceil(2)..] } else { owned };
    if !given.is_empty() {
        return Ok(given.to_vec());
    }
    let what = format!("{from} has {}, and no half to give", count(owned.len()));
    let fail = match owned.len() {
        0 => Fail::new(Exit::NotFound, format!("the store {from} has no shards")).code("LR15"),
        _ => Fail::new(Exit::Usage, what),
    };
    fail.hint("'logway store list' says which store has which").err()
}

/// That a store of this name is there.
fn must_answer(data: &Data, store: &Name) -> Result<()> {
    let hint =
        "or add --absent to give it the shards all the same: their lines wait with the agents until it comes";
    let Some(up) = data.running()? else {
        return Fail::new(Exit::Disconnected, format!("nobody knows whether a store {store} is there"))
            .code("LA17")
            .why("no 'logway up' runs on this data directory")
            .hint(format!("start it, {hint}"))
            .err();
    };
    if answering(data, &up, &[store.as_str()])?.values().all(|answers| *answers) {
        return Ok(());
    }
    Fail::new(Exit::NotFound, format!("no store {store} answers on {}", up.nats))
        .code("LR15")
        .hint(format!("start it with 'logway up --store {store} --nats ...', {hint}"))
        .err()
}

/// Which of the stores answer on the bus of a running Logway.
fn answering(data: &Data, up: &Running, stores: &[&str]) -> Result<BTreeMap<String, bool>> {
    let options = bus_link::options(data, &up.nats, Role::Api, "logway store")?;
    crate::block_on(async {
        let client = bus_link::connect(data, options).await?;
        let asked = stores.iter().map(|store| {
            let (client, store) = (client.clone(), (*store).to_owned());
            tokio::spawn(async move { (store_link::answering(&client, &store, 1).await > 0, store) })
        });
        let mut found = BTreeMap::new();
        for one in asked.collect::<Vec<_>>() {
            let (answers, store) = one.await?;
            found.insert(store, answers);
        }
        client.close().await;
        Ok(found)
    })
}

/// Has a store that had shards once be asked no more.
pub(super) fn forget(data: &Data, args: &Forget) -> Result<Exit> {
    let request = Request::ForgetStore { store: args.store.to_string() };
    stores(data, request, "the store is not forgotten")?;
    notice(&format!("{} is not asked any more; the lines that it still has are not found", args.store));
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn info(name: &str, shards: impl IntoIterator<Item = u8>) -> StoreInfo {
        StoreInfo { name: name.to_owned(), shards: shards.into_iter().collect() }
    }

    fn args() -> Assign {
        let store = name("new").unwrap();
        Assign { store, half_of: None, all_of: None, shards: None, all: false, absent: false }
    }

    #[test]
    fn what_is_given() {
        let stores = [info("main", 0..=200), info("one", [201]), info("old", [])];
        let half = |of: &str| wanted(&Assign { half_of: name(of).ok(), ..args() }, &stores);
        assert_eq!(half("main").unwrap(), (101..=200).collect::<Vec<u8>>());
        assert!(half("one").is_err() && half("old").is_err() && half("none").is_err());
        let all = wanted(&Assign { all_of: name("one").ok(), ..args() }, &stores);
        assert_eq!(all.unwrap(), [201]);
        assert_eq!(wanted(&Assign { all: true, ..args() }, &stores).unwrap().len(), 256);
    }

    #[test]
    fn lists_that_are_none() {
        for bad in ["", "256", "-1", "3-1", "1,", "a", "1-2-3", "1 2"] {
            assert!(bad.parse::<List>().is_err(), "{bad}");
        }
        assert_eq!("1-3, 200".parse(), Ok(List(vec![1, 2, 3, 200])));
    }

    proptest! {
        #[test]
        fn a_list_reads_as_it_is_shown(shards in proptest::collection::btree_set(any::<u8>(), 1..256)) {
            let shards: Vec<u8> = shards.into_iter().collect();
            prop_assert_eq!(shown(&shards).parse(), Ok(List(shards)));
        }
    }
}
