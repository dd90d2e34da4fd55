//! What agents have read and the stores may not have yet: each is asked for its newest lines, once, when somebody begins to hear.

use std::time::Duration;

use bus::client::{Client, Delivery};
use bus::sys::{RECENT, RecentEnd, RecentRequest};
use bytes::Bytes;
use line::{Address, Name, OrgId, json};
use tokio::time::{Instant, timeout_at};

/// Lines of each agent.
const LINES: u32 = 1000;
/// How long the first agent may take, and the others when it has said all. Whoever is slower has its lines in a store soon.
const FIRST: Duration = Duration::from_millis(300);
const OTHERS: Duration = Duration::from_millis(50);

/// The newest lines of an org, or of an app of it, not older than `since` (Unix nanoseconds), of all agents that answer in time.
pub(super) async fn ask(client: Client, org: OrgId, app: Option<Name>, since: i64) -> Vec<(Address, Bytes)> {
    let request = RecentRequest {
        org: org.as_str().to_owned(),
        app: app.as_ref().map(|app| app.as_str().to_owned()),
        n: Some(LINES),
        since: Some(since),
        ..RecentRequest::default()
    };
    let Ok(bytes) = serde_json::to_vec(&request) else { return Vec::new() };
    let mut until = Instant::now() + FIRST;
    let asked = timeout_at(until, client.request_many(RECENT, &bytes)).await;
    let Ok(Ok(mut answers)) = asked else { return Vec::new() };
    let mut found = Vec::new();
    while let Ok(Some(Delivery::Message(message))) = timeout_at(until, answers.next()).await {
        if serde_json::from_slice::<RecentEnd>(&message.payload).is_ok() {
            until = until.min(Instant::now() + OTHERS);
            continue;
        }
        let rows = message.payload.split(|byte| *byte == b'\n').filter(|row| !row.is_empty());
        found.extend(rows.filter_map(|row| {
            let read = json::decode(row).ok()?;
            let address = Address::new(org.clone(), &read.app, &read.region, &read.instance).ok()?;
            let is_asked = app.as_ref().is_none_or(|app| *app == address.app);
            is_asked.then(|| (address, message.payload.slice_ref(row)))
        }));
    }
    found
}
