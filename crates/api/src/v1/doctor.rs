//! `/api/v1/doctor`: whether all that was produced is stored.
//!
//! Each boot numbers what it says from 1 on, and its times rise with its numbers. So what it said since a moment is a row of numbers
//! without a hole: each is in a line, in a gap record that says why it is lost, or missing. Heartbeats say how far the host has come.

mod account;
mod delivered;

use std::collections::BTreeMap;
use std::sync::Arc;

use line::time::{SECOND, rfc3339};
use query::time::{End, parse_arg};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::must_see;
use super::own::{ask, document, quoted};
use crate::args::{must_have_begun, short};
use crate::heartbeats::SILENT_AFTER;
use crate::reply::{Refused, Reply};
use crate::serve::{Api, Asked, unix_s};
use account::{Account, Boots, Id};

/// How far back it is looked without `since`.
const RECENT: i64 = 3600 * SECOND;
/// Boots that are looked at, those that said something last.
const MAX_BOOTS: usize = 5_000;
/// Gap records that are looked at.
const MAX_GAPS: usize = 20_000;
/// Boots with gap records of which it is looked whether the lines came later after all. Of others it is taken that they did not.
const MAX_LATE: usize = 50;
/// Boots that a heartbeat names and of which nothing is found, of which all time is looked through.
const MAX_SOUGHT: usize = 20;

pub(crate) async fn answer(api: &Arc<Api>, asked: &mut Asked) -> Result<Reply, Refused> {
    let app = asked.args.get("app").map(|app| must_see(&asked.caller, app)).transpose()?;
    let since = since(asked)?;
    let filter = app.as_ref().map_or("*".to_owned(), |app| format!("app:={}", quoted(app.as_str())));
    let filter = format!("{filter} !provider:=import");
    let recent = format!("{filter} _time:>={}", rfc3339(since));
    let mut boots = Boots::default();
    // A row that stands for one number has no `span`.
    // Nearly all rows stand for one number, and nothing has to be worked out for each of them: the others are asked for by themselves.
    let text = format!(
        "{recent} | stats by (app, region, instance, host, boot) count() as rows, min(seq) as first, max(seq) as last, \
         max(_time) as newest | sort by (newest) desc limit {MAX_BOOTS}"
    );
    boots.stored(&ask(api, asked, text).await?);
    let text = format!(
        "{recent} (span:* or \"gap.reason\":*) | math span default 1 as n, seq + n as next \
         | stats by (app, region, instance, boot) count() as rows, sum(n) as numbers, sum(n) if (\"gap.reason\":*) as stated, \
         max(next) as next"
    );
    boots.spanned(&ask(api, asked, text).await?);
    let text = format!(
        "{recent} \"gap.reason\":* | fields app, region, instance, boot, seq, span, \"gap.reason\" | limit {MAX_GAPS}"
    );
    boots.gaps(&ask(api, asked, text).await?);
    late(api, asked, &mut boots).await?;
    let now = Instant::now();
    for mark in api.heartbeats.of(&asked.caller.grant, now, unix_s()) {
        if app.as_ref().is_none_or(|app| *app == mark.address.app) {
            boots.heard(&mark);
        }
    }
    seek(api, asked, &mut boots).await?;
    let hosts = hosts(api, &boots, now);
    let mut apps = apps(&boots, asked.now);
    delivered::add(api, asked, &mut apps);
    Ok(document(json!({ "since": rfc3339(since), "apps": apps, "hosts": hosts }), boots.missing))
}

/// From when on it is looked: the argument `since`, a time or a time span.
fn since(asked: &Asked) -> Result<i64, Refused> {
    let Some(text) = asked.args.get("since") else { return Ok(asked.now.saturating_sub(RECENT)) };
    let since = parse_arg(text, asked.now, End::Start).ok_or_else(|| {
        Refused::bad(format!(
            "the argument since={} is no time, as 2026-11-22T10:00:00Z or -2h are",
            short(text)
        ))
    })?;
    must_have_begun(text, since, asked.now)?;
    Ok(since)
}

/// Looks whether lines that were stated missing came later after all: a gap record stays beside them.
async fn late(api: &Arc<Api>, asked: &mut Asked, boots: &mut Boots) -> Result<(), Refused> {
    let asked_of: Vec<_> = boots.with_gaps().take(MAX_LATE).collect();
    for (id, ranges) in asked_of {
        let text = format!(
            "{} !\"gap.reason\":* ({}) | math span default 1 as n | stats sum(n) as numbers",
            filter_of(&id),
            ranges
                .iter()
                .map(|range| format!("seq:range[{}, {})", range.start, range.end))
                .collect::<Vec<_>>()
                .join(" or ")
        );
        let table = ask(api, asked, text).await?;
        boots.came_late(&id, &table);
    }
    Ok(())
}

/// Looks for what is stored of boots that heartbeats name and that were not found: it may be long ago.
async fn seek(api: &Arc<Api>, asked: &mut Asked, boots: &mut Boots) -> Result<(), Refused> {
    for id in boots.unfound().take(MAX_SOUGHT).collect::<Vec<_>>() {
        let text = format!(
            "{} | math span default 1 as n, seq + n as next | stats max(next) as next, max(_time) as newest",
            filter_of(&id)
        );
        let table = ask(api, asked, text).await?;
        boots.found(&id, &table);
    }
    Ok(())
}

fn filter_of(id: &Id) -> String {
    let [app, region, instance, boot] =
        [&id.app, &id.region, &id.instance, &id.boot].map(|name| quoted(name));
    format!("app:={app} region:={region} instance:={instance} boot:={boot}")
}

/// The hosts of the boots that the caller sees, and when each was heard.
fn hosts(api: &Arc<Api>, boots: &Boots, now: Instant) -> Vec<Value> {
    let names = boots.accounts().filter(|(_, account)| !account.host.is_empty());
    let names = names.map(|(id, account)| (account.host.as_str(), id.region.as_str()));
    // One that was never heard is in the region of one of its Machines, as far as is known.
    let hosts: BTreeMap<&str, &str> = names.collect();
    hosts
        .into_iter()
        .map(|(host, region)| {
            let heard = api.heartbeats.host(host, now);
            let age = heard.as_ref().map(|(_, age)| *age);
            let region = heard.map_or_else(|| region.to_owned(), |(region, _)| region);
            json!({
                "host": host,
                "region": region,
                "age_s": age.map(|age| age.as_secs_f64()),
                "alive": age.is_some_and(|age| age <= SILENT_AFTER),
            })
        })
        .collect()
}

fn apps(boots: &Boots, now: i64) -> Vec<Value> {
    let mut apps: BTreeMap<&str, (Account, Vec<Value>)> = BTreeMap::new();
    for (id, account) in boots.accounts() {
        let (sum, list) = apps.entry(&id.app).or_default();
        sum.add(account, now);
        let mut shown = account.shown(now);
        if let Some(object) = shown.as_object_mut() {
            for (name, value) in [("instance", &id.instance), ("region", &id.region), ("boot", &id.boot)] {
                object.insert(name.to_owned(), value.clone().into());
            }
            object.insert("host".to_owned(), account.host.clone().into());
            object.insert("newest".to_owned(), (account.newest > 0).then(|| rfc3339(account.newest)).into());
            object.insert("first_seq".to_owned(), account.first.into());
            object.insert("next_seq".to_owned(), account.next.into());
        }
        list.push(shown);
    }
    let shown = |(app, (sum, boots)): (&str, (Account, Vec<Value>))| {
        let mut shown = sum.shown(now);
        if let Some(object) = shown.as_object_mut() {
            object.insert("app".to_owned(), app.into());
            object.insert("boots".to_owned(), boots.into());
        }
        shown
    };
    apps.into_iter().map(shown).collect()
}
