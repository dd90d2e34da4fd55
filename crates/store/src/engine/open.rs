//! The start: what counts, what is missing, what is damaged.

use super::core::{Core, Queue};
use super::report::{Problem, Report};
use super::reserve::Reserve;
use super::watch::Watch;
use super::{Config, Engine, Shared, flush, maintain};
use crate::aside::Aside;
use crate::batch::{self, Terms};
use crate::clock::{Clock, Trusted};
use crate::error::Error;
use crate::files::Files;
use crate::manifest::{Damage, Known, Manifest};
use crate::request::Request;
use crate::seen::{self, Seen};
use crate::shelf::{self, Stored};
use crate::wal::{FindingKind, Opened, Wal};
use disk::{Disk, SyncPoint, make_dir};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

mod parts;

/// Each start leaves out so many positions, so that those of records that were lost without a trace are not used again.
const START_STRIDE: u64 = 1 << 24;

impl Engine {
    /// Opens the store in `dir`, made if missing. Damage never stops it: see the report.
    ///
    /// # Errors
    /// [`Error::InUse`] when another process has the directory; when the disk cannot be read or written at all.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        config: Config,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Report), Error> {
        make_dirs(&*disk, dir)?;
        let lock = disk.hold(&dir.join("LOCK")).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => Error::InUse(dir.to_path_buf()),
            _ => Error::io("lock", dir, error),
        })?;
        let mut report = Report::default();
        let mut reserve = Reserve::new(dir, config.reserve_bytes);
        let reserved = reserve.take(&*disk);
        if reserved.is_err() {
            report.problems.push((dir.to_path_buf(), Problem::NoReserve));
        }
        let files = Files::new(Arc::clone(&disk), config.open_parts);
        let found = Found::read(&files, dir, &config, &*clock, (&mut reserve, &mut report))?;
        let Found { manifest, opened, mut core } = found;
        core.trouble = reserved
            .err()
            .map(|error| super::core::Trouble { is_full: error.is_full(), what: error.to_string() });
        let trusted = Trusted::new((manifest.known().at, manifest.known().doubt), &*clock);
        let shared = Arc::new(Shared {
            disk,
            files,
            dir: dir.to_path_buf(),
            config,
            clock,
            flushing: Mutex::new(flush::Flushing::default()),
            maintaining: Mutex::new(maintain::Maintaining::default()),
            manifest: Mutex::new(manifest),
            wal: Mutex::new(opened.wal),
            core: Mutex::new(core),
            changed: Condvar::new(),
            queue: Mutex::new(Queue::default()),
            queued: Condvar::new(),
            trusted: Mutex::new(trusted),
            reserve: Mutex::new(reserve),
            report: report.clone(),
            _lock: lock,
        });
        let mut engine = Self { shared, threads: Vec::new() };
        if opened.replayed > 0 {
            // Should it fail, the flusher tries again, and nothing is acknowledged before.
            let _flushed = engine.flush_now();
        }
        engine.start_threads(dir)?;
        Ok((engine, report))
    }

    /// Starts the threads; the writer is the last.
    fn start_threads(&mut self, dir: &Path) -> Result<(), Error> {
        let mut start = |name: &'static str, run: fn(&Shared)| {
            let shared = Arc::clone(&self.shared);
            let started = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
                let _watch = Watch { shared: &shared, name };
                run(&shared);
            });
            self.threads.push(started.map_err(|error| Error::io("start a thread for", dir, error))?);
            Ok(())
        };
        if self.shared.config.background {
            start("store-flush", Shared::flush_for_ever)?;
            start("store-merge", Shared::maintain_for_ever)?;
        }
        start("store-log", Shared::write_batches)
    }
}

/// Makes the folders. A start before this one may have made them and come no further: so their names are made durable even if
/// they are there.
fn make_dirs(disk: &dyn Disk, dir: &Path) -> Result<(), Error> {
    for dir in [dir.to_path_buf(), dir.join("wal"), dir.join("parts"), dir.join("seen")] {
        make_dir(disk, &dir).map_err(|error| Error::io("make", &dir, error))?;
    }
    for dir in dir.ancestors().take(2).filter(|dir| !dir.as_os_str().is_empty()) {
        disk.sync_dir(dir, SyncPoint::NewDir).map_err(|error| Error::io("sync", dir, error))?;
    }
    Ok(())
}

/// What the files say.
struct Found {
    manifest: Manifest,
    opened: Opened,
    core: Core,
}

impl Found {
    fn read(
        files: &Arc<Files>,
        dir: &Path,
        config: &Config,
        clock: &dyn Clock,
        (reserve, report): (&mut Reserve, &mut Report),
    ) -> Result<Self, Error> {
        let disk = &files.disk;
        let aside = Aside::new(&**disk, dir);
        let (mut manifest, damage) = open_manifest(disk, dir, reserve, &aside)?;
        if damage.bytes > 0 {
            report.problems.push((dir.join(crate::manifest::NAME), Problem::DamagedManifest(damage.bytes)));
        }
        let place = parts::Place { files, dir, aside: &aside, damage, retention: &config.retention };
        let parts = parts::read(&place, &mut manifest, report)?;
        manifest.settled();
        let known = manifest.known().clone();
        let last_seen = shelf::remove_other_seen(&**disk, dir, known.seen);
        let seen = read_seen(disk, dir, &known, &parts.stored, report);
        let mut core = Core {
            active: crate::memtable::Memtable::default(),
            active_since: None,
            frozen: None,
            applied_lsn: known.flushed_lsn,
            flushed_lsn: known.flushed_lsn,
            next_pos: 0,
            next_id: known.next_id.max(parts.last_id + 1).max(last_seen + 1),
            flushed_pos: 0,
            readable_pos: known.next_pos.max(parts.next_pos),
            seen,
            parts: Vec::new(),
            absent: parts.absent,
            damaged: BTreeSet::new(),
            retention: Arc::new(config.retention.clone()),
            byte_floors: Arc::default(),
            deleted: Arc::new(deleted(&known)),
            ended: Arc::default(),
            look: true,
            suspect: false,
            trouble: None,
            broken: None,
            counters: super::stats::Counters::default(),
            stopping: false,
            scratch: crate::flatten::Flattened::default(),
        };
        core.exchange(&[], parts.stored);
        let opened = replay(disk, dir, (config.segment_bytes, &known), &mut core, clock, report)?;
        let next_pos = known.next_pos.max(parts.next_pos).max(opened.next_pos);
        let stride = START_STRIDE.saturating_mul(1 + opened.unknown);
        core.next_pos =
            if next_pos == 0 && opened.unknown == 0 { 1 } else { next_pos.saturating_add(stride) };
        core.suspect = opened.replayed > 0;
        core.applied_lsn = core.applied_lsn.max(opened.wal.durable_lsn());
        report.replayed_rows = core.active.rows();
        report.parts = core.parts.len();
        Ok(Self { manifest, opened, core })
    }
}

/// Opens the manifest. It is written anew then: on a full disk, into the reserve. One that the disk does not give is set aside, as the parts
/// say themselves what they hold.
fn open_manifest(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    reserve: &mut Reserve,
    aside: &Aside<'_>,
) -> Result<(Manifest, Damage), Error> {
    match Manifest::open(disk, dir) {
        Err(error) if error.is_full() => {
            reserve.give(&**disk);
            Manifest::open(disk, dir)
        }
        Err(error) if error.is_unread() => {
            // Durable before it goes, so that a start that is killed here leaves the next one in doubt, too.
            crate::manifest::doubt(&**disk, dir)?;
            match aside.put(&dir.join(crate::manifest::NAME)) {
                Some(_) => Manifest::open(disk, dir),
                None => Err(error),
            }
        }
        opened => opened,
    }
}

fn deleted(known: &Known) -> BTreeMap<line::OrgId, u64> {
    known.deleted.iter().filter_map(|(org, below)| Some((line::OrgId::new(org).ok()?, *below))).collect()
}

/// Reads the log into the memtable.
fn replay(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    (segment_bytes, known): (u64, &Known),
    core: &mut Core,
    clock: &dyn Clock,
    report: &mut Report,
) -> Result<Opened, Error> {
    let aside = Aside::new(&**disk, dir);
    let wal_dir = dir.join("wal");
    let elapsed = clock.elapsed_ns();
    let mut unknown = 0;
    let opened = Wal::open(disk, &wal_dir, &aside, (segment_bytes, known.flushed_lsn), &mut |record| {
        match Request::read(record.payload.to_vec()).and_then(batch::check) {
            Ok(checked) => {
                let (base, positions) = (record.base, record.count);
                let terms = Terms { base, positions, latest: record.latest, earliest: record.earliest };
                core.apply(record.lsn, &checked, &terms, elapsed);
            }
            Err(_) => unknown += 1,
        }
    })?;
    report.replayed = opened.replayed;
    for finding in &opened.findings {
        let problem = match finding.kind {
            FindingKind::TornTail => Problem::TornLog,
            FindingKind::Lost => Problem::LostBatches(finding.records),
            FindingKind::SetAside => Problem::LogSetAside,
            FindingKind::Unreadable => Problem::UnreadableLog(finding.bytes),
            FindingKind::UnreadableOld => Problem::UnreadableOldLog,
        };
        report.problems.push((finding.path.clone(), problem));
    }
    report.problems.extend((0..unknown).map(|_| (wal_dir.clone(), Problem::UnknownBatch)));
    // What was replayed is not counted as taken anew.
    core.counters = super::stats::Counters::default();
    Ok(opened)
}

/// What was seen of each boot when the manifest was written.
fn read_seen(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    known: &Known,
    parts: &[Arc<Stored>],
    report: &mut Report,
) -> Seen {
    if known.seen == 0 && parts.is_empty() {
        return Seen::default();
    }
    let read = shelf::read_seen(&**disk, dir, known.seen);
    let decoded = read.ok().and_then(|bytes| seen::decode(&bytes).ok());
    match decoded {
        Some((seen, lsn)) if lsn == known.flushed_lsn => seen,
        _ => {
            report.problems.push((dir.join("seen"), Problem::SeenAnew));
            seen::from_parts(parts.iter().map(|stored| &*stored.part))
        }
    }
}
