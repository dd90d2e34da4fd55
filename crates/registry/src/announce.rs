//! `sys.registry`: which state the registry holds.

use std::sync::Arc;
use std::time::Duration;

use bus::client::Client;
use bus::sys::REGISTRY;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::keeper::Keeper;

/// However many changes there are, no more is said than once in this time: each word has every follower fetch the state.
const LEAST_GAP: Duration = Duration::from_millis(50);

/// Says it every `every`, and at once after a change and when the bus is back. Ends with the process.
pub(crate) async fn run(keeper: &Arc<Keeper>, client: &Client, every: Duration) {
    let (mut version, mut status) = (keeper.version(), client.status());
    let mut tick = interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            Ok(()) = version.changed() => {}
            Ok(()) = status.changed() => {}
        }
        version.mark_unchanged();
        let Ok(told) = keeper.told().await else { return };
        let Ok(mark) = serde_json::to_vec(&told.mark) else { return };
        // Without a connection there is nobody to hear it; whoever comes back hears it then.
        if client.publish(REGISTRY, None, &mark).await.is_ok() {
            sleep(LEAST_GAP).await;
        }
    }
}
