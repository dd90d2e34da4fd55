//! A store on a disk in memory, and an agent that sends to it.

use disk::Disk;
use disk::fault::FaultDisk;
use line::append::{Envelope, RowWriter, Run, Writer};
use line::{
    Address, Body, Boot, Clock as LineClock, Entry, Gap, GapReason, Hop, Level, LevelSource, OrgId, Stream,
    Text, entry,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, mpsc};
use store::{Clock, Config, Engine, Error, Receipt, Refusal, Report};

pub(crate) const DIR: &str = "/data/store";
pub(crate) const SECOND: i64 = 1_000_000_000;
pub(crate) const HOUR: i64 = 3600 * SECOND;
pub(crate) const DAY: i64 = 24 * HOUR;
/// Noon of a day in 2026.
pub(crate) const NOON: i64 = 20_780 * DAY + 12 * HOUR;

/// A clock that stands still until it is moved. Clones are the same clock.
#[derive(Clone, Debug)]
pub(crate) struct Paused(Arc<(AtomicI64, AtomicI64)>);

impl Paused {
    pub(crate) fn at(unix: i64) -> Self {
        Self(Arc::new((AtomicI64::new(unix), AtomicI64::new(0))))
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, ns: i64) {
        self.0.0.fetch_add(ns, Ordering::SeqCst);
        self.0.1.fetch_add(ns, Ordering::SeqCst);
    }

    /// Sets the host's clock, without time passing.
    pub(crate) fn set(&self, unix: i64) {
        self.0.0.store(unix, Ordering::SeqCst);
    }
}

impl Clock for Paused {
    fn unix_ns(&self) -> i64 {
        self.0.0.load(Ordering::SeqCst)
    }

    fn elapsed_ns(&self) -> i64 {
        self.0.1.load(Ordering::SeqCst)
    }
}

/// What stands in the store of one record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Found {
    pub(crate) org: String,
    pub(crate) app: String,
    pub(crate) instance: String,
    pub(crate) boot: u64,
    pub(crate) seq: u64,
    pub(crate) span: u64,
    pub(crate) time: i64,
    pub(crate) pos: u64,
    pub(crate) message: Vec<u8>,
}

/// The id of a record: what may be there once.
pub(crate) type Id = (String, String, u64, u64);

impl Found {
    pub(crate) fn id(&self) -> Id {
        (self.org.clone(), self.instance.clone(), self.boot, self.seq)
    }
}

/// A Machine that says numbered lines.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) key: String,
    pub(crate) boot: u64,
}

impl Machine {
    pub(crate) fn new(org: &str, app: &str, instance: &str) -> Self {
        let address = Address::new(OrgId::new(org).unwrap(), app, "lhr", instance).unwrap();
        Self { key: address.key(), boot: 7 }
    }

    pub(crate) fn id(&self, seq: u64) -> Id {
        let address = Address::from_key(&self.key).unwrap();
        (address.org.to_string(), address.instance.to_string(), self.boot, seq)
    }
}

pub(crate) fn text(seq: u64) -> String {
    format!("GET /items/{seq} 200 in {} ms", seq * 7 % 100)
}

pub(crate) fn line(seq: u64, time: i64) -> Entry<'static> {
    Entry {
        time,
        seq,
        span: 1,
        stream: Stream::Stdout,
        level: Level::Info,
        level_source: LevelSource::Default,
        clock: LineClock::Guest,
        body: Body::Line(Text::whole(text(seq).into_bytes())),
    }
}

pub(crate) fn gap(seq: u64, span: u64, time: i64) -> Entry<'static> {
    let body = Body::Gap(Gap { reason: GapReason::RingFull, hop: Hop::Init, bytes: 5 });
    Entry { span, stream: Stream::Agent, level: Level::Warn, body, ..line(seq, time) }
}

/// A request with these entries of machines.
pub(crate) fn request(groups: &[(&Machine, Vec<Entry<'static>>)]) -> Vec<u8> {
    let mut writer = Writer::with_capacity(1000);
    for (machine, entries) in groups {
        let first_seq = entries[0].seq;
        let (mut entry_writer, mut bytes) = (entry::Writer::new(first_seq, NOON), Vec::new());
        for entry in entries {
            entry_writer.push(entry, &mut bytes).unwrap();
        }
        let run = Run { first_seq, base_time: NOON, count: entry_writer.count(), bytes: &bytes };
        writer.machine(&machine.key, "host1", Boot::from_bits(machine.boot), false, run).unwrap();
    }
    envelope(&writer.finish())
}

pub(crate) fn envelope(body: &[u8]) -> Vec<u8> {
    let sent = zstd::bulk::compress(body, 1).unwrap();
    let mut out = Vec::new();
    Envelope::of(body, Some(&sent)).write(&mut out).unwrap();
    out
}

/// A request with lines `seqs` of a machine, a second apart from `time` on.
pub(crate) fn lines(machine: &Machine, seqs: std::ops::Range<u64>, time: i64) -> Vec<u8> {
    let entries =
        seqs.clone().zip(0..).map(|(seq, after): (u64, i64)| line(seq, time + after * SECOND)).collect();
    request(&[(machine, entries)])
}

/// A request with rows from elsewhere.
pub(crate) fn import(machine: &Machine, first_seq: u64, times: &[i64]) -> Vec<u8> {
    let (mut rows, mut bytes) = (RowWriter::new(NOON), Vec::new());
    for (time, seq) in times.iter().zip(first_seq..) {
        let fields = [("status", &b"200"[..])];
        rows.push(
            *time,
            (Level::Info, LevelSource::Default),
            text(seq).as_bytes(),
            fields.into_iter(),
            &mut bytes,
        )
        .unwrap();
    }
    let run = Run { first_seq, base_time: NOON, count: rows.count(), bytes: &bytes };
    let mut writer = Writer::with_capacity(1000);
    writer.import(&machine.key, "api1", Boot::from_bits(machine.boot), run).unwrap();
    envelope(&writer.finish())
}

pub(crate) fn config() -> Config {
    Config {
        segment_bytes: 8 << 10,
        reserve_bytes: 16 << 10,
        merge_inputs: 3,
        background: false,
        ..Config::default()
    }
}

/// A store on a disk in memory.
pub(crate) struct World {
    pub(crate) disk: FaultDisk,
    pub(crate) clock: Paused,
    pub(crate) engine: Option<Engine>,
    pub(crate) report: Report,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::on(FaultDisk::new(), &Paused::at(NOON), config()).unwrap()
    }

    pub(crate) fn on(disk: FaultDisk, clock: &Paused, config: Config) -> Result<Self, Error> {
        let dyn_disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let (engine, report) = Engine::open(dyn_disk, Path::new(DIR), config, Arc::new(clock.clone()))?;
        Ok(Self { disk, clock: clock.clone(), engine: Some(engine), report })
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    pub(crate) fn append(&self, request: Vec<u8>) -> Result<Receipt, Refusal> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.engine().append(request, Box::new(move |outcome| reply.send(outcome).unwrap()));
        answer.recv().unwrap()
    }

    /// Appends what must be taken as a whole.
    pub(crate) fn take(&self, request: Vec<u8>) -> Receipt {
        let receipt = self.append(request).unwrap();
        assert_eq!(receipt.duplicates, 0);
        receipt
    }

    /// Stops as a kill would, and starts again.
    pub(crate) fn restart(self) -> Self {
        self.restart_with(config())
    }

    pub(crate) fn restart_with(mut self, config: Config) -> Self {
        drop(self.engine.take());
        Self::on(self.disk.clone(), &self.clock, config).unwrap()
    }

    pub(crate) fn clock_now(&self) -> i64 {
        self.clock.unix_ns()
    }

    /// All rows that are to be seen.
    pub(crate) fn rows(&self) -> Vec<Found> {
        rows(self.engine())
    }

    /// Checks that these and no others are there, once.
    pub(crate) fn has(&self, ids: &[Id]) {
        let found = once(&self.rows());
        let wanted: BTreeMap<Id, ()> = ids.iter().map(|id| (id.clone(), ())).collect();
        let found: Vec<&Id> = found.keys().collect();
        assert_eq!(found, wanted.keys().collect::<Vec<_>>());
    }

    pub(crate) fn files(&self, below: &str) -> Vec<PathBuf> {
        files(&self.disk, &Path::new(DIR).join(below))
    }
}

/// Every file below a directory.
pub(crate) fn files(disk: &FaultDisk, dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for name in disk.list(dir).unwrap_or_default() {
        let path = dir.join(name);
        if disk.list(&path).is_ok() {
            found.extend(files(disk, &path));
        } else {
            found.push(path);
        }
    }
    found
}

/// All rows that are to be seen.
pub(crate) fn rows(engine: &Engine) -> Vec<Found> {
    let snapshot = engine.snapshot();
    let mut found = Vec::new();
    let mut add = |rows: &store::Rows| {
        for row in 0..rows.len() {
            let (head, source) = (rows.head(row), &rows.sources()[rows.source_refs()[row] as usize]);
            if !snapshot.visible.shows(rows.org(), head.time, head.pos) {
                continue;
            }
            assert!(head.pos < snapshot.pos, "{} is not below {}", head.pos, snapshot.pos);
            found.push(Found {
                org: rows.org().to_string(),
                app: rows.app().to_string(),
                instance: source.instance.to_string(),
                boot: source.boot.bits(),
                seq: head.seq,
                span: head.span,
                time: head.time,
                pos: head.pos,
                message: rows.messages().get(row).to_vec(),
            });
        }
    };
    for rows in &snapshot.rows {
        add(rows);
    }
    for part in &snapshot.parts {
        for frame in 0..part.frames().len() {
            add(&part.frame(frame).unwrap().decode().unwrap());
        }
    }
    found.sort();
    found
}

/// The rows by id; none may be there twice, nor any pos.
pub(crate) fn once(rows: &[Found]) -> BTreeMap<Id, Found> {
    let (mut found, mut places) = (BTreeMap::new(), BTreeMap::new());
    for row in rows {
        assert_eq!(found.insert(row.id(), row.clone()), None, "twice");
        assert_eq!(places.insert(row.pos, row.id()), None, "one pos for two");
    }
    found
}
