//! `/api/v1/machines`: instances, their boots and how they ended.

use std::collections::BTreeMap;
use std::sync::Arc;

use line::Boot;
use line::time::{SECOND, rfc3339};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::must_see;
use super::own::{Row, Table, ask, between, document, quoted};
use crate::heartbeats::{Mark, SILENT_AFTER};
use crate::reply::{Refused, Reply};
use crate::serve::{Api, Asked, unix_s};

const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
/// How far back it is looked which Machines wrote. Those that began or ended are found as long as lines are kept.
const RECENT: i64 = 7 * 24 * HOUR;
/// How far back it is known to the minute when a Machine wrote last. Before that to ten, and after an hour to the hour.
const LATELY: i64 = 10 * MINUTE;
/// What is read of beginnings and ends.
const EVENT_FIELDS: &str = "_time, app, region, instance, boot, host, logway.event.kind, logway.event.code, logway.event.signal, \
                            logway.event.oom_killed, _msg, seq, span";
/// Beginnings and ends that are looked at, the newest ones.
const MAX_EVENTS: usize = 20_000;
/// Machines that are told, those that wrote last.
const MAX_MACHINES: usize = 5_000;
/// Boots of a Machine that are told, the newest ones.
const MAX_BOOTS: usize = 20;

/// All Machines that the token may see, or those of one app, by the time at which they were seen last.
pub(crate) async fn answer(api: &Arc<Api>, asked: &mut Asked) -> Result<Reply, Refused> {
    let app = asked.args.get("app").map(|app| must_see(&asked.caller, app)).transpose()?;
    let filter = app.as_ref().map_or("*".to_owned(), |app| format!("app:={}", quoted(app.as_str())));
    let end = asked.now.div_euclid(MINUTE).saturating_add(1).saturating_mul(MINUTE);
    let mut machines = Machines::default();
    let text = format!(
        "{filter} {} | stats by (app, region, instance, _time:1h) count() as n",
        between(end - RECENT, end)
    );
    machines.written(&ask(api, asked, text).await?);
    // One by one only minutes of which it matters: of all, there are as many sums as lines.
    for (from, step) in [(end - HOUR, "10m"), (end - LATELY, "1m")] {
        let text = format!(
            "{filter} {} | stats by (app, region, instance, _time:{step}) count() as n",
            between(from, end)
        );
        machines.written(&ask(api, asked, text).await?);
    }
    let text = format!(
        "{filter} {} | stats by (app, region, instance, level) count() as n",
        between(end - HOUR, end)
    );
    machines.counted(&ask(api, asked, text).await?, end - HOUR);
    let text = format!(
        "{filter} (\"logway.event.kind\":in(started, exited) or \"gap.reason\":=vanished) | sort by (_time) desc limit {MAX_EVENTS} \
         | fields {EVENT_FIELDS}"
    );
    machines.told(&ask(api, asked, text).await?);
    let now = Instant::now();
    let marks = api.heartbeats.of(&asked.caller.grant, now, unix_s());
    let marks = marks.iter().filter(|mark| app.as_ref().is_none_or(|app| *app == mark.address.app));
    marks.for_each(|mark| machines.heard(mark, asked.now));
    let is_alive = |host: &str| api.heartbeats.host(host, now).is_some_and(|(_, age)| age <= SILENT_AFTER);
    let mut list: Vec<_> = machines.machines.into_iter().collect();
    list.sort_by(|a, b| b.1.last_seen.cmp(&a.1.last_seen).then_with(|| a.0.cmp(&b.0)));
    let left_out = list.len().saturating_sub(MAX_MACHINES);
    list.truncate(MAX_MACHINES);
    let list: Vec<_> = list.iter().map(|(id, machine)| machine.shown(id, &is_alive)).collect();
    Ok(document(json!({ "machines": list, "left_out": left_out }), machines.missing))
}

/// Which Machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Id {
    app: String,
    region: String,
    instance: String,
}

#[derive(Debug, Default)]
struct Machines {
    machines: BTreeMap<Id, Machine>,
    missing: Vec<String>,
}

#[derive(Debug, Default)]
struct Machine {
    /// A time not long before its last line, Unix nanoseconds.
    last_seen: i64,
    lines: u64,
    errors: u64,
    /// By their bits, which rise with the time of their beginning.
    boots: BTreeMap<u64, Life>,
}

/// What is known of a boot.
#[derive(Debug, Default)]
struct Life {
    host: String,
    started: Option<i64>,
    exit: Option<Value>,
    /// Which seq follows those that are stated missing, if it vanished.
    vanished: Option<u64>,
    /// How far a heartbeat says that it has come.
    next_seq: Option<u64>,
}

impl Machines {
    fn of(&mut self, row: Row<'_>) -> &mut Machine {
        let id = Id { app: row.text("app"), region: row.text("region"), instance: row.text("instance") };
        self.machines.entry(id).or_default()
    }

    /// In which hours, or shorter times, which Machine wrote.
    fn written(&mut self, table: &Table) {
        self.missing.extend_from_slice(&table.missing);
        table.rows().for_each(|row| self.of(row).see(row.time()));
    }

    /// How much each wrote in the last hour.
    fn counted(&mut self, table: &Table, from: i64) {
        self.missing.extend_from_slice(&table.missing);
        for row in table.rows() {
            let (lines, is_error) = (row.count("n"), row.text("level") == "error");
            let machine = self.of(row);
            machine.see(from);
            machine.lines += lines;
            machine.errors += if is_error { lines } else { 0 };
        }
    }

    /// What init and agents have said of boots.
    fn told(&mut self, table: &Table) {
        self.missing.extend_from_slice(&table.missing);
        for row in table.rows() {
            let Ok(boot) = Boot::parse(&row.text("boot")) else { continue };
            let machine = self.of(row);
            machine.see(row.time());
            let life = machine.boots.entry(boot.bits()).or_default();
            life.host = row.text("host");
            match row.text("logway.event.kind").as_str() {
                "started" => life.started = Some(row.time()),
                "exited" => life.exit = Some(exit(row)),
                _ => life.vanished = Some(row.count("seq") + row.count("span").max(1)),
            }
        }
    }

    /// What a heartbeat says of a boot.
    fn heard(&mut self, mark: &Mark, now: i64) {
        let address = &mark.address;
        let [app, region, instance] =
            [&address.app, &address.region, &address.instance].map(|name| name.as_str().to_owned());
        let machine = self.machines.entry(Id { app, region, instance }).or_default();
        let age = i64::try_from(mark.age.as_nanos()).unwrap_or(i64::MAX);
        // A boot is in a heartbeat for a minute after its last line.
        machine.see(now.saturating_sub(age).saturating_sub(MINUTE));
        let life = machine.boots.entry(mark.boot.bits()).or_default();
        life.host.clone_from(&mark.host);
        life.next_seq = Some(mark.next_seq);
    }
}

/// How a boot ended, by init's last event.
fn exit(row: Row<'_>) -> Value {
    json!({
        "code": row.number("logway.event.code"),
        "signal": row.number("logway.event.signal").filter(|signal| *signal > 0),
        "oom": row.text("logway.event.oom_killed") == "true",
        "message": row.text("_msg"),
        "time": rfc3339(row.time()),
    })
}

impl Machine {
    fn see(&mut self, time: i64) {
        self.last_seen = self.last_seen.max(time);
    }

    fn shown(&self, id: &Id, is_alive: &impl Fn(&str) -> bool) -> Value {
        let newest = self.boots.last_key_value();
        let boots: Vec<_> =
            self.boots.iter().rev().take(MAX_BOOTS).map(|(boot, life)| life.shown(*boot)).collect();
        json!({
            "instance": id.instance,
            "app": id.app,
            "region": id.region,
            "host": newest.map(|(_, life)| life.host.as_str()).unwrap_or_default(),
            "boot": newest.map(|(boot, _)| Boot::from_bits(*boot).to_string()),
            "started": newest.map(|(boot, life)| life.began(*boot)),
            "last_seen": rfc3339(self.last_seen),
            "state": newest.map_or("unknown", |(_, life)| life.state(is_alive)),
            "exit": newest.and_then(|(_, life)| life.exit.as_ref()),
            "lines_1h": self.lines,
            "errors_1h": self.errors,
            "boots": boots,
        })
    }
}

impl Life {
    /// The agent says of each boot how it ended. So one of which it has not said so runs, as long as its host lives.
    fn state(&self, is_alive: impl Fn(&str) -> bool) -> &'static str {
        let came_back = |after: u64| self.next_seq.is_some_and(|next_seq| next_seq > after);
        match (&self.exit, self.vanished) {
            (Some(_), _) => "exited",
            (None, Some(after)) if !came_back(after) => "vanished",
            _ if is_alive(&self.host) => "running",
            _ => "unknown",
        }
    }

    /// When it began: by its first event, else by its number, which is init's clock.
    fn began(&self, boot: u64) -> String {
        let by_number =
            || i64::try_from(Boot::from_bits(boot).start_ms()).unwrap_or(0).saturating_mul(1_000_000);
        rfc3339(self.started.unwrap_or_else(by_number))
    }

    fn shown(&self, boot: u64) -> Value {
        json!({
            "boot": Boot::from_bits(boot).to_string(),
            "started": self.began(boot),
            "vanished": self.vanished.is_some(),
            "exit": self.exit,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_boot_does() {
        let exit = || Some(json!({ "code": 0 }));
        for (exit, vanished, next_seq, is_alive, wanted) in [
            (None, None, None, true, "running"),
            (None, None, Some(7), true, "running"),
            (None, None, Some(7), false, "unknown"),
            (exit(), None, Some(7), true, "exited"),
            (exit(), Some(5), Some(7), true, "exited"),
            (None, Some(5), None, true, "vanished"),
            (None, Some(5), Some(5), true, "vanished"),
            (None, Some(5), Some(6), true, "running"),
            (None, Some(5), Some(6), false, "unknown"),
        ] {
            let life = Life { exit, vanished, next_seq, ..Life::default() };
            assert_eq!(life.state(|_| is_alive), wanted, "{life:?}");
        }
    }

    #[test]
    fn when_a_boot_began() {
        let boot = Boot::new(1_795_341_600_000, 1).bits();
        assert_eq!(Life::default().began(boot), rfc3339(1_795_341_600 * SECOND));
        assert_eq!(Life { started: Some(SECOND), ..Life::default() }.began(boot), rfc3339(SECOND));
    }
}
