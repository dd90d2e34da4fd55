//! The heartbeat: this agent lives, and so far its boots have come on its disk.

use std::sync::Arc;
use std::time::Duration;

use bus::client::Client;
use bus::sys::{HEARTBEAT_PREFIX, Heartbeat, HeartbeatMark, Mark};
use line::time::SECOND;
use tokio::time::{MissedTickBehavior, interval};

use crate::clock::unix_ns;
use crate::context::Context;
use crate::machine::BootHandle;
use crate::writer::Job;

/// Boots that wrote in this time are in a heartbeat.
const HEARD_NS: i64 = 60 * SECOND;
/// The most boots in one.
const MAX_MARKS: usize = 4096;

/// Sends a heartbeat every `every`, and has the spool note the same marks on disk.
pub(crate) async fn run(context: Arc<Context>, client: Client, every: Duration) {
    let subject = format!("{HEARTBEAT_PREFIX}{}.{}", context.region, context.host_name);
    let mut tick = interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        // A disk that is full must not silence the heartbeat.
        context.queue.try_push(Job::SaveMarks);
        publish(&client, &subject, heartbeat(&context, unix_ns())).await;
    }
}

/// Publishes a heartbeat; when it is longer than the server takes, in parts, each of which is a heartbeat too.
async fn publish(client: &Client, subject: &str, heartbeat: Heartbeat) {
    let mut parts = vec![heartbeat];
    while let Some(mut part) = parts.pop() {
        let Ok(payload) = serde_json::to_vec(&part) else { return };
        // Without a connection there is nobody to hear it; the next one says the same.
        let sent = client.publish(subject, None, &payload).await;
        if matches!(sent, Err(bus::Error::TooLong { .. })) && part.marks.len() > 1 {
            let marks = part.marks.split_off(part.marks.len() / 2);
            parts.push(Heartbeat { marks, host: part.host.clone(), region: part.region.clone(), ..part });
            parts.push(part);
        }
    }
}

fn heartbeat(context: &Context, now_ns: i64) -> Heartbeat {
    let boots = context.heard.since(now_ns.saturating_sub(HEARD_NS));
    Heartbeat {
        host: context.host.clone(),
        region: context.region.to_string(),
        time: now_ns,
        marks: boots.iter().take(MAX_MARKS).map(mark).collect(),
    }
}

fn mark(boot: &Arc<BootHandle>) -> HeartbeatMark {
    let address = &boot.machine.address;
    HeartbeatMark {
        org: address.org.to_string(),
        app: address.app.to_string(),
        region: address.region.to_string(),
        mark: Mark {
            instance: address.instance.to_string(),
            boot: boot.boot.to_string(),
            next_seq: boot.durable(),
        },
    }
}
