//! The format of parts does not change by accident: files that were written once are still read, and still written byte for byte.
//!
//! After a change on purpose, `LOGWAY_BLESS=1 cargo test -p logway-store` writes them anew; docs/format.md and `tests/format_reader.py` go with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use disk::fault::FaultDisk;
use disk::{Disk, File, RealDisk};
use line::{
    Body, Boot, Clock, Entry, Event, Gap, GapReason, Hop, Level, LevelSource, Name, OrgId, Stream, Text,
};
use store::flatten::Flattened;
use store::part::{Floor, Options, Part, PartWriter, listing, merge};
use store::rows::{Rows, Source};

/// Frames of a few rows, so that small files have many.
const HOT: Options = Options { level: 1, frame_text_bytes: 1 << 10, frame_rows: 40, split: true };
const CLOSED: Options = Options { level: 12, frame_text_bytes: 4 << 10, frame_rows: 200, split: true };
const PLAIN: Options = Options { split: false, ..HOT };

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn empty() -> Arc<dyn File> {
    FaultDisk::new().create(Path::new("/part")).unwrap()
}

fn bytes(file: &Arc<dyn File>) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_at(0, &mut bytes).unwrap();
    bytes
}

/// A bit of everything: lines like those of apps, JSON, bytes that are not text, events, gaps, several boots.
fn message(row: u64) -> Vec<u8> {
    let id = row.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    match row % 9 {
        0..4 => format!("request {id:016x} took {} ms from 10.0.{}.7", id % 977, row % 3).into_bytes(),
        4 | 5 => format!("{{\"user\":\"u{}\",\"path\":\"/a/{}\",\"n\":{}}}", row % 4, row, id % 100_000)
            .into_bytes(),
        6 => [b"caf\xe9 ".as_slice(), id.to_string().as_bytes()].concat(),
        7 => b"cache is warm".to_vec(),
        _ => format!("at=info method=GET path=\"/x y\" service={}ms", row % 40).into_bytes(),
    }
}

fn body(row: u64) -> Body<'static> {
    match row % 50 {
        48 => Body::Event(
            Event::new("exited", Level::Warn, "Main child exited").int("code", 3).flag("oom", false),
        ),
        49 => Body::Gap(Gap { reason: GapReason::RingFull, hop: Hop::Init, bytes: row }),
        _ => Body::Line(Text { part: u32::from(row.is_multiple_of(31)), ..Text::whole(message(row)) }),
    }
}

fn rows(org: &str, app: &str, from: u64, count: u64) -> Rows {
    let mut rows = Rows::new(OrgId::new(org).unwrap(), Name::new("app", app).unwrap());
    let (mut scratch, mut seqs) = (Flattened::new(), [1u64; 3]);
    for row in from..from + count {
        let machine = row * row % 3;
        let source = rows.source_ref(&Source {
            region: Name::new("region", ["ams", "fra", "%C3%BC"][usize::try_from(machine).unwrap()]).unwrap(),
            instance: Name::new("instance", &format!("i{machine}")).unwrap(),
            host: ["h1", "h2", ""][usize::try_from(machine).unwrap()].into(),
            boot: Boot::new(1_764_000_000_000 + row / 100, 7),
        });
        let seq = &mut seqs[usize::try_from(machine).unwrap()];
        let span = if row % 50 == 49 { 12 } else { 1 };
        let entry = Entry {
            time: i64::try_from(1_764_000_000_000_000_000 + row * 1_250_000_000 + row % 7 * 1000).unwrap(),
            seq: *seq,
            span,
            stream: Stream::from_code(u8::from(row % 5 == 0)).unwrap(),
            level: Level::from_code(u8::try_from(row % 11 / 3).unwrap()).unwrap(),
            level_source: if row % 2 == 0 { LevelSource::Text } else { LevelSource::Default },
            clock: if row % 97 == 0 { Clock::Host } else { Clock::Guest },
            body: body(row),
        };
        *seq += span;
        assert!(rows.push_entry(source, 1000 + row + row / 20 * 5, &entry, &mut scratch));
    }
    rows
}

fn write(options: Options, from: u64) -> Arc<dyn File> {
    let file = empty();
    let mut writer = PartWriter::new(file.clone(), options).unwrap();
    for (org, app, count) in [("acme", "api", 12), ("acme", "web", 130), ("zeta", "web", 1)] {
        writer.push(&[&rows(org, app, from, count)], i64::MIN, i64::MAX).unwrap();
    }
    writer.finish().unwrap();
    file
}

#[track_caller]
fn is_golden(name: &str, rows: &str, file: &Arc<dyn File>) {
    let text = listing(&Part::open(Arc::clone(file)).unwrap()).unwrap();
    let (part_path, text_path) = (golden(&format!("{name}.part")), golden(&format!("{rows}.txt")));
    if std::env::var_os("LOGWAY_BLESS").is_some() {
        std::fs::write(&part_path, bytes(file)).unwrap();
        std::fs::write(&text_path, &text).unwrap();
    }
    assert!(std::fs::read(&part_path).unwrap() == bytes(file), "{name}: the writer writes other bytes");
    let old = Part::open(RealDisk.open(&part_path).unwrap()).unwrap();
    assert!(old.check().is_empty());
    assert!(
        std::fs::read_to_string(&text_path).unwrap() == listing(&old).unwrap(),
        "{name}: other rows are read"
    );
}

#[test]
fn parts_as_rows_come() {
    is_golden("hot", "hot", &write(HOT, 0));
    is_golden("plain", "hot", &write(PLAIN, 0));
}

#[test]
fn a_closed_day() {
    let (one, two) = (Part::open(write(HOT, 0)).unwrap(), Part::open(write(HOT, 120)).unwrap());
    let out = empty();
    merge(&[&one, &two], &|_, _| Floor::NONE, CLOSED, out.clone(), &|| true).unwrap();
    is_golden("closed", "closed", &out);
}
