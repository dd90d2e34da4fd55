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

/// Of those who have to be told of a loss, the part that is told at each sweep.
const LOSS_TURNS: usize = 10;

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
                pass_loss_on(&door);
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
                end(
                    door,
                    &tenant,
                    &done.expired,
                    "the token's time is over",
                    Some("User Authentication Expired"),
                );
            }
            Err(Ended::Revoked) => {
                end(
                    door,
                    &tenant,
                    &done.revoked,
                    "the token was revoked",
                    Some("User Authentication Revoked"),
                );
            }
        }
    }
}

/// Ends a session, once. Its queue groups go on without it from now, not from when it is gone.
fn end(door: &Door, tenant: &Tenant, count: &AtomicU64, why: &'static str, last_word: Option<&str>) {
    if tenant.peer.outgoing().is_closing() {
        return;
    }
    count.fetch_add(1, Ordering::Relaxed);
    tenant.end(why, last_word);
    let members: Vec<_> = tenant.members().iter().filter(|member| member.is_queue).cloned().collect();
    members.iter().for_each(|member| door.upstream.part(member));
}

/// Passes a lost connection to the bus on to those who heard something over it: what was said meanwhile is missing, and a plain
/// close is how a NATS client is told. They come back by themselves, not all at once.
fn pass_loss_on(door: &Door) {
    // While there is none, they would only knock in vain.
    let Some(epoch) = door.upstream.connected_epoch() else { return };
    let stale: Vec<_> = door.tenants().into_iter().filter(|tenant| tenant.is_from_before(epoch)).collect();
    for tenant in stale.iter().take(stale.len().div_ceil(LOSS_TURNS)) {
        tenant.end("the connection to the bus was lost meanwhile", None);
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
        door.stats.slow_consumers.fetch_add(1, Ordering::Relaxed);
        end(door, &tenant, &done.over_budget, "too much waited for all clients together", None);
    }
}
