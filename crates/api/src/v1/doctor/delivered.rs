//! What this process delivered of each app to readers of live logs, for `/api/v1/doctor`.

use access::OfApp;
use line::Name;
use line::time::rfc3339;
use serde_json::{Value, json};

use crate::serve::{Api, Asked};

/// Adds it to apps as they are shown: `null` where the token sees some regions or Machines only, which nothing is counted by.
pub(super) fn add(api: &Api, asked: &Asked, apps: &mut [Value]) {
    let delivered = api.deliveries.of(&asked.caller.grant);
    for app in apps.iter_mut().filter_map(Value::as_object_mut) {
        let name = app.get("app").and_then(Value::as_str).and_then(|name| Name::new("app", name).ok());
        let found = delivered.as_ref().zip(name);
        let found = found.map(|(delivered, name)| shown(delivered.since, &delivered.of_app(&name)));
        app.insert("delivered".to_owned(), found.into());
    }
}

fn shown(since: i64, of: &OfApp) -> Value {
    let readers = &of.readers;
    json!({
        "since": rfc3339(since),
        "lines": of.lines,
        "last": of.last.map(rfc3339),
        "readers": readers.open,
        "live": readers.live,
        "catching_up": readers.open - readers.live,
        "behind_s": readers.slowest.map(|behind| (behind.as_secs_f64() * 1000.0).round() / 1000.0),
    })
}
