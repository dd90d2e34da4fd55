//! Looks after those who are in already: tokens that end or are revoked, and memory that all of them take together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use access::Ended;
use tokio::sync::watch;
use tokio::time::{Duration, Instant, MissedTickBehavior, interval};

use crate::door::{Door, unix_now};
use crate::logins::Known;
use crate::tenant::Tenant;

/// How often everybody is looked at. A revocation ends a session within this and the time that it takes to get here, which is
/// two seconds at most while the registry is heard.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often subscriptions upstream that nobody wants are ended.
const SWEEP_EVERY: Duration = Duration::from_millis(100);

/// What the warden did.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// Sessions whose token's time was over.
    pub(crate) expired: AtomicU64,
    /// Sessions whose token was revoked, or its key or org ended.
    pub(crate) revoked: AtomicU64,
    /// Sessions cut because all together had too much waiting.
    pub(crate) over_budget: AtomicU64,
}

/// Looks until it is dropped.
pub(crate) async fn run(door: Arc<Door>, mut known: watch::Receiver<Known>, done: Arc<Done>) {
    let (mut look, mut sweep) = (interval(LOOK_EVERY), interval(SWEEP_EVERY));
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = look.tick() => {
                look_at_all(&door, &mut known, &done);
                keep_within(&door, &done);
            }
            _ = sweep.tick() => {
                door.upstream.interests.sweep(Instant::now(), |verbs| _ = door.upstream.send(&verbs));
            }
        }
    }
}

fn look_at_all(door: &Door, known: &mut watch::Receiver<Known>, done: &Done) {
    let Some((directory, _)) = known.borrow_and_update().clone() else { return };
    let now_s = unix_now();
    for tenant in door.tenants() {
        match directory.standing(&tenant.grant, now_s) {
            Ok(()) => {}
            Err(Ended::Expired) => {
                done.expired.fetch_add(1, Ordering::Relaxed);
                tenant.end("the token's time is over", Some("User Authentication Expired"));
            }
            Err(Ended::Revoked) => {
                done.revoked.fetch_add(1, Ordering::Relaxed);
                tenant.end("the token was revoked", Some("User Authentication Revoked"));
            }
        }
    }
}

/// Cuts those with the most waiting until all together have no more than they may.
fn keep_within(door: &Door, done: &Done) {
    let budget = door.gate.limits().total_pending_bytes;
    let mut waiting: Vec<(usize, Arc<Tenant>)> = door
        .tenants()
        .into_iter()
        .map(|tenant| {
            let bytes = tenant.peer.outgoing().pending_bytes();
            (bytes, tenant)
        })
        .filter(|(bytes, _)| *bytes > 0)
        .collect();
    let mut total: usize = waiting.iter().map(|(bytes, _)| bytes).sum();
    if total <= budget {
        return;
    }
    waiting.sort_unstable_by_key(|(bytes, _)| *bytes);
    while let Some((bytes, tenant)) = waiting.pop().filter(|_| total > budget) {
        total -= bytes;
        done.over_budget.fetch_add(1, Ordering::Relaxed);
        door.stats.slow_consumers.fetch_add(1, Ordering::Relaxed);
        tenant.end("too much waited for all clients together", None);
    }
}
