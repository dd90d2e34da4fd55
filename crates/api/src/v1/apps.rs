//! `/api/v1/apps`: the apps of the org, and how they do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use line::time::{SECOND, rfc3339};
use serde_json::{Value, json};

use super::own::{Row, Table, ask, between, document, quoted};
use crate::reply::{Refused, Reply};
use crate::serve::{Api, Asked};

const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
/// Minutes that are counted one by one.
const MINUTES: usize = 60;
/// How far back regions and Machines are counted.
const RECENT: i64 = 24 * HOUR;
/// Apps whose last line is looked for, those that wrote last first.
const MAX_LAST_LINES: usize = 200;
/// How long last lines are looked for; then the others have none.
const LAST_LINES_TIME: Duration = Duration::from_secs(3);
/// Longest message of a last line in bytes; a longer one is cut.
const MAX_MESSAGE_BYTES: usize = 1024;

/// All apps that the store has lines of and that the token may see.
pub(crate) async fn answer(api: &Arc<Api>, asked: &mut Asked) -> Result<Reply, Refused> {
    // Whole minutes, this one included: so the store counts without looking at rows.
    let end = asked.now.div_euclid(MINUTE).saturating_add(1).saturating_mul(MINUTE);
    let hour = end - MINUTES as i64 * MINUTE;
    let mut apps = Apps::default();
    apps.days(&ask(api, asked, "* | stats by (app, _time:1d) count() as n".to_owned()).await?);
    let text = format!("{} | stats by (app, region, instance) count() as n", between(end - RECENT, end));
    apps.sources(&ask(api, asked, text).await?);
    let text = format!("{} | stats by (app, _time:1m) count() as n", between(hour, end));
    apps.minutes(&ask(api, asked, text).await?, hour);
    let text = format!("{} level:=error | stats by (app) count() as n", between(hour, end));
    apps.errors(&ask(api, asked, text).await?);
    apps.last_lines(api, asked).await?;
    let list: Vec<_> = apps.apps.iter().map(|(name, app)| app.shown(name)).collect();
    Ok(document(json!({ "apps": list }), apps.missing))
}

/// Apps by name.
#[derive(Debug, Default)]
struct Apps {
    apps: BTreeMap<String, App>,
    missing: Vec<String>,
}

#[derive(Debug)]
struct App {
    regions: BTreeSet<String>,
    instances: u64,
    per_minute: [u64; MINUTES],
    errors: u64,
    /// A time before its last line and not long before.
    last: i64,
    last_line: Value,
}

impl Default for App {
    fn default() -> Self {
        let per_minute = [0; MINUTES];
        Self {
            regions: BTreeSet::new(),
            instances: 0,
            per_minute,
            errors: 0,
            last: 0,
            last_line: Value::Null,
        }
    }
}

impl Apps {
    fn app(&mut self, row: Row<'_>) -> &mut App {
        self.apps.entry(row.text("app")).or_default()
    }

    /// Which apps there are, and on which day each wrote last.
    fn days(&mut self, table: &Table) {
        self.missing.extend_from_slice(&table.missing);
        for row in table.rows() {
            let app = self.app(row);
            app.last = app.last.max(row.time());
        }
    }

    fn sources(&mut self, table: &Table) {
        self.missing.extend_from_slice(&table.missing);
        for row in table.rows() {
            let app = self.app(row);
            app.regions.insert(row.text("region"));
            app.instances += 1;
        }
    }

    fn minutes(&mut self, table: &Table, from: i64) {
        self.missing.extend_from_slice(&table.missing);
        for row in table.rows() {
            let lines = row.count("n");
            let app = self.app(row);
            app.last = app.last.max(row.time());
            let minute = usize::try_from((row.time() - from).div_euclid(MINUTE)).ok();
            if let Some(count) = minute.and_then(|minute| app.per_minute.get_mut(minute)) {
                *count += lines;
            }
        }
    }

    fn errors(&mut self, table: &Table) {
        self.missing.extend_from_slice(&table.missing);
        for row in table.rows() {
            self.app(row).errors += row.count("n");
        }
    }

    /// The last line of each app, as far as there is time: the store finds one without looking at many.
    async fn last_lines(&mut self, api: &Arc<Api>, asked: &mut Asked) -> Result<(), Refused> {
        let until = Instant::now() + LAST_LINES_TIME;
        let mut newest: Vec<_> = self.apps.iter_mut().collect();
        newest.sort_by_key(|(_, app)| std::cmp::Reverse(app.last));
        for (name, app) in newest.into_iter().take(MAX_LAST_LINES) {
            if Instant::now() >= until {
                break;
            }
            let text = format!(
                "app:={} _time:>={} | sort by (_time) desc limit 1 | fields _time, _msg, level, instance",
                quoted(name),
                rfc3339(app.last)
            );
            let table = ask(api, asked, text).await?;
            app.last_line = table.rows().next().map_or(Value::Null, last_line);
        }
        Ok(())
    }
}

fn last_line(row: Row<'_>) -> Value {
    let message = row.text("_msg");
    json!({
        "time": rfc3339(row.time()),
        "level": row.text("level"),
        "message": message[..message.floor_char_boundary(MAX_MESSAGE_BYTES)],
        "instance": row.text("instance"),
    })
}

impl App {
    fn shown(&self, name: &str) -> Value {
        json!({
            "name": name,
            "regions": self.regions,
            "instances": self.instances,
            "lines_1h": self.per_minute.iter().sum::<u64>(),
            "errors_1h": self.errors,
            "per_minute": self.per_minute.as_slice(),
            "last_line": self.last_line,
        })
    }
}
