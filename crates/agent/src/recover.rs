//! The start: the spool is opened, and what it lost is stated.

use std::sync::Arc;

use line::{Address, Boot, Clock, GapReason};

use crate::assemble::{Encoded, gap_entry};
use crate::clock::unix_ns;
use crate::config::Config;
use crate::context::Context;
use crate::error::chain;
use crate::health::Health;
use crate::live::Feeds;
use crate::machine::{BootHandle, Machine, Terms};
use crate::metrics::Metrics;
use crate::spool::{self, Damage, DamageKind, Hole, Recovery, Spool};
use crate::writer::{Cursors, Job, LIVE, OutCursor, Parts, STORE};
use crate::{Error, socket};

/// Opens the spool and makes what its thread needs.
pub(crate) fn open(config: &Config) -> Result<(Parts, Recovery), Error> {
    let io = |source| Error::Io { action: "make the directory", path: config.data_dir.clone(), source };
    socket::make_private_dir(&config.data_dir).map_err(io)?;
    let dir = config.data_dir.join("spool");
    let (mut spool, recovery) =
        Spool::open(Arc::clone(&config.disk), &dir, config.spool.clone(), unix_ns()).map_err(Error::Spool)?;
    recovery.damaged.iter().for_each(report);
    let cursors = cursors(&mut spool, config.store.is_some()).map_err(Error::Spool)?;
    let metrics = Arc::new(Metrics::new());
    metrics.spool_quota.set(i64::try_from(config.spool.quota_bytes).unwrap_or(i64::MAX));
    let parts = Parts {
        feeds: Arc::new(Feeds::new(spool.end(), config.store.is_some())),
        cursors,
        keep_bytes: config.keep_bytes,
        metrics,
        health: Arc::new(Health::default()),
        spool,
    };
    Ok((parts, recovery))
}

/// Where each way out stands. What there is no store for must not be held back for it; when one comes again, it is given all
/// that is still here.
fn cursors(spool: &mut Spool, has_store: bool) -> Result<Cursors, spool::Error> {
    let mut open = |name| spool.cursor(name).map(|at| Arc::new(OutCursor::new(at)));
    let (live, store) = (open(LIVE)?, has_store.then(|| open(STORE)).transpose()?);
    if !has_store && let Err(why) = spool.drop_cursor(STORE) {
        tracing::warn!(error = %chain(&why), "the cursor of a former store could not be removed");
    }
    Ok(Cursors { live, store })
}

fn report(damage: &Damage) {
    let Damage { file, kind, from, to } = damage;
    let (from, to) = (from.0, to.0);
    if *kind == DamageKind::TornTail {
        tracing::info!(%file, from, to, "the spool ended in a half-written batch, as after a crash: it was cut off");
        return;
    }
    tracing::warn!(code = "LA03", %file, ?kind, from, to, "a part of the spool is damaged");
}

/// States what is missing in the spool, each range in a gap record of its own.
pub(crate) async fn state_holes(context: &Context, recovery: &Recovery) {
    let now_ns = unix_ns();
    for hole in &recovery.holes {
        let Some((boot, entries)) = fill(context, hole, now_ns) else { continue };
        boot.machine.metrics.gap(GapReason::SpoolDamaged, hole.next_seq - hole.from_seq);
        context.queue.push(Job::Fill { boot, entries }).await;
    }
}

fn fill(context: &Context, hole: &Hole, now_ns: i64) -> Option<(Arc<BootHandle>, Encoded)> {
    let address = Address::from_key(std::str::from_utf8(&hole.key).ok()?).ok()?;
    let metrics = context.metrics.app(&address);
    let machine = Arc::new(Machine::new(address, Terms::default(), metrics));
    let boot = Arc::new(BootHandle::new(machine, Boot::from_bits(hole.boot)));
    let span = hole.next_seq.checked_sub(hole.from_seq)?;
    let gap = gap_entry(hole.from_seq, span, now_ns, Clock::Host, GapReason::SpoolDamaged, 0);
    Some((boot, Encoded::one(&gap)))
}

/// What the spool could not do with the record of a hole: it is reported again at the next start.
pub(crate) fn not_filled(why: &crate::spool::Error) {
    tracing::warn!(code = "LA03", error = %chain(why), "a gap record for damage could not be written");
}
