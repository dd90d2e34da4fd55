//! `sys.registry`: which state the registry holds.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bus::client::{Client, Delivery};
use bus::sys::{REGISTRY, RegistryMark};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::keeper::Keeper;

/// However many changes there are, no more is said than once in this time: each word has every follower fetch the state.
const LEAST_GAP: Duration = Duration::from_millis(50);
/// Of its own words it knows so many again; they come back within a round trip of the bus.
const KNOWN_MARKS: usize = 256;
/// How often it is said that there is another registry.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// Says it every `every`, and at once after a change and when the bus is back. Ends with the process.
///
/// It listens, too: what comes there and is none of its own words comes from another registry, which should not be.
pub(crate) async fn run(keeper: &Arc<Keeper>, client: &Client, every: Duration) {
    let (mut version, mut status) = (keeper.version(), client.status());
    let mut tick = interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let Ok(mut marks) = client.subscribe(REGISTRY, None).await else { return };
    let mut own = Own::default();
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            Ok(()) = version.changed() => {}
            Ok(()) = status.changed() => {}
            Some(delivery) = marks.next() => {
                own.hear(&delivery);
                continue;
            }
        }
        version.mark_unchanged();
        let Ok(told) = keeper.told().await else { return };
        let Ok(mark) = serde_json::to_vec(&told.mark) else { return };
        own.said(&told.mark);
        // Without a connection there is nobody to hear it; whoever comes back hears it then.
        if client.publish(REGISTRY, None, &mark).await.is_ok() {
            sleep(LEAST_GAP).await;
        }
    }
}

/// What this registry has said of late.
#[derive(Debug, Default)]
struct Own {
    marks: VecDeque<RegistryMark>,
    last_warned: Option<Instant>,
}

impl Own {
    fn said(&mut self, mark: &RegistryMark) {
        if !self.marks.contains(mark) {
            self.marks.push_back(mark.clone());
        }
        if self.marks.len() > KNOWN_MARKS {
            self.marks.pop_front();
        }
    }

    fn hear(&mut self, delivery: &Delivery) {
        let Delivery::Message(message) = delivery else { return };
        if self.is_own(&message.payload) {
            return;
        }
        let now = Instant::now();
        if self.last_warned.is_none_or(|last| now.saturating_duration_since(last) >= SAY_EVERY) {
            self.last_warned = Some(now);
            tracing::error!(code = "LR14", "another registry announces its state on this bus");
        }
    }

    fn is_own(&self, payload: &[u8]) -> bool {
        serde_json::from_slice(payload).is_ok_and(|mark| self.marks.contains(&mark))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_own_words_are_known_again_and_others_are_not() {
        let mark = |version| RegistryMark { version, digest: "d".repeat(64) };
        let text = |version| serde_json::to_vec(&mark(version)).unwrap();
        let mut own = Own::default();
        (0..=KNOWN_MARKS as u64).for_each(|version| own.said(&mark(version)));
        own.said(&mark(5));
        assert_eq!(own.marks.len(), KNOWN_MARKS);
        assert!(own.is_own(&text(1)) && own.is_own(&text(KNOWN_MARKS as u64)));
        assert!(!own.is_own(&text(0)) && !own.is_own(&text(1000)) && !own.is_own(b"no mark"));
    }
}
