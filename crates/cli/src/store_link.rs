//! Which stores are on the bus.

use std::time::Duration;

use bus::client::{Client, Delivery};
use bus::sys::{QUERY_PREFIX, QueryNext, QueryRequest};
use line::Name;
use tokio::time::{Instant, sleep, timeout_at};

use crate::output::notice;

/// How long a store may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often it is looked whether there is another one of the same name.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How many answer as this store, up to `most`: each says at least that it knows no such answer. Blocks for 3 s when it are fewer.
pub(crate) async fn answering(client: &Client, store: &str, most: usize) -> usize {
    let request = serde_json::to_vec(&QueryRequest::Next(QueryNext::default())).unwrap_or_default();
    let due = Instant::now() + PATIENCE;
    let subject = format!("{QUERY_PREFIX}{store}");
    let asked = timeout_at(due, client.request_many(&subject, &request));
    let Ok(Ok(mut said)) = asked.await else { return 0 };
    let mut count = 0;
    while count < most {
        match timeout_at(due, said.next()).await {
            Ok(Some(Delivery::Message(_))) => count += 1,
            _ => return count,
        }
    }
    count
}

/// Tells the person once if another store has the name of this one: both keep the same lines then. Ends with the client.
pub(crate) async fn tell_of_namesake(client: Client, store: Name) {
    while client.connected().await.is_ok() {
        if answering(&client, store.as_str(), 2).await > 1 {
            notice(&format!(
                "warning[LR17]: another store called '{store}' is on this bus: both keep the same lines"
            ));
            notice("hint: give one of them another name with --store, or keep nothing there with --no-store");
            return;
        }
        sleep(LOOK_EVERY).await;
    }
}
