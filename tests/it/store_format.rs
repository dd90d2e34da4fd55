//! Parts mean what docs/format.md says: a second reader, written from that page, finds the same rows, and every table true.

use std::path::{Path, PathBuf};
use std::process::Command;

use disk::{Disk, RealDisk};
use fastrand::Rng;
use line::{Boot, Level, Name, OrgId, Stream};
use logway_tests::{parts, short_dir, skip, soak};
use store::flatten::Flattened;
use store::part::{Floor, Options, Part, PartWriter, listing, merge};
use store::rows::{Head, Kind, Rows, Source};

/// Runs the second reader on a file.
fn second_reader(python: &Path, part: &Path) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("format_reader.py");
    let output = Command::new(python).arg(script).arg(part).output().expect("starting Python");
    assert!(output.status.success(), "{}: {}", part.display(), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("ASCII")
}

#[test]
fn golden_parts_read_the_same() {
    let Some(python) = parts::python_with_zstd() else {
        return skip("golden_parts_read_the_same", "no Python with zstd is installed");
    };
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/store/tests/golden");
    for (part, rows) in [("hot", "hot"), ("plain", "hot"), ("closed", "closed")] {
        let wanted = std::fs::read_to_string(golden.join(format!("{rows}.txt"))).expect("the rows");
        assert!(second_reader(&python, &golden.join(format!("{part}.part"))) == wanted, "{part}");
    }
}

fn text(rng: &mut Rng) -> Vec<u8> {
    let words = rng.usize(0..6);
    let word = |rng: &mut Rng| match rng.u8(0..5) {
        0 => rng.u64(..).to_string(),
        1 => format!("{:08x}", rng.u32(..)),
        2 => ["\u{e9}", "\n", "\u{11}", "\u{12}\u{0}"][rng.usize(0..4)].to_owned(),
        _ => ["GET", "took", "ms", "error", "k=v"][rng.usize(0..5)].to_owned(),
    };
    let mut text: Vec<u8> = (0..words).map(|_| word(rng)).collect::<Vec<_>>().join(" ").into_bytes();
    if rng.u8(0..20) == 0 {
        let count = rng.usize(0..300);
        text.extend((0..count).map(|_| rng.u8(..)));
    }
    text
}

fn rows(rng: &mut Rng, app: &str) -> Rows {
    let mut rows = Rows::new(OrgId::new("acme").expect("an id"), Name::new("app", app).expect("a name"));
    let mut time = rng.i64(-1 << 60..1 << 60);
    for _ in 0..rng.usize(1..400) {
        let source = rows.source_ref(&Source {
            region: Name::new("region", "ams").expect("a name"),
            instance: Name::new("instance", &format!("i{}", rng.u8(0..4))).expect("a name"),
            host: ["", "h1"][rng.usize(0..2)].into(),
            boot: Boot::from_bits(rng.u64(0..3)),
        });
        let (back, on) = (1 << rng.u8(0..36), 1 << rng.u8(0..40));
        time += rng.i64(-back..on);
        let level = Level::from_code(rng.u8(0..4)).expect("a level");
        let kind =
            Kind { level, stream: Stream::from_code(rng.u8(0..6)).ok(), more: rng.bool(), ..Kind::PLAIN };
        let span = if rng.u8(0..9) == 0 { rng.u64(..) } else { 1 };
        let (pos, seq) = (rng.u64(..) >> rng.u8(0..64), rng.u64(0..1 << 40));
        let head = Head { time, pos, seq, span, kind };
        let values: Vec<_> =
            (0..rng.usize(0..4)).map(|_| (format!("f{}", rng.u8(0..9)), text(rng))).collect();
        let fields = values.iter().map(|(name, value)| (name.as_str(), &value[..]));
        assert!(rows.push_import(source, &head, &text(rng), fields, &mut Flattened::new()));
    }
    rows
}

fn write(rng: &mut Rng, path: &Path, options: Options) -> Part {
    let file = RealDisk.create(path).expect("making a file");
    let mut writer = PartWriter::new(file.clone(), options).expect("beginning a part");
    for app in ["api", "web", "worker"] {
        let rows = rows(rng, app);
        writer.push(&[&rows], i64::MIN, i64::MAX).expect("writing rows");
    }
    writer.finish().expect("ending a part");
    Part::open(file).expect("opening a part")
}

#[test]
fn random_parts_read_the_same() {
    let Some(python) = parts::python_with_zstd() else {
        return skip("random_parts_read_the_same", "no Python with zstd is installed");
    };
    let dir = short_dir();
    let path = |name: &str| -> PathBuf { dir.path().join(name) };
    for seed in 0..if soak() { 200 } else { 6 } {
        let rng = &mut Rng::with_seed(seed);
        let options = Options {
            level: rng.i32(1..7),
            frame_text_bytes: rng.usize(1..1 << 14),
            frame_rows: rng.usize(1..300),
            split: rng.bool(),
        };
        let one = write(rng, &path("one"), options);
        let two = write(rng, &path("two"), options);
        let file = RealDisk.create(&path("both")).expect("making a file");
        merge(&[&one, &two], &|_, _| Floor::NONE, options, file.clone(), &|| true).expect("merging");
        let both = Part::open(file).expect("opening a part");
        for (name, part) in [("one", one), ("both", both)] {
            let ours = listing(&part).expect("reading a part");
            assert!(second_reader(&python, &path(name)) == ours, "{name} of seed {seed}");
        }
    }
}
